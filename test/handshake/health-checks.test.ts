/** Health checks of a scripted server: what it gets to see, and what is told of it. */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { authSwitch, err, greeting, login, OK, readErr, sslRequest } from '../support/packets.js';
import type { ScriptedPeer } from '../support/scripted-peer.js';
import { type ScenarioOptions, startScenario } from './scenario.js';

const folder = makeTemporaryFolder();
const { server: certificate } = makeCertificates(folder);
const passwordFile = path.join(folder, 'password');
writeFileSync(passwordFile, 'secret\n');
chmodSync(passwordFile, 0o600);

const checked: ScenarioOptions = { route: { healthCheckInterval: 50 } };
const withLogin: ScenarioOptions = {
  route: { healthCheckInterval: 50, healthCheckUser: 'monitor', healthCheckPasswordFile: passwordFile },
};

const denied = err(1045, 'Access denied', '28000');

/** As a server does that works: it refuses the decoy. */
async function refuseDecoy(server: ScriptedPeer): Promise<void> {
  server.send(0, greeting());
  assert.match((await server.packet()).payload.toString('latin1', 32), /^proxy_abandoned\0/);
  server.send(2, denied);
  server.finish();
  await server.ended();
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await delay(5);
}

test('a check without a user leaves with a login that is refused, again and again', async (t) => {
  const scenario = await startScenario(t, checked);
  for (let round = 0; round < 3; round++) await refuseDecoy(await scenario.server.connection());
  await until(() => scenario.checks.length === 3);
  const { greetedAfter, ...check } = scenario.checks[0] ?? assert.fail();
  assert.ok((greetedAfter ?? -1) > 0);
  assert.deepEqual(check, {
    route: 'default',
    server: `127.0.0.1:${scenario.server.port}`,
    result: 'success',
    error: undefined,
  });
  assert.deepEqual(
    scenario.health.map(({ error, by }) => [error, by]),
    [[undefined, 'check']],
  );
  assert.deepEqual(scenario.observed, []);
  assert.equal(scenario.proxy.serverConnections()[0]?.count, 0);
});

test('a check goes through TLS as the route wants it', async (t) => {
  const scenario = await startScenario(t, { ...checked, server: { sslMode: 'REQUIRED' } });
  const server = await scenario.server.connection();
  server.send(0, greeting());
  // No more flags than a check needs: 4.1, TLS, secure connection, plugins.
  assert.equal((await server.packet()).payload.readUInt32LE(0), sslRequest(0x88a00).readUInt32LE(0));
  const { certificate: cert, key } = certificate;
  await server.startTlsAsServer(createSecureContext({ cert, key }));
  assert.match((await server.packet()).payload.toString('latin1', 32), /^proxy_abandoned\0/);
  server.send(3, denied);
  await until(() => scenario.checks.length === 1);
  assert.equal(scenario.checks[0]?.result, 'success');
});

test('a check finds a certificate that the route does not trust', async (t) => {
  const scenario = await startScenario(t, { ...checked, server: { sslMode: 'VERIFY_CA' } });
  const server = await scenario.server.connection();
  server.send(0, greeting());
  await server.packet();
  const { certificate: cert, key } = certificate;
  await server.startTlsAsServer(createSecureContext({ cert, key }));
  assert.match((await server.packet()).payload.toString('latin1', 32), /^proxy_abandoned\0/);
  server.send(3, denied);
  await until(() => scenario.checks.length === 1);
  assert.equal(scenario.checks[0]?.result, 'failure');
  assert.match(scenario.health[0]?.error?.code ?? '', /^server_(certificate|ca)_/);
});

test('a check logs in, asks whether the server is there, and quits', async (t) => {
  const scenario = await startScenario(t, withLogin);
  const server = await scenario.server.connection();
  server.send(0, greeting());
  const { payload } = await server.packet();
  assert.equal(payload.toString('latin1', 32, 41), 'monitor\0\x14');
  assert.equal(payload.toString('latin1', 61), 'mysql_native_password\0');
  server.send(2, authSwitch('mysql_native_password', Buffer.from('ABCDEFGHIJKLMNOPQRST\0')));
  const answer = await server.packet();
  assert.equal(answer.sequenceId, 3);
  assert.equal(answer.payload.length, 20);
  server.send(4, OK);
  assert.deepEqual(await server.packet(), { sequenceId: 0, payload: Buffer.from([0x0e]) });
  server.send(1, OK);
  assert.deepEqual(await server.packet(), { sequenceId: 0, payload: Buffer.from([0x01]) });
  server.finish();
  await until(() => scenario.checks.length === 1);
  assert.equal(scenario.checks[0]?.result, 'success');
});

