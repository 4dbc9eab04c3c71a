/** From the first report to TLS for all, with the built program, a real server, and old and new clients. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type ConnectionOptions, createConnection } from 'mysql2/promise';
import type { PlaintextReport, ProxyState } from '../../src/observe/state/state.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { CliProcess, type CliResult, runCli } from '../support/cli-process.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startMysql56 } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { orSkip, stopServer } from './real-server.js';

const folder = makeTemporaryFolder();
const certificates = makeCertificates(folder);
const configFile = path.join(folder, 'proxy.yaml');
const socketPath = path.join(folder, 'proxy.sock');

interface Setup {
  readonly server: RealServer;
  readonly account: Account;
}

interface Running {
  readonly cli: CliProcess;
  readonly host: string;
  readonly port: number;
  readonly admin: string;
}

function configure({ server }: Setup, options: Record<string, unknown>): void {
  const config = {
    listen: ['127.0.0.1:0', `unix:${socketPath}`],
    'admin-listen': '127.0.0.1:0',
    'log-format': 'json',
    server: `${server.host}:${server.port}`,
    'server-ssl-mode': 'DISABLED',
    'client-ssl-mode': 'REQUIRED',
    'client-tls-profile': 'legacy',
    'client-ssl-cert': certificates.server.certificateFile,
    'client-ssl-key': certificates.server.keyFile,
    'client-plaintext-from': ['127.0.0.1', '127.0.0.2'],
    ...options,
  };
  // YAML is a superset.
  writeFileSync(configFile, JSON.stringify(config));
}

async function start(t: TestContext): Promise<Running> {
  const cli = new CliProcess(['--config', configFile]);
  t.after(async () => {
    cli.signal('SIGTERM');
    await cli.ended;
  });
  const { listen, admin } = await cli.line('ready');
  const [host = '', port] = String((listen as string[])[0]).split(':');
  return { cli, host, port: Number(port), admin: String(admin) };
}

async function logIn(options: ConnectionOptions): Promise<void> {
  const connection = await createConnection(options);
  const [rows] = await connection.query('SELECT 42 AS answer');
  assert.deepEqual(rows, [{ answer: 42 }]);
  await connection.end();
}

/** The source address of a connection to 127.0.0.1 is that, unless it is bound to another. */
async function streamFrom(localAddress: string, { host, port }: Running) {
  const stream = connect({ host, port, localAddress });
  await once(stream, 'connect');
  return stream;
}

