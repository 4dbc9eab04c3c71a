import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { createSecureContext } from 'node:tls';
import { makeCertificates } from '../support/certificates.js';
import { greeting, login, OK, sslRequest } from '../support/packets.js';
import type { ScriptedPeer } from '../support/scripted-peer.js';
import { type Scenario, startScenario } from './scenario.js';

const folder = mkdtempSync(join(tmpdir(), 'relay-'));
after(() => rmSync(folder, { recursive: true }));
const { server: identity, serverTls } = makeCertificates(folder);
const context = createSecureContext({ cert: identity.certificate, key: identity.key });

interface Relay {
  scenario: Scenario;
  client: ScriptedPeer;
  server: ScriptedPeer;
}

async function startRelay(t: TestContext, tls: { client: boolean; server: boolean }): Promise<Relay> {
  const scenario = await startScenario(t, {
    client: tls.client ? { sslMode: 'REQUIRED', sslCert: [serverTls.cert], sslKey: [serverTls.key] } : {},
    server: tls.server ? { sslMode: 'VERIFY_CA', sslCa: serverTls.ca } : {},
  });
  const { client, server } = await scenario.connectGreeted();
  let clientSequence = 1;
  if (tls.client) {
    client.send(clientSequence++, sslRequest());
    await client.startTlsAsClient();
  }
  client.send(clientSequence++, login());
  let serverSequence = 1;
  await server.packet();
  if (tls.server) {
    serverSequence += 1;
    await server.startTlsAsServer(context);
    await server.packet();
  }
  server.send(serverSequence + 1, OK);
  await client.packet();
  if (tls.client && !tls.server) await beginDump(client, server);
  return { scenario, client, server };
}

/** From a TLS client to a plaintext server only what is understood passes, or what follows the start of a stream. */
async function beginDump(client: ScriptedPeer, server: ScriptedPeer): Promise<void> {
  client.send(0, Buffer.from([0x12]));
  await server.packet();
  server.send(1, Buffer.from([0]));
  await client.packet();
}

const legs = [false, true].flatMap((client) => [false, true].map((server) => ({ client, server })));
for (const tls of legs) {
  const name = `client ${tls.client ? 'TLS' : 'plaintext'}, server ${tls.server ? 'TLS' : 'plaintext'}`;

  test(`${name}: 16 MiB of random bytes arrive unchanged both ways at once`, async (t) => {
    const { client, server, scenario } = await startRelay(t, tls);
    const { connection } = scenario.observed[0] ?? assert.fail();
    const [fromClient, fromServer] = [connection.clientBytes.in, connection.serverBytes.in];
    const up = randomBytes(16 << 20);
    const down = randomBytes(16 << 20);
    client.sendRaw(up);
    server.sendRaw(down);
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    const arrived = await Promise.all([collect(server, up.length), collect(client, down.length)]);
    assert.equal(digest(arrived[0]), digest(up));
    assert.equal(digest(arrived[1]), digest(down));
    assert.equal(connection.clientBytes.in, fromClient + up.length);
    assert.equal(connection.serverBytes.in, fromServer + down.length);
  });

  test(`${name}: what is too short to be a command arrives once`, async (t) => {
    const { client, server } = await startRelay(t, tls);
    for (const piece of ['\x05\0', '\0']) client.sendRaw(Buffer.from(piece, 'latin1'));
    client.finish();
    assert.equal((await server.ended()).toString('latin1'), '\x05\0\0');
  });

  test(`${name}: half-close: the client has sent all, and still gets the whole answer`, async (t) => {
    const { client, server, scenario } = await startRelay(t, tls);
    client.sendRaw(Buffer.from('question'));
    client.finish();
    assert.equal((await server.ended()).toString(), 'question');
    const answer = randomBytes(1 << 20);
    server.sendRaw(answer);
    server.finish();
    assert.deepEqual(await client.ended(), answer);
    await scenario.quiet();
    assert.equal(scenario.observed[0]?.closed, 'client_closed');
  });

  test(`${name}: half-close: the server has sent all, and still gets what the client says`, async (t) => {
    const { client, server, scenario } = await startRelay(t, tls);
    server.sendRaw(Buffer.from('shutting down'));
    server.finish();
    assert.equal((await client.ended()).toString(), 'shutting down');
    client.sendRaw(Buffer.from('last words'));
    client.finish();
    assert.equal((await server.ended()).toString(), 'last words');
    await scenario.quiet();
    assert.equal(scenario.observed[0]?.closed, 'server_closed');
  });

  test(`${name}: a client that breaks off ends the server leg`, async (t) => {
    const { client, server, scenario } = await startRelay(t, tls);
    client.reset();
    await server.ended();
    server.close();
    await scenario.quiet();
    assert.equal(scenario.observed[0]?.closed, 'client_closed');
  });

  test(`${name}: a server that breaks off ends the client leg, after what the server had sent`, async (t) => {
    const { client, server, scenario } = await startRelay(t, tls);
    server.sendRaw(Buffer.from('before the break'));
    assert.equal((await client.bytes(16)).toString(), 'before the break');
    server.reset();
    await client.ended();
    client.close();
    await scenario.quiet();
    assert.equal(scenario.observed[0]?.closed, 'server_closed');
  });

  test(`${name}: who does not read stops the other side from sending`, async (t) => {
    const { client, server, scenario } = await startRelay(t, tls);
    client.socket.pause();
    const chunk = Buffer.alloc(1 << 20, 7);
    let sent = 0;
    // Kernel buffers take a few MiB; without back-pressure the proxy would take all of the 256.
    while (sent < 256 && (await flushed(server, chunk))) sent += 1;
    assert.ok(sent < 64, `the proxy took ${sent} MiB for a client that does not read`);
    const record = scenario.observed[0]?.connection;
    assert.ok((record?.serverBytes.in ?? 0) < 64 << 20);
    client.socket.resume();
    const expected = (sent + 1) << 20;
    assert.equal((await collect(client, expected)).length, expected);
  });
}

/** Whether the bytes left this process before the connection stood still. */
function flushed(peer: ScriptedPeer, bytes: Buffer): Promise<boolean> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), 500);
    peer.socket.write(bytes, () => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

/** As `bytes`, without joining the chunks again and again. */
function collect(peer: ScriptedPeer, length: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let received = 0;
  return new Promise((resolve, reject) => {
    peer.socket.removeAllListeners('data');
    peer.socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      received += chunk.length;
      if (received >= length) resolve(Buffer.concat(chunks));
    });
    peer.socket.on('close', () => reject(new Error(`closed after ${received} of ${length} bytes`)));
  });
}

test('closing the proxy: sessions are cut, a client in its handshake gets 1053', async (t) => {
  const { client: relayed, scenario } = await startRelay(t, { client: false, server: false });
  const { client: greeted, server } = await scenario.connectBoth();
  server.send(0, greeting());
  await greeted.packet();
  const closed = scenario.proxy.close();
  assert.equal(scenario.proxy.ready(), false);
  const answer = await greeted.packet();
  assert.equal(answer.payload.readUInt16LE(1), 1053);
  await relayed.ended();
  greeted.close();
  await closed;
  assert.equal(scenario.proxy.connections(), 0);
  assert.deepEqual(
    scenario.observed.map(({ closed: reason }) => reason),
    ['proxy_shutdown', 'proxy_shutdown'],
  );
});
