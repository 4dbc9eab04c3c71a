/**
 * `npm run test:soak`: half an hour with 500 connections, unless SOAK_SECONDS and SOAK_CONNECTIONS say otherwise; without these, as
 * one of all tests, a minute with fewer.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { orSkip } from '../integration/real-server.js';
import { startProgram } from '../integration/started-program.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { startMysql9 } from '../support/servers.js';
import { soak, steadyGrowth } from './soak.js';

const seconds = Number(process.env['SOAK_SECONDS'] ?? 60);
const connections = Number(process.env['SOAK_CONNECTIONS'] ?? 60);
const users = ['soak_1', 'soak_2', 'soak_3'];
const password = 'a secret of the soak test';
/** A process still grows a lot in its first minutes. Afterwards: a third of a kilobyte for each login, or 5 bytes for each query. */
const mostGrowthPerMinute = seconds < 600 ? 30_000 : 500;

const certificates = makeCertificates(makeTemporaryFolder());

test('a leak shows, one that is hidden by the collector and by a step, too; a step alone does not', () => {
  const measure = (kilobytes: (minutes: number) => number) =>
    Array.from({ length: 1_800 }, (_, second) => [second / 60, kilobytes(second / 60)] as const);
  const collector = (minutes: number) => (minutes * 7_000) % 5_000;
  const step = (minutes: number) => (minutes > 20 ? 10_000 : 0);
  const leak = (minutes: number) => minutes * 1_000;
  assert.ok(Math.abs(steadyGrowth(measure((minutes) => collector(minutes) + step(minutes)))) < 500);
  assert.ok(steadyGrowth(measure((minutes) => collector(minutes) + step(minutes) + leak(minutes))) > 500);
});

test(`${connections} connections for ${seconds} s: no error, and memory stays flat`, {
  timeout: seconds * 1000 + 120_000,
}, async (t) => {
  const server = orSkip(
    t,
    await startMysql9({ tls: certificates.serverTls, extraArgs: ['--max-connections=2000'] }),
  );
  if (server === undefined) return;
  t.after(() => server.stop());
  for (const user of users) await server.sql(`CREATE USER '${user}'@'%' IDENTIFIED BY '${password}'`);
  const program = await startProgram(t, server, certificates, ['--workers', '2']);
  const pids = [program.pid, ...program.children()];
  const result = await soak(
    { host: program.host, port: program.port, password, users, ca: certificates.ca.certificate, pids },
    {
      seconds,
      connections,
      onProgress: (line) => void (seconds >= 600 && process.stderr.write(`${line}\n`)),
    },
  );
  const { queries, logins, userChanges, largeRows, memory } = result;
  t.diagnostic(
    `${logins} logins, ${queries} queries, ${userChanges} changes of user, ${largeRows} large rows of 1 MB`,
  );
  for (const { pid, firstKilobytes, lastKilobytes, kilobytesPerMinute } of memory)
    t.diagnostic(
      `process ${pid}: ${firstKilobytes} kB, then ${lastKilobytes} kB; ${kilobytesPerMinute.toFixed(1)} kB/min in the second half`,
    );
  assert.deepEqual([...result.errors], []);
  assert.ok(logins > connections && userChanges > 0 && largeRows > 0);
  for (const { pid, kilobytesPerMinute } of memory)
    assert.ok(
      kilobytesPerMinute < mostGrowthPerMinute,
      `process ${pid} grows by ${kilobytesPerMinute} kB/min`,
    );
  const failures = program.cli.lines.filter(({ level, code }) => level === 'error' || code !== undefined);
  assert.deepEqual(failures, []);
  await program.until(async () => (await program.metric('connections_active')) === 0);
});
