/** Accounts on real servers, with passwords that no other run has. */
import { randomBytes } from 'node:crypto';
import type { RealServer } from '../support/servers.js';

export type Requirement = 'NONE' | 'SSL' | 'X509';

export interface Account {
  readonly user: string;
  readonly password: string;
}

/** With the server's own favourite plugin: caching_sha2_password on 9.x, mysql_native_password on the others. */
export async function createAccount(
  server: RealServer,
  user: string,
  options: { requirement?: Requirement; grant?: string } = {},
): Promise<Account> {
  const { requirement = 'NONE', grant = 'ALL ON *.*' } = options;
  const password = randomBytes(12).toString('base64url');
  await server.sql(`CREATE USER '${user}'@'%' IDENTIFIED BY '${password}'`);
  if (server.kind === 'mysql56') {
    await server.sql(`GRANT ${grant} TO '${user}'@'%' REQUIRE ${requirement}`);
  } else {
    await server.sql(`ALTER USER '${user}'@'%' REQUIRE ${requirement}`);
    await server.sql(`GRANT ${grant} TO '${user}'@'%'`);
  }
  return { user, password };
}
