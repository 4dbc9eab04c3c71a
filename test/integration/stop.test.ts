/** SIGTERM and SIGINT, with real clients, in one process and in several. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startMysql9 } from '../support/servers.js';
import { orSkip, stopServer } from './real-server.js';
import { createAccount, isRunning, type StartedProgram, startProgram } from './started-program.js';

const certificates = makeCertificates(makeTemporaryFolder());

let server: RealServer | Unavailable;
before(async () => {
  server = await startMysql9({ tls: certificates.serverTls });
  if (!isUnavailable(server)) await createAccount(server);
});
after(() => stopServer(server));

async function readiness({ admin }: StartedProgram): Promise<number> {
  return (await fetch(`http://${admin}/readyz`)).status;
}

for (const workers of ['1', '2']) {
  describe(`with ${workers} worker${workers === '1' ? '' : 's'}`, { concurrency: 2 }, () => {
    test('drained: not ready at once, listeners close after drain-delay, exit code 0', async (t) => {
      const running = orSkip(t, server);
      if (running === undefined) return;
      const args = ['--workers', workers, '--drain-delay', '1500ms', '--drain-timeout', '15s'];
      const program = await startProgram(t, running, certificates, args);
      const [idle, busy] = [await program.connect(), await program.connect()];
      await idle.query('SELECT 1');
      const slow = busy.query('SELECT SLEEP(4) AS slept');
      assert.equal(await readiness(program), 200);
      program.cli.signal('SIGTERM');
      await program.cli.line('stopping');
      assert.equal(await readiness(program), 503);
      const late = await program.connect();
      await late.query('SELECT 1');
      await delay(1_800);
      await assert.rejects(program.connect(), { code: 'ECONNREFUSED' });
      assert.equal(await readiness(program), 503);
      const [rows] = await slow;
      assert.deepEqual(rows, [{ slept: 0 }]);
      await assert.rejects(idle.query('SELECT 1'));
      assert.equal((await program.cli.ended).code, 0);
      const reasons = program.cli.lines
        .filter(({ msg }) => msg === 'connection closed')
        .map(({ reason }) => reason);
      assert.deepEqual(reasons, ['proxy_shutdown', 'proxy_shutdown', 'proxy_shutdown']);
      assert.equal(program.cli.lines.at(-1)?.msg, 'stopped');
    });

    test('cut after drain-timeout: exit code 1, and the log says how many', async (t) => {
      const running = orSkip(t, server);
      if (running === undefined) return;
      const args = ['--workers', workers, '--drain-timeout', '2s'];
      const program = await startProgram(t, running, certificates, args);
      const [idle, inTransaction] = [await program.connect(), await program.connect()];
      await idle.query('SELECT 1');
      await inTransaction.query('BEGIN');
      program.cli.signal('SIGINT');
      assert.equal((await program.cli.ended).code, 1);
      const last = program.cli.lines.at(-1);
      assert.equal(last?.['cut'], 1);
      assert.match(last?.msg ?? '', /^stopped: connections were cut .* raise --drain-timeout/);
    });

    test('a second signal waits for nobody', async (t) => {
      const running = orSkip(t, server);
      if (running === undefined) return;
      const args = ['--workers', workers, '--drain-timeout', '1h'];
      const program = await startProgram(t, running, certificates, args);
      const connection = await program.connect();
      await connection.query('BEGIN');
      const children = program.children();
      program.cli.signal('SIGTERM');
      await program.cli.line('stopping');
      await delay(300);
      program.cli.signal('SIGTERM');
      assert.equal((await program.cli.ended).code, 1);
      assert.equal(program.cli.lines.at(-1)?.msg, 'stopped at once by a second signal');
      await assert.rejects(connection.query('COMMIT'));
      await program.until(() => children.every((pid) => !isRunning(pid)));
    });
  });
}
