/** The network between proxy and server, or between clients and proxy, is slow, loses packets or is cut; names move. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { orSkip } from '../integration/real-server.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { type RealServer, startMysql9 } from '../support/servers.js';
import { newConnection, prepareServer, startStage, writersCount } from './fault-stage.js';
import { type Link, linkedNamespace, machineSide, namespaceSide, withHostsFile } from './namespaces.js';

const certificates = makeCertificates(makeTemporaryFolder(), {
  serverNames: ['localhost', '127.0.0.1', machineSide, 'db.test'],
});

/** In the machine itself, where the proxy in the namespace reaches it. */
async function startServer(t: TestContext, host: string, bound = '0.0.0.0'): Promise<RealServer | undefined> {
  const server = orSkip(t, await startMysql9({ tls: certificates.serverTls, host: bound }));
  if (server === undefined) return undefined;
  t.after(() => server.stop());
  await prepareServer(server);
  return { ...server, host };
}

/** Delay with loss where the kernel has netem, else so little bandwidth that the buffers are always full, which loses packets too. */
async function makeBad(t: TestContext, link: Link): Promise<void> {
  if (await link.shape('netem', 'delay', '40ms', '10ms', 'loss', '2%')) return;
  assert.ok(await link.shape('tbf', 'rate', '300kbit', 'burst', '3000', 'limit', '6000'));
  t.diagnostic('this kernel has no netem: little bandwidth with full buffers in its place');
}

/** The proxy's processes are in the namespace; clients come to it, and it goes to the server, over the one link. */
test('slow, lossy, then cut for a while: sessions wait and go on, and nothing is lost', async (t) => {
  const link = await linkedNamespace(t);
  if (link === undefined) return;
  const server = await startServer(t, machineSide);
  if (server === undefined) return;
  const { program, writers, assertAllIsWell } = await startStage(
    t,
    server,
    certificates,
    ['--client-plaintext-from', `${machineSide}/32`, '--connect-timeout', '2s'],
    { runBy: link.runBy, listenHost: namespaceSide },
  );
  await makeBad(t, link);
  await writers.more(100);
  await link.clearShape();
  await writers.more(50);
  await link.setUp(false);
  await delay(3_000);
  const written = writers.acknowledged;
  await delay(500);
  assert.equal(writers.acknowledged, written, 'the link was not cut');
  await link.setUp(true);
  await writers.more(writersCount * 10);
  assert.equal(await newConnection(program), 'connected');
  assert.deepEqual([...writers.statementErrors], []);
  await assertAllIsWell();
});

test('only the server is cut off: new clients are told in time, sessions go on afterwards', async (t) => {
  const link = await linkedNamespace(t);
  if (link === undefined) return;
  const server = await startServer(t, machineSide);
  if (server === undefined) return;
  // Clients are inside, too, as far as the kernel is concerned: they come through the socket file.
  const socketFile = path.join(makeTemporaryFolder(), 'socket');
  const { program, writers, assertAllIsWell } = await startStage(
    t,
    server,
    certificates,
    [
      ...['--listen', `unix:${socketFile}`, '--client-plaintext-from', `${machineSide}/32`],
      ...['--connect-timeout', '1s', '--handshake-timeout', '2s'],
    ],
    { runBy: link.runBy, listenHost: namespaceSide },
  );
  const inside = await program.connect({ socketPath: socketFile });
  await link.setUp(false);
  const refused = await program.connect({ socketPath: socketFile }).then(
    () => undefined,
    (error: { errno?: number; message: string }) => error,
  );
  assert.ok([2003, 1159].includes(refused?.errno ?? 0), `${refused?.errno} ${refused?.message}`);
  assert.match(String(refused?.message), /server leg/);
  const answer = inside.query('SELECT 1');
  await link.setUp(true);
  await answer;
  await inside.end();
  await writers.more(50);
  await assertAllIsWell();
});

test('the name of the server moves: new connections go to the new address, sessions stay where they are', async (t) => {
  const hosts = path.join(makeTemporaryFolder(), 'hosts');
  const point = (address: string) => writeFileSync(hosts, `${address} db.test\n127.0.0.1 localhost\n`);
  point('127.0.0.1');
  const runBy = await withHostsFile(t, hosts);
  if (runBy === undefined) return;
  const server = await startServer(t, 'db.test', '127.0.0.1');
  if (server === undefined) return;
  const other = orSkip(
    t,
    await startMysql9({ tls: certificates.serverTls, host: '127.0.0.3', port: server.port }).catch(
      (error) => ({
        unavailable: String(error),
      }),
    ),
  );
  if (other === undefined) return;
  t.after(() => other.stop());
  await prepareServer(other);
  const { program, writers, assertAllIsWell } = await startStage(t, server, certificates, [], { runBy });
  const stays = await program.connect();
  point('127.0.0.3');
  const moved = await program.connect();
  const dataOf = async (connection: typeof moved) => {
    const [rows] = await connection.query('SELECT @@datadir AS folder');
    return String((rows as { folder: string }[])[0]?.folder).replace(/\/$/, '');
  };
  assert.equal(await dataOf(moved), other.dataFolder);
  assert.equal(await dataOf(stays), server.dataFolder);
  await writers.more(50);
  assert.deepEqual([...writers.statementErrors], []);
  await Promise.all([stays.end(), moved.end()]);
  await assertAllIsWell();
});
