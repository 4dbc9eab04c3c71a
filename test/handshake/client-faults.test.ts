import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { ErrorCode } from '../../src/errors.js';
import { issueCertificate, makeCertificates } from '../support/certificates.js';
import { authSwitch, err, FLAGS, greeting, login, OK, readErr, sslRequest } from '../support/packets.js';
import { frame, type ScriptedPeer } from '../support/scripted-peer.js';
import { type Scenario, type ScenarioOptions, startScenario } from './scenario.js';

const folder = mkdtempSync(join(tmpdir(), 'client-faults-'));
after(() => rmSync(folder, { recursive: true }));
const { client: clientIdentity, server: serverIdentity, serverTls } = makeCertificates(folder);
const serverContext = createSecureContext({ cert: serverIdentity.certificate, key: serverIdentity.key });
const withTls: NonNullable<ScenarioOptions['client']> = {
  sslMode: 'PREFERRED',
  sslCert: [serverTls.cert],
  sslKey: [serverTls.key],
};
const network = (cidr: string): ScenarioOptions => ({ client: { ...withTls, plaintextFrom: [cidr] } });

/** The server must see the login that it refuses, not a connection that breaks off. */
async function expectAbandonedLogin(server: ScriptedPeer): Promise<void> {
  const { payload, sequenceId } = await server.packet();
  assert.equal(sequenceId, 1);
  assert.equal(payload.readUInt32LE(0) & FLAGS.ssl, 0);
  assert.equal(payload.readUInt8(8), 45, 'the character set is the greeting’s own');
  assert.match(payload.subarray(32).toString('latin1'), /^proxy_abandoned\0/);
  server.send(2, authSwitch('caching_sha2_password'));
  const answer = await server.packet();
  assert.equal(answer.sequenceId, 3);
  assert.ok(answer.payload.length > 1, 'an empty password might be the right one');
  server.send(4, err(1045, 'Access denied', '28000'));
  assert.equal((await server.ended()).length, 0);
}

interface ClientFault {
  readonly name: string;
  readonly options?: ScenarioOptions;
  /** What the client does after the greeting. */
  readonly act: (client: ScriptedPeer) => void | Promise<void>;
  readonly code: ErrorCode;
  /** Undefined: the client can't be told. */
  readonly told?: { errno: number; sqlState: string | undefined; sequenceId: number; text: RegExp };
}

const malformed = (sequenceId: number) => ({
  errno: 1043,
  sqlState: '08S01',
  sequenceId,
  text: /client leg: the login can not be read/,
});