describe('the plaintext report', () => {
  let setup: Setup | Unavailable;
  before(async () => {
    const server = await startMysql56({ extraArgs: ['--server-id=1'] });
    setup = isUnavailable(server) ? server : { server, account: await createAccount(server, 'app') };
  });
  after(async () => {
    if (!isUnavailable(setup)) await stopServer(setup.server);
  });

  test('names who REQUIRED would refuse, while it refuses none of them, and then it does', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { server, account } = ready;
    configure(ready, { 'report-plaintext': true });
    const running = await start(t);
    const { cli, host, port, admin } = running;
    const report = (...words: string[]): Promise<CliResult> => runCli(['report', '--admin', admin, ...words]);
    assert.ok(
      cli.lines.some(({ msg }) => /report-plaintext: --client-ssl-mode REQUIRED is not enforced/.test(msg)),
    );

    const nobody = await report();
    assert.equal(nobody.code, 0, nobody.stderr);
    assert.match(nobody.stdout, /^No client was seen in plaintext/);

    await logIn({ host, port, ...account });
    await logIn({ host, port, ...account });
    await logIn({ stream: await streamFrom('127.0.0.2', running), ...account });
    await logIn({ socketPath, ...account });
    await logIn({ host, port, ...account, ssl: { ca: certificates.ca.certificate } });
    const outside = logIn({ stream: await streamFrom('127.0.0.3', running), ...account });
    await assert.rejects(outside, { errno: 3159 });
    await replicateOverOldTls(t, server, running);

    const found = await whenReported(admin, 5);
    assert.deepEqual(
      found.clients
        .map((client) => [
          client.client_address,
          client.user,
          client.client_tls_version,
          client.connections,
          client.refused,
          client.under_required,
        ])
        // That of the replica begins anew by itself.
        .map((row) => (row[2] === 'TLSv1' ? row.with(3, 'some') : row))
        .sort(),
      [
        ['127.0.0.1', account.user, 'none', 2, 0, 'refused'],
        ['127.0.0.1', 'replica', 'TLSv1', 'some', 0, 'accepted'],
        ['127.0.0.2', account.user, 'none', 1, 0, 'refused'],
        ['127.0.0.3', account.user, 'none', 1, 1, 'refused'],
        ['unix', account.user, 'none', 1, 0, 'accepted'],
      ],
    );

    const text = await report();
    assert.equal(text.code, 1);
    assert.match(
      text.stdout,
      /^3 of 5 clients that are .* would be refused by --client-ssl-mode REQUIRED\.$/m,
    );
    assert.match(text.stdout, /^default {2}127\.0\.0\.3 {2}app .* 1 \(1 refused\) .* refused$/m);
    assert.match(text.stdout, /^3 clients, refused: It was offered TLS and did not use it: /m);
    const json = await report('--json');
    assert.equal((JSON.parse(json.stdout) as PlaintextReport).clients.length, 5);
    const state = (await (await fetch(`http://${admin}/state`)).json()) as ProxyState;
    assert.equal(state.plaintext.clients.length, 5);
    assert.deepEqual(
      state.failures
        .filter(({ code }) => code === 'client_tls_required')
        .map(({ client_address, user, count }) => [client_address, user, count]),
      [['127.0.0.3', account.user, 1]],
    );

    configure(ready, {});
    cli.signal('SIGHUP');
    await cli.line('configuration reloaded');
    await assert.rejects(logIn({ host, port, ...account }), { errno: 3159 });
    await logIn({ socketPath, ...account });
    await logIn({ host, port, ...account, ssl: { ca: certificates.ca.certificate } });
    const off = await report();
    assert.deepEqual([off.code, off.stdout], [2, '']);
    assert.match(off.stderr, /the proxy keeps no report: start it with --report-plaintext/);
  });

  test('is not kept where nothing about single connections is', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    configure(ready, { 'report-plaintext': true, metrics: 'aggregates' });
    const { host, port, admin } = await start(t);
    await logIn({ host, port, ...ready.account });
    const { code, stderr } = await runCli(['report', '--admin', admin]);
    assert.equal(code, 2);
    assert.match(stderr, /the proxy answered 404: .*--metrics aggregates/);
    const state = (await (await fetch(`http://${admin}/state`)).json()) as ProxyState;
    assert.deepEqual([state.plaintext.routes, state.plaintext.clients], [[], []]);
  });
});

/**
 * The replication thread of 5.6 is the one program of its time here that can do TLS. It logs in, finds that it is its own
 * master, and gives up.
 */
async function replicateOverOldTls(
  t: TestContext,
  server: RealServer,
  { host, port }: Running,
): Promise<void> {
  const replica = await createAccount(server, 'replica', { grant: 'REPLICATION SLAVE ON *.*' });
  await server.sql(
    `CHANGE MASTER TO MASTER_HOST='${host}', MASTER_PORT=${port}, MASTER_USER='${replica.user}',
       MASTER_PASSWORD='${replica.password}', MASTER_SSL=1, MASTER_SSL_CA='${certificates.serverTls.ca}';
     START SLAVE`,
  );
  t.after(() => server.sql('STOP SLAVE; RESET SLAVE ALL'));
}

async function whenReported(admin: string, clients: number): Promise<PlaintextReport> {
  for (;;) {
    const report = (await (await fetch(`http://${admin}/plaintext`)).json()) as PlaintextReport;
    if (report.clients.length >= clients) return report;
    await delay(20);
  }
}
