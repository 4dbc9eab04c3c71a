/** Much data through the proxy: every byte arrives, and a peer that stops reading fills no memory. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type InsideView, type ProxyProcess, startProxyProcess } from '../support/proxy-process.js';
import { type RealServer, startMariadb } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { openRawSession, sendQuery, sendQuit } from './raw-session.js';
import { orSkip, overTls, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const megabyte = 1024 * 1024;
/** What a connection whose peer does not read may cost. Node, TLS and the kernel hold some buffers of their own. */
const mostMemory = 64 * megabyte;

interface Setup {
  readonly server: RealServer;
  readonly account: Account;
  readonly proxy: ProxyProcess;
}

describe('large data', () => {
  let setup: Setup | Unavailable;
  before(async () => {
    setup = await prepare();
  });
  after(async () => {
    if (isUnavailable(setup)) return;
    await setup.proxy.stop();
    await stopServer(setup.server);
  });

  const results = [
    { clientLeg: 'plaintext', rows: 1024 },
    { clientLeg: 'TLS', rows: 256 },
  ] as const;
  for (const { clientLeg, rows } of results) {
    test(`a result of ${rows} MB waits for a client that reads nothing (${clientLeg}), and then arrives whole`, async (t) => {
      const ready = orSkip(t, setup);
      if (ready === undefined) return;
      const { server, account, proxy } = ready;
      const query = `SELECT seq, REPEAT(CHAR(65 + seq % 26 USING ascii), ${megabyte}) FROM shop.seq_1_to_${rows}`;
      const memoryBefore = await memoryAfterFirstQuery(ready);

      const tls = clientLeg === 'TLS' ? { ca: certificates.ca.certificate } : {};
      const socket = await openRawSession(proxy, account, tls);
      t.after(() => socket.destroy());
      const { bytesFromServer: bytesBefore } = await proxy.inside();
      sendQuery(socket, query);
      sendQuit(socket);
      const stalled = await whenStalled(proxy, 'bytesFromServer', bytesBefore);
      assertHeldBack(stalled, memoryBefore);
      const [thread] = await server.sql(
        "SELECT state AS state FROM information_schema.processlist WHERE user = 'app'",
      );
      assert.equal(thread?.['state'], 'Writing to net');

      const proxied = await digestOfRest(socket);
      const directSocket = await openRawSession(server, account);
      t.after(() => directSocket.destroy());
      sendQuery(directSocket, query);
      sendQuit(directSocket);
      const direct = await digestOfRest(directSocket);
      assert.ok(direct.bytes > rows * megabyte);
      assert.deepEqual(proxied, direct);
    });
  }

  test('an upload of 64 MB waits for a server that reads nothing, and then arrives as it was sent', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { server, proxy } = ready;
    const lines = Array.from({ length: 64 }, (_, id) => ({ id, text: textOfOneMegabyte(id) }));
    const memoryBefore = await memoryAfterFirstQuery(ready);
    const connection = await connectTo(ready);
    t.after(() => connection.destroy());
    t.after(() => process.kill(server.pid, 'SIGCONT'));

    const { bytesFromClient: bytesBefore } = await proxy.inside();
    let chunks = 0;
    const upload = connection.query({
      sql: "LOAD DATA LOCAL INFILE 'lines' INTO TABLE shop.line",
      infileStreamFactory: () =>
        Readable.from(
          (function* () {
            for (const { id, text } of lines) {
              // The server has asked for the data by then.
              if (chunks++ === 0) process.kill(server.pid, 'SIGSTOP');
              yield Buffer.from(`${id}\t${text}\n`);
            }
          })(),
        ),
    });
    const stalled = await whenStalled(proxy, 'bytesFromClient', bytesBefore);
    assertHeldBack(stalled, memoryBefore);

    process.kill(server.pid, 'SIGCONT');
    await upload;
    const arrived = await server.sql('SELECT id, SHA2(text, 256) AS hash FROM shop.line ORDER BY id');
    assert.deepEqual(
      arrived,
      lines.map(({ id, text }) => ({ id, hash: createHash('sha256').update(text).digest('hex') })),
    );
  });

  test('a row of more than two whole packets goes both ways', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const connection = await connectTo(ready);
    t.after(() => connection.destroy());
    const text = Array.from({ length: 40 }, (_, index) => textOfOneMegabyte(index)).join('');
    await connection.query('INSERT INTO shop.line VALUES (1000, ?)', [text]);
    const [[row]] = await connection.query<RowDataPacket[]>('SELECT text FROM shop.line WHERE id = 1000');
    assert.ok(row?.['text'] === text);
    const [again] = await ready.server.sql('SELECT SHA2(text, 256) AS hash FROM shop.line WHERE id = 1000');
    assert.equal(again?.['hash'], createHash('sha256').update(text).digest('hex'));
  });
});

async function prepare(): Promise<Setup | Unavailable> {
  const server = await startMariadb({ tls: certificates.serverTls, extraArgs: ['--local-infile=1'] });
  if (isUnavailable(server)) return server;
  const account = await createAccount(server, 'app');
  const proxy = await startProxyProcess({
    ...overTls(server, certificates),
    clientSslCert: certificates.server.certificateFile,
    clientSslKey: certificates.server.keyFile,
  });
  await server.sql(
    'CREATE DATABASE shop; CREATE TABLE shop.line (id INT PRIMARY KEY, text LONGTEXT) ENGINE=MyISAM',
  );
  return { server, account, proxy };
}

function connectTo({ proxy, account }: Setup): Promise<Connection> {
  const { host, port } = proxy;
  return createConnection({ host, port, ...account, flags: ['+LOCAL_FILES'] });
}

async function memoryAfterFirstQuery(setup: Setup): Promise<number> {
  const connection = await connectTo(setup);
  await connection.query('SELECT 1');
  await connection.end();
  await setup.proxy.inside();
  return setup.proxy.rssBytes();
}

/** Waits until the proxy has taken something and then nothing more for a while. */
async function whenStalled(
  proxy: ProxyProcess,
  counter: 'bytesFromClient' | 'bytesFromServer',
  before: number,
): Promise<{ bytes: number; peakRss: number }> {
  let bytes = 0;
  let peakRss = 0;
  for (let unchanged = 0; unchanged < 20; ) {
    const view: InsideView = await proxy.inside();
    const now = view[counter] - before;
    unchanged = now > 0 && now === bytes ? unchanged + 1 : 0;
    bytes = now;
    peakRss = Math.max(peakRss, proxy.rssBytes());
    await delay(50);
  }
  return { bytes, peakRss };
}

function assertHeldBack(stalled: { bytes: number; peakRss: number }, memoryBefore: number): void {
  assert.ok(stalled.bytes < mostMemory, `the proxy took ${stalled.bytes} bytes that nobody wanted`);
  const growth = stalled.peakRss - memoryBefore;
  assert.ok(growth < mostMemory, `the process grew by ${growth} bytes`);
}

/** Of all bytes until the server closes the connection. */
async function digestOfRest(socket: Socket): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

function textOfOneMegabyte(seed: number): string {
  const block = createHash('sha512').update(String(seed)).digest('hex');
  return block.repeat(megabyte / block.length);
}
