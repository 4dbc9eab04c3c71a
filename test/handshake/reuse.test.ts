/** Kept server connections between scripted peers: what goes where, and who is left in which order. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { authSwitch, CLIENT_FLAGS, err, greeting, login, NONCE, OK, readErr } from '../support/packets.js';
import type { ScriptedPeer } from '../support/scripted-peer.js';
import { type Scenario, type ScenarioOptions, startScenario } from './scenario.js';

const QUIT = Buffer.from([1]);
const RESET = Buffer.from([0x1f]);
const nonceOf = (n: number): Buffer => Buffer.from(String.fromCharCode(65 + n).repeat(20), 'latin1');
const question = (n: number): Buffer =>
  authSwitch('mysql_native_password', Buffer.concat([nonceOf(n), Buffer.from([0])]));
const ANSWER = Buffer.alloc(20, 0xbb);
/** Of a result with one row, an empty text. */
const EMPTY_ROW = [Buffer.from([1]), Buffer.from('def'), Buffer.from([0xfe, 0, 0, 2, 0]), Buffer.from([0])];

const reusing: ScenarioOptions = { route: { reuseServerConnections: true } };

/** A client whose server connection is new, up to its OK. */
async function freshSession(scenario: Scenario): Promise<{ client: ScriptedPeer; server: ScriptedPeer }> {
  const both = await scenario.connectGreeted();
  both.client.send(1, login());
  await both.server.packet();
  both.server.send(2, OK);
  await both.client.packet();
  return both;
}

/** The client leaves, and the server empties the session. */
async function leave({ client, server }: { client: ScriptedPeer; server: ScriptedPeer }): Promise<void> {
  client.send(0, QUIT);
  await readReset(server);
  for (let reply = 0; reply < 3; reply++) server.send(1, OK);
  await client.ended();
  client.close();
}

async function readReset(server: ScriptedPeer): Promise<void> {
  for (let query = 0; query < 2; query++) assert.equal((await server.packet()).payload[0], 3);
  assert.deepEqual((await server.packet()).payload, RESET);
}

/** Probes as a safe server wants it, on a connection of its own. */
async function startSafe(t: TestContext, options: ScenarioOptions = reusing): Promise<Scenario> {
  const scenario = await startScenario(t, options);
  const both = await freshSession(scenario);
  await leave(both);
  await readInitConnect(both.server);
  const { payload } = await both.server.packet();
  assert.equal(payload.subarray(0, 16).toString('latin1'), '\x11proxy_abandoned');
  both.server.send(1, question(0));
  await both.server.packet();
  both.server.send(3, err(1045, 'no', '28000'));
  await both.server.ended();
  return scenario;
}

async function readInitConnect(server: ScriptedPeer): Promise<void> {
  assert.equal((await server.packet()).payload.toString('latin1'), '\x03SELECT @@init_connect');
  for (const [index, packet] of [...EMPTY_ROW, Buffer.from([0xfe, 0, 0, 2, 0])].entries())
    server.send(index + 1, packet);
}

/** With one connection kept. */
async function startKept(t: TestContext, options?: ScenarioOptions) {
  const scenario = await startSafe(t, options);
  const both = await freshSession(scenario);
  await leave(both);
  while (scenario.proxy.keptServers()[0]?.count !== 1) await delay(2);
  return { scenario, server: both.server };
}

/** With one connection kept, and a client whose login the server has just got on it. */
async function startLogin(t: TestContext) {
  const { scenario, server } = await startKept(t);
  const client = await scenario.connectClient();
  await client.packet();
  client.send(1, login());
  await server.packet();
  return { scenario, server, client };
}

const nonceIn = (payload: Buffer): Buffer => {
  const v = payload.indexOf(0) + 1;
  return Buffer.concat([payload.subarray(v + 4, v + 12), payload.subarray(v + 31, v + 43)]);
};

test('a server that never answers the reset is left after the idle timeout', async (t) => {
  const scenario = await startScenario(t, {
    route: { reuseServerConnections: true, reuseIdleTimeout: 100 },
  });
  const { client, server } = await freshSession(scenario);
  client.send(0, QUIT);
  await readReset(server);
  server.send(1, OK);
  assert.deepEqual((await server.packet()).payload, QUIT);
  server.close();
  await client.ended();
});

