/** SIGUSR2: a new process takes the place of the old one under load, and nobody notices but those who stay connected. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startMysql9 } from '../support/servers.js';
import { orSkip, stopServer } from './real-server.js';
import { account, createAccount, isRunning, type StartedProgram, startProgram } from './started-program.js';

const certificates = makeCertificates(makeTemporaryFolder());

let server: RealServer | Unavailable;
before(async () => {
  server = await startMysql9({ tls: certificates.serverTls });
  if (!isUnavailable(server)) await createAccount(server);
});
after(() => stopServer(server));

/** Resolves with the process that has taken over. It ends with the test. */
async function upgrade(t: TestContext, { cli }: StartedProgram, pid: number): Promise<number> {
  const seen = cli.lines.length;
  process.kill(pid, 'SIGUSR2');
  for (;;) {
    const line = cli.lines.slice(seen).find(({ msg }) => msg === 'the new process accepts connections');
    if (line !== undefined) {
      const successor = line['pid'] as number;
      t.after(() => {
        if (isRunning(successor)) process.kill(successor, 'SIGKILL');
      });
      return successor;
    }
    await delay(20);
  }
}

/** Connects, asks and leaves, again and again in several places, until it is stopped. */
function startLoad(connect: () => ReturnType<typeof createConnection>) {
  const counts = { connections: 0, failures: [] as unknown[] };
  let isStopped = false;
  const one = async () => {
    while (!isStopped) {
      try {
        const connection = await connect();
        await connection.query('SELECT 1');
        await connection.end();
        counts.connections += 1;
      } catch (error) {
        counts.failures.push(error);
      }
    }
  };
  const all = Promise.all(Array.from({ length: 6 }, one));
  return {
    counts,
    stop: async () => {
      isStopped = true;
      await all;
    },
  };
}

for (const workers of ['1', '2']) {
  for (const where of ['a port', 'a socket file']) {
    test(`under load on ${where}, with --workers ${workers}: no connection fails`, async (t) => {
      const running = orSkip(t, server);
      if (running === undefined) return;
      const socketPath = path.join(makeTemporaryFolder(), 'proxy.sock');
      const program = await startProgram(t, running, certificates, [
        ...['--workers', workers, '--listen', `unix:${socketPath}`, '--drain-timeout', '20s'],
      ]);
      const target = where === 'a port' ? { host: program.host, port: program.port } : { socketPath };
      const load = startLoad(() => createConnection({ ...target, ...account }));
      const stays = await createConnection({ ...target, ...account });
      stays.on('error', () => {});
      await stays.query('BEGIN');
      await program.until(() => load.counts.connections > 50);

      const successor = await upgrade(t, program, program.pid);
      const before = load.counts.connections;
      assert.notEqual(successor, program.pid);
      assert.equal((await fetch(`http://${program.admin}/readyz`)).status, 200);
      await program.until(() => load.counts.connections > before + 100);
      // The old process goes on for those who are in the middle of something.
      await stays.query('SELECT 1');
      await stays.query('COMMIT');
      if (program.cli.child.exitCode === null) await once(program.cli.child, 'exit');
      assert.equal(program.cli.child.exitCode, 0);
      await assert.rejects(stays.query('SELECT 1'));

      // And once more, from the successor.
      const second = await upgrade(t, program, successor);
      const then = load.counts.connections;
      await program.until(() => load.counts.connections > then + 50 && !isRunning(successor));
      await load.stop();
      assert.deepEqual(load.counts.failures, []);
      const reply = await fetch(`http://${program.admin}/metrics`);
      assert.match(await reply.text(), /mysql_tls_proxy_connections_total\{route="default"\} \d\d/);

      process.kill(second, 'SIGTERM');
      await program.until(() => !isRunning(second));
      assert.equal(existsSync(socketPath), false);
    });
  }
}

test('a successor that can not start changes nothing', async (t) => {
  const running = orSkip(t, server);
  if (running === undefined) return;
  const file = path.join(makeTemporaryFolder(), 'proxy.yaml');
  writeFileSync(file, 'drain-timeout: 5s\n');
  const program = await startProgram(t, running, certificates, [
    ...['--config', file, '--reload-on-change', 'off'],
  ]);
  const connection = await program.connect();
  writeFileSync(file, 'drain-timeout: soon\n');
  program.cli.signal('SIGUSR2');
  await program.until(() =>
    program.cli.lines.some(({ msg }) => /^no new process takes the place of this one.*exit code 2/.test(msg)),
  );
  await connection.query('SELECT 1');
  await (await program.connect()).query('SELECT 1');
  assert.equal((await fetch(`http://${program.admin}/readyz`)).status, 200);

  writeFileSync(file, 'drain-timeout: 3s\n');
  await upgrade(t, program, program.pid);
  await (await program.connect()).query('SELECT 1');
});
