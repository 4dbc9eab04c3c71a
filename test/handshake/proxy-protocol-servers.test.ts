/** What servers are told of clients in a PROXY header, when, and what becomes of one that they do not take. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { createSecureContext } from 'node:tls';
import { visit } from '../../src/doctor/visit.js';
import { ownHeader } from '../../src/proxy/announce-client.js';
import { createServerLegTls } from '../../src/tls/contexts.js';
import { decodeProxyHeader } from '../../src/wire/proxy-protocol.js';
import { makeCertificates } from '../support/certificates.js';
import { isPending } from '../support/chunked.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { CLIENT_FLAGS, err, FLAGS, greeting, login, OK, readErr, sslRequest } from '../support/packets.js';
import { frame, type ScriptedPeer, ScriptedServer } from '../support/scripted-peer.js';
import { type ScenarioOptions, startScenario } from './scenario.js';

const { ca, serverTls, server: identity } = makeCertificates(makeTemporaryFolder());
const serverContext = createSecureContext({ cert: identity.certificate, key: identity.key });
const clientTls = {
  sslMode: 'PREFERRED',
  sslCert: [serverTls.cert],
  sslKey: [serverTls.key],
} as const;
const overTls = { sslMode: 'VERIFY_IDENTITY', sslCa: serverTls.ca } as const;

const FROM_BALANCER = Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 51234 3306\r\n');
const V2_LENGTH = 28;
const SIGNATURE = '0d0a0d0a000d0a515549540a';
const LOCAL = `${SIGNATURE}20000000`;

/** A client at 203.0.113.7, as a balancer says. */
async function start(t: TestContext, options: ScenarioOptions) {
  const scenario = await startScenario(t, {
    ...options,
    client: { plaintextFrom: ['203.0.113.0/24'], ...options.client },
    route: { proxyProtocolFrom: ['127.0.0.0/8'] },
  });
  const client = await scenario.connectClient();
  client.sendRaw(FROM_BALANCER);
  return { scenario, client, server: await scenario.server.connection() };
}

/** One of version 2. */
async function receiveHeader(server: ScriptedPeer) {
  const fixed = await server.bytes(16);
  return (
    decodeProxyHeader(Buffer.concat([fixed, await server.bytes(fixed.readUInt16BE(14))])) ?? assert.fail()
  );
}

const versions = {
  v1: FROM_BALANCER.toString('hex'),
  v2: `${SIGNATURE}2111000ccb007107c0000201c8220cea`,
} as const;

for (const version of ['v1', 'v2'] as const) {
  const header = Buffer.from(versions[version], 'hex');

  test(`${version}: comes before the server has said anything, and once`, async (t) => {
    const { client, server } = await start(t, { server: { proxyProtocol: version } });
    assert.deepEqual(await server.bytes(header.length), header);
    server.send(0, greeting());
    await client.packet();
    client.send(1, login());
    assert.deepEqual(await server.packet(), { sequenceId: 1, payload: login() });
    server.send(2, OK);
    assert.deepEqual((await client.packet()).payload, OK);
  });

  test(`${version}, PASSTHROUGH: the same`, async (t) => {
    const { client, server } = await start(t, {
      client: { sslMode: 'PASSTHROUGH' },
      server: { sslMode: 'AS_CLIENT', proxyProtocol: version },
    });
    assert.deepEqual(await server.bytes(header.length), header);
    server.send(0, greeting());
    await client.packet();
    client.send(1, login());
    assert.deepEqual((await server.packet()).payload, login());
  });

  test(`${version}: a client on the machine of the proxy is not passed off as one of the server's`, async (t) => {
    const scenario = await startScenario(t, { server: { proxyProtocol: version } });
    const { server } = await scenario.connectBoth();
    const unnamed = Buffer.from(version === 'v1' ? 'PROXY UNKNOWN\r\n' : Buffer.from(LOCAL, 'hex'));
    assert.deepEqual(await server.bytes(unnamed.length), unnamed);
  });

  test(`${version}: connections for no client say so`, async (t) => {
    const server = await ScriptedServer.listen();
    t.after(() => server.close());
    const limits = { connectTimeout: 5_000, handshakeTimeout: 5_000, header: ownHeader(version) };
    const visited = visit({ kind: 'tcp', host: '127.0.0.1', port: server.port }, undefined, limits);
    const peer = await server.connection();
    const header = Buffer.from(version === 'v1' ? 'PROXY UNKNOWN\r\n' : Buffer.from(LOCAL, 'hex'));
    assert.deepEqual(await peer.bytes(header.length), header);
    peer.send(0, greeting());
    await peer.packet();
    peer.send(2, err(1045, 'Access denied', '28000'));
    assert.equal((await visited).refusedWith, 1045);
  });
}

