/** config/haproxy/haproxy.cfg as it is, but for addresses, ports and times, in front of two proxies in processes of their own. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { haproxyProgram } from '../support/bench-programs.js';
import { CliProcess } from '../support/cli-process.js';
import { type RunningHaproxy, startHaproxy } from '../support/haproxy.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { run } from '../support/run.js';
import { freePort, type RealServer, startMariadb } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { orSkip, stopServer } from './real-server.js';

const CLIENT = '127.0.0.2';
const proxies = ['proxy-1', 'proxy-2'] as const;

let server: RealServer | Unavailable;
before(async () => {
  server = await startMariadb({ extraArgs: ['--proxy-protocol-networks=127.0.0.0/8'] });
});
after(() => stopServer(server));

interface Stage {
  readonly account: Account;
  readonly haproxy: RunningHaproxy;
  readonly port: number;
  readonly processes: ReadonlyMap<string, CliProcess>;
}

/** Undefined after having marked the test as skipped. */
async function setStage(t: TestContext, account: Account, real: RealServer): Promise<Stage | undefined> {
  const [port, statistics] = [await freePort(), await freePort()];
  let configuration = readFileSync('config/haproxy/haproxy.cfg', 'utf8');
  const replace = (text: string, by: string) => {
    assert.ok(configuration.includes(text), `${text} is not in haproxy.cfg`);
    configuration = configuration.replaceAll(text, by);
  };
  replace('bind :3306', `bind 127.0.0.1:${port}`);
  replace('127.0.0.1:8404', `127.0.0.1:${statistics}`);
  replace('inter 2s', 'inter 100ms');
  replace(' check port 9307', ' check');
  const processes = new Map<string, CliProcess>();
  for (const [name, address] of [
    ['proxy-1', '10.0.0.8:3307'],
    ['proxy-2', '10.0.0.9:3307'],
  ] as const) {
    const [listen, admin] = [await freePort(), await freePort()];
    replace(address, `127.0.0.1:${listen} port ${admin}`);
    processes.set(name, startProxy(t, real, listen, admin));
  }
  const haproxy = orSkip(t, await startHaproxy(configuration));
  if (haproxy === undefined) return undefined;
  t.after(() => haproxy.stop());
  for (const name of proxies) await untilStatus(haproxy, name, /^UP$/);
  return { account, haproxy, port, processes };
}

function startProxy(t: TestContext, real: RealServer, listen: number, admin: number): CliProcess {
  const proxy = new CliProcess([
    ...['--listen', `127.0.0.1:${listen}`, '--admin-listen', `127.0.0.1:${admin}`],
    ...['--server', `${real.host}:${real.port}`, '--server-ssl-mode', 'DISABLED'],
    ...['--proxy-protocol-from', '127.0.0.1', '--server-proxy-protocol', 'v2'],
    ...['--client-plaintext-from', CLIENT],
  ]);
  t.after(async () => {
    proxy.child.kill('SIGKILL');
    await proxy.ended;
  });
  return proxy;
}

async function untilStatus(haproxy: RunningHaproxy, name: string, status: RegExp): Promise<void> {
  while (!status.test(await haproxy.statusOf('mysql-tls-proxy', name))) await delay(20);
}

const logIn = ({ port, account }: Stage) =>
  createConnection({
    ...account,
    stream: () => connect({ port, host: '127.0.0.1', localAddress: CLIENT, noDelay: true }),
  });

async function ask(stage: Stage): Promise<string> {
  const connection = await logIn(stage);
  // A proxy that is killed ends sessions; that is told by the query.
  connection.on('error', () => {});
  try {
    const [rows] = await connection.query<RowDataPacket[]>('SELECT USER() AS user');
    return String(rows[0]?.['user']);
  } finally {
    connection.destroy();
  }
}

/** As an application does that connects again. */
async function askUntilServed(stage: Stage): Promise<{ user: string; failures: number }> {
  for (let failures = 0; ; failures++) {
    try {
      return { user: await ask(stage), failures };
    } catch {
      await delay(10);
    }
  }
}

