/** Accounts on real servers, with passwords that no other run has. */
import { randomBytes } from 'node:crypto';
import { createConnection } from 'mysql2/promise';
import type { TestCertificates } from '../support/certificates.js';
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

/** Puts the password into the server's cache, as a client without TLS can not. */
export async function warmUp(
  server: RealServer,
  account: Account,
  certificates: TestCertificates,
): Promise<void> {
  const { host, port } = server;
  const ssl = {
    ca: certificates.ca.certificate,
    cert: certificates.client.certificate,
    key: certificates.client.key,
  };
  const connection = await createConnection({ host, port, ...account, ssl });
  await connection.end();
}