test('v2-ssl, TLS on both legs: comes with the SSLRequest, and says which TLS the client has', async (t) => {
  const { client, server } = await start(t, {
    client: { ...clientTls, tlsVersion: ['TLSv1.3'] },
    server: { ...overTls, proxyProtocol: 'v2-ssl' },
  });
  server.send(0, greeting());
  await client.packet();
  client.send(1, sslRequest());
  await client.startTlsAsClient({ ca: ca.certificate, host: '127.0.0.1' });
  client.send(2, login({ flags: CLIENT_FLAGS | FLAGS.ssl }));
  const header = await receiveHeader(server);
  assert.equal(header.endpoints?.source.address, '203.0.113.7');
  const cipher = 'TLS_AES_256_GCM_SHA384';
  assert.deepEqual(header.tls, { version: 'TLSv1.3', cipher, isCertified: false, commonName: '' });
  assert.deepEqual(await server.packet(), { sequenceId: 1, payload: sslRequest() });
  await server.startTlsAsServer(serverContext);
  assert.equal((await server.packet()).sequenceId, 2);
});

test('v2-ssl, plaintext on both legs: comes with the login', async (t) => {
  const { client, server } = await start(t, { server: { proxyProtocol: 'v2-ssl' } });
  server.send(0, greeting());
  await client.packet();
  client.send(1, login());
  assert.equal((await receiveHeader(server)).tls, undefined);
  assert.deepEqual(await server.packet(), { sequenceId: 1, payload: login() });
});

test('v2-ssl: a client that goes away before its login leaves no header, and a login that is refused', async (t) => {
  const { scenario, client, server } = await start(t, { server: { proxyProtocol: 'v2-ssl' } });
  server.send(0, greeting());
  await client.packet();
  client.finish();
  assert.match((await server.packet()).payload.toString('latin1'), /proxy_abandoned/);
  server.send(2, err(1045, 'Access denied', '28000'));
  await scenario.quiet();
});

test('two proxies in a row: the second knows the client of the first', async (t) => {
  const second = await startScenario(t, {
    client: { plaintextFrom: ['203.0.113.0/24'] },
    route: { proxyProtocolFrom: ['127.0.0.0/8'] },
    server: { proxyProtocol: 'v2' },
  });
  const port = Number(second.proxy.addresses[0]?.address.split(':').at(-1));
  const first = await startScenario(t, {
    client: { plaintextFrom: ['203.0.113.0/24'] },
    route: { proxyProtocolFrom: ['127.0.0.0/8'] },
    servers: () => [{ kind: 'tcp', host: '127.0.0.1', port }],
    server: { proxyProtocol: 'v1' },
  });
  const client = await first.connectClient();
  client.sendRaw(FROM_BALANCER);
  const server = await second.server.connection();
  assert.equal((await server.bytes(V2_LENGTH)).toString('hex'), versions.v2);
  server.send(0, greeting());
  await client.packet();
  client.send(1, login());
  assert.deepEqual((await server.packet()).payload, login());
  assert.equal(second.observed[0]?.connection.clientAddress, '203.0.113.7:51234');
});

