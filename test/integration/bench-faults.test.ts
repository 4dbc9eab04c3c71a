/** The load test when something goes wrong, or someone stops it: on one kind of server, as it depends on none. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { LoadResult } from '../../src/load/result.js';
import { issueCertificate, saveIdentity } from '../support/certificates.js';
import { CliProcess, type CliResult, runCli } from '../support/cli-process.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startServer } from '../support/servers.js';
import { createAccount } from './accounts.js';
import {
  benchWords,
  certificates,
  fail,
  folder,
  killAll,
  measure,
  mixFile,
  type Stage,
  serverTls,
  setUp,
  startBench,
  startProxy,
  tablesIn,
  takeDown,
  untilConnections,
  untilItWrites,
  withDefaults,
} from './bench-setup.js';
import { orSkip, stopServer } from './real-server.js';

describe('a load of MariaDB', () => {
  let stage: Stage | Unavailable;
  before(async () => {
    stage = await setUp('mariadb');
  });
  after(() => takeDown(stage));

  test('a wrong password, a database that is not there, no right to make a table', async (t) => {
    const up = orSkip(t, stage);
    if (up === undefined) return;
    const words = ['bench', '--target', up.direct, '--user', 'bench', '--json'];
    const denied = await runCli(words, { env: { MYSQL_PWD: 'not the password' } });
    assert.deepEqual([denied.code, denied.stdout], [2, '']);
    assert.match(
      denied.stderr,
      /no connection to the target \(.*\): Access denied .* \(1045\)\. Check --user/,
    );
    assert.doesNotMatch(denied.stderr, /not the password/);
    const missing = await fail(up, '--target', up.direct, '--database', 'nowhere');
    assert.equal(missing.code, 2);
    assert.match(missing.stderr, /\((1044|1049)\)\. .*--database/);
    await createAccount(up.server, 'reader', { grant: 'SELECT ON shop.*' }).then(({ password }) =>
      writeFileSync(path.join(folder, 'reader.txt'), password, { mode: 0o600 }),
    );
    const reader = ['bench', '--user', 'reader', '--password-file', path.join(folder, 'reader.txt')];
    const refused = await runCli([
      ...reader,
      ...['--target', up.direct, '--database', 'shop', '--mix', 'point-select', '--json'],
    ]);
    assert.equal(refused.code, 2);
    assert.match(refused.stderr, /the table of the mix can not be made .*\(1142\)\. GRANT the user ALL/);
  });

  test('the password may come from MYSQL_PWD', async (t) => {
    const up = orSkip(t, stage);
    if (up === undefined) return;
    const words = ['bench', '--target', up.direct, '--user', 'bench', '--json', ...withDefaults([])];
    const { code, stderr } = await runCli(words, { env: { MYSQL_PWD: up.account.password } });
    assert.equal(code, 0, stderr);
  });

  test('SIGINT: what was measured until then, and no table is left', async (t) => {
    const up = orSkip(t, stage);
    if (up === undefined) return;
    const bench = startBench(up, '--database', 'shop', '--mix', 'read-write', '--duration', '10m');
    await untilItWrites(bench, / {2}target {4}[\d,]+ queries\/s/);
    assert.equal((await tablesIn(up)).length, 2);
    bench.signal('SIGINT');
    const { code, stdout } = await bench.ended;
    assert.equal(code, 0);
    assert.match(stdout, /^Stopped early: this is what was measured until then\.$/m);
    assert.match(stdout, /^target +[\d,]+ +\d/m);
    assert.deepEqual(await tablesIn(up), ['kept']);
  });

  test('SIGINT ends a query that takes long; twice, it ends at once and says what it leaves', async (t) => {
    const up = orSkip(t, stage);
    if (up === undefined) return;
    const sleep = mixFile('sleep.sql', 'SELECT SLEEP(600)');
    const sleeping = startBench(up, '--mix', sleep);
    await untilItWrites(sleeping, /warming up/);
    sleeping.signal('SIGINT');
    assert.equal((await sleeping.ended).code, 0);
    // The server does not notice that nobody waits any more.
    await killAll(up, await untilConnections(up, (count) => count > 0));

    const twice = startBench(up, '--database', 'shop', '--mix', 'read-only', '--duration', '10m');
    await untilItWrites(twice, /warming up/);
    twice.signal('SIGSTOP');
    twice.signal('SIGINT');
    twice.signal('SIGTERM');
    twice.signal('SIGCONT');
    const { code, stderr } = await twice.ended;
    assert.equal(code, 1);
    const left =
      /remove its tables: (DROP TABLE IF EXISTS `shop`\.`mysql_tls_proxy_bench_[0-9a-f]{12}_target`)\n/;
    const statement = left.exec(stderr)?.[1];
    assert.ok(statement !== undefined, stderr);
    await up.server.sql(statement);
    assert.deepEqual(await tablesIn(up), ['kept']);
  });

  test('connections that break are counted, and opened again', async (t) => {
    const up = orSkip(t, stage);
    if (up === undefined) return;
    // Those of an earlier run may take a moment to go.
    await untilConnections(up, (count) => count === 0);
    const bench = startBench(up, '--duration', '4s', '--json');
    // Four, and the one for what is not measured.
    const list = await untilConnections(up, (count) => count >= 5);
    await killAll(up, list);
    const { code, stdout, stderr } = await bench.ended;
    assert.equal(code, 0, stderr);
    const [side] = (JSON.parse(stdout) as LoadResult).sides;
    assert.ok((side?.queries.latency?.count ?? 0) > 100);
    assert.ok((side?.tls.client[0]?.connections ?? 0) > 4, 'they were opened again');
  });

  test('what is loaded goes away: it ends, and says so', async (t) => {
    const up = orSkip(t, stage);
    if (up === undefined) return;
    const { proxy, address } = await startProxy(up.direct);
    const words = ['--target', address, '--duration', '10m', '--database', 'shop', '--mix', 'point-select'];
    const bench = new CliProcess(benchWords(up, words));
    await untilItWrites(bench, /queries\/s/);
    proxy.signal('SIGKILL');
    const { code, stdout, stderr } = await bench.ended;
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(
      stderr,
      /nothing succeeds any more: .*\(ECONNREFUSED, \d+ times\).*Check that it still runs/,
    );
    const left = /Still there: run (DROP TABLE IF EXISTS `shop`\.`mysql_tls_proxy_bench_\w+`)\n/.exec(
      stderr,
    )?.[1];
    assert.ok(left !== undefined, stderr);
    await up.server.sql(left);
    assert.deepEqual(await tablesIn(up), ['kept']);
  });

  test('where the proxy goes away, its table is dropped through the baseline', async (t) => {
    const up = orSkip(t, stage);
    if (up === undefined) return;
    const { proxy, address } = await startProxy(up.direct);
    const sides = ['--target', address, '--baseline', up.direct, '--duration', '10m'];
    const bench = new CliProcess(benchWords(up, [...sides, '--database', 'shop', '--mix', 'read-only']));
    await untilItWrites(bench, /queries\/s/);
    assert.equal((await tablesIn(up)).length, 3);
    proxy.signal('SIGKILL');
    const { code, stderr } = await bench.ended;
    assert.equal(code, 1);
    assert.doesNotMatch(stderr, /Still there/);
    assert.deepEqual(await tablesIn(up), ['kept']);
  });

  test('more connections than the proxy takes: error 1040, and how to raise it', async (t) => {
    const up = orSkip(t, stage);
    if (up === undefined) return;
    const { proxy, address } = await startProxy(up.direct, '--max-connections', '5');
    const { code, stderr } = await fail(up, '--target', address, '--connections', '40');
    proxy.signal('SIGTERM');
    await proxy.ended;
    assert.equal(code, 2);
    assert.match(stderr, /\(1040\)\. Raise max_connections .*--max-connections.*lower --connections/);
  });

  test('hundreds of connections are opened in steps', async (t) => {
    const up = orSkip(t, stage);
    if (up === undefined) return;
    const result = await measure(up, '--target', up.throughProxy, '--connections', '300');
    const seen = result.sides[0]?.tls.server.reduce((sum, { connections }) => sum + connections, 0);
    assert.equal(seen, 300);
  });
});

describe('the certificate of the server', () => {
  let server: RealServer | Unavailable;
  before(async () => {
    const onlyName = saveIdentity(
      issueCertificate({
        commonName: 'Named',
        purpose: 'server',
        issuer: certificates.ca,
        names: ['localhost'],
      }),
      path.join(folder, 'named.pem'),
      path.join(folder, 'named-key.pem'),
    );
    server = await startServer('mariadb', {
      tls: { ca: serverTls.ca, cert: onlyName.certificateFile, key: onlyName.keyFile },
    });
    if (!isUnavailable(server)) await server.sql("CREATE USER anyone@'%'");
  });
  after(() => stopServer(server));

  const runWith = (host: string, port: number, ...words: readonly string[]): Promise<CliResult> =>
    runCli([
      'bench',
      '--target',
      `${host}:${port}`,
      '--user',
      'anyone',
      ...withDefaults([]),
      '--json',
      ...words,
    ]);

  test('a name in it is no address, and the CA must be the one given', async (t) => {
    const up = orSkip(t, server);
    if (up === undefined) return;
    const trusting = ['--ssl-ca', serverTls.ca];
    const identity = [...trusting, '--ssl-mode', 'VERIFY_IDENTITY'];
    assert.equal((await runWith('localhost', up.port, ...identity)).code, 0);
    const byAddress = await runWith('127.0.0.1', up.port, ...identity);
    assert.equal(byAddress.code, 2, byAddress.stdout);
    assert.match(byAddress.stderr, /IP: 127\.0\.0\.1 is not in the cert's list/);
    assert.equal((await runWith('127.0.0.1', up.port, ...trusting)).code, 0, 'VERIFY_CA looks at no name');
    const other = saveIdentity(
      issueCertificate({ commonName: 'Other CA', purpose: 'ca' }),
      path.join(folder, 'other-ca.pem'),
      path.join(folder, 'other-ca-key.pem'),
    );
    const untrusted = await runWith('127.0.0.1', up.port, '--ssl-ca', other.certificateFile);
    assert.equal(untrusted.code, 2);
    assert.match(untrusted.stderr, /\(HANDSHAKE_SSL_ERROR\)\. .*--ssl-ca must hold the CA/);
  });
});