test('a server that refuses the user of the checks stays in use, and it is told', async (t) => {
  const scenario = await startScenario(t, withLogin);
  const server = await scenario.server.connection();
  server.send(0, greeting());
  await server.packet();
  server.send(2, denied);
  await until(() => scenario.checks.length === 1);
  const [check] = scenario.checks;
  assert.equal(check?.result, 'denied');
  assert.equal(check?.error?.code, 'server_refused_health_check');
  assert.equal(check?.error?.message.includes('secret'), false);
  assert.deepEqual(
    scenario.health.map(({ error }) => error),
    [undefined],
  );
});

for (const [name, refusal, code] of [
  ['is in offline mode', err(3032, 'offline', 'HY000'), 'server_closed'],
  ['has no place', err(1040, 'Too many connections', '08004'), 'server_too_many_connections'],
] as const) {
  test(`a server that ${name} is left out, until a check gets in again`, async (t) => {
    const scenario = await startScenario(t, withLogin);
    const server = await scenario.server.connection();
    server.send(0, greeting());
    await server.packet();
    server.send(2, refusal);
    await until(() => scenario.checks.length === 1);
    assert.equal(scenario.health[0]?.error?.code, code);
    const later = await scenario.server.connection();
    later.send(0, greeting());
    await later.packet();
    later.send(2, OK);
    await later.packet();
    later.send(1, OK);
    later.finish();
    await until(() => scenario.health.length === 2);
    assert.deepEqual([scenario.health[1]?.error, scenario.health[1]?.by], [undefined, 'check']);
  });
}

test('a server that does not answer the login in time has failed', async (t) => {
  const scenario = await startScenario(t, { ...withLogin, process: { handshakeTimeout: 100 } });
  const server = await scenario.server.connection();
  server.send(0, greeting());
  await until(() => scenario.checks.length === 1);
  assert.equal(scenario.health[0]?.error?.code, 'server_timeout');
});

test('a server that hangs has one check waiting, and is back as soon as it greets', async (t) => {
  const scenario = await startScenario(t, { ...checked, process: { connectTimeout: 100 } });
  const server = await scenario.server.connection();
  await until(() => scenario.checks.length === 1);
  assert.equal(scenario.health[0]?.error?.code, 'server_silent');
  // Time for ten more.
  await delay(500);
  assert.equal(scenario.server.accepted.length, 1);
  await refuseDecoy(server);
  await refuseDecoy(await scenario.server.connection());
  await until(() => scenario.health.length === 2);
  assert.equal(scenario.health[1]?.error, undefined);
});

test('a client that finds a server down has it checked, and does not wait for the interval', async (t) => {
  const scenario = await startScenario(t, { route: { healthCheckInterval: 3_600_000 } });
  await refuseDecoy(await scenario.server.connection());
  await until(() => scenario.checks.length === 1);
  const accepted = scenario.server.connection();
  const client = await scenario.connectClient();
  (await accepted).finish();
  assert.equal(readErr((await client.packet()).payload).errno, 2012);
  await refuseDecoy(await scenario.server.connection());
  await until(() => scenario.checks.length === 2);
  assert.equal(scenario.health.at(-1)?.error, undefined);
});

test('a check does not touch what clients do, and they log in while it runs', async (t) => {
  const scenario = await startScenario(t, { route: { healthCheckInterval: 3_600_000 } });
  const check = await scenario.server.connection();
  const { client, server } = await scenario.connectGreeted();
  client.send(1, login());
  await server.packet();
  server.send(2, OK);
  assert.deepEqual((await client.packet()).payload, OK);
  await refuseDecoy(check);
  await until(() => scenario.checks.length === 1);
  client.send(0, Buffer.from('\x03DO 1'));
  assert.deepEqual((await server.packet()).payload, Buffer.from('\x03DO 1'));
});

test('a proxy that stops leaves a check in good order, tells nothing of it, and begins no other', async (t) => {
  const scenario = await startScenario(t, withLogin);
  const server = await scenario.server.connection();
  server.send(0, greeting());
  await server.packet();
  const closed = scenario.proxy.close();
  server.send(2, denied);
  await closed;
  await server.ended();
  assert.deepEqual([scenario.checks, scenario.health], [[], []]);
  assert.equal(scenario.server.accepted.length, 1);
});

test('a reload goes on checking by the new configuration alone', async (t) => {
  const scenario = await startScenario(t, { route: { healthCheckInterval: 3_600_000 } });
  await refuseDecoy(await scenario.server.connection());
  await until(() => scenario.checks.length === 1);
  await scenario.reload({ healthCheckInterval: 50 });
  for (let round = 0; round < 2; round++) await refuseDecoy(await scenario.server.connection());
  await until(() => scenario.checks.length === 3);
});