/** Lines at the end of connections with a login, of each proxy. */
const sessionsOf = (process: CliProcess | undefined): number =>
  process?.lines.filter(({ msg, user }) => msg === 'connection closed' && user === 'app').length ?? 0;

test('one of two proxies is killed under load: clients that connect again are served by the other', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const account = await createAccount(running, 'app');
  const stage = await setStage(t, account, running);
  if (stage === undefined) return;
  const [first, second] = proxies.map((name) => stage.processes.get(name));

  // leastconn: both have some of those that stay.
  const held = await Promise.all(Array.from({ length: 8 }, () => logIn(stage)));
  for (const connection of held) connection.on('error', () => {});

  let loading = true;
  let served = 0;
  const load = Array.from({ length: 4 }, async () => {
    while (loading) {
      const { user } = await askUntilServed(stage);
      assert.equal(user, `app@${CLIENT}`);
      served += 1;
    }
  });
  while (served < 50) await delay(5);
  first?.child.kill('SIGKILL');
  await first?.ended;
  const servedBefore = served;
  while (served < servedBefore + 200) await delay(5);
  await untilStatus(stage.haproxy, 'proxy-1', /^DOWN/);
  loading = false;
  await Promise.all(load);

  // Sessions at the other one live on.
  const answers = await Promise.allSettled(held.map((connection) => connection.query('SELECT 1')));
  const alive = answers.filter(({ status }) => status === 'fulfilled').length;
  assert.ok(alive > 0 && alive < held.length, `${alive} of ${held.length} live on`);
  for (const connection of held) connection.destroy();

  // Nobody is sent to the dead one any more.
  for (let i = 0; i < 20; i++) assert.equal((await askUntilServed(stage)).failures, 0);
  assert.equal(await stage.haproxy.statusOf('mysql-tls-proxy', 'proxy-2'), 'UP');
  assert.ok(sessionsOf(first) > 0, 'the first one had its share');
  assert.ok(sessionsOf(second) > sessionsOf(first));
  const told = second?.lines.find(({ msg }) => msg === 'connection closed');
  assert.match(String(told?.['client']), /^127\.0\.0\.2:\d+$/);
  assert.match(String(told?.['via']), /^127\.0\.0\.1:\d+$/);
});

test('a proxy that is started again takes its share again', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const account = await createAccount(running, 'again');
  const stage = await setStage(t, account, running);
  if (stage === undefined) return;
  const first = stage.processes.get('proxy-1');
  const ready = await first?.line('ready');
  const portOf = (address: unknown) => Number(String(address).split(':').at(-1));
  const [listen, admin] = [portOf([ready?.['listen']].flat()[0]), portOf(ready?.['admin'])];
  // Told to stop, as at an update: it is taken out of service without a failed client.
  first?.child.kill('SIGTERM');
  await first?.ended;
  await untilStatus(stage.haproxy, 'proxy-1', /^DOWN/);
  assert.equal((await askUntilServed(stage)).failures, 0);
  const restarted = startProxy(t, running, listen, admin);
  await untilStatus(stage.haproxy, 'proxy-1', /^UP$/);
  const held = await Promise.all(Array.from({ length: 4 }, () => logIn(stage)));
  for (const connection of held) await connection.end();
  const closed = () =>
    restarted.lines.filter(({ msg, user }) => msg === 'connection closed' && user === 'again').length;
  while (closed() === 0) await delay(10);
  assert.ok(closed() < held.length);
});

test('the configuration of HAProxy is valid as it is', async (t) => {
  const found = await haproxyProgram();
  if (isUnavailable(found)) return t.skip(found.unavailable);
  const { file, args } = found.program;
  const checked = await run(file, [...args, '-c', '-f', 'config/haproxy/haproxy.cfg'], {});
  assert.equal(checked.code, 0, checked.stderr);
  assert.doesNotMatch(`${checked.stdout}${checked.stderr}`, /WARNING|ALERT/);
});
