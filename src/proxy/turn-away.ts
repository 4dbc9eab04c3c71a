/** Ends a connection that no server is bothered with: its client hears why in place of a greeting, and the observers of it all. */
import type { Socket } from 'node:net';
import type { ClientEnd } from '../admission/client-address.js';
import type { ProxyError } from '../errors.js';
import type { Observer } from '../observe/events.js';
import { encodePacket } from '../wire/framing.js';
import { encodeErr } from '../wire/replies.js';
import { newClientRecord } from './client-record.js';
import { farewell } from './farewell.js';
import { ignoreErrors } from './legs.js';

/** A client that a listener has accepted. Its socket is paused, and nothing has been read of it. */
export interface Arrival {
  /** Of the connection, unique in the proxy. */
  readonly id: number;
  readonly route: string;
  readonly client: ClientEnd;
  readonly socket: Socket;
}

/** Resolves when the socket is closed. */
export async function turnAway(
  { id, route, client, socket }: Arrival,
  error: ProxyError,
  observer: Observer,
): Promise<void> {
  ignoreErrors(socket);
  const record = newClientRecord(id, route, client);
  observer.opened?.(record);
  observer.failed?.(record, error);
  if (error.code === 'client_gone') socket.destroy();
  else {
    const packet = encodePacket(0, encodeErr(error.definition.errno, undefined, error.clientText));
    record.clientBytes.out += packet.length;
    socket.write(packet);
    // Each that takes its time has a file of its own.
    if (error.code === 'open_files_used_up') socket.destroySoon();
  }
  await farewell(socket);
  observer.closed?.(record, error.code);
}