const faults: ClientFault[] = [
  {
    name: 'an HTTP request',
    act: (client) => client.sendRaw(Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n')),
    code: 'client_packet_too_large',
    told: {
      errno: 1153,
      sqlState: undefined,
      sequenceId: 1,
      text: /5522759 bytes.*speaks the MySQL protocol/,
    },
  },
  {
    name: 'a wrong sequence id',
    act: (client) => client.send(7, login()),
    code: 'client_packet_out_of_order',
    told: { errno: 1156, sqlState: undefined, sequenceId: 1, text: /packet 7 where packet 1 was due/ },
  },
  {
    name: 'an empty login',
    act: (client) => client.send(1, ''),
    code: 'client_malformed_packet',
    told: { ...malformed(2), sqlState: undefined },
  },
  {
    name: 'a login cut off in its user name',
    act: (client) => client.send(1, login().subarray(0, 34)),
    code: 'client_malformed_packet',
    told: malformed(2),
  },
  {
    name: 'an auth response longer than the packet',
    act: (client) => client.send(1, login().fill(0xfa, 36, 37)),
    code: 'client_malformed_packet',
    told: malformed(2),
  },
  {
    name: 'an SSLRequest where no TLS was offered',
    act: (client) => client.send(1, sslRequest()),
    code: 'client_tls_not_offered',
    told: { errno: 1043, sqlState: '08S01', sequenceId: 2, text: /--client-ssl-cert/ },
  },
  {
    name: 'plaintext from a network that must use TLS',
    options: network('10.0.0.0/8'),
    act: (client) => client.send(1, login()),
    code: 'client_tls_required',
    told: {
      errno: 3159,
      sqlState: 'HY000',
      sequenceId: 2,
      text: /insecure transport.*--client-plaintext-from/,
    },
  },
  {
    name: 'plaintext where TLS is REQUIRED',
    options: { client: { ...withTls, sslMode: 'REQUIRED' } },
    act: (client) => client.send(1, login()),
    code: 'client_tls_required',
    told: { errno: 3159, sqlState: 'HY000', sequenceId: 2, text: /insecure transport/ },
  },
  {
    name: 'plaintext injected behind an SSLRequest',
    options: { client: withTls },
    act: (client) => client.sendRaw(Buffer.concat([frame(1, sslRequest()), frame(2, login())])),
    code: 'client_tls_failed',
  },
  {
    name: 'a TLS client without the certificate that is asked for',
    options: { client: { ...withTls, sslCa: serverTls.ca } },
    act: async (client) => {
      client.send(1, sslRequest());
      await client.startTlsAsClient();
      client.send(2, login());
    },
    code: 'client_certificate_rejected',
    told: {
      errno: 2026,
      sqlState: 'HY000',
      sequenceId: 3,
      text: /presented no certificate.*--client-ssl-ca/,
    },
  },
  {
    name: 'a TLS client with a certificate of another CA',
    options: { client: { ...withTls, sslCa: serverTls.ca } },
    act: async (client) => {
      const stranger = issueCertificate({ commonName: 'stranger', purpose: 'client' });
      client.send(1, sslRequest());
      await client.startTlsAsClient({ cert: stranger.certificate, key: stranger.key });
      client.send(2, login());
    },
    code: 'client_certificate_rejected',
    told: { errno: 2026, sqlState: 'HY000', sequenceId: 3, text: /DEPTH_ZERO_SELF_SIGNED_CERT/ },
  },
  {
    name: 'a malformed login inside TLS',
    options: { client: withTls },
    act: async (client) => {
      client.send(1, sslRequest());
      await client.startTlsAsClient();
      client.send(2, login().subarray(0, 33));
    },
    code: 'client_malformed_packet',
    told: malformed(3),
  },
  {
    name: 'a login that drips in byte by byte',
    options: { process: { handshakeTimeout: 300 } },
    act: (client) => drip(client, login()),
    code: 'client_timeout',
    told: { errno: 1159, sqlState: undefined, sequenceId: 1, text: /within 0.3 s.*--handshake-timeout/ },
  },
  {
    name: 'a login that drips in on a route with a timeout of its own',
    options: { route: { routeHandshakeTimeout: 300 } },
    act: (client) => drip(client, login()),
    code: 'client_timeout',
    told: { errno: 1159, sqlState: undefined, sequenceId: 1, text: /within 0.3 s.*--handshake-timeout/ },
  },
  {
    name: 'a TLS handshake that never begins',
    options: { client: withTls, process: { handshakeTimeout: 300 } },
    act: (client) => client.send(1, sslRequest()),
    code: 'client_timeout',
  },
  { name: 'silence, then FIN', act: (client) => client.finish(), code: 'client_gone' },
  { name: 'silence, then RST', act: (client) => client.reset(), code: 'client_gone' },
  {
    name: 'half a login, then FIN',
    act: (client) => {
      client.sendRaw(frame(1, login()).subarray(0, 20));
      client.finish();
    },
    code: 'client_gone',
  },
  {
    name: 'an SSLRequest, then FIN',
    options: { client: withTls },
    act: (client) => {
      client.send(1, sslRequest());
      client.finish();
    },
    code: 'client_tls_failed',
  },
];

function drip(client: ScriptedPeer, payload: Buffer): void {
  const bytes = frame(1, payload);
  let sent = 0;
  const timer = setInterval(() => {
    if (sent >= bytes.length || client.socket.destroyed) return clearInterval(timer);
    client.sendRaw(bytes.subarray(sent, sent + 1));
    sent += 1;
  }, 50);
  client.socket.on('close', () => clearInterval(timer));
}

/** A connection that was there before the fault: it must not notice. */
async function establish(scenario: Scenario): Promise<{ client: ScriptedPeer; server: ScriptedPeer }> {
  const { client, server } = await scenario.connectGreeted();
  let sequenceId = 1;
  if (scenario.offersTls) {
    client.send(sequenceId++, sslRequest());
    await client.startTlsAsClient({ cert: clientIdentity.certificate, key: clientIdentity.key });
  }
  client.send(sequenceId++, login());
  await server.packet();
  server.send(2, OK);
  assert.deepEqual((await client.packet()).payload, OK);
  return { client, server };
}

for (const { name, options = {}, act, code, told } of faults) {
  test(name, async (t) => {
    const scenario = await startScenario(t, options);
    const bystander = await establish(scenario);
    const { client, server } = await scenario.connectGreeted();
    await act(client);
    if (told !== undefined) {
      const answer = await client.packet();
      const { errno, sqlState, text } = readErr(answer.payload);
      assert.equal(answer.sequenceId, told.sequenceId);
      assert.deepEqual({ errno, sqlState }, { errno: told.errno, sqlState: told.sqlState });
      assert.match(text, told.text);
    }
    await expectAbandonedLogin(server);
    await client.ended();
    client.close();
    while (scenario.proxy.connections() > 1) await new Promise((resolve) => setTimeout(resolve, 5));
    const observed = scenario.observed[1];
    assert.equal(observed?.error?.code, code);
    assert.equal(observed?.closed, code);

    bystander.client.send(0, 'still here');
    assert.deepEqual((await bystander.server.packet()).payload, Buffer.from('still here'));
  });
}

test('a client that leaves before the server has sent its greeting', async (t) => {
  const scenario = await startScenario(t);
  const { client, server } = await scenario.connectBoth();
  client.close();
  await new Promise((resolve) => setTimeout(resolve, 50));
  server.send(0, greeting());
  await expectAbandonedLogin(server);
  await scenario.quiet();
  assert.equal(scenario.observed[0]?.closed, 'client_gone');
});

test('a server that greets too late is left in good order all the same', async (t) => {
  const scenario = await startScenario(t, { process: { connectTimeout: 100 } });
  const { client, server } = await scenario.connectBoth();
  assert.match(readErr((await client.packet()).payload).text, /sent no greeting within 0\.1 s/);
  client.close();
  await scenario.quiet();
  assert.equal(scenario.observed[0]?.closed, 'server_silent');
  server.send(0, greeting());
  await expectAbandonedLogin(server);
});

test('a client that leaves in the middle of the authentication: the server gets a wrong answer, not a broken line', async (t) => {
  const scenario = await startScenario(t);
  const { client, server } = await scenario.connectGreeted();
  client.send(1, login());
  await server.packet();
  server.send(2, authSwitch('client_ed25519'));
  await client.packet();
  client.close();
  const answer = await server.packet();
  assert.equal(answer.sequenceId, 3);
  server.send(4, err(1045, 'Access denied', '28000'));
  await server.ended();
  await scenario.quiet();
  assert.equal(scenario.observed[0]?.closed, 'client_gone');
});

test('PASSTHROUGH: a client that never says a word does not leave the server a broken handshake', async (t) => {
  const scenario = await startScenario(t, { client: { sslMode: 'PASSTHROUGH' } });
  const { client, server } = await scenario.connectGreeted();
  client.close();
  await expectAbandonedLogin(server);
});

test('no TLS on offer and plaintext not allowed: refused before a server is bothered', async (t) => {
  const scenario = await startScenario(t, { client: { plaintextFrom: ['10.0.0.0/8'] } });
  const client = await scenario.connectClient();
  const answer = await client.packet();
  assert.equal(answer.sequenceId, 0);
  const { errno, sqlState, text } = readErr(answer.payload);
  assert.deepEqual({ errno, sqlState }, { errno: 3159, sqlState: undefined });
  assert.match(text, /127\.0\.0\.1.*--client-plaintext-from/);
  await client.ended();
  client.close();
  await scenario.quiet();
  assert.equal(scenario.server.accepted.length, 0);
});

test('one connection too many gets 1040, and the next free place is usable again', async (t) => {
  const scenario = await startScenario(t, { process: { maxConnections: 1 } });
  const first = await establish(scenario);
  const refused = await scenario.connectClient();
  const { errno, sqlState, text } = readErr((await refused.packet()).payload);
  assert.deepEqual({ errno, sqlState }, { errno: 1040, sqlState: undefined });
  assert.match(text, /Too many connections.*--max-connections/);
  await refused.ended();
  refused.close();
  first.client.close();
  await first.server.ended();
  first.server.close();
  await scenario.quiet();
  await establish(scenario);
  assert.equal(scenario.server.accepted.length, 2);
});

test('a good client certificate is accepted and its subject known', async (t) => {
  const scenario = await startScenario(t, { client: { ...withTls, sslCa: serverTls.ca } });
  const { client } = await establish(scenario);
  assert.equal(scenario.observed[0]?.connection.clientTls.peerSubject, 'CN=Test client');
  client.close();
});

test('a client that leaves behind its login, while the server leg negotiates TLS', async (t) => {
  const scenario = await startScenario(t, { server: { sslMode: 'VERIFY_CA', sslCa: serverTls.ca } });
  const { client, server } = await scenario.connectGreeted();
  client.send(1, login());
  await server.packet();
  client.close();
  await new Promise((resolve) => setTimeout(resolve, 20));
  await server.startTlsAsServer(serverContext);
  const { payload, sequenceId } = await server.packet();
  assert.equal(sequenceId, 2);
  assert.match(payload.subarray(32).toString('latin1'), /^proxy_abandoned\0/);
  server.send(3, err(1045, 'Access denied', '28000'));
  await scenario.quiet();
  assert.equal(scenario.observed[0]?.closed, 'client_gone');
  assert.deepEqual(scenario.observed[0]?.tlsFailures, []);
});

test('a client that leaves while the server thinks: nothing is said out of turn', async (t) => {
  const scenario = await startScenario(t);
  const { client, server } = await scenario.connectGreeted();
  client.send(1, login());
  await server.packet();
  client.close();
  await new Promise((resolve) => setTimeout(resolve, 20));
  server.send(2, authSwitch('client_ed25519'));
  assert.equal((await server.packet()).sequenceId, 3);
  server.send(4, OK);
  const quit = await server.packet();
  assert.deepEqual(quit, { sequenceId: 0, payload: Buffer.from([1]) });
  await scenario.quiet();
});

test('a server that never refuses the abandoned login is left after a while, garbage collection or not', async (t) => {
  const scenario = await startScenario(t);
  const { client, server } = await scenario.connectGreeted();
  client.close();
  await server.packet();
  setFlagsFromString('--expose-gc');
  const collectGarbage: () => void = runInNewContext('gc');
  const timer = setInterval(collectGarbage, 50);
  t.after(() => clearInterval(timer));
  await scenario.quiet();
  assert.equal(scenario.proxy.connections(), 0);
});

test('clients that are being refused take no one’s place', async (t) => {
  const scenario = await startScenario(t, { process: { maxConnections: 1 } });
  const first = await establish(scenario);
  for (let n = 0; n < 3; n++) await (await scenario.connectClient()).packet();
  first.client.close();
  await first.server.ended();
  first.server.close();
  while (scenario.observed[0]?.closed === undefined) await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(scenario.proxy.connections(), 3, 'the refused ones have not closed yet');
  await establish(scenario);
});

for (const [name, bytes, code] of [
  ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 'client_packet_too_large'],
  ['half a login', frame(1, login()).subarray(0, 30), 'client_gone'],
  [
    'an SSLRequest that no TLS follows',
    Buffer.concat([frame(1, sslRequest()), frame(2, login())]),
    'client_tls_failed',
  ],
] as const) {
  test(`PASSTHROUGH: ${name} never reaches the server`, async (t) => {
    const scenario = await startScenario(t, { client: { sslMode: 'PASSTHROUGH' } });
    const { client, server } = await scenario.connectGreeted();
    client.sendRaw(bytes);
    client.finish();
    await expectAbandonedLogin(server);
    await scenario.quiet();
    assert.equal(scenario.observed[0]?.closed, code);
  });
}

test('a client that breaks off with a reset at once is gone, and nothing else', async (t) => {
  const scenario = await startScenario(t);
  const [{ address = '' } = {}] = scenario.proxy.addresses;
  const port = Number(address.split(':').at(-1));
  for (let n = 0; n < 50; n++) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.resetAndDestroy();
  }
  while (scenario.observed.length < 50) await nextTurn();
  await scenario.quiet();
  const codes = new Set(scenario.observed.map(({ error }) => error?.code));
  assert.deepEqual([...codes], ['client_gone']);
});
