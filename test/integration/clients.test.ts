/** What each client can do by itself, without a proxy: what the other tests take for granted. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import type { ClientError, ClientJob, ClientResult, RunJob, StepResult } from '../support/client-jobs.js';
import { mariadbCli, mysqlCli } from '../support/clients.js';
import { mariadbConnector, mysqljs } from '../support/npm-clients.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import {
  libmysqlclient,
  libmysqlclientWithoutPlugins,
  mysqlDb,
  phpMysqli,
  pyMysql,
} from '../support/script-clients.js';
import { type RealServer, type ServerOptions, startServer } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { nameOf, orSkip, stopServer } from './real-server.js';

interface ClientUnderTest {
  readonly name: string;
  readonly run: RunJob;
  /** The number of its error for a certificate that it does not trust. */
  readonly certificateErrno: number;
  readonly checksNames?: false;
  readonly compresses?: false;
  /** The number of the error with which it can not log in to that server at all. */
  readonly loginErrno?: Partial<Record<TestedKind, number>>;
  /** The number of the error with which it can not change the user on that server. */
  readonly changeUserErrno?: Partial<Record<TestedKind, number>>;
}

type TestedKind = (typeof testedKinds)[number];

interface Setup {
  readonly server: RealServer;
  readonly account: Account;
  readonly other: Account;
}

const testedKinds = ['mysql9', 'mariadb'] as const;
const clients: readonly ClientUnderTest[] = [
  { name: 'PHP mysqli', run: phpMysqli, certificateErrno: 2002 },
  {
    name: 'PyMySQL',
    run: pyMysql,
    certificateErrno: 2003,
    compresses: false,
    changeUserErrno: { mysql9: 0, mariadb: 0 },
  },
  { name: 'MySQLdb', run: mysqlDb, certificateErrno: 2026 },
  { name: 'libmysqlclient', run: libmysqlclient, certificateErrno: 2026 },
  {
    name: 'libmysqlclient without plugins',
    run: libmysqlclientWithoutPlugins,
    certificateErrno: 2026,
    loginErrno: { mariadb: 2059 },
  },
  {
    name: 'mysqljs',
    run: mysqljs,
    certificateErrno: 0,
    checksNames: false,
    compresses: false,
    loginErrno: { mysql9: 1251 },
  },
  {
    name: 'MariaDB Connector/Node.js',
    run: mariadbConnector,
    certificateErrno: 0,
    changeUserErrno: { mysql9: 45003 },
  },
];
const database = 'shop';
const certificates = makeCertificates(makeTemporaryFolder());
const foreign = makeCertificates(makeTemporaryFolder());
const misnamed = makeCertificates(makeTemporaryFolder(), { serverNames: ['elsewhere.example'] });
const tlsOf = {
  plaintext: 'off',
  TLS: { ca: certificates.ca.certificateFile, verify: true },
} as const;
const serverOptions: Record<TestedKind, ServerOptions> = {
  mysql9: {},
  mariadb: { extraArgs: ['--plugin-load-add=auth_ed25519'] },
};

