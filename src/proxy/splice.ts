/**
 * Relays raw bytes between the two legs after authentication: with back-pressure, half-close and nothing held back. Node
 * waits for no packet here: a chunk that arrives on one leg is written to the other as it is.
 */
import type { Socket } from 'node:net';
import type { CloseReason, ConnectionRecord } from '../observe/events.js';
import { ignoreErrors } from './legs.js';

/**
 * How long, in milliseconds, one direction may stay silent after the other has ended before both sockets are cut. Only a
 * peer that neither answers nor closes ever gets that far.
 */
const LINGER_MS = 30_000;

/** Resolves when both sockets are closed. Counts bytes into the record as they arrive. */
export function splice(client: Socket, server: Socket, record: ConnectionRecord): Promise<CloseReason> {
  return new Promise((resolve) => {
    const open = new Set([client, server]);
    let reason: CloseReason | undefined;
    let linger: NodeJS.Timeout | undefined;

    const moved = () =>
      record.bytesFromClient + record.bytesFromServer + client.bytesWritten + server.bytesWritten;
    const isWaitingToBeRead = () => open.size === 2 && client.writableLength + server.writableLength > 0;
    const cutWhenSilent = (movedBefore: number) => {
      linger = setTimeout(() => {
        // A peer that reads slowly, or not at all for a while, still gets what the other one sent before it ended.
        if (moved() !== movedBefore || isWaitingToBeRead()) return cutWhenSilent(moved());
        client.destroy();
        server.destroy();
      }, LINGER_MS);
    };
    const onFirstEnd = (whose: CloseReason) => {
      reason ??= whose;
      if (linger === undefined) cutWhenSilent(moved());
    };
    const onEnd = (whose: CloseReason, other: Socket) => {
      onFirstEnd(whose);
      other.end();
    };
    const onClose = (whose: CloseReason, socket: Socket, other: Socket) => {
      onFirstEnd(whose);
      // What was relayed to the other side before is still delivered.
      other.destroySoon();
      open.delete(socket);
      if (open.size > 0) return;
      clearTimeout(linger);
      resolve(reason ?? whose);
    };
    const onClientEnd = () => onEnd('client_closed', server);
    const onServerEnd = () => onEnd('server_closed', client);
    const onClientClose = () => onClose('client_closed', client, server);
    const onServerClose = () => onClose('server_closed', server, client);

    for (const socket of open) ignoreErrors(socket);
    client.on('data', (chunk: Buffer) => {
      record.bytesFromClient += chunk.length;
      if (!server.write(chunk)) client.pause();
    });
    server.on('data', (chunk: Buffer) => {
      record.bytesFromServer += chunk.length;
      if (!client.write(chunk)) server.pause();
    });
    client.on('drain', () => server.resume());
    server.on('drain', () => client.resume());
    client.on('end', onClientEnd).on('close', onClientClose);
    server.on('end', onServerEnd).on('close', onServerClose);
    // What happened before these listeners were there is not said again.
    if (client.readableEnded) onClientEnd();
    if (server.readableEnded) onServerEnd();
    if (client.closed) onClientClose();
    if (server.closed) onServerClose();
    client.resume();
    server.resume();
  });
}
