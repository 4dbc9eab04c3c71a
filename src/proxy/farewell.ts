/** The last thing a client hears, and how its connection ends. */
import type { Socket } from 'node:net';
import type { ProxyError } from '../errors.js';
import { encodeErr } from '../wire/replies.js';
import { type ClientLeg, ignoreErrors } from './legs.js';

/** How long a client that was told of an error has to read it and close, in milliseconds. */
const FAREWELL_MS = 1_000;

/** Tells the client of the error (without one it has the server's own ERR already), and waits until it has closed. */
export function dismissClient(
  { port, stage, isProtocol41, hidesClientErrors }: ClientLeg,
  error?: ProxyError,
): Promise<void> {
  const { socket } = port;
  // In the middle of a TLS handshake nothing can be said that the client would understand.
  if (stage === 'upgrading' || error?.code === 'client_gone') socket.destroy();
  else if (error !== undefined) {
    const { sqlState } = error.definition;
    const errno = hidesClientErrors ? error.serverErrno : error.definition.errno;
    port.write(encodeErr(errno, isProtocol41 ? sqlState : undefined, error.clientText));
  }
  port.release();
  return farewell(socket);
}

/** Sends what is written, and closes as soon as the peer does, or after FAREWELL_MS. */
export function farewell(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) return resolve();
    const timer = setTimeout(() => socket.destroy(), FAREWELL_MS);
    socket.on('close', () => {
      clearTimeout(timer);
      resolve();
    });
    ignoreErrors(socket);
    socket.end();
    // Unread input would turn the close into a reset, which may overtake the error on its way to the client.
    socket.resume();
  });
}
