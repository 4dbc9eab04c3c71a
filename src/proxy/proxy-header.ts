/** Connections of balancers between accept and the end of their PROXY header: who the client is, nobody else knows. */
import type { Socket } from 'node:net';
import { type ClientEnd, clientAddressOf, plainAddress } from '../admission/client-address.js';
import type { CancelSignal } from '../cancellation.js';
import { ProxyError } from '../errors.js';
import { MalformedPacketError } from '../wire/bytes.js';
import {
  beginsAlike,
  decodeProxyHeader,
  type ProxyHeader,
  V1_SIGNATURE,
  V2_SIGNATURE,
} from '../wire/proxy-protocol.js';
import { timeLimit } from './time-limit.js';

/**
 * How long a balancer that speaks for itself may take to close, in milliseconds. A health check closes at once; a server would
 * be connected to for nothing, every few seconds. One that wants to log in waits for a greeting anyway.
 */
const LOCAL_PAUSE_MS = 100;

/**
 * Reads the header and nothing behind it. `peer` is the balancer; the socket comes as it was accepted, paused. `patienceMs`:
 * milliseconds. Resolves with whom the connection is for. Rejects with a ProxyError, or with the signal's reason.
 */
export async function readProxyHeader(
  socket: Socket,
  peer: ClientEnd,
  patienceMs: number,
  stopped: CancelSignal,
): Promise<ClientEnd> {
  const missing = (): ProxyError =>
    new ProxyError(
      'client_proxy_header_missing',
      `${clientAddressOf(peer)} is in --proxy-protocol-from, but sent no whole PROXY header within ${patienceMs / 1000} s`,
    );
  const limit = timeLimit(patienceMs, missing, stopped);
  try {
    return await readClient(socket, peer, limit.signal);
  } finally {
    limit.clear();
  }
}

/** The balancer itself, where it speaks for itself. Health checks of HAProxy say so by its own address in version 1. */
function clientOf({ endpoints, tls }: ProxyHeader, peer: ClientEnd): ClientEnd {
  if (endpoints === undefined) return peer;
  const { source, destination } = endpoints;
  const isPeer =
    source.port === peer.remotePort && plainAddress({ remoteAddress: source.address }) === plainAddress(peer);
  if (isPeer) return peer;
  return {
    isUnix: false,
    remoteAddress: source.address,
    remotePort: source.port,
    proxied: { via: clientAddressOf(peer), destination, tls },
  };
}

/** Rejects with a ProxyError, or with the signal's reason. */
function readClient(socket: Socket, peer: ClientEnd, signal: CancelSignal): Promise<ClientEnd> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    let speaksForItself = false;
    let pause: NodeJS.Timeout | undefined;
    const finish = (action: () => void) => {
      clearTimeout(pause);
      signal.offCancel(onCancel);
      socket.off('readable', onReadable).off('end', onGone).off('close', onGone);
      action();
    };
    const fail = (error: unknown) => finish(() => reject(error));
    const succeed = (client: ClientEnd) => finish(() => resolve(client));
    const onCancel = () => fail(signal.reason);
    const onGone = () => {
      const when = speaksForItself ? 'without a login of its own' : 'before its PROXY header was complete';
      fail(new ProxyError('client_gone', `${clientAddressOf(peer)} closed the connection ${when}`));
    };
    const onReadable = () => {
      if (speaksForItself) {
        // Bytes of its own: it is no health check.
        if (socket.readableLength > 0) succeed(peer);
        else socket.read(0);
        return;
      }
      const bytes: Buffer | null = socket.read();
      if (bytes === null) return;
      received = Buffer.concat([received, bytes]);
      let header: ProxyHeader | undefined;
      try {
        header = decodeProxyHeader(received);
      } catch (error) {
        return fail(errorOf(error, received, peer));
      }
      if (header === undefined) return;
      const rest = received.subarray(header.length);
      if (rest.length > 0) socket.unshift(rest);
      const client = clientOf(header, peer);
      if (client !== peer || rest.length > 0) return succeed(client);
      speaksForItself = true;
      pause = setTimeout(succeed, LOCAL_PAUSE_MS, peer);
      socket.read(0);
    };
    socket.on('readable', onReadable).on('end', onGone).on('close', onGone);
    signal.onCancel(onCancel);
    if (socket.destroyed) onGone();
    else onReadable();
  });
}

function errorOf(error: unknown, received: Buffer, peer: ClientEnd): unknown {
  if (!(error instanceof MalformedPacketError)) return error;
  const from = clientAddressOf(peer);
  // The rest of it is garbage to whoever reads MySQL: not to be quoted.
  return [V1_SIGNATURE, V2_SIGNATURE].some((signature) => beginsAlike(received, signature))
    ? new ProxyError(
        'client_proxy_header_invalid',
        `the PROXY header of ${from} can not be read: ${error.message}`,
      )
    : new ProxyError(
        'client_proxy_header_missing',
        `${from} is in --proxy-protocol-from, but began with something else than a PROXY header`,
      );
}
