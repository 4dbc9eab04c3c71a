import type { ClientLeg } from './legs.js';

/** The words of MySQL, so that what looks for them in a client's log finds them. */
export function accessDenied(
  user: string,
  { isUnix, remoteAddress }: ClientLeg,
  usesPassword: boolean,
): string {
  const host = isUnix ? 'localhost' : remoteAddress.replace(/^::ffff:/, '');
  return `Access denied for user '${user}'@'${host}' (using password: ${usesPassword ? 'YES' : 'NO'})`;
}
