/** Clients whose handshake may not begin yet, and what they do meanwhile. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { authSwitch, err, greeting, login, OK, readErr } from '../support/packets.js';
import { frame, type ScriptedPeer } from '../support/scripted-peer.js';
import { type Scenario, startScenario } from './scenario.js';

interface Waiting {
  readonly scenario: Scenario;
  /** The one whose handshake is under way. */
  readonly first: { readonly client: ScriptedPeer; readonly server: ScriptedPeer };
  readonly waiting: ScriptedPeer;
}

async function startWaiting(t: TestContext): Promise<Waiting> {
  const scenario = await startScenario(t, { route: { routeMaxHandshakes: 1 } });
  const first = await scenario.connectGreeted();
  const waiting = await scenario.connectClient();
  await until(() => scenario.proxy.waiting().get('default') === 1);
  return { scenario, first, waiting };
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(5);
}

async function logIn({ client, server }: Waiting['first']): Promise<void> {
  client.send(1, login());
  await server.packet();
  server.send(2, OK);
  assert.deepEqual((await client.packet()).payload, OK);
}

const spoken: readonly [name: string, bytes: Buffer, code: string, text: RegExp][] = [
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'client_packet_too_large', /announced a packet of/],
  ['a byte', Buffer.of(1), 'client_packet_out_of_order', /sent something before it was greeted/],
  ['a login', frame(0, login()), 'client_packet_out_of_order', /sent something before it was greeted/],
  ['a packet with an id', frame(1, login()), 'client_packet_out_of_order', /packet 1 where packet 0 was due/],
  [
    'a PROXY header',
    Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n'),
    'client_proxy_header_refused',
    /began with a PROXY header/,
  ],
];

for (const [name, bytes, code, text] of spoken) {
  test(`one that sends ${name} is refused, and the server does not hear of it`, async (t) => {
    const { scenario, first, waiting } = await startWaiting(t);
    waiting.sendRaw(bytes);
    const { sequenceId, payload } = await waiting.packet();
    assert.equal(sequenceId, 0);
    assert.match(readErr(payload).text, text);
    await waiting.ended();
    waiting.close();
    await until(() => scenario.proxy.connections() === 1);
    assert.equal(scenario.observed[1]?.closed, code);
    await logIn(first);
    const next = await scenario.connectGreeted();
    await logIn(next);
    assert.equal(scenario.server.accepted.length, 2);
  });
}

test('one that sends something gets no slot, although one is free', async (t) => {
  const { scenario, first, waiting } = await startWaiting(t);
  waiting.sendRaw(Buffer.of(1));
  await logIn(first);
  assert.match(readErr((await waiting.packet()).payload).text, /before it was greeted/);
  assert.equal(scenario.server.accepted.length, 1);
});

test('one that sends on and on is cut off', async (t) => {
  const { scenario, waiting } = await startWaiting(t);
  waiting.socket.on('error', () => {});
  waiting.sendRaw(Buffer.alloc(1_000_000, 0xff));
  await until(() => scenario.proxy.connections() === 1);
  assert.equal(scenario.server.accepted.length, 1);
});

for (const how of ['finish', 'reset', 'close'] as const) {
  test(`one that leaves (${how}) waits no more`, async (t) => {
    const { scenario, first, waiting } = await startWaiting(t);
    waiting[how]();
    await until(() => scenario.proxy.connections() === 1);
    assert.equal(scenario.proxy.waiting().get('default'), 0);
    assert.equal(scenario.observed[1]?.closed, 'client_gone');
    await logIn(first);
    assert.equal(scenario.server.accepted.length, 1);
  });
}

test('one that leaves after it has sent something waits no more', async (t) => {
  const { scenario, waiting } = await startWaiting(t);
  waiting.sendRaw(Buffer.of(1));
  waiting.close();
  await until(() => scenario.proxy.connections() === 1);
  assert.equal(scenario.proxy.waiting().get('default'), 0);
});

test('one that takes its time for each answer is not put out, although another waits for longer', async (t) => {
  const { first } = await startWaiting(t);
  const { client, server } = first;
  await delay(350);
  client.send(1, login());
  await server.packet();
  server.send(2, authSwitch('no_such_plugin'));
  assert.equal((await client.packet()).payload[0], 0xfe);
  await delay(350);
  client.send(3, Buffer.from('an answer'));
  assert.deepEqual((await server.packet()).payload, Buffer.from('an answer'));
  server.send(4, OK);
  assert.deepEqual((await client.packet()).payload, OK);
});

test('one that keeps silent while another waits is put out, and the other one gets in', async (t) => {
  const { scenario, first, waiting } = await startWaiting(t);
  const { payload } = await first.client.packet();
  assert.match(readErr(payload).text, /kept silent in its handshake while other clients were waiting/);
  const accepted = scenario.server.connection();
  await first.server.packet();
  first.server.send(2, err(1045, 'Access denied', '28000'));
  const server = await accepted;
  server.send(0, greeting());
  await waiting.packet();
  await logIn({ client: waiting, server });
});

test('plaintext that is not allowed any more by then is refused', async (t) => {
  const { scenario, first, waiting } = await startWaiting(t);
  await scenario.reload({
    routeMaxHandshakes: 1,
    client: {
      sslMode: 'DISABLED',
      tlsProfile: 'intermediate',
      tlsVersion: ['TLSv1.3'],
      plaintextFrom: ['10.0.0.0/8'],
    },
  });
  await logIn(first);
  assert.equal(readErr((await waiting.packet()).payload).errno, 3159);
});
