/** What observers are shown of a client's connection, from its beginning on: one that is served, and one that is turned away. */

import { type ClientEnd, clientAddressOf } from '../admission/client-address.js';
import { type ConnectionRecord, newConnectionRecord } from '../observe/events.js';

/** Of a client that a listener of the route has accepted; `id` is unique in the proxy. */
export function newClientRecord(id: number, route: string, client: ClientEnd): ConnectionRecord {
  const clientAddress = clientAddressOf(client);
  return newConnectionRecord({ id, route, clientAddress, via: client.proxied?.via ?? '' });
}
