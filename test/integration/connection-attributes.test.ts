/**
 * What servers show of the client leg in performance_schema.session_connect_attrs, of every client: behind the client's
 * own attributes, which are those that it sends without a proxy.
 */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { createConnection } from 'mysql2/promise';
import type { ConnectionRecord, ProxyOptions } from '../../src/index.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import type { ClientStep, RunJob, StepResult } from '../support/client-jobs.js';
import { type ClientOptions, mariadb11Cli, mariadbCli, mysqlCli } from '../support/clients.js';
import type { ServerKind } from '../support/downloads.js';
import { mariadbConnector, mysql2Client, mysqljs } from '../support/npm-clients.js';
import { attribute, attributesField } from '../support/packets.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import type { RunResult } from '../support/run.js';
import { libmysqlclient, mysqlDb, phpMysqli, pyMysql } from '../support/script-clients.js';
import { type RealServer, startServer } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { openRawSession } from './raw-session.js';
import { nameOf, orSkip, overTls, stopServer } from './real-server.js';
import { binlogEnd } from './replica-status.js';

type Leg = 'plaintext' | 'TLS';
type Pairs = readonly (readonly [name: string, value: string])[];
type Cli = (options: ClientOptions, sql: string) => Promise<RunResult | Unavailable>;

interface Target {
  readonly host: string;
  readonly port: number;
  readonly account: Account;
  readonly tls: 'off' | { readonly ca: string };
  /** Of the server. */
  readonly kind: ServerKind;
}

interface Client {
  readonly name: string;
  /** As the log has it. */
  readonly program: RegExp;
  readonly refusedBy?: readonly ServerKind[];
  attributes(target: Target): Promise<Pairs | Unavailable>;
}

const certificates = makeCertificates(makeTemporaryFolder());
const clientLegTls = {
  clientSslCert: certificates.server.certificateFile,
  clientSslKey: certificates.server.keyFile,
};
const database = 'shop';
/** Off by default but in MySQL 9; without the others it takes 200 MB more in 5.6. */
const performanceSchema = [
  '--performance-schema=1',
  '--performance-schema-digests-size=200',
  '--performance-schema-max-table-handles=200',
  '--performance-schema-max-table-instances=500',
  '--performance-schema-events-statements-history-long-size=10',
];
const attributesOf = (session: string): string =>
  `SELECT ATTR_NAME, ATTR_VALUE FROM performance_schema.session_connect_attrs
   WHERE PROCESSLIST_ID = ${session} ORDER BY ORDINAL_POSITION`;
const question = attributesOf('CONNECTION_ID()').replace(/\s+/g, ' ');