for (const kind of testedKinds) {
  describe(`clients of ${nameOf[kind]}`, () => {
    let setup: Setup | Unavailable;
    before(async () => {
      setup = await prepare(kind);
    });
    after(async () => {
      if (!isUnavailable(setup)) await stopServer(setup.server);
    });
    // caching_sha2_password then needs the whole password again.
    beforeEach(async () => {
      if (!isUnavailable(setup)) await setup.server.sql('FLUSH PRIVILEGES');
    });

    for (const client of clients) {
      const loginErrno = client.loginErrno?.[kind];
      for (const leg of ['plaintext', 'TLS'] as const) {
        if (loginErrno !== undefined) {
          test(`${client.name} can not log in, ${leg}`, async (t) => {
            const ready = orSkip(t, setup);
            if (ready === undefined) return;
            const result = orSkip(t, await client.run(jobOf(ready, { tls: tlsOf[leg] })));
            if (result === undefined) return;
            assert.equal(connectErrorOf(result).errno, loginErrno);
          });
          continue;
        }

        test(`${client.name} logs in and changes the user, ${leg}`, async (t) => {
          const ready = orSkip(t, setup);
          if (ready === undefined) return;
          const job = jobOf(ready, {
            tls: tlsOf[leg],
            steps: [
              { query: "SELECT CURRENT_USER(), DATABASE(), 2, 1, NULL, 'dépôt'" },
              { query: "SHOW SESSION STATUS LIKE 'Ssl_version'" },
              { query: 'SELECT no_such_column' },
              { query: 'DO 1' },
              { ping: true, repeat: 2 },
              { changeUser: { ...ready.other, database } },
              { query: 'SELECT CURRENT_USER()' },
            ],
          });
          const result = orSkip(t, await client.run(job));
          if (result === undefined) return;
          const [first, sslVersion, refused, ok, ping, secondPing, change, user, ...more] = resultsOf(result);
          assert.deepEqual(first, { rows: [['app@%', database, '2', '1', 'NULL', 'dépôt']] });
          assert.deepEqual(sslVersion, { rows: [['Ssl_version', leg === 'TLS' ? 'TLSv1.3' : '']] });
          assert.equal(errorOf(refused).errno, 1054);
          assert.deepEqual([ok, ping, secondPing], [{ rows: [] }, { rows: [] }, { rows: [] }]);
          const changeUserErrno = client.changeUserErrno?.[kind];
          if (changeUserErrno === undefined) assert.deepEqual(change, { rows: [] });
          else assert.equal(errorOf(change).errno, changeUserErrno);
          const account = changeUserErrno === undefined ? ready.other : ready.account;
          assert.deepEqual(user, { rows: [[`${account.user}@%`]] });
          assert.deepEqual(more, []);
        });

        test(`${client.name} shows that the password is wrong, ${leg}`, async (t) => {
          const ready = orSkip(t, setup);
          if (ready === undefined) return;
          const job = jobOf(ready, { tls: tlsOf[leg], password: 'not the password' });
          const result = orSkip(t, await client.run(job));
          if (result === undefined) return;
          const error = connectErrorOf(result);
          assert.equal(error.errno, 1045);
          assert.match(error.message, /Access denied for user 'app'@/);
        });
      }

      if (loginErrno !== undefined) continue;

      if (client.changeUserErrno?.[kind] === undefined) {
        test(`${client.name} shows that the password of another user is wrong`, async (t) => {
          const ready = orSkip(t, setup);
          if (ready === undefined) return;
          const changeUser = { ...ready.other, password: 'not the password', database };
          const job = jobOf(ready, { tls: 'off', steps: [{ changeUser }] });
          const result = orSkip(t, await client.run(job));
          if (result === undefined) return;
          const error = errorOf(resultsOf(result)[0]);
          assert.equal(error.errno, 1045);
          assert.match(error.message, /Access denied for user 'other'@/);
        });
      }

      test(`${client.name} finds the socket file`, async (t) => {
        const ready = orSkip(t, setup);
        if (ready === undefined) return;
        const { socketPath } = ready.server;
        const steps = [{ query: 'SELECT CURRENT_USER()' }];
        const result = orSkip(t, await client.run({ ...ready.account, socketPath, steps }));
        if (result === undefined) return;
        assert.deepEqual(resultsOf(result), [{ rows: [['app@%']] }]);
      });

      test(`${client.name} ${client.compresses === false ? 'can not compress' : 'compresses'}`, async (t) => {
        const ready = orSkip(t, setup);
        if (ready === undefined) return;
        const steps = [{ query: "SHOW SESSION STATUS LIKE 'Compression'" }];
        const result = orSkip(t, await client.run(jobOf(ready, { compress: true, steps })));
        if (result === undefined) return;
        if (client.compresses === false) assert.match(connectErrorOf(result).message, /^unsupported: /);
        else assert.deepEqual(resultsOf(result), [{ rows: [['Compression', 'ON']] }]);
      });
    }
  });
}

describe('what clients make of certificates', () => {
  let setup: Setup | Unavailable;
  before(async () => {
    setup = await prepare('mariadb', { tls: misnamed.serverTls });
  });
  after(async () => {
    if (!isUnavailable(setup)) await stopServer(setup.server);
  });

  const login = async (client: ClientUnderTest, tls: Exclude<ClientJob['tls'], undefined>) =>
    isUnavailable(setup) ? setup : client.run(jobOf(setup, { tls }));

  for (const client of clients.filter(({ loginErrno }) => loginErrno?.mariadb === undefined)) {
    test(`${client.name} does not trust a foreign CA`, async (t) => {
      const result = orSkip(t, await login(client, { ca: foreign.ca.certificateFile, verify: true }));
      if (result === undefined) return;
      assert.equal(connectErrorOf(result).errno, client.certificateErrno);
    });

    test(`${client.name} ${client.checksNames === false ? 'does not check' : 'checks'} the name`, async (t) => {
      const result = orSkip(t, await login(client, { ca: misnamed.ca.certificateFile, verify: true }));
      if (result === undefined) return;
      if (client.checksNames === false) assert.deepEqual(resultsOf(result), []);
      else assert.equal(connectErrorOf(result).errno, client.certificateErrno);
    });

    test(`${client.name} takes any certificate when told not to verify it`, async (t) => {
      const result = orSkip(t, await login(client, { verify: false }));
      if (result === undefined) return;
      assert.deepEqual(resultsOf(result), []);
    });
  }
});

