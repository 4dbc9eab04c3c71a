/** Balancers in front of the proxy: whom their PROXY header makes the client, and who is not believed. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { CLIENT_FLAGS, FLAGS, greeting, login, OK, readErr, sslRequest } from '../support/packets.js';
import { frame } from '../support/scripted-peer.js';
import { type Scenario, type ScenarioOptions, startScenario } from './scenario.js';

const V1 = Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 51234 3306\r\n');
const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const V2 = Buffer.concat([SIGNATURE, Buffer.from('2111000ccb007107c0000201c8220cea', 'hex')]);
const LOCAL = Buffer.concat([SIGNATURE, Buffer.from('20000000', 'hex')]);

const behindBalancer = (options: ScenarioOptions = {}): ScenarioOptions => ({
  ...options,
  client: { plaintextFrom: ['203.0.113.0/24'], ...options.client },
  route: { proxyProtocolFrom: ['127.0.0.0/8'], ...options.route },
});

/** Everything that was accepted is over, and no server has heard of it. */
async function assertNoServer(scenario: Scenario): Promise<void> {
  await scenario.quiet();
  assert.equal(scenario.server.accepted.length, 0);
}

/** From the greeting to the accepted login. */
async function logIn(scenario: Scenario, header: Buffer): Promise<void> {
  const client = await scenario.connectClient();
  client.sendRaw(header);
  const server = await scenario.server.connection();
  server.send(0, greeting());
  await client.packet();
  client.send(1, login());
  await server.packet();
  server.send(2, OK);
  assert.deepEqual((await client.packet()).payload, OK);
}

for (const [version, header] of [
  ['1', V1],
  ['2', V2],
] as const) {
  test(`version ${version}: the client is whom the header names, and the balancer is remembered`, async (t) => {
    const scenario = await startScenario(t, behindBalancer());
    await logIn(scenario, header);
    const [{ connection } = assert.fail()] = scenario.observed;
    assert.equal(connection.clientAddress, '203.0.113.7:51234');
    assert.match(connection.via, /^127\.0\.0\.1:\d+$/);
  });

  test(`version ${version} from elsewhere: refused in so many words`, async (t) => {
    const scenario = await startScenario(t, { route: { proxyProtocolFrom: ['192.0.2.1/32'] } });
    const client = await scenario.connectClient();
    client.sendRaw(header);
    const server = await scenario.server.connection();
    server.send(0, greeting());
    await client.packet();
    const { errno, text } = readErr((await client.packet()).payload);
    assert.equal(errno, 1043);
    assert.match(text, /began with a PROXY header, and its address is not in --proxy-protocol-from/);
    // The server is left in good order.
    assert.match((await server.packet()).payload.toString('latin1'), /proxy_abandoned/);
    server.send(2, Buffer.from('\xff\x15\x04#28000Access denied', 'latin1'));
    await scenario.quiet();
    const [observed] = scenario.observed;
    assert.equal(observed?.error?.code, 'client_proxy_header_refused');
    assert.match(observed?.connection.clientAddress ?? '', /^127\.0\.0\.1:/);
    assert.equal(observed?.connection.via, '');
  });
}

test("whether a client may stay in plaintext is judged by its own address, not by the balancer's", async (t) => {
  const scenario = await startScenario(t, behindBalancer({ client: { plaintextFrom: ['127.0.0.0/8'] } }));
  const client = await scenario.connectClient();
  client.sendRaw(V2);
  const { errno, text } = readErr((await client.packet()).payload);
  assert.equal(errno, 3159);
  assert.match(text, /connections from 203\.0\.113\.7 using insecure transport are prohibited/);
  await assertNoServer(scenario);
});

test('a login in the same segment as the header is not lost', async (t) => {
  const scenario = await startScenario(t, behindBalancer());
  const client = await scenario.connectClient();
  client.sendRaw(Buffer.concat([V2, frame(1, login())]));
  const server = await scenario.server.connection();
  server.send(0, greeting());
  assert.deepEqual((await server.packet()).payload, login());
});

test('the server is told of the client in its attributes, too', async (t) => {
  const scenario = await startScenario(t, behindBalancer({ route: { connectionAttributes: 'on' } }));
  const client = await scenario.connectClient();
  client.sendRaw(V1);
  const server = await scenario.server.connection();
  server.send(0, greeting());
  await client.packet();
  const flags = CLIENT_FLAGS | FLAGS.connectAttributes;
  client.send(1, Buffer.concat([login({ flags }), Buffer.from('\x08\x03_os\x03abc', 'latin1')]));
  const attributes = (await server.packet()).payload.toString('latin1');
  assert.ok(attributes.endsWith(`_client_ip${String.fromCharCode(11)}203.0.113.7`), attributes);
});