test('the doctor names the header as what is not taken', async (t) => {
  const context = createServerLegTls({
    sslMode: 'REQUIRED',
    proxyProtocol: 'v2',
    tlsProfile: 'intermediate',
    tlsVersion: ['TLSv1.2', 'TLSv1.3'],
  });
  for (const isEarly of [true, false]) {
    const server = await ScriptedServer.listen();
    t.after(() => server.close());
    const limits = { connectTimeout: 5_000, handshakeTimeout: 5_000, header: ownHeader('v2') };
    const visited = visit({ kind: 'tcp', host: '127.0.0.1', port: server.port }, context, limits);
    const peer = await server.connection();
    const refusal = err(1156, 'Got packets out of order', '08S01');
    if (isEarly) peer.sendRaw(Buffer.concat([frame(0, greeting()), frame(1, refusal)]));
    else {
      await peer.bytes(16);
      peer.send(0, greeting());
      await peer.packet();
      peer.send(1, refusal);
    }
    peer.finish();
    assert.equal((await visited).failure?.code, 'server_refused_proxy_header');
  }
});

test('a server that closes at TLS without a word may mean the header', async (t) => {
  const { scenario, client, server } = await start(t, { server: { ...overTls, proxyProtocol: 'v2' } });
  await server.bytes(V2_LENGTH);
  server.send(0, greeting());
  await client.packet();
  client.send(1, login());
  await server.packet();
  server.finish();
  const { text } = readErr((await client.packet()).payload);
  assert.match(
    text,
    /closed the connection during the TLS handshake, perhaps because it takes no PROXY header from here\./,
  );
  client.finish();
  await scenario.quiet();
  assert.equal(scenario.observed[0]?.closed, 'server_refused_tls');
});

interface Refusal {
  readonly what: string;
  /** Behind the greeting, before the server has seen any packet. */
  readonly act: (server: ScriptedPeer) => void;
  readonly code: string;
  readonly told: RegExp;
}

const refusals: readonly Refusal[] = [
  {
    what: 'MySQL, which takes the header for a packet',
    act: (server) => server.send(1, err(1156, 'Got packets out of order', '08S01')),
    code: 'server_refused_proxy_header',
    told: /does not take the PROXY header: Got packets out of order\. Add the address of the proxy to proxy_protocol_networks/,
  },
  {
    what: 'MariaDB, which does not know the proxy',
    act: (server) => server.send(2, err(1130, 'Proxy header is not accepted from 192.0.2.9', 'HY000')),
    code: 'server_refused_proxy_header',
    told: /does not take the PROXY header: Proxy header is not accepted from 192\.0\.2\.9\. /,
  },
  {
    what: 'one that closes behind its greeting',
    act: (server) => server.finish(),
    code: 'server_refused_proxy_header',
    told: /does not take the PROXY header: it closed the connection behind its greeting/,
  },
  {
    what: 'MariaDB, which does not let the client in',
    act: (server) => server.send(2, err(1130, "Host '203.0.113.7' is not allowed to connect", 'HY000')),
    code: 'server_host_not_allowed',
    told: /^Host '203\.0\.113\.7' is not allowed to connect$/,
  },
  {
    what: 'something that is no refusal',
    act: (server) => server.send(1, OK),
    code: 'server_protocol_error',
    told: /sent a packet in plaintext behind its greeting/,
  },
];

for (const { what, act, code, told } of refusals) {
  for (const serverLeg of [undefined, overTls]) {
    test(`${what}; server leg in ${serverLeg === undefined ? 'plaintext' : 'TLS'}: ${code}`, async (t) => {
      const { scenario, client, server } = await start(t, { server: { ...serverLeg, proxyProtocol: 'v2' } });
      await server.bytes(V2_LENGTH);
      server.sendRaw(frame(0, greeting()));
      act(server);
      await client.packet();
      // All that the server had to say has come.
      await isPending(new Promise(() => {}));
      client.send(1, login());
      const answer = await client.packet();
      assert.equal(answer.sequenceId, 2);
      assert.match(readErr(answer.payload).text, told);
      server.close();
      client.finish();
      await scenario.quiet();
      assert.equal(scenario.observed[0]?.closed, code);
    });
  }
}

test('without a header the server keeps its own errors', async (t) => {
  const scenario = await startScenario(t);
  const { client, server } = await scenario.connectGreeted();
  client.send(1, login());
  await server.packet();
  server.send(2, err(1156, 'Got packets out of order', '08S01'));
  assert.equal(readErr((await client.packet()).payload).errno, 1156);
  client.finish();
  await scenario.quiet();
  assert.equal(scenario.observed[0]?.closed, 'login_refused');
});