const clients: readonly Client[] = [
  withJob('mysql2', mysql2Client, /^Node-MySQL-2 \d/),
  withJob('MariaDB Connector/Node.js', mariadbConnector, /^MariaDB connector\/Node \d/),
  withJob('PHP mysqli', phpMysqli, /^mysqlnd$/),
  withJob('PyMySQL', pyMysql, /^pymysql \d/),
  withJob('MySQLdb', mysqlDb, /^libmariadb \d/),
  withJob('libmysqlclient', libmysqlclient, /^libmysql \d/),
  { ...withJob('mysqljs', mysqljs, /^$/), refusedBy: ['mysql9'] },
  withCli('the mysql CLI of MySQL 9', mysqlCli, /^mysql 9\.\d/, ['--get-server-public-key']),
  withCli('the mariadb CLI of MariaDB 10.11', mariadbCli, /^mysql \(libmariadb 3\.\d/),
  withCli('the mariadb CLI of MariaDB 11.8', mariadb11Cli, /^mysql \(libmariadb 3\.\d/),
];

for (const kind of ['mysql9', 'mysql56', 'mariadb', 'mariadb11'] as const) {
  describe(`connection attributes at ${nameOf[kind]}`, () => {
    let setup: Setup | Unavailable;
    before(async () => {
      setup = await prepare(kind);
    });
    after(async () => {
      if (!isUnavailable(setup)) await setup.close();
    });

    for (const client of clients.filter(({ refusedBy = [] }) => !refusedBy.includes(kind))) {
      for (const leg of ['plaintext', 'TLS'] as const) {
        test(`${client.name}, ${leg} client leg`, async (t) => {
          const ready = orSkip(t, setup);
          if (ready === undefined) return;
          const { server, proxies, account } = ready;
          const target = { account, tls: tlsOf(leg), kind };
          // No client of today speaks the TLS of 5.6 with the server itself.
          const own = orSkip(
            t,
            await client.attributes({ ...target, host: server.host, port: server.port, tls: 'off' }),
          );
          const added = orSkip(t, await client.attributes({ ...target, ...addressOf(proxies.on) }));
          const off = orSkip(t, await client.attributes({ ...target, ...addressOf(proxies.off) }));
          if (own === undefined || added === undefined || off === undefined) return;
          assert.deepEqual(lasting(off).filter(isOnAnyLeg), lasting(own).filter(isOnAnyLeg), 'switched off');

          const record = proxies.on.established.at(-1);
          assert.ok(record);
          assert.equal(record.clientTls.version, leg === 'TLS' ? 'TLSv1.3' : 'none');
          assert.match(record.clientProgram, client.program);
          assert.equal(proxies.off.established.at(-1)?.clientProgram, record.clientProgram);
          const isSilent = client.name === 'mysqljs';
          assert.equal(own.length === 0, isSilent);
          assert.deepEqual(lasting(added), isSilent ? [] : [...lasting(off), ...clientLeg(record)]);
        });
      }
    }

    test('what a client says of its address and TLS is not shown', async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      const { proxies, account } = ready;
      const connectAttributes = {
        _client_ip: '203.0.113.1',
        '_client_ip ': '203.0.113.2',
        [`_client_ip${' '.repeat(22)}x`]: '203.0.113.3',
        _client_ssl_version: 'TLSv1.3',
        _client_ssl_cipher: 'TLS_AES_256_GCM_SHA384',
        honest: 'yes',
      };
      const shown = async ({ host, port }: ProxyUnderTest): Promise<Pairs> => {
        const connection = await createConnection({ host, port, ...account, connectAttributes });
        try {
          return pairsOf((await connection.query({ sql: question, rowsAsArray: true }))[0] as string[][]);
        } finally {
          await connection.end();
        }
      };
      const isAbout =
        (what: string) =>
        ([name]: readonly [string, string]) =>
          name.startsWith(what);
      assert.equal(
        (await shown(proxies.off)).filter(isAbout('_client_ip')).length,
        3,
        'else this test says nothing',
      );
      const pairs = await shown(proxies.on);
      assert.deepEqual(pairs.filter(isAbout('_client_ip')), [['_client_ip', '127.0.0.1']]);
      assert.deepEqual(pairs.filter(isAbout('_client_ssl')), [
        ['_client_ssl_version', 'none'],
        ['_client_ssl_cipher', 'none'],
      ]);
      assert.deepEqual(pairs.filter(isAbout('honest')), [['honest', 'yes']]);
    });

    test('nor from behind what the server can not read, nor under a name with a byte that is no text', async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      const own = attribute('honest', 'yes');
      const spoofed = attribute('_client_ip', '203.0.113.1');
      const cases = [
        [own, attribute('_client_ip\xff', '203.0.113.1')],
        [own, spoofed, Buffer.from('\x05alone')],
        [own, attribute('', 'x'), spoofed],
      ];
      for (const attributes of cases) {
        assert.deepEqual(await shownOfRawSession(ready, attributesField(attributes)), [
          ['honest', 'yes'],
          ['_client_ssl_version', 'none'],
          ['_client_ssl_cipher', 'none'],
          ['_client_ip', '127.0.0.1'],
        ]);
      }
    });

    test('a login with as many attributes as a server takes gets in', async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      const full = (length: number) => attributesField([attribute('k', 'x'.repeat(length - 5))]);
      const shown = await shownOfRawSession(ready, full(0xffff));
      // MySQL 9 says how much it cut off.
      assert.deepEqual(
        shown.map(([name]) => name),
        kind === 'mysql9' ? ['_truncated'] : [],
      );
      await assert.rejects(shownOfRawSession(ready, full(0x10000)), /Bad handshake/);
    });

    for (const [name, run, sendsNone] of [
      ['MySQLdb', mysqlDb, false],
      ['libmysqlclient', libmysqlclient, false],
      ['PHP mysqli', phpMysqli, false],
      // It sends the field, empty.
      ['mysql2', mysql2Client, true],
    ] as const) {
      for (const leg of ['plaintext', 'TLS'] as const) {
        const where = leg === 'TLS' ? 'on TLS legs' : 'from plaintext to TLS';
        test(`${name} changes the user ${where}`, async (t) => {
          const ready = orSkip(t, setup);
          if (ready === undefined) return;
          const { proxies, server, account, other } = ready;
          const steps: ClientStep[] = [
            { changeUser: { ...other, database } },
            { query: 'SELECT CURRENT_USER()' },
            { query: question },
          ];
          // 5.6 misreads the command in utf8mb4, also without a proxy.
          const job = { ...account, database, charset: 'latin1', steps } as const;
          const { host, port } = server;
          const direct = orSkip(t, await run({ ...job, host, port, tls: 'off' }));
          const tls = leg === 'TLS' ? { ca: certificates.ca.certificateFile, verify: true } : 'off';
          const result = orSkip(t, await run({ ...job, ...addressOf(proxies.on), tls }));
          if (direct === undefined || result === undefined) return;
          assert.ok('results' in direct && 'results' in result, JSON.stringify(result));
          assert.deepEqual(result.results.slice(0, 2), [{ rows: [] }, { rows: [['other@%']] }]);
          const own = lasting(pairsIn(direct.results[2]));
          const record = proxies.on.established.at(-1);
          assert.ok(record);
          // 5.6 forgets attributes when the user changes.
          const isShown = kind !== 'mysql56';
          assert.equal(own.length > 0, isShown && !sendsNone);
          const added = isShown ? clientLeg(record) : [];
          assert.deepEqual(lasting(pairsIn(result.results[2])), [...own, ...added]);
        });
      }
    }

    if (kind === 'mysql9') {
      test('the zstd level behind the attributes arrives', async (t) => {
        const ready = orSkip(t, setup);
        if (ready === undefined) return;
        const { server, account } = ready;
        const proxy = await startProxy(t, {
          ...overTls(server, certificates),
          ...clientLegTls,
          clientSslMode: 'REQUIRED',
        });
        const sql = `${question}; SHOW STATUS LIKE 'Compression%'`;
        const result = orSkip(
          t,
          await mysqlCli(
            {
              ...addressOf(proxy),
              ...account,
              tls: { ca: certificates.ca.certificateFile },
              extraArgs: [
                '--skip-column-names',
                '--compression-algorithms=zstd',
                '--zstd-compression-level=7',
              ],
            },
            sql,
          ),
        );
        if (result === undefined) return;
        assert.equal(result.stderr, '');
        const pairs = pairsOf(rowsIn(result.stdout));
        const [record] = proxy.established;
        assert.ok(record);
        assert.deepEqual(pairs.slice(-6), [
          ...clientLeg(record),
          ['Compression', 'ON'],
          ['Compression_algorithm', 'zstd'],
          ['Compression_level', '7'],
        ]);
      });
    }
  });
}

