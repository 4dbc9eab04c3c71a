/** Several servers between scripted peers: what one fails with before the client has seen anything, the next makes good. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createSecureContext } from 'node:tls';
import type { Address } from '../../src/config/model.js';
import { issueCertificate } from '../support/certificates.js';
import { err, FLAGS, greeting, login, OK, readErr, SERVER_FLAGS, sslRequest } from '../support/packets.js';
import { type ScriptedPeer, ScriptedServer } from '../support/scripted-peer.js';
import { freePort } from '../support/servers.js';
import { type Scenario, type ScenarioOptions, startScenario } from './scenario.js';

const tcp = (port: number): Address => ({ kind: 'tcp', host: '127.0.0.1', port });

/** `scenario.server` comes second. */
async function startPair(
  t: TestContext,
  options: ScenarioOptions = {},
): Promise<{ scenario: Scenario; first: ScriptedServer }> {
  const first = await ScriptedServer.listen();
  const servers = (second: number) => [tcp(first.port), tcp(second)];
  const scenario = await startScenario(t, { ...options, servers });
  t.after(() => first.close());
  return { scenario, first };
}

/** The client is greeted by the second server, and logs in there. */
async function logInAtSecond(scenario: Scenario, client: ScriptedPeer): Promise<void> {
  const second = await scenario.server.connection();
  second.send(0, greeting({ version: 'second' }));
  const { sequenceId, payload } = await client.packet();
  assert.equal(sequenceId, 0);
  assert.equal(payload.toString('latin1', 1, 7), 'second');
  client.send(1, login());
  await second.packet();
  second.send(2, OK);
  assert.deepEqual(await client.packet(), { sequenceId: 2, payload: OK });
  const seen = scenario.observed.at(-1);
  assert.equal(seen?.established, true);
  assert.equal(seen?.connection.serverAddress, `127.0.0.1:${scenario.server.port}`);
}

interface Failure {
  readonly name: string;
  readonly act: (first: ScriptedPeer) => void | Promise<void>;
  readonly code: string;
  readonly options?: ScenarioOptions;
}

const failures: readonly Failure[] = [
  ...[1040, 1053, 1129, 1130, 9001].map(
    (errno): Failure => ({
      name: `sends error ${errno} in place of a greeting`,
      act: (first) => {
        first.send(0, err(errno, 'no'));
        first.finish();
      },
      code:
        { 1040: 'server_too_many_connections', 1129: 'server_host_blocked', 1130: 'server_host_not_allowed' }[
          errno
        ] ?? 'server_closed',
    }),
  ),
  {
    name: 'says nothing',
    act: () => {},
    code: 'server_silent',
    options: { process: { connectTimeout: 200 } },
  },
  { name: 'closes', act: (first) => first.finish(), code: 'server_closed' },
  {
    name: 'is no MySQL server',
    act: (first) => first.send(0, Buffer.from('\x09ancient\0')),
    code: 'server_not_mysql',
  },
  {
    name: 'sends an ERR that can not be read',
    act: (first) => first.send(0, Buffer.from([0xff, 1])),
    code: 'server_protocol_error',
  },
];

for (const { name, act, code, options } of failures) {
  test(`the second server is used where the first ${name}, and the first is left out`, async (t) => {
    const { scenario, first } = await startPair(t, options);
    const accepted = first.connection();
    const client = await scenario.connectClient();
    await act(await accepted);
    await logInAtSecond(scenario, client);
    assert.deepEqual(scenario.observed[0]?.unreachable, [`127.0.0.1:${first.port}`]);
    const [left] = scenario.health;
    assert.deepEqual(
      [left?.server, left?.error?.code, left?.changed, left?.by],
      [`127.0.0.1:${first.port}`, code, true, 'client'],
    );

    const next = await scenario.connectClient();
    await logInAtSecond(scenario, next);
    assert.equal(first.accepted.length, 1);
    assert.deepEqual(scenario.observed[1]?.unreachable, []);
  });
}