test('the client is greeted with a nonce of its own, and the server asks the question', async (t) => {
  const { scenario, server } = await startKept(t);
  const client = await scenario.connectClient();
  const { payload: greeted } = await client.packet();
  const nonce = nonceIn(greeted);
  assert.notDeepEqual(nonce, NONCE);
  assert.ok(nonce.every((byte) => byte > 0 && byte < 0x80 && byte !== 0x24));
  assert.deepEqual(greeted.subarray(0, 16), greeting().subarray(0, 16));
  client.send(1, login({ user: 'other', auth: Buffer.alloc(20, 0xcc), schema: 'store' }));
  const { sequenceId, payload: asked } = await server.packet();
  assert.equal(sequenceId, 0);
  assert.equal(asked.toString('latin1'), '\x11other\0\0store\0\x2d\0mysql_tls_proxy_ask\0');
  server.send(1, question(1));
  assert.deepEqual((await client.packet()).payload, question(1));
  client.send(3, ANSWER);
  assert.deepEqual(await server.packet(), { sequenceId: 2, payload: ANSWER });
  server.send(3, OK);
  assert.deepEqual(await client.packet(), { sequenceId: 4, payload: OK });
  assert.equal(scenario.observed.at(-1)?.connection.serverConnection, 'reused');
  assert.equal(scenario.server.accepted.length, 2);
});

test('a refusal passes as it is, and the connection is not kept', async (t) => {
  const { scenario, server, client } = await startLogin(t);
  server.send(1, question(1));
  await client.packet();
  client.send(3, ANSWER);
  await server.packet();
  server.send(3, err(1045, 'Access denied', '28000'));
  assert.deepEqual(readErr((await client.packet()).payload), {
    errno: 1045,
    sqlState: '28000',
    text: 'Access denied',
  });
  assert.deepEqual((await server.packet()).payload, QUIT);
  server.close();
  assert.equal(scenario.proxy.keptServers()[0]?.count, 0);
});

for (const [name, reply] of Object.entries({
  'repeats a nonce': question(0).fill(NONCE, 23, 43),
  'asks nothing': OK,
})) {
  test(`a server that ${name} at a login is not reused any more`, async (t) => {
    const { scenario, server, client } = await startLogin(t);
    server.send(1, reply);
    assert.equal(readErr((await client.packet()).payload).errno, 2012);
    client.close();
    server.close();
    await scenario.quiet();
    assert.equal(scenario.observed.at(-1)?.error?.code, 'server_asks_nothing_new');
    const next = await freshSession(scenario);
    next.client.send(0, QUIT);
    assert.deepEqual((await next.server.packet()).payload, QUIT);
  });
}

test('a connection that dies unseen is replaced, and the new server asks anew', async (t) => {
  const { scenario, server } = await startKept(t);
  const client = await scenario.connectClient();
  await client.packet();
  const accepted = scenario.server.connection();
  client.send(1, login());
  await server.packet();
  server.close();
  const fresh = await accepted;
  fresh.send(0, greeting({ threadId: 99 }));
  const { payload } = await fresh.packet();
  assert.match(payload.toString('latin1'), /app\0\0shop\0mysql_tls_proxy_ask\0$/);
  fresh.send(2, question(1));
  assert.deepEqual(await client.packet(), { sequenceId: 2, payload: question(1) });
  client.send(3, ANSWER);
  assert.deepEqual((await fresh.packet()).payload, ANSWER);
  fresh.send(4, OK);
  assert.deepEqual((await client.packet()).payload, OK);
  const { connection } = scenario.observed.at(-1) ?? {};
  assert.deepEqual([connection?.serverConnection, connection?.serverThreadId], ['fresh', 99]);
});

test('a client with other flags: nobody else gets the connection whose thread id it knows', async (t) => {
  const { scenario, server } = await startKept(t);
  const client = await scenario.connectClient();
  await client.packet();
  const accepted = scenario.server.connection();
  client.send(1, login({ flags: CLIENT_FLAGS & ~0x200000 }));
  assert.deepEqual((await server.packet()).payload, QUIT);
  server.close();
  const fresh = await accepted;
  fresh.send(0, greeting({ threadId: 99 }));
  assert.match((await fresh.packet()).payload.toString('latin1'), /app\0\0shop\0mysql_tls_proxy_ask\0$/);
  fresh.send(2, question(1));
  assert.deepEqual((await client.packet()).payload, question(1));
  client.send(3, ANSWER);
  await fresh.packet();
  fresh.send(4, OK);
  assert.deepEqual((await client.packet()).payload, OK);
  assert.equal(scenario.proxy.keptServers()[0]?.count, 0);
});