describe('attributes of MySQL 5.6 programs at MySQL 9', () => {
  let setup: OldSetup | Unavailable;
  before(async () => {
    setup = await prepareOld();
  });
  after(async () => {
    if (isUnavailable(setup)) return;
    await stopServer(setup.old);
    await stopServer(setup.modern);
  });
  const ownNames = ['_os', '_client_name', '_pid', '_client_version', '_platform'];

  test('FEDERATED in plaintext, with a credentials file', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { old, modern, account } = ready;
    const proxy = await startProxy(t, {
      ...overTls(modern, certificates),
      credentials: credentialsFor(account),
    });
    await old.sql(
      `CREATE TABLE shop.item (id INT) ENGINE=FEDERATED
         CONNECTION='mysql://${account.user}:${account.password}@127.0.0.1:${proxy.port}/shop/item'`,
    );
    await old.sql('SELECT * FROM shop.item');
    await assertShown(modern, proxy, 'none');
  });

  test('the replication thread over TLS 1.0, bridged', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { old, modern, account } = ready;
    const proxy = await startProxy(t, {
      ...overTls(modern, certificates),
      ...clientLegTls,
      clientTlsVersion: 'TLSv1,TLSv1.1,TLSv1.2,TLSv1.3',
      authBridge: 'sha256',
    });
    const { file, position } = await binlogEnd(modern);
    await old.sql(
      `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${proxy.port}, MASTER_USER='${account.user}',
         MASTER_PASSWORD='${account.password}', MASTER_LOG_FILE='${file}', MASTER_LOG_POS=${position},
         MASTER_SSL=1, MASTER_SSL_CA='${certificates.serverTls.ca}';
       START SLAVE IO_THREAD`,
    );
    t.after(() => old.sql('STOP SLAVE'));
    while (proxy.established.length === 0 && proxy.failures.length === 0) await nextMoment();
    assert.deepEqual(proxy.failures, []);
    await assertShown(modern, proxy, 'TLSv1');
  });

  async function assertShown(modern: RealServer, proxy: ProxyUnderTest, version: string): Promise<void> {
    const [record] = proxy.established;
    assert.ok(record);
    assert.equal(record.clientTls.version, version);
    assert.equal(record.clientProgram, 'libmysql 5.6.24');
    const rows = await modern.sql(attributesOf(String(record.serverThreadId)));
    const pairs = rows.map((row) => [row['ATTR_NAME'], row['ATTR_VALUE']]);
    assert.deepEqual(
      pairs.slice(0, -3).map(([name]) => name),
      ownNames,
    );
    assert.deepEqual(pairs.slice(-3), clientLeg(record));
  }
});

