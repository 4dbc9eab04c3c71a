/** The proxy may open fewer files than its clients need. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { Connection } from 'mysql2/promise';
import { openFiles } from '../../src/proxy/open-files.js';
import { orSkip, stopServer } from '../integration/real-server.js';
import { createAccount, startProgram } from '../integration/started-program.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startMysql9 } from '../support/servers.js';

const certificates = makeCertificates(makeTemporaryFolder());
/** Node.js needs 300 to load a program at once. */
const limit = 400;
const limitsFile = path.join(makeTemporaryFolder(), 'limits');
writeFileSync(
  limitsFile,
  `Max open files            ${limit}                 ${limit}                 files\n`,
);
const perProcess = openFiles(limitsFile)?.connections ?? 0;
const ER_CON_COUNT = 1040;

let server: RealServer | Unavailable;
before(async () => {
  server = await startMysql9({ tls: certificates.serverTls, extraArgs: ['--max-connections=2000'] });
  if (!isUnavailable(server)) await createAccount(server);
});
after(() => stopServer(server));

for (const workers of [1, 2]) {
  test(`${workers} workers: more clients than files: those inside go on, others hear why, and it passes`, async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    const fits = perProcess * workers;
    const program = await startProgram(
      t,
      running,
      certificates,
      ['--workers', String(workers), '--route-max-handshakes', '1000'],
      {
        runBy: ['/bin/sh', '-c', `ulimit -n ${limit}; exec "$@"`, 'sh'],
      },
    );
    const warning = program.cli.lines.find(({ level }) => level === 'warn');
    assert.match(
      String(warning?.msg),
      new RegExp(
        `^--max-connections is 4096, but the limit of ${limit} open files .* enough for ${fits} connections`,
      ),
    );
    const tries = await inBatches(fits + 15, () => program.connect());
    const inside = tries.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    const refusals = tries.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []));
    assert.equal(inside.length, fits, [...new Set(refusals.map(String))].join('; '));
    for (const refusal of refusals) {
      assert.equal(refusal.errno, ER_CON_COUNT);
      assert.match(refusal.message, /may have no more than 400 files open.*LimitNOFILE=/);
    }
    assert.ok((await Promise.all(inside.map(isAlive))).every(Boolean));

    // Many more than can even be told.
    const flood = await Promise.allSettled(Array.from({ length: 3 * limit }, () => program.connect()));
    assert.ok(flood.every(({ status }) => status === 'rejected'));
    assert.ok((await Promise.all(inside.map(isAlive))).every(Boolean));
    // One client's refusals are told five times in a minute, and counted.
    const told = program.cli.lines.filter(
      ({ code, suppressed }) => code === 'open_files_used_up' && !suppressed,
    );
    assert.ok(told.length <= 5, `${told.length} lines`);

    await Promise.all(inside.map((connection) => connection.end()));
    await program.until(async () => (await program.metric('connections_active')) === 0);
    const again = await inBatches(fits, () => program.connect());
    assert.ok(again.every(({ status }) => status === 'fulfilled'));
    const died = program.cli.lines.filter(({ msg }) => /^worker \d/.test(msg) && !/started/.test(msg));
    assert.deepEqual(died, []);
  });
}

function isAlive(connection: Connection): Promise<boolean> {
  return connection.query('SELECT 1').then(
    () => true,
    () => false,
  );
}

/** All at once, those that the main process has not handed over yet would use up its own files, and be closed without a word. */
async function inBatches<T>(count: number, connect: () => Promise<T>): Promise<PromiseSettledResult<T>[]> {
  const results: PromiseSettledResult<T>[] = [];
  while (results.length < count) {
    const length = Math.min(50, count - results.length);
    results.push(...(await Promise.allSettled(Array.from({ length }, connect))));
  }
  return results;
}