test('a first server that offers no TLS where it is demanded is left in good order', async (t) => {
  const { scenario, first } = await startPair(t, { server: { sslMode: 'REQUIRED' } });
  const accepted = first.connection();
  const client = await scenario.connectClient();
  const server = await accepted;
  server.send(0, greeting({ flags: SERVER_FLAGS & ~FLAGS.ssl }));
  assert.match((await server.packet()).payload.toString('latin1', 32), /^proxy_abandoned\0/);
  server.send(2, err(1045, 'Access denied', '28000'));
  const second = await scenario.server.connection();
  second.send(0, greeting({ version: 'second' }));
  assert.equal((await client.packet()).payload.toString('latin1', 1, 7), 'second');
  assert.equal(scenario.health[0]?.error?.code, 'server_tls_not_offered');
});

test('the second server is used where nothing listens at the first', async (t) => {
  const dead = await freePort();
  const scenario = await startScenario(t, { servers: (port) => [tcp(dead), tcp(port)] });
  await logInAtSecond(scenario, await scenario.connectClient());
  assert.equal(scenario.health[0]?.error?.code, 'server_port_closed');
});

test('an error in place of a greeting is passed on where no other server is left', async (t) => {
  const { scenario, first } = await startPair(t);
  const client = await scenario.connectClient();
  (await first.connection()).send(0, err(1040, 'Too many connections'));
  (await scenario.server.connection()).send(0, err(1130, 'Host not allowed'));
  assert.deepEqual(await client.packet(), { sequenceId: 0, payload: err(1040, 'Too many connections') });
  await client.ended();
  await scenario.quiet();
  assert.equal(scenario.observed[0]?.refusedWith, 1040);
  assert.equal(scenario.observed[0]?.closed, 'server_too_many_connections');
});

test('an error in place of a greeting goes before a server that can not be reached', async (t) => {
  const dead = await freePort();
  const scenario = await startScenario(t, { servers: (port) => [tcp(port), tcp(dead)] });
  const client = await scenario.connectClient();
  (await scenario.server.connection()).send(0, err(1129, 'Host blocked'));
  assert.deepEqual((await client.packet()).payload, err(1129, 'Host blocked'));
});

test('where all fail, each is named with its failure, and they are tried again by the next client', async (t) => {
  const dead = await freePort();
  const scenario = await startScenario(t, { servers: (port) => [tcp(dead), tcp(port)] });
  for (let attempt = 0; attempt < 3; attempt++) {
    const accepted = scenario.server.connection();
    const client = await scenario.connectClient();
    (await accepted).finish();
    const { errno, text } = readErr((await client.packet()).payload);
    assert.equal(errno, 2003);
    assert.match(text, /no server answers: /);
    assert.match(text, new RegExp(`127\\.0\\.0\\.1:${dead} can not be reached \\(ECONNREFUSED`));
    assert.match(text, new RegExp(`127\\.0\\.0\\.1:${scenario.server.port} closed the connection`));
  }
});

test('the next server is tried in PASSTHROUGH, too', async (t) => {
  const { scenario, first } = await startPair(t, {
    client: { sslMode: 'PASSTHROUGH' },
    server: { sslMode: 'AS_CLIENT' },
  });
  const client = await scenario.connectClient();
  (await first.connection()).send(0, err(1040, 'Too many connections'));
  const second = await scenario.server.connection();
  second.send(0, greeting({ version: 'second' }));
  assert.deepEqual((await client.packet()).payload, greeting({ version: 'second' }));
  client.send(1, login());
  assert.deepEqual((await second.packet()).payload, login());
});