async function fails(t: TestContext, bytes: Buffer, options: ScenarioOptions = {}) {
  const scenario = await startScenario(t, behindBalancer(options));
  const client = await scenario.connectClient();
  client.sendRaw(bytes);
  const told = readErr((await client.packet()).payload);
  client.finish();
  return { scenario, told };
}

test('something else than a header: no server is bothered', async (t) => {
  const { scenario, told } = await fails(t, frame(1, login()));
  assert.equal(told.errno, 1043);
  assert.match(told.text, /is in --proxy-protocol-from, but began with something else than a PROXY header/);
  await assertNoServer(scenario);
  assert.equal(scenario.observed[0]?.error?.code, 'client_proxy_header_missing');
  assert.equal(scenario.observed[0]?.closed, 'client_proxy_header_missing');
});

test('a header that can not be read: no server is bothered', async (t) => {
  const { scenario, told } = await fails(t, Buffer.from('PROXY TCP4 nobody\r\n'));
  assert.match(told.text, /the PROXY header of 127\.0\.0\.1:\d+ can not be read/);
  await assertNoServer(scenario);
  assert.equal(scenario.observed[0]?.closed, 'client_proxy_header_invalid');
});

test('no header in time: no server is bothered, and the error says what to change', async (t) => {
  const { scenario, told } = await fails(t, Buffer.alloc(0), { process: { handshakeTimeout: 100 } });
  assert.match(told.text, /sent no whole PROXY header within 0\.1 s\. Let the balancer there send/);
  await assertNoServer(scenario);
  assert.equal(scenario.observed[0]?.closed, 'client_proxy_header_missing');
});

for (const [what, bytes] of [
  ['nothing', Buffer.alloc(0)],
  ['LOCAL', LOCAL],
  ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n')],
] as const) {
  for (const how of ['finish', 'reset'] as const) {
    test(`a health check that sends ${what} and is gone (${how}): no server is bothered`, async (t) => {
      const scenario = await startScenario(t, behindBalancer());
      const client = await scenario.connectClient();
      client.sendRaw(bytes);
      await new Promise((resolve) => client.socket.write('', resolve));
      client[how]();
      while (scenario.observed[0]?.closed === undefined) await delay(2);
      assert.equal(scenario.observed[0].closed, 'client_gone');
      await assertNoServer(scenario);
    });
  }
}

test('a balancer that logs in itself is the client', async (t) => {
  const scenario = await startScenario(t, behindBalancer({ client: { plaintextFrom: ['127.0.0.1/32'] } }));
  await logIn(scenario, LOCAL);
  const [{ connection } = assert.fail()] = scenario.observed;
  assert.match(connection.clientAddress, /^127\.0\.0\.1:\d+$/);
  assert.equal(connection.via, '');
});

test('clients on a socket file send no header', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'proxy-header-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const listen = { kind: 'unix', path: join(folder, 'proxy.sock') } as const;
  const scenario = await startScenario(t, behindBalancer({ listen }));
  const { client, server } = await scenario.connectBoth();
  server.send(0, greeting());
  assert.equal((await client.packet()).sequenceId, 0);
  assert.equal(scenario.observed[0]?.connection.clientAddress, 'unix');
});

test('PASSTHROUGH: the header ends at the proxy', async (t) => {
  const options = { client: { sslMode: 'PASSTHROUGH' }, server: { sslMode: 'AS_CLIENT' } } as const;
  const scenario = await startScenario(t, behindBalancer(options));
  const client = await scenario.connectClient();
  client.sendRaw(V2);
  const server = await scenario.server.connection();
  server.send(0, greeting());
  await client.packet();
  client.send(1, sslRequest());
  client.sendRaw(Buffer.from([0x16, 3, 1]));
  assert.deepEqual((await server.packet()).payload, sslRequest());
  assert.equal(scenario.observed[0]?.connection.clientAddress, '203.0.113.7:51234');
});

test('a connection that waits for its header counts, and a proxy that stops ends it at once', async (t) => {
  const scenario = await startScenario(t, behindBalancer({ process: { handshakeTimeout: 600_000 } }));
  const client = await scenario.connectClient();
  while (scenario.proxy.connections() !== 1) await delay(2);
  await scenario.proxy.close();
  assert.equal(scenario.proxy.connections(), 0);
  assert.match(readErr((await client.packet()).payload).text, /shutdown/i);
  assert.equal(scenario.observed[0]?.closed, 'proxy_shutdown');
  assert.equal(scenario.server.accepted.length, 0);
});
