/** Names for a client's end of its connection. */
import { formatAddress } from '../config/model.js';
import { type ClientLeg, plainAddress } from './legs.js';

/** As in logs: without the `::ffff:` that a listener for both kinds of addresses sees. */
export function clientAddressOf(client: Pick<ClientLeg, 'isUnix' | 'remoteAddress'>, port: number): string {
  if (client.isUnix) return 'unix';
  if (client.remoteAddress === '') return 'unknown';
  return formatAddress({ kind: 'tcp', host: plainAddress(client), port });
}

/** The same for all connections from one place. */
export function clientHostOf({ isUnix, remoteAddress }: Pick<ClientLeg, 'isUnix' | 'remoteAddress'>): string {
  return isUnix ? 'unix' : remoteAddress;
}
