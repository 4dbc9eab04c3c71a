/** COM_CHANGE_USER between accounts of different plugins, a hundred times on one connection, on all kinds of legs. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ProxyOptions } from '../../src/index.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import type { ClientJob, ClientResult, ClientStep, RunJob, StepResult } from '../support/client-jobs.js';
import { type ServerKind, serverKinds } from '../support/downloads.js';
import { mysql2Client } from '../support/npm-clients.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { libmysqlclient, mysqlDb, phpMysqli } from '../support/script-clients.js';
import type { Account } from './accounts.js';
import {
  type ChangeUserAccounts,
  type ChangeUserSetup,
  type LegKind,
  legKinds,
  prepareChangeUser,
} from './change-user-setup.js';
import { nameOf, orSkip } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const tlsOf = {
  plaintext: 'off',
  TLS: { ca: certificates.ca.certificateFile, verify: true },
} as const satisfies Record<LegKind, ClientJob['tls']>;
const database = 'mysql';
const changes = 100;
/** How many changes come before the server's cache is emptied again. */
const changesPerFlush = 10;

const clients: Readonly<Record<string, RunJob>> = {
  mysql2: mysql2Client,
  'PHP mysqli': phpMysqli,
  MySQLdb: mysqlDb,
  libmysqlclient,
};

