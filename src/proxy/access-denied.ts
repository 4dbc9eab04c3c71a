import { plainAddress } from '../admission/client-address.js';
import type { ClientLeg } from './legs.js';

/** The words of MySQL, so that what looks for them in a client's log finds them. */
export function accessDenied(user: string, client: ClientLeg, usesPassword: boolean): string {
  const host = client.isUnix ? 'localhost' : plainAddress(client);
  return `Access denied for user '${user}'@'${host}' (using password: ${usesPassword ? 'YES' : 'NO'})`;
}
