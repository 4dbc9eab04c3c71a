/** Several processes that are one proxy to whoever looks at it from outside. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startMysql9 } from '../support/servers.js';
import { orSkip, stopServer } from './real-server.js';
import { handshake } from './resumed-sessions.js';
import { createAccount, establishedSockets, isRunning, startProgram } from './started-program.js';

const certificates = makeCertificates(makeTemporaryFolder());
const twoWorkers = ['--workers', '2'];

let server: RealServer | Unavailable;
before(async () => {
  server = await startMysql9({ tls: certificates.serverTls });
  if (!isUnavailable(server)) await createAccount(server);
});
after(() => stopServer(server));

test('connections are spread evenly, and all of them are in one set of figures', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const program = await startProgram(t, running, certificates, twoWorkers);
  const connections = await Promise.all(Array.from({ length: 20 }, () => program.connect()));
  for (const connection of connections) await connection.query('DO 1');
  assert.equal(await program.metric('connections_active'), 20);
  assert.equal(await program.metric('commands_total', 'command="COM_QUERY"'), 20);
  assert.equal(await program.metric('command_duration_seconds_count', 'command="COM_QUERY"'), 20);
  const sockets = program.children().map((pid) => establishedSockets(pid, program.port));
  assert.deepEqual(sockets, [10, 10]);

  assert.equal(await program.metric('worker_connections', 'worker="1"'), 10);
  assert.equal(await program.metric('worker_connections', 'worker="2"'), 10);
  assert.ok((await program.metric('worker_resident_memory_bytes', 'worker="2"')) > 20_000_000);
  assert.ok((await program.metric('worker_cpu_seconds_total', 'worker="1"')) > 0.05);
  assert.equal(await program.metric('handshakes_waiting'), 0);

  const reply = await fetch(`http://${program.admin}/connections`);
  const { connections: listed } = (await reply.json()) as {
    connections: { id: number; commands: number; user: string }[];
  };
  assert.equal(new Set(listed.map(({ id }) => id)).size, 20);
  assert.ok(listed.every(({ commands, user }) => commands === 1 && user === 'app'));

  for (const connection of connections) await connection.end();
  await program.until(async () => (await program.metric('connections_active')) === 0);
  assert.equal(await program.metric('connections_total'), 20);
  assert.equal(await program.metric('connections_closed_total'), 20);
  const closings = () => program.cli.lines.filter(({ msg }) => msg === 'connection closed');
  await program.until(() => closings().length >= 20);
  assert.equal(new Set(closings().map(({ connection }) => connection)).size, 20);
});

test('limits hold over all of them', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const program = await startProgram(t, running, certificates, [...twoWorkers, '--max-connections', '7']);
  const tries = await Promise.all(Array.from({ length: 15 }, () => outcomeOf(program.connect())));
  const [inside, refused] = [tries.filter(isConnection), tries.filter((one) => one === 1040)];
  assert.deepEqual([inside.length, refused.length], [7, 8]);
  const [first] = inside;
  await first?.end();
  await program.until(async () => (await program.metric('connections_active')) === 6);
  assert.ok(isConnection(await outcomeOf(program.connect())));
  assert.equal(await outcomeOf(program.connect()), 1040);
});

test('a rate holds over all of them', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const program = await startProgram(t, running, certificates, [
    ...twoWorkers,
    ...['--address-connection-rate', '5/h'],
  ]);
  const tries = await Promise.all(Array.from({ length: 12 }, () => outcomeOf(program.connect())));
  assert.equal(tries.filter(isConnection).length, 5);
  assert.equal(await program.metric('connections_rejected_total', 'address_rate_exceeded'), 7);
});

test('max-server-connections holds over all of them', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const args = [...twoWorkers, '--max-server-connections', '5', '--connect-timeout', '1s'];
  const program = await startProgram(t, running, certificates, args);
  const tries = await Promise.all(Array.from({ length: 12 }, () => outcomeOf(program.connect())));
  assert.equal(tries.filter(isConnection).length, 5);
  assert.equal(tries.filter((one) => one === 1040).length, 7);
  assert.equal(await program.metric('server_connections_active'), 5);
});

test('one that is killed takes its own connections along, and another takes its place', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const program = await startProgram(t, running, certificates, twoWorkers);
  const connections = await Promise.all(Array.from({ length: 10 }, () => program.connect()));
  for (const connection of connections) await connection.query('DO 1');
  const total = await program.metric('commands_total');
  const [victim = 0, other] = program.children();
  process.kill(victim, 'SIGKILL');
  await program.until(() =>
    program.cli.lines.some(({ msg }) => /^worker \d was killed by SIGKILL/.test(msg)),
  );
  const alive = await Promise.all(connections.map((connection) => isAlive(connection)));
  assert.equal(alive.filter(Boolean).length, 5);
  assert.equal(await program.metric('connections_active'), 5);
  assert.equal(await program.metric('connections_closed_total', 'worker_died'), 5);
  assert.ok((await program.metric('commands_total')) >= total);

  assert.equal(await program.metric('worker_restarts_total'), 1);
  // While it is away, and when it is back.
  for (let count = 0; count < 10; count++) await (await program.connect()).end();
  await program.until(() => program.children().length === 2);
  assert.equal(program.children().includes(other ?? 0), true);
  await program.cli.line('worker started');
  const more = await Promise.all(Array.from({ length: 6 }, () => program.connect()));
  assert.ok((await Promise.all(more.map(isAlive))).every(Boolean));
  const sockets = program.children().map((pid) => establishedSockets(pid, program.port));
  assert.ok(
    sockets.every((count) => count >= 5),
    sockets.join(),
  );
});

test('a connection that a stopped worker has not taken goes to the next when it dies', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const program = await startProgram(t, running, certificates, twoWorkers);
  const [stopped = 0] = program.children();
  process.kill(stopped, 'SIGSTOP');
  const connecting = Array.from({ length: 4 }, () => program.connect());
  const settled: string[] = [];
  for (const one of connecting) void one.then(() => settled.push('in'));
  await program.until(() => settled.length === 2);
  await delay(300);
  assert.equal(settled.length, 2);
  process.kill(stopped, 'SIGKILL');
  const all = await Promise.all(connecting);
  assert.ok((await Promise.all(all.map(isAlive))).every(Boolean));
});

test('one that hangs gets no more connections after a while', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const program = await startProgram(t, running, certificates, twoWorkers);
  const [hung = 0] = program.children();
  process.kill(hung, 'SIGSTOP');
  // It is asked once a second, and has 5 seconds.
  await delay(7_000);
  for (let count = 0; count < 4; count++) await (await program.connect()).end();
  // The figures do not wait for it for long.
  assert.equal(await program.metric('connections_total'), 4);
  process.kill(hung, 'SIGCONT');
});

test('connections that came while all of them hung get in when they go on', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const program = await startProgram(t, running, certificates, twoWorkers);
  for (const pid of program.children()) process.kill(pid, 'SIGSTOP');
  t.after(() => {
    for (const pid of program.children()) process.kill(pid, 'SIGCONT');
  });
  // Until then they are given to one that does not take them.
  await delay(6_500);
  const connecting = [program.connect(), program.connect()];
  await program.until(async () => (await program.metric('worker_connections')) === 0);
  for (const pid of program.children()) process.kill(pid, 'SIGCONT');
  for (const connection of await Promise.all(connecting)) assert.ok(await isAlive(connection));
});

test('stopped: clients that no worker has taken hear of it', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const program = await startProgram(t, running, certificates, [
    ...twoWorkers,
    ...['--route-max-handshakes', '1', '--drain-timeout', '0s'],
  ]);
  const silent = Array.from({ length: 300 }, () => net.connect({ host: program.host, port: program.port }));
  // One that was not accepted yet gets a reset.
  const words = silent.map(async (socket) => String(await socket.toArray().catch(() => 'reset')));
  await program.until(async () => (await program.metric('handshakes_waiting')) > 200);
  program.cli.signal('SIGTERM');
  const heard = await Promise.all(words);
  assert.equal(heard.filter((text) => text === '').length, 0);
  assert.ok(heard.some((text) => text.includes('Server shutdown in progress')));
});

test('a client resumes its TLS session with any of them', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const program = await startProgram(t, running, certificates, twoWorkers);
  const first = await handshake(program);
  assert.equal(first.isReused, false);
  for (let count = 0; count < 6; count++) {
    const next = await handshake(program, first.session);
    assert.equal(next.isReused, true);
  }
});

test('a reload reaches all of them, or none', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const folder = makeTemporaryFolder();
  const [certificate, key] = [path.join(folder, 'cert.pem'), path.join(folder, 'key.pem')];
  const others = makeCertificates(makeTemporaryFolder());
  const install = (from: typeof certificates) => {
    copyFileSync(from.server.certificateFile, certificate);
    copyFileSync(from.server.keyFile, key);
  };
  install(certificates);
  const program = await startProgram(t, running, certificates, twoWorkers, {
    shown: { certificateFile: certificate, keyFile: key },
  });
  const shown = async () => {
    const handshakes = await Promise.all(Array.from({ length: 6 }, () => handshake(program)));
    return [...new Set(handshakes.map(({ serialNumber }) => serialNumber.toLowerCase()))];
  };
  const serialOf = ({ server: { serialNumber } }: typeof certificates) => serialNumber.toLowerCase();
  assert.deepEqual(await shown(), [serialOf(certificates)]);
  const before = await handshake(program);
  install(others);
  program.cli.signal('SIGHUP');
  await program.cli.line('configuration reloaded');
  assert.deepEqual(await shown(), [serialOf(others)]);
  // A session that was agreed on before is not resumed under another certificate.
  assert.equal((await handshake(program, before.session)).isReused, false);

  // A key that does not fit: all of them keep what they have.
  copyFileSync(certificates.server.keyFile, key);
  program.cli.signal('SIGHUP');
  await program.cli.line('reload failed, the old configuration stays in use');
  assert.deepEqual(await shown(), [serialOf(others)]);
  assert.equal(await program.metric('tls_reloads_total', 'failure'), 1);
});

test('none is left when the main process is killed', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const program = await startProgram(t, running, certificates, [...twoWorkers, '--drain-timeout', '1s']);
  await program.connect();
  const workers = program.children();
  assert.equal(workers.length, 2);
  program.cli.signal('SIGKILL');
  await program.cli.ended;
  await program.until(() => workers.every((pid) => !isRunning(pid)));
});

test('a worker that can not start stops the start, with its reason', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const taken = net.createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.after(() => taken.close());
  const { port } = taken.address() as net.AddressInfo;
  await assert.rejects(
    startProgram(t, running, certificates, [...twoWorkers, '--listen', `127.0.0.1:${port}`]),
    /EADDRINUSE/,
  );
});

type Outcome = Connection | number;
const isConnection = (outcome: Outcome): outcome is Connection => typeof outcome !== 'number';

/** The connection, or the number of the error. */
async function outcomeOf(connecting: Promise<Connection>): Promise<Outcome> {
  try {
    return await connecting;
  } catch (error) {
    return (error as { errno?: number }).errno ?? -1;
  }
}

function isAlive(connection: Connection): Promise<boolean> {
  return connection.query('SELECT 1').then(
    () => true,
    () => false,
  );
}
