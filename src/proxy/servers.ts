/** Opens the server leg: the first of a route's servers that speaks. */

import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { CancelSignal } from '../cancellation.js';
import { type Address, formatAddress } from '../config/model.js';
import { ProxyError, toProxyError } from '../errors.js';
import type { LegBytes } from '../observe/events.js';
import { leaveServer } from './leave-server.js';
import { ignoreErrors, type ServerLeg, SOCKET_OPTIONS } from './legs.js';
import { PacketPort } from './packet-port.js';
import { timeLimit } from './time-limit.js';

export interface OpenOptions {
  /** Milliseconds, for each server. */
  readonly connectTimeout: number;
  readonly signal: CancelSignal;
  /** Sent before the server has said anything: a PROXY header. */
  readonly header?: Buffer | undefined;
  /** Counted up by what is read and written. */
  readonly bytes?: LegBytes;
  /** Told of each attempt; `seconds` from its beginning to the server's first packet. */
  readonly onReached?: (server: string, seconds: number) => void;
  readonly onUnreachable?: (server: string, error: ProxyError) => void;
}

/**
 * Connects and waits for the server's first packet. Rejects with a ProxyError that names every server and its failure, or
 * with the signal's reason.
 */
export async function openServer(servers: readonly Address[], options: OpenOptions): Promise<ServerLeg> {
  const { signal, onReached, onUnreachable } = options;
  const failures: ProxyError[] = [];
  for (const address of servers) {
    const started = performance.now();
    try {
      const leg = await openOne(address, options);
      onReached?.(leg.name, (performance.now() - started) / 1000);
      return leg;
    } catch (error) {
      if (isShutdown(signal.reason)) throw signal.reason;
      const failure = toProxyError(error);
      onUnreachable?.(formatAddress(address), failure);
      if (signal.isCancelled) throw signal.reason;
      failures.push(failure);
    }
  }
  const [first] = failures;
  if (first !== undefined && failures.length === 1) throw first;
  throw new ProxyError(
    'server_unreachable',
    `no server answers: ${failures.map(({ what }) => what).join('; ')}`,
  );
}

async function openOne(
  address: Address,
  { connectTimeout, signal, header, bytes }: OpenOptions,
): Promise<ServerLeg> {
  const name = formatAddress(address);
  const seconds = connectTimeout / 1000;
  const limit = timeLimit(
    connectTimeout,
    () =>
      socket.connecting
        ? new ProxyError('server_unreachable', `${name} did not accept the connection within ${seconds} s`)
        : new ProxyError(
            'server_silent',
            `${name} accepted the connection and sent no greeting within ${seconds} s`,
          ),
    signal,
  );
  const socket = connect({
    ...(address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port }),
    ...SOCKET_OPTIONS,
  });
  ignoreErrors(socket);
  try {
    await connected(socket, name, limit.signal);
    if (header !== undefined) socket.write(header);
    const port = new PacketPort(socket, {
      leg: 'server',
      peer: name,
      ...(bytes === undefined ? {} : { bytes }),
    });
    const greeted = async (until: CancelSignal): Promise<ServerLeg> => {
      const { payload: firstPacket } = await port.read(until).catch(notMysql);
      const isAnnounced = header !== undefined;
      return { port, address, name, firstPacket, stage: 'greeted', sslRequest: undefined, isAnnounced };
    };
    try {
      return await greeted(limit.signal);
    } catch (error) {
      if (isShutdown(error)) socket.destroy();
      else void leaveLate(port, greeted);
      throw error;
    }
  } catch (error) {
    if (socket.connecting) socket.destroy();
    throw error;
  } finally {
    limit.clear();
  }
}

/** Whatever can't even be cut into packets from the first byte on comes from another kind of service. */
function notMysql(error: unknown): never {
  if (error instanceof ProxyError && error.code === 'server_protocol_error')
    throw new ProxyError('server_not_mysql', error.what);
  throw error;
}

function isShutdown(reason: unknown): boolean {
  return reason instanceof ProxyError && reason.code === 'proxy_shutdown';
}

/** An overloaded server greets after that many milliseconds at the latest; its own connect_timeout is 10 s. */
const LATE_GREETING_MS = 10_000;

/**
 * A server that has accepted and is late with its greeting would count the connection as broken as soon as it gets to
 * it, and an overloaded one would so block the proxy for good: wait for it, and leave it in good order.
 */
async function leaveLate(
  port: PacketPort,
  greeted: (until: CancelSignal) => Promise<ServerLeg>,
): Promise<void> {
  const limit = timeLimit(LATE_GREETING_MS, () => new Error('the server did not greet'));
  // No reason for a program to go on.
  port.socket.unref();
  try {
    await leaveServer(await greeted(limit.signal), limit.signal);
  } catch {
    port.release().destroy();
  } finally {
    limit.clear();
  }
}

function connected(socket: Socket, name: string, signal: CancelSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const finish = (reason?: unknown) => {
      socket.off('connect', onConnect).off('error', onError);
      signal.offCancel(onCancel);
      if (reason === undefined) resolve();
      else reject(reason);
    };
    const onConnect = () => finish();
    const onError = (error: Error) => {
      const { code, reason } = failureOf(error);
      finish(new ProxyError(code, `${name} can not be reached (${reason})`, { cause: error }));
    };
    const onCancel = () => finish(signal.reason);
    socket.on('connect', onConnect).on('error', onError);
    signal.onCancel(onCancel);
  });
}

type ConnectFailure = readonly [
  code: 'server_unreachable' | 'server_port_closed' | 'server_name_unknown',
  reason: string,
];

/** By the code of the system. */
const CONNECT_FAILURES: ReadonlyMap<string, ConnectFailure> = new Map<string, ConnectFailure>([
  ['ECONNREFUSED', ['server_port_closed', 'nothing listens there']],
  ['ENOENT', ['server_port_closed', 'there is no such socket file']],
  ['ENOTFOUND', ['server_name_unknown', 'the name is not known']],
  ['EAI_AGAIN', ['server_name_unknown', 'the name server does not answer']],
  ['EHOSTUNREACH', ['server_unreachable', 'no route to the host']],
  ['ENETUNREACH', ['server_unreachable', 'no route to the network']],
  ['ETIMEDOUT', ['server_unreachable', 'no answer']],
  ['EACCES', ['server_unreachable', 'the proxy may not open the socket file']],
]);

function failureOf(error: Error): { code: ConnectFailure[0]; reason: string } {
  const systemCode = (error as NodeJS.ErrnoException).code ?? '';
  const [code, reason] = CONNECT_FAILURES.get(systemCode) ?? ['server_unreachable', ''];
  const shown = [systemCode, reason].filter((part) => part !== '').join(', ');
  return { code, reason: shown === '' ? error.message : shown };
}