for (const kind of serverKinds) {
  describe(`changing the user on ${nameOf[kind]}`, () => {
    const setup = useSetup(() => prepareChangeUser(kind, certificates));

    for (const [name, run] of Object.entries(clients)) {
      for (const clientLeg of legKinds) {
        for (const serverLeg of legKinds) {
          const differ = canDoBothPlugins(name, kind, clientLeg, serverLeg);
          const what = differ ? 'accounts of different plugins' : 'accounts of the same plugin';
          test(`${name}, ${clientLeg} client leg, ${serverLeg} server leg, ${what}`, async (t) => {
            const ready = orSkip(t, setup());
            if (ready === undefined) return;
            const { first, second, other } = ready.accounts;
            const pair = [first, differ ? other : second] as const;
            const { host, port } = ready.proxies[serverLeg];
            await ready.server.sql('FLUSH PRIVILEGES');
            const steps = stepsBetween(pair);
            const job = { host, port, tls: tlsOf[clientLeg], ...first, database, steps, ...charsetFor(kind) };
            const result = orSkip(t, await run(job));
            if (result !== undefined) assertUsersTakeTurns(result, pair);
          });
        }

        // No client of today speaks the TLS of 5.6 with the server itself.
        if (kind === 'mysql56' && clientLeg === 'TLS') continue;
        test(`${name} is told of a wrong password as without a proxy, ${clientLeg}`, async (t) => {
          const ready = orSkip(t, setup());
          if (ready === undefined) return;
          const { first, second } = ready.accounts;
          const steps: ClientStep[] = [
            { changeUser: { ...second, password: 'not the password', database } },
            { query: 'SELECT CURRENT_USER()' },
          ];
          await ready.server.sql('FLUSH PRIVILEGES');
          const resultAt = async ({ host, port }: { host: string; port: number }) => {
            const login = { ...first, database, ...charsetFor(kind) };
            const result = orSkip(t, await run({ host, port, tls: tlsOf[clientLeg], ...login, steps }));
            return result && resultsOf(result);
          };
          // At once, because MariaDB takes a second for each.
          const { plaintext, TLS } = ready.proxies;
          const [direct, ...proxied] = await Promise.all([ready.server, plaintext, TLS].map(resultAt));
          for (const results of proxied) {
            if (results === undefined || direct === undefined) return;
            const [refused, next] = results;
            assert.ok(refused !== undefined && 'error' in refused);
            assert.equal(refused.error.errno, 1045);
            assert.match(refused.error.message, /^Access denied for user 'second'@'127\.0\.0\.1' \(using/);
            assert.deepEqual(refused, direct[0]);
            assert.deepEqual(afterwards(next), afterwards(direct[1]));
          }
        });
      }
    }
  });
}

for (const kind of ['mysql9', 'mariadb'] as const) {
  describe(`changing the user where the proxy logs in itself, on ${nameOf[kind]}`, () => {
    const setup = useSetup(() => prepareChangeUser(kind, certificates, mappedUsers));

    for (const clientLeg of legKinds) {
      for (const serverLeg of legKinds) {
        test(`mysql2, ${clientLeg} client leg, ${serverLeg} server leg`, async (t) => {
          const ready = orSkip(t, setup());
          if (ready === undefined) return;
          const { host, port } = ready.proxies[serverLeg];
          const { first, second, other } = ready.accounts;
          // `second` is not in the file: the server checks it.
          const logins = [mapped(other), second, mapped(first)] as const;
          const expected = [other, second, first] as const;
          await ready.server.sql('FLUSH PRIVILEGES');
          const steps = stepsBetween(logins);
          const result = await mysql2Client({
            host,
            port,
            tls: tlsOf[clientLeg],
            ...logins[0],
            database,
            steps,
          });
          assertUsersTakeTurns(result, expected);
          assert.equal(ready.proxies[serverLeg].established.at(-1)?.authentication, 'credentials');
        });
      }
    }

    test('a wrong password for the proxy ends in 1045', async (t) => {
      const ready = orSkip(t, setup());
      if (ready === undefined) return;
      const { host, port } = ready.proxies.TLS;
      const { first, other } = ready.accounts;
      // The server's own password is not the one that clients have.
      const changeUser = { user: mapped(other).user, password: other.password, database };
      const result = await mysql2Client({ host, port, ...mapped(first), database, steps: [{ changeUser }] });
      const [refused] = resultsOf(result);
      assert.ok(refused !== undefined && 'error' in refused);
      assert.equal(refused.error.errno, 1045);
      assert.match(
        refused.error.message,
        /^Access denied for user 'front_other'@'127\.0\.0\.1' \(using password: YES\)$/,
      );
    });
  });

  describe(`changing the user with --auth-bridge, on ${nameOf[kind]}`, () => {
    const setup = useSetup(() => prepareChangeUser(kind, certificates, () => ({ authBridge: 'sha256' })));

    for (const clientLeg of legKinds) {
      for (const serverLeg of legKinds) {
        test(`mysql2, ${clientLeg} client leg, ${serverLeg} server leg`, async (t) => {
          const ready = orSkip(t, setup());
          if (ready === undefined) return;
          const { host, port } = ready.proxies[serverLeg];
          const { first, other } = ready.accounts;
          const pair = [other, first] as const;
          await ready.server.sql('FLUSH PRIVILEGES');
          const job = { host, port, tls: tlsOf[clientLeg], ...other, database, steps: stepsBetween(pair) };
          assertUsersTakeTurns(await mysql2Client(job), pair);
        });
      }
    }
  });
}

/** 5.6, also without a proxy, misreads a COM_CHANGE_USER with attributes in utf8mb4 as one without a password. */
function charsetFor(kind: ServerKind): Pick<ClientJob, 'charset'> {
  return kind === 'mysql56' ? { charset: 'latin1' } : {};
}

function canDoBothPlugins(client: string, kind: ServerKind, clientLeg: LegKind, serverLeg: LegKind): boolean {
  // Of these clients only that of MariaDB has ed25519.
  if (kind === 'mariadb') return client === 'MySQLdb';
  if (kind === 'mysql56') {
    // Its sha256_password works over TLS only.
    if (serverLeg === 'plaintext') return false;
    // Connector/C answers a switch from sha256_password to mysql_native_password with the nonce of the former.
    if (client === 'MySQLdb') return false;
  }
  // PHP's mysqlnd, also without a proxy: after a login with sha256_password in plaintext it sends a stray key request
  // (`01`, sequence id 6) when it changes the user, and the server closes the connection.
  return client !== 'PHP mysqli' || clientLeg === 'TLS';
}

function useSetup(
  prepare: () => Promise<ChangeUserSetup | Unavailable>,
): () => ChangeUserSetup | Unavailable {
  let setup: ChangeUserSetup | Unavailable = { unavailable: 'not prepared' };
  before(async () => {
    setup = await prepare();
  });
  after(async () => {
    if (!isUnavailable(setup)) await setup.close();
  });
  return () => setup;
}

/** Beginning with the change away from the first login. */
function stepsBetween(logins: readonly Account[]): ClientStep[] {
  return Array.from({ length: changes }, (_, index) => {
    const login = logins[(index + 1) % logins.length];
    assert.ok(login);
    const flush: ClientStep[] = index % changesPerFlush === 0 ? [{ query: 'FLUSH PRIVILEGES' }] : [];
    return [...flush, { changeUser: { ...login, database } }, { query: 'SELECT CURRENT_USER()' }];
  }).flat();
}

function assertUsersTakeTurns(result: ClientResult, accounts: readonly Account[]): void {
  const results = resultsOf(result);
  const error = results.find((step) => 'error' in step);
  assert.deepEqual(error, undefined);
  const users = results.flatMap((step) => ('rows' in step ? step.rows.flat() : []));
  const expected = Array.from(
    { length: changes },
    (_, index) => `${accounts[(index + 1) % accounts.length]?.user}@%`,
  );
  assert.deepEqual(users, expected);
}

function afterwards(result: StepResult | undefined): string {
  assert.ok(result);
  if ('rows' in result) return `logged in as ${result.rows.flat()}`;
  // 2006 and 2013 mean the same at different moments; Node.js has numbers and words of its own.
  return 'the connection is lost';
}

function resultsOf(result: ClientResult): StepResult[] {
  assert.ok('results' in result, `did not log in: ${JSON.stringify(result)}`);
  return result.results;
}

/** What a client logs in with, of which the server knows nothing. */
function mapped({ user, password }: Account): Account {
  return { user: `front_${user}`, password: `front_${password}` };
}

function mappedUsers({ first, other }: ChangeUserAccounts): ProxyOptions {
  const folder = makeTemporaryFolder();
  const secretFile = (name: string, text: string): string => {
    const file = path.join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  const entries = [first, other].map((account) => {
    const front = mapped(account);
    return [
      `- user: ${front.user}`,
      `  password-file: ${secretFile(front.user, front.password)}`,
      `  server-user: ${account.user}`,
      `  server-password-file: ${secretFile(account.user, account.password)}`,
      '',
    ].join('\n');
  });
  return { credentials: secretFile('credentials.yaml', entries.join('')) };
}