describe('the plugins of the command line clients', () => {
  let mysql9: Setup | Unavailable;
  let mariadb: Setup | Unavailable;
  before(async () => {
    [mysql9, mariadb] = await Promise.all([prepare('mysql9'), prepare('mariadb')]);
  });
  after(async () => {
    for (const setup of [mysql9, mariadb]) if (!isUnavailable(setup)) await stopServer(setup.server);
  });
  const sql = 'SELECT CURRENT_USER()';
  const loggedIn = (user: string) => ({ code: 0, stdout: `CURRENT_USER()\n${user}@%\n`, stderr: '' });

  test('the mariadb CLI knows caching_sha2_password', async (t) => {
    const ready = orSkip(t, mysql9);
    if (ready === undefined) return;
    await ready.server.sql('FLUSH PRIVILEGES');
    const { host, port } = ready.server;
    const result = orSkip(t, await mariadbCli({ host, port, ...ready.account, tls: 'off' }, sql));
    if (result !== undefined) assert.deepEqual(result, loggedIn('app'));
  });

  test('the mariadb CLI knows ed25519', async (t) => {
    const ready = orSkip(t, mariadb);
    if (ready === undefined) return;
    const { host, port } = ready.server;
    const { password } = ready.account;
    await ready.server.sql(`CREATE USER signer@'%' IDENTIFIED VIA ed25519 USING PASSWORD('${password}')`);
    const result = orSkip(t, await mariadbCli({ host, port, user: 'signer', password, tls: 'off' }, sql));
    if (result !== undefined) assert.deepEqual(result, loggedIn('signer'));
  });

  test('the mysql CLI knows mysql_native_password only from its plugin folder', async (t) => {
    const ready = orSkip(t, mariadb);
    if (ready === undefined) return;
    const { host, port } = ready.server;
    const options = { host, port, ...ready.account, tls: 'off' } as const;
    const withPlugins = orSkip(t, await mysqlCli(options, sql));
    if (withPlugins === undefined) return;
    assert.deepEqual(withPlugins, loggedIn('app'));
    const without = await mysqlCli({ ...options, extraArgs: ['--plugin-dir=/nowhere'] }, sql);
    if (isUnavailable(without)) throw new Error(without.unavailable);
    assert.match(
      without.stderr,
      /^ERROR 2059 \(HY000\): Authentication plugin 'mysql_native_password' cannot be/,
    );
  });
});

async function prepare(kind: TestedKind, options: ServerOptions = {}): Promise<Setup | Unavailable> {
  const server = await startServer(kind, {
    tls: certificates.serverTls,
    ...serverOptions[kind],
    ...options,
  });
  if (isUnavailable(server)) return server;
  await server.sql(`CREATE DATABASE ${database}`);
  return {
    server,
    account: await createAccount(server, 'app'),
    other: await createAccount(server, 'other'),
  };
}

function jobOf(
  { server, account }: Setup,
  changes: Partial<Pick<ClientJob, 'tls' | 'password' | 'steps' | 'compress'>>,
): ClientJob {
  const { host, port } = server;
  return { host, port, ...account, database, steps: [], ...changes };
}

function connectErrorOf(result: ClientResult): ClientError {
  assert.ok('connectError' in result, `logged in: ${JSON.stringify(result)}`);
  return result.connectError;
}

function resultsOf(result: ClientResult): StepResult[] {
  assert.ok('results' in result, `did not log in: ${JSON.stringify(result)}`);
  return result.results;
}

function errorOf(result: StepResult | undefined): ClientError {
  assert.ok(result !== undefined && 'error' in result, `no error: ${JSON.stringify(result)}`);
  return result.error;
}