interface Setup {
  readonly server: RealServer;
  readonly account: Account;
  readonly other: Account;
  readonly proxies: Readonly<Record<'on' | 'off' | 'withCredentials', ProxyUnderTest>>;
  close(): Promise<void>;
}

async function prepare(kind: ServerKind): Promise<Setup | Unavailable> {
  const server = await startServer(kind, { tls: certificates.serverTls, extraArgs: performanceSchema });
  if (isUnavailable(server)) return server;
  const account = await createAccount(server, 'app');
  const other = await createAccount(server, 'other');
  await server.sql(`CREATE DATABASE ${database}`);
  const options = { ...overTls(server, certificates), ...clientLegTls };
  const proxies = {
    // Not named: it is the default.
    on: await startProxyUnderTest(options),
    off: await startProxyUnderTest({ ...options, connectionAttributes: 'off' }),
    withCredentials: await startProxyUnderTest({ ...options, credentials: credentialsFor(account) }),
  };
  const close = async () => {
    for (const proxy of Object.values(proxies)) await proxy.close();
    await stopServer(server);
  };
  return { server, account, other, proxies, close };
}

interface OldSetup {
  readonly old: RealServer;
  readonly modern: RealServer;
  readonly account: Account;
}

async function prepareOld(): Promise<OldSetup | Unavailable> {
  const modern = await startServer('mysql9', {
    tls: certificates.serverTls,
    extraArgs: ['--server-id=1', '--log-bin=binlog', '--gtid-mode=OFF', '--enforce-gtid-consistency=OFF'],
  });
  if (isUnavailable(modern)) return modern;
  const old = await startServer('mysql56', { extraArgs: ['--server-id=2'] });
  if (isUnavailable(old)) {
    await modern.stop();
    return old;
  }
  const account = await createAccount(modern, 'app');
  await modern.sql('CREATE DATABASE shop; CREATE TABLE shop.item (id INT)');
  await old.sql('CREATE DATABASE shop');
  return { old, modern, account };
}