test('a server whose TLS fails behind the greeting costs one client, and the next one goes elsewhere', async (t) => {
  const { scenario, first } = await startPair(t, { server: { sslMode: 'VERIFY_CA' } });
  const accepted = first.connection();
  const client = await scenario.connectClient();
  const server = await accepted;
  server.send(0, greeting());
  await client.packet();
  client.send(1, login());
  assert.deepEqual((await server.packet()).payload, sslRequest());
  const { certificate, key } = issueCertificate({ commonName: 'self-signed', purpose: 'server' });
  await server.startTlsAsServer(createSecureContext({ cert: certificate, key }));
  assert.match((await server.packet()).payload.toString('latin1', 32), /^proxy_abandoned\0/);
  server.send(3, err(1045, 'Access denied', '28000'));
  assert.equal(readErr((await client.packet()).payload).errno, 2026);

  await scenario.connectClient();
  (await scenario.server.connection()).send(0, greeting());
  assert.equal(first.accepted.length, 1);
  const [failure] = scenario.health.flatMap(({ error }) => error?.code ?? []);
  assert.match(failure ?? '', /^server_certificate_/);
});

test('a client that breaks its login off does not take the server away from the others', async (t) => {
  const { scenario, first } = await startPair(t);
  const accepted = first.connection();
  const client = await scenario.connectClient();
  const server = await accepted;
  server.send(0, greeting());
  await client.packet();
  client.send(1, login());
  await server.packet();
  server.finish();
  assert.equal(readErr((await client.packet()).payload).errno, 2012);
  const again = first.connection();
  await scenario.connectClient();
  await again;
  assert.deepEqual(
    scenario.health.map(({ error }) => error),
    [undefined],
  );
});

test('a login that finds no place any more sends the next client elsewhere', async (t) => {
  const { scenario, first } = await startPair(t);
  const accepted = first.connection();
  const client = await scenario.connectClient();
  const server = await accepted;
  server.send(0, greeting());
  await client.packet();
  client.send(1, login());
  await server.packet();
  server.send(2, err(1040, 'Too many connections', '08004'));
  assert.equal(readErr((await client.packet()).payload).errno, 1040);
  await logInAtSecond(scenario, await scenario.connectClient());
  assert.equal(first.accepted.length, 1);
});

test('without health checks a client finds out that the first server is back', async (t) => {
  const { scenario, first } = await startPair(t);
  const accepted = first.connection();
  const client = await scenario.connectClient();
  (await accepted).finish();
  await logInAtSecond(scenario, client);
  const back = first.connection();
  let isBack = false;
  void back.then(() => {
    isBack = true;
  });
  const answerSecond = async () => {
    for (let at = scenario.server.accepted.length; !isBack; at = scenario.server.accepted.length) {
      const one = await scenario.connectClient();
      while (!isBack && scenario.server.accepted.length === at) await new Promise((r) => setTimeout(r, 20));
      one.close();
    }
  };
  await answerSecond();
  const server = await back;
  server.send(0, greeting({ version: 'first!' }));
  const trial = scenario.observed.at(-1);
  assert.deepEqual(trial?.unreachable, []);
});

test('round-robin and least-connections divide clients, and each connection is counted until its end', async (t) => {
  for (const routingStrategy of ['round-robin', 'least-connections'] as const) {
    const { scenario, first } = await startPair(t, { route: { routingStrategy } });
    const peers: ScriptedPeer[] = [];
    for (let i = 0; i < 6; i++) {
      const at = i % 2 === 0 ? first : scenario.server;
      const accepted = at.connection();
      const client = await scenario.connectClient();
      const server = await accepted;
      peers.push(client, server);
      server.send(0, greeting());
      await client.packet();
      client.send(1, login());
      await server.packet();
      server.send(2, OK);
      await client.packet();
    }
    const counts = () => scenario.proxy.serverConnections().map(({ count }) => count);
    assert.deepEqual(counts(), [3, 3]);
    for (const peer of peers) peer.close();
    await scenario.quiet();
    assert.deepEqual(counts(), [0, 0]);
  }
});

test('least-connections divides clients that come all at once', async (t) => {
  const { scenario, first } = await startPair(t, { route: { routingStrategy: 'least-connections' } });
  const clients = await Promise.all(Array.from({ length: 10 }, () => scenario.connectClient()));
  const both = [first, scenario.server];
  while (both.reduce((sum, { accepted }) => sum + accepted.length, 0) < clients.length)
    await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(
    both.map(({ accepted }) => accepted.length),
    [5, 5],
  );
});