test('a client that can not be asked anew fails once, and is then greeted by the server itself', async (t) => {
  const { scenario, server } = await startKept(t);
  const old = login({ flags: CLIENT_FLAGS & ~0x80000 });
  const first = await scenario.connectClient();
  await first.packet();
  const accepted = scenario.server.connection();
  first.send(1, old);
  assert.deepEqual((await server.packet()).payload, QUIT);
  const fresh = await accepted;
  fresh.send(0, greeting());
  assert.equal(readErr((await first.packet()).payload).errno, 1251);
  first.close();
  await fresh.packet();
  fresh.send(2, err(1045, 'no', '28000'));
  await scenario.quiet();
  await leave(await freshSession(scenario));
  const { client, server: own } = await scenario.connectGreeted();
  client.send(1, old);
  assert.match((await own.packet()).payload.toString('latin1'), /app/);
});

test('a client that vanishes before its login leaves the connection for the next one', async (t) => {
  const { scenario } = await startKept(t);
  for (const way of ['after the greeting', 'in the middle of its login'] as const) {
    const client = await scenario.connectClient();
    await client.packet();
    assert.equal(scenario.proxy.keptServers()[0]?.count, 0);
    if (way !== 'after the greeting') client.sendRaw(Buffer.from([80, 0, 0, 1, 0, 1, 2]));
    await delay(20);
    client.reset();
    await scenario.quiet();
    assert.equal(scenario.proxy.keptServers()[0]?.count, 1, way);
  }
});

for (const stage of ['login', 'question', 'answer'] as const) {
  test(`a client that vanishes after the ${stage} leaves the server in good order`, async (t) => {
    const { scenario, server, client } = await startLogin(t);
    if (stage !== 'login') {
      server.send(1, question(1));
      await client.packet();
    }
    if (stage === 'answer') {
      client.send(3, ANSWER);
      await server.packet();
    }
    client.reset();
    await delay(50);
    if (stage === 'login') server.send(1, question(1));
    // An answer that is certainly wrong.
    if (stage !== 'answer') assert.notDeepEqual((await server.packet()).payload, ANSWER);
    server.send(3, err(1045, 'no', '28000'));
    await scenario.quiet();
    assert.equal(scenario.proxy.keptServers()[0]?.count, 0);
    assert.equal(scenario.observed.at(-1)?.closed, 'client_gone');
  });
}

const unsafe: Readonly<Record<string, readonly Buffer[]>> = {
  'repeats the nonce of its greeting': [authSwitch('mysql_native_password'), err(1045, 'no', '28000')],
  'lets anyone in': [OK],
  'decides without a question': [err(1045, 'no', '28000')],
  'asks without a nonce': [authSwitch('mysql_native_password', Buffer.alloc(1)), err(1045, 'no', '28000')],
};
for (const [name, [reply = OK, last]] of Object.entries(unsafe)) {
  test(`a server that ${name} is found by the probe, and its connections are not kept`, async (t) => {
    const scenario = await startScenario(t, reusing);
    const both = await freshSession(scenario);
    await leave(both);
    await readInitConnect(both.server);
    await both.server.packet();
    both.server.send(1, reply);
    if (last !== undefined) {
      await both.server.packet();
      both.server.send(3, last);
    } else {
      assert.deepEqual((await both.server.packet()).payload, QUIT);
      both.server.close();
    }
    await delay(30);
    const next = await freshSession(scenario);
    next.client.send(0, QUIT);
    assert.deepEqual((await next.server.packet()).payload, QUIT);
  });
}

test('a server that asks with another plugin than it was named is probed with that one', async (t) => {
  const scenario = await startScenario(t, reusing);
  for (const [n, plugin] of ['mysql_native_password', 'sha256_password'].entries()) {
    const both = await freshSession(scenario);
    await leave(both);
    await readInitConnect(both.server);
    assert.ok((await both.server.packet()).payload.toString('latin1').endsWith(`${plugin}\0`));
    both.server.send(1, authSwitch('sha256_password', Buffer.concat([nonceOf(n), Buffer.from([0])])));
    await both.server.packet();
    both.server.send(3, err(1045, 'no', '28000'));
    await both.server.ended();
  }
  await leave(await freshSession(scenario));
  while (scenario.proxy.keptServers()[0]?.count !== 1) await delay(2);
});

test('a kept server that says anything, or closes, is dropped at once', async (t) => {
  for (const end of ['says', 'closes'] as const) {
    const { scenario, server } = await startKept(t);
    if (end === 'says') server.send(0, err(4031, 'The client was disconnected by the server'));
    else server.finish();
    while (scenario.proxy.keptServers()[0]?.count !== 0) await delay(2);
    server.close();
    await freshSession(scenario);
  }
});

