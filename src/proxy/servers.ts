/** Opens the server leg: connects to one server, and waits until it speaks. */

import { connect, type Socket } from 'node:net';
import type { CancelSignal } from '../cancellation.js';
import { type Address, formatAddress } from '../config/model.js';
import { ProxyError } from '../errors.js';
import type { LegBytes } from '../observe/events.js';
import { leaveServer } from './leave-server.js';
import { ignoreErrors, type ServerLeg, SOCKET_OPTIONS } from './legs.js';
import { PacketPort } from './packet-port.js';
import { timeLimit } from './time-limit.js';

export interface OpenOptions {
  /** Milliseconds. */
  readonly connectTimeout: number;
  readonly signal: CancelSignal;
  /** See `RouteConfig`. */
  readonly tcpKeepAlive?: number | undefined;
  /** Sent before the server has said anything: a PROXY header. */
  readonly header?: Buffer | undefined;
  /** Counted up by what is read and written. */
  readonly bytes?: LegBytes;
  /** Called when the socket is closed, whoever has it by then; at the latest some time after a rejection. */
  readonly onClosed?: () => void;
  /** How a server is waited for that has accepted and is late with its greeting. */
  readonly late?: LatePatience;
}

export interface LatePatience {
  /** Milliseconds, from when it was late. */
  readonly timeout: number;
  /** Told of the waiting, which never rejects. */
  readonly onWait: (left: Promise<void>) => void;
}

/** Connects and waits for the server's first packet. Rejects with a ProxyError, or with the signal's reason. */
export async function openServer(
  address: Address,
  { connectTimeout, signal, tcpKeepAlive, header, bytes, onClosed, late }: OpenOptions,
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
    keepAlive: tcpKeepAlive !== undefined,
    keepAliveInitialDelay: tcpKeepAlive ?? 0,
  });
  ignoreErrors(socket);
  if (onClosed !== undefined) socket.once('close', onClosed);
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
      else {
        const left = leaveLate(port, greeted, late?.timeout ?? LATE_GREETING_MS);
        late?.onWait(left);
      }
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

export function isShutdown(reason: unknown): boolean {
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
  timeout: number,
): Promise<void> {
  const limit = timeLimit(timeout, () => new Error('the server did not greet'));
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
  code: 'server_unreachable' | 'server_port_closed' | 'server_name_unknown' | 'open_files_used_up',
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
  ['EMFILE', ['open_files_used_up', 'the proxy has no more files to open']],
  ['ENFILE', ['open_files_used_up', 'the machine has no more files to open']],
  ['EACCES', ['server_unreachable', 'the proxy may not open the socket file']],
]);

function failureOf(error: Error): { code: ConnectFailure[0]; reason: string } {
  const systemCode = (error as NodeJS.ErrnoException).code ?? '';
  const [code, reason] = CONNECT_FAILURES.get(systemCode) ?? ['server_unreachable', ''];
  const shown = [systemCode, reason].filter((part) => part !== '').join(', ');
  return { code, reason: shown === '' ? error.message : shown };
}
