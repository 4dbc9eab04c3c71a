/**
 * Plugins that only MariaDB's servers have, or have in a way of their own: parsec, ed25519, caching_sha2_password, and
 * accounts with several of them, on all four pairs of legs.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createConnection } from 'mysql2/promise';
import type { AuthenticationPath } from '../../src/observe/events.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { mariadb11Cli } from '../support/clients.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startMariadb11 } from '../support/servers.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { orSkip, overTls, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const password = 'pä"ss';
const accounts = {
  by_parsec: "parsec USING PASSWORD('pä\"ss')",
  by_sha2: "caching_sha2_password USING PASSWORD('pä\"ss')",
  by_ed25519: "ed25519 USING PASSWORD('pä\"ss')",
  // The server tries one after the other, each with a switch of its own.
  by_either: "ed25519 USING PASSWORD('x') OR mysql_native_password USING PASSWORD('pä\"ss')",
} as const;
type User = keyof typeof accounts;

const legPairs = [
  { client: 'plaintext', server: 'plaintext' },
  { client: 'plaintext', server: 'TLS' },
  { client: 'TLS', server: 'plaintext' },
  { client: 'TLS', server: 'TLS' },
] as const;
type Legs = (typeof legPairs)[number];

const plugins: Record<User, string> = {
  by_parsec: 'parsec',
  by_sha2: 'caching_sha2_password',
  by_ed25519: 'client_ed25519',
  by_either: 'mysql_native_password',
};

describe('MariaDB 11', () => {
  let server: RealServer | Unavailable;
  before(async () => {
    server = await startMariadb11({
      tls: certificates.serverTls,
      extraArgs: ['auth_parsec', 'auth_ed25519', 'auth_mysql_sha2'].map(
        (name) => `--plugin-load-add=${name}`,
      ),
    });
    if (isUnavailable(server)) return;
    for (const [user, authentication] of Object.entries(accounts)) {
      await server.sql(`CREATE USER ${user} IDENTIFIED VIA ${authentication}`);
    }
  });
  after(() => stopServer(server));

  for (const legs of legPairs) {
    const where = `${legs.client} client leg, ${legs.server} server leg`;

    test(`its own client, ${where}`, async (t) => {
      const running = orSkip(t, server);
      if (running === undefined) return;
      const proxy = await startProxy(running, legs, {});
      t.after(() => proxy.close());
      for (const user of Object.keys(accounts) as User[]) {
        await running.sql('FLUSH PRIVILEGES');
        assert.equal(await queryWithCli(proxy, legs, user, password), `${user}@%`, user);
        const unequal = legs.client !== legs.server;
        assertWay(proxy, user, user === 'by_sha2' && unequal ? 'translated' : 'relayed');
        assert.match(
          await queryWithCli(proxy, legs, user, 'wrong'),
          /^ERROR 1045 \(28000\): Access denied/,
          user,
        );
      }
    });

    test(`mysql2, bridged, ${where}`, async (t) => {
      const running = orSkip(t, server);
      if (running === undefined) return;
      const proxy = await startProxy(running, legs, { authBridge: 'sha256' });
      t.after(() => proxy.close());
      // It knows neither parsec nor ed25519.
      for (const user of ['by_parsec', 'by_sha2', 'by_ed25519'] as const) {
        await running.sql('FLUSH PRIVILEGES');
        assert.equal(await queryWithMysql2(proxy, legs, user, password), `${user}@%`);
        assertWay(proxy, user, 'bridged');
        await assert.rejects(queryWithMysql2(proxy, legs, user, 'wrong'), { errno: 1045 }, user);
      }
    });

    test(`mysql2, with a credentials file, ${where}`, async (t) => {
      const running = orSkip(t, server);
      if (running === undefined) return;
      const proxy = await startProxy(running, legs, { credentials: writeCredentials() });
      t.after(() => proxy.close());
      for (const user of Object.keys(accounts) as User[]) {
        await running.sql('FLUSH PRIVILEGES');
        assert.equal(await queryWithMysql2(proxy, legs, `old_${user}`, password), `${user}@%`);
        assertWay(proxy, user, 'credentials');
      }
    });
  }
});

function startProxy(server: RealServer, legs: Legs, options: object): Promise<ProxyUnderTest> {
  const { certificateFile, keyFile } = certificates.server;
  return startProxyUnderTest({
    ...(legs.server === 'TLS'
      ? overTls(server, certificates)
      : { server: `${server.host}:${server.port}`, serverSslMode: 'DISABLED' }),
    ...(legs.client === 'TLS' ? { clientSslCert: certificateFile, clientSslKey: keyFile } : {}),
    ...options,
  });
}

function assertWay(proxy: ProxyUnderTest, user: User, way: AuthenticationPath): void {
  const { authentication, serverPlugin } = proxy.established.at(-1) ?? {};
  assert.deepEqual(
    { authentication, serverPlugin },
    { authentication: way, serverPlugin: plugins[user] },
    user,
  );
}

/** Who the server takes the client for, or the client's error. */
async function queryWithCli(proxy: ProxyUnderTest, legs: Legs, user: string, tried: string): Promise<string> {
  const { host, port } = proxy;
  const tls = legs.client === 'TLS' ? { ca: certificates.ca.certificateFile } : 'off';
  const extraArgs = ['--default-character-set=utf8mb4', '--skip-column-names'];
  const result = await mariadb11Cli(
    { host, port, user, password: tried, tls, extraArgs },
    'SELECT CURRENT_USER()',
  );
  if (isUnavailable(result)) throw new Error(result.unavailable);
  return (result.stdout || result.stderr).trim();
}

async function queryWithMysql2(
  { host, port }: ProxyUnderTest,
  legs: Legs,
  user: string,
  tried: string,
): Promise<string> {
  const ssl = legs.client === 'TLS' ? { ssl: { ca: certificates.ca.certificate } } : {};
  const connection = await createConnection({ host, port, user, password: tried, ...ssl });
  const [[row]] = (await connection.query('SELECT CURRENT_USER() AS user')) as unknown as [
    [{ user: string }],
  ];
  await connection.end();
  return row.user;
}

function writeCredentials(): string {
  const folder = makeTemporaryFolder();
  writeFileSync(path.join(folder, 'password'), password, { mode: 0o600 });
  const entries = Object.keys(accounts).map(
    (user) => `- user: old_${user}\n  password-file: password\n  server-user: ${user}\n`,
  );
  const file = path.join(folder, 'credentials.yaml');
  writeFileSync(file, entries.join(''), { mode: 0o600 });
  return file;
}
