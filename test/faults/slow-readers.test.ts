/** Clients ask for much and do not read it: what waits for them waits in the server. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openRawSession, sendQuery } from '../integration/raw-session.js';
import { orSkip } from '../integration/real-server.js';
import { account, createAccount, startProgram } from '../integration/started-program.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { startMariadb } from '../support/servers.js';

const certificates = makeCertificates(makeTemporaryFolder());
const clients = 200;
/** Bytes of the proxy for each client that does not read, TLS to the server included. docs/architecture.md states it. */
const mostForEach = 512 * 1024;

test(`${clients} clients ask for 50 MB each and do not read: memory stays bounded, and others are served`, async (t) => {
  const server = orSkip(t, await startMariadb({ tls: certificates.serverTls }));
  if (server === undefined) return;
  t.after(() => server.stop());
  await createAccount(server);
  const program = await startProgram(t, server, certificates, ['--workers', '2']);
  const sockets: Socket[] = [];
  t.after(() => sockets.forEach((socket) => void socket.destroy()));
  for (let count = 0; count < clients; count++) sockets.push(await openRawSession(program, account));
  const memory = () => [program.pid, ...program.children()].reduce((sum, pid) => sum + residentBytes(pid), 0);
  const before = memory();
  const rows =
    'SELECT REPEAT(MD5(1), 1600) FROM information_schema.COLLATIONS a, information_schema.COLLATIONS b LIMIT 1000';
  for (const socket of sockets) sendQuery(socket.pause(), rows);
  let most = 0;
  for (let second = 0; second < 10; second++) {
    await delay(1_000);
    most = Math.max(most, memory());
  }
  const forEach = (most - before) / clients;
  t.diagnostic(`${Math.round(forEach / 1024)} kB for each client`);
  assert.ok(forEach < mostForEach, `${forEach} bytes for each client`);
  assert.equal(await program.metric('connections_active'), clients);
  assert.ok(await (await program.connect()).query('SELECT 1'));
  for (const socket of sockets) socket.destroy();
  await program.until(async () => (await program.metric('connections_active')) <= 1);
});

function residentBytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}