async function startProxy(t: TestContext, options: ProxyOptions): Promise<ProxyUnderTest> {
  const proxy = await startProxyUnderTest(options);
  t.after(() => proxy.close());
  return proxy;
}

function credentialsFor({ user, password }: Account): string {
  const folder = makeTemporaryFolder();
  const write = (name: string, text: string): string => {
    const file = path.join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  write('password', password);
  return write('credentials.yaml', `- user: ${user}\n  password-file: password\n`);
}

/** What the server shows of a session with these bytes behind its login, while it lasts. */
async function shownOfRawSession({ server, proxies, account }: Setup, attributes: Buffer): Promise<Pairs> {
  // Its character set is utf8: MySQL cuts a name at a byte that does not belong there. It knows mysql_native_password only.
  const proxy = proxies.withCredentials;
  const session = await openRawSession(proxy, account, { attributes, characterSet: 33 });
  try {
    const rows = await server.sql(attributesOf(String(proxy.established.at(-1)?.serverThreadId)));
    return rows.map((row) => [String(row['ATTR_NAME']), String(row['ATTR_VALUE'])]);
  } finally {
    session.destroy();
  }
}

function withJob(name: string, run: RunJob, program: RegExp): Client {
  return {
    name,
    program,
    attributes: async ({ host, port, account, tls }) => {
      const legTls = tls === 'off' ? tls : { ...tls, verify: true };
      const result = await run({ host, port, ...account, tls: legTls, steps: [{ query: question }] });
      if (isUnavailable(result)) return result;
      assert.ok('results' in result, `${name}: ${JSON.stringify(result)}`);
      return pairsIn(result.results[0]);
    },
  };
}

function withCli(name: string, run: Cli, program: RegExp, args: readonly string[] = []): Client {
  return {
    name,
    program,
    attributes: async ({ host, port, account, tls }) => {
      const extraArgs = ['--skip-column-names', ...args];
      const result = await run({ host, port, ...account, tls, extraArgs }, question);
      if (isUnavailable(result)) return result;
      assert.equal(result.code, 0, result.stderr);
      return pairsOf(rowsIn(result.stdout));
    },
  };
}

function rowsIn(output: string): string[][] {
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t'));
}

function pairsIn(result: StepResult | undefined): Pairs {
  assert.ok(result && 'rows' in result, JSON.stringify(result));
  return pairsOf(result.rows);
}

function pairsOf(rows: readonly string[][]): Pairs {
  return rows.map(([name = '', value = '']) => [name, value]);
}

/** Without what differs from run to run. */
function lasting(pairs: Pairs): Pairs {
  return pairs.map(([name, value]) => [name, name === '_pid' ? '' : value]);
}

/** MariaDB Connector/Node.js says it over TLS only. */
function isOnAnyLeg([name]: Pairs[number]): boolean {
  return name !== '_server_host';
}

function clientLeg({ clientTls }: ConnectionRecord): Pairs {
  return [
    ['_client_ssl_version', clientTls.version],
    ['_client_ssl_cipher', clientTls.cipher],
    ['_client_ip', '127.0.0.1'],
  ];
}

function tlsOf(leg: Leg): Target['tls'] {
  return leg === 'TLS' ? { ca: certificates.ca.certificateFile } : 'off';
}

function addressOf({ host, port }: ProxyUnderTest): { host: string; port: number } {
  return { host, port };
}

function nextMoment(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 20));
}
