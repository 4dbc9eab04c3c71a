/** --max-server-connections: who comes when all are in use waits, and is told in the end. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { CLIENT_FLAGS, greeting, login, OK, readErr } from '../support/packets.js';
import type { ScriptedPeer } from '../support/scripted-peer.js';
import { type Scenario, startScenario } from './scenario.js';

const start = (t: TestContext, maxServerConnections: number) =>
  startScenario(t, { route: { maxServerConnections } });

async function logIn(client: ScriptedPeer, server: ScriptedPeer): Promise<void> {
  server.send(0, greeting());
  await client.packet();
  client.send(1, login({ flags: CLIENT_FLAGS, user: 'app' }));
  await server.packet();
  server.send(2, OK);
  await client.packet();
}

async function session(scenario: Scenario) {
  const both = await scenario.connectBoth();
  await logIn(both.client, both.server);
  return both;
}

test('the next client gets the connection that is free again, in the order in which they came', async (t) => {
  const scenario = await start(t, 1);
  const first = await session(scenario);
  const second = await scenario.connectClient();
  const third = await scenario.connectClient();
  const forSecond = scenario.server.connection();
  first.client.close();
  await first.server.ended();
  first.server.close();
  const server = await forSecond;
  await logIn(second, server);
  const forThird = scenario.server.connection();
  second.close();
  await server.ended();
  server.close();
  await logIn(third, await forThird);
});

test('who has waited for connect-timeout gets 1040, without a SQLSTATE', async (t) => {
  const scenario = await start(t, 1);
  await session(scenario);
  const late = await scenario.connectClient();
  const { errno, text } = readErr((await late.packet()).payload);
  assert.equal(errno, 1040);
  assert.match(
    text,
    /all 1 server connections of the route default in this process were in use for 2 s.*--max-server-connections/,
  );
  assert.equal(scenario.observed[1]?.error?.code, 'server_connections_exhausted');
});

test('who leaves while it waits takes no place', async (t) => {
  const scenario = await start(t, 1);
  const first = await session(scenario);
  const gone = await scenario.connectClient();
  const patient = await scenario.connectClient();
  gone.close();
  const next = scenario.server.connection();
  first.client.close();
  await first.server.ended();
  first.server.close();
  await logIn(patient, await next);
});