test('one that is given back when enough others wait is ended', async (t) => {
  const { scenario, server } = await startKept(t, { route: { reuseServerConnections: true, reuseMax: 1 } });
  const silent = await scenario.connectClient();
  await silent.packet();
  await leave(await freshSession(scenario));
  while (scenario.proxy.keptServers()[0]?.count !== 1) await delay(2);
  silent.reset();
  assert.deepEqual((await server.packet()).payload, QUIT);
  server.close();
  assert.equal(scenario.proxy.keptServers()[0]?.count, 1);
});

test('one that is given back after its server was found to be unsafe is ended', async (t) => {
  const { scenario, server } = await startKept(t);
  const silent = await scenario.connectClient();
  await silent.packet();
  const other = await freshSession(scenario);
  await leave(other);
  while (scenario.proxy.keptServers()[0]?.count !== 1) await delay(2);
  const client = await scenario.connectClient();
  await client.packet();
  client.send(1, login());
  await other.server.packet();
  other.server.send(1, OK);
  assert.equal(readErr((await client.packet()).payload).errno, 2012);
  other.server.close();
  silent.reset();
  assert.deepEqual((await server.packet()).payload, QUIT);
  server.close();
  assert.equal(scenario.proxy.keptServers()[0]?.count, 0);
});

for (const [what, last, isTrusted] of [
  ['error 1053', err(1053, 'no', '08S01'), true],
  ['error 1047', err(1047, 'no', '08S01'), false],
  ['an error that is cut off', Buffer.from([0xff]), true],
] as const) {
  test(`a reset that ends with ${what}: the server is ${isTrusted ? 'still' : 'not'} trusted`, async (t) => {
    const scenario = await startSafe(t);
    const { client, server } = await freshSession(scenario);
    client.send(0, QUIT);
    await readReset(server);
    for (const reply of [OK, OK, last]) server.send(1, reply);
    assert.deepEqual((await server.packet()).payload, QUIT);
    server.close();
    const next = await freshSession(scenario);
    next.client.send(0, QUIT);
    assert.equal((await next.server.packet()).payload.equals(QUIT), !isTrusted);
    next.server.close();
  });
}

test('a user who can not be told of init_connect: the next one is asked', async (t) => {
  const scenario = await startScenario(t, reusing);
  for (let probe = 0; probe < 2; probe++) {
    const both = await freshSession(scenario);
    await leave(both);
    assert.equal((await both.server.packet()).payload.toString('latin1'), '\x03SELECT @@init_connect');
    both.server.send(1, err(1226, 'max_questions', '42000'));
    await both.server.packet();
    both.server.close();
    await delay(30);
  }
});

test('an account whose plugin wants the password itself says nothing of nonces', async (t) => {
  const { scenario, server, client } = await startLogin(t);
  server.send(1, Buffer.from('\xfemysql_clear_password\0', 'latin1'));
  await client.packet();
  client.close();
  server.close();
  await scenario.quiet();
  assert.equal(scenario.observed.at(-1)?.error?.code, 'cleartext_refused');
  const next = await freshSession(scenario);
  await leave(next);
  while (scenario.proxy.keptServers()[0]?.count !== 1) await delay(2);
});

for (const [name, asked] of [
  ['a server that has vanished without a word', undefined],
  [
    'an account whose plugin is not known',
    authSwitch('authentication_ldap_sasl_client', Buffer.from('SCRAM')),
  ],
] as const) {
  test(`${name}: the client gets a new connection`, async (t) => {
    const { scenario, server } = await startKept(t);
    const client = await scenario.connectClient();
    await client.packet();
    const accepted = scenario.server.connection();
    client.send(1, login());
    await server.packet();
    if (asked !== undefined) server.send(1, asked);
    const fresh = await accepted;
    server.close();
    fresh.send(0, greeting({ threadId: 99 }));
    await fresh.packet();
    fresh.send(2, question(1));
    assert.deepEqual((await client.packet()).payload, question(1));
    client.send(3, ANSWER);
    await fresh.packet();
    fresh.send(4, OK);
    assert.deepEqual((await client.packet()).payload, OK);
    assert.equal(scenario.observed.at(-1)?.connection.serverConnection, 'fresh');
    await leave({ client, server: fresh });
    while (scenario.proxy.keptServers()[0]?.count !== 1) await delay(2);
  });
}

test('a connection whose user may have only so many is not kept', async (t) => {
  const scenario = await startSafe(t);
  const { client, server } = await freshSession(scenario);
  client.send(0, QUIT);
  await readReset(server);
  const affected = Buffer.from(OK);
  affected[1] = 1;
  server.send(1, affected);
  assert.deepEqual((await server.packet()).payload, QUIT);
  server.close();
  await leave(await freshSession(scenario));
  while (scenario.proxy.keptServers()[0]?.count !== 1) await delay(2);
});
