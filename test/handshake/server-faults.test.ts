import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { createSecureContext } from 'node:tls';
import type { ErrorCode } from '../../src/errors.js';
import { issueCertificate, makeCertificates, saveIdentity } from '../support/certificates.js';
import {
  authSwitch,
  CLIENT_FLAGS,
  err,
  FLAGS,
  greeting,
  login,
  OK,
  readErr,
  SERVER_FLAGS,
  sslRequest,
} from '../support/packets.js';
import { frame, type ScriptedPeer } from '../support/scripted-peer.js';
import { type ScenarioOptions, startScenario } from './scenario.js';

const folder = mkdtempSync(join(tmpdir(), 'server-faults-'));
after(() => rmSync(folder, { recursive: true }));
const { ca, serverTls } = makeCertificates(folder);
const otherCa = saveIdentity(
  issueCertificate({ commonName: 'Other CA', purpose: 'ca' }),
  join(folder, 'other-ca.pem'),
  join(folder, 'other-ca-key.pem'),
);
const verifying: NonNullable<ScenarioOptions['server']> = { sslMode: 'VERIFY_IDENTITY', sslCa: serverTls.ca };
const DAY = 86_400_000;

function contextFor(request: Partial<Parameters<typeof issueCertificate>[0]>) {
  const { certificate, key } = issueCertificate({
    commonName: 'server',
    purpose: 'server',
    names: ['127.0.0.1'],
    issuer: ca,
    ...request,
  });
  return createSecureContext({ cert: certificate, key });
}

interface ServerFault {
  readonly name: string;
  readonly options?: ScenarioOptions;
  /** What the server does; the client has sent its login as soon as it saw a greeting. */
  readonly act: (server: ScriptedPeer) => void | Promise<void>;
  readonly code: ErrorCode;
  readonly told: { errno: number; sqlState: string | undefined; sequenceId: number; text: RegExp };
}

const beforeGreeting = { sqlState: undefined, sequenceId: 0 };
const afterLogin = { sqlState: 'HY000', sequenceId: 2 };

async function receiveSslRequest(server: ScriptedPeer): Promise<void> {
  server.send(0, greeting());
  assert.deepEqual((await server.packet()).payload, sslRequest());
}

const faults: ServerFault[] = [
  {
    name: 'closes instead of greeting',
    act: (server) => server.finish(),
    code: 'server_closed',
    told: {
      ...beforeGreeting,
      errno: 2012,
      text: /server leg: 127\.0\.0\.1:\d+ closed the connection.*error log/,
    },
  },
  {
    name: 'greets with something else than MySQL',
    act: (server) => server.sendRaw(Buffer.from('SSH-2.0-OpenSSH_9.2p1\r\n')),
    code: 'server_not_mysql',
    told: { ...beforeGreeting, errno: 2012, text: /2970451 bytes|announced a packet.*classic MySQL port/ },
  },
  {
    name: 'greets with the X Protocol',
    act: (server) => server.sendRaw(Buffer.from('050000000b08051a00', 'hex')),
    code: 'server_x_protocol',
    told: {
      ...beforeGreeting,
      errno: 2012,
      text: /speaks the X Protocol.*3306 where the X Protocol has 33060/,
    },
  },
  {
    name: 'greets with protocol version 9',
    act: (server) => server.send(0, Buffer.concat([Buffer.from([9]), Buffer.from('3.20.0\0')])),
    code: 'server_not_mysql',
    told: { ...beforeGreeting, errno: 2012, text: /protocol version is 9/ },
  },
  {
    name: 'never greets',
    options: { process: { connectTimeout: 200 } },
    act: () => {},
    code: 'server_silent',
    told: { ...beforeGreeting, errno: 1159, text: /sent no greeting within 0\.2 s/ },
  },
  {
    name: 'offers no TLS where it is demanded',
    options: { server: verifying },
    act: (server) => server.send(0, greeting({ flags: SERVER_FLAGS & ~FLAGS.ssl })),
    code: 'server_tls_not_offered',
    told: { ...beforeGreeting, errno: 2026, text: /offers no TLS.*VERIFY_IDENTITY.*--server-ssl-mode/ },
  },
  {
    name: 'sends plaintext behind its greeting, before TLS',
    options: { server: verifying },
    act: (server) => server.sendRaw(Buffer.concat([frame(0, greeting()), frame(2, OK)])),
    code: 'server_protocol_error',
    told: { ...afterLogin, errno: 2012, text: /11 bytes in plaintext behind its greeting/ },
  },
  {
    name: 'closes after the SSLRequest',
    options: { server: verifying },
    act: async (server) => {
      await receiveSslRequest(server);
      server.finish();
    },
    code: 'server_refused_tls',
    told: { ...afterLogin, errno: 2026, text: /closed the connection during the TLS handshake/ },
  },
  {
    name: 'answers the SSLRequest with an ERR in plaintext, as yaSSL does',
    options: { server: verifying },
    act: async (server) => {
      await receiveSslRequest(server);
      server.send(2, err(1043, 'Bad handshake'));
    },
    code: 'server_refused_tls',
    told: { ...afterLogin, errno: 2026, text: /in plaintext/ },
  },
  {
    name: 'speaks TLS 1.1 at most',
    options: { server: verifying },
    act: async (server) => {
      await receiveSslRequest(server);
      const context = createSecureContext({
        maxVersion: 'TLSv1.1',
        minVersion: 'TLSv1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      });
      await server.startTlsAsServer(context).catch(() => {});
    },
    code: 'server_tls_version_mismatch',
    told: { ...afterLogin, errno: 2026, text: /no TLS version in common.*--server-tls-version/ },
  },
  ...(
    [
      [
        'is signed by a CA that the proxy does not know',
        { issuer: otherCa },
        'server_certificate_untrusted',
        /--server-ssl-ca/,
      ],
      ['is self-signed', { issuer: undefined }, 'server_certificate_self_signed', /self-signed/],
      [
        'has expired',
        { validFrom: new Date(Date.now() - 9 * DAY), validTo: new Date(Date.now() - DAY) },
        'server_certificate_expired',
        /has expired.*Renew/,
      ],
      [
        'is not valid yet',
        { validFrom: new Date(Date.now() + DAY) },
        'server_certificate_not_yet_valid',
        /not valid yet.*clocks/,
      ],
      [
        'is for names, where an address was connected to',
        { names: ['db.example'] },
        'server_certificate_no_ip_address',
        /is for names, DNS:db\.example, and for no address/,
      ],
    ] as const
  ).map(
    ([what, request, code, text]): ServerFault => ({
      name: `shows a certificate that ${what}`,
      options: { server: verifying },
      act: async (server) => {
        await receiveSslRequest(server);
        await server.startTlsAsServer(contextFor(request as Parameters<typeof contextFor>[0]));
        // The proxy must not break the connection off, nor send the client's login to such a server.
        const abandoned = await server.packet();
        assert.equal(abandoned.sequenceId, 2);
        assert.match(abandoned.payload.subarray(32).toString('latin1'), /^proxy_abandoned\0/);
        server.send(3, err(1045, 'Access denied', '28000'));
      },
      code,
      told: { ...afterLogin, errno: 2026, text },
    }),
  ),
  {
    name: 'dies in the middle of the authentication',
    act: async (server) => {
      server.send(0, greeting());
      await server.packet();
      server.reset();
    },
    code: 'server_closed',
    told: { ...afterLogin, errno: 2012, text: /before the login was over/ },
  },
  {
    name: 'does not decide the login',
    options: { process: { handshakeTimeout: 300 } },
    act: (server) => server.send(0, greeting()),
    code: 'server_timeout',
    told: {
      errno: 1159,
      sqlState: '08S01',
      sequenceId: 2,
      text: /did not decide the authentication within 0\.3 s/,
    },
  },
  {
    name: 'sends an empty packet in place of a decision',
    act: async (server) => {
      server.send(0, greeting());
      await server.packet();
      server.send(2, '');
    },
    code: 'server_protocol_error',
    told: { ...afterLogin, errno: 2012, text: /empty packet/ },
  },
  {
    name: 'announces a packet of 16 MB in its authentication',
    act: async (server) => {
      server.send(0, greeting());
      await server.packet();
      server.sendRaw(Buffer.from([0xff, 0xff, 0xff, 2, 0xfe]));
    },
    code: 'server_protocol_error',
    told: { ...afterLogin, errno: 2012, text: /16777215 bytes/ },
  },
];

for (const { name, options = {}, act, code, told } of faults) {
  test(`the server ${name}`, async (t) => {
    const scenario = await startScenario(t, options);
    const { client, server } = await scenario.connectBoth();
    const acting = Promise.resolve(act(server));
    let answer = await client.packet();
    if (answer.payload[0] === 10) {
      client.send(1, login());
      answer = await client.packet();
    }
    const { errno, sqlState, text } = readErr(answer.payload);
    assert.equal(answer.sequenceId, told.sequenceId);
    assert.deepEqual({ errno, sqlState }, { errno: told.errno, sqlState: told.sqlState });
    assert.match(text, told.text);
    assert.ok(answer.payload.length < 512, 'clients cut longer texts off');
    await acting;
    assert.equal((await client.ended()).length, 0, 'nothing comes behind the ERR');
    client.close();
    server.close();
    await scenario.quiet();
    assert.equal(scenario.observed[0]?.error?.code, code);
    assert.equal(scenario.observed[0]?.closed, code);
    if (options.server !== undefined && told.sequenceId === 2 && code !== 'server_protocol_error') {
      assert.deepEqual(scenario.observed[0]?.tlsFailures, [{ leg: 'server', code }]);
    }
  });
}

test('the ERR that a server sends in place of its greeting goes through as it is', async (t) => {
  const scenario = await startScenario(t);
  const { client, server } = await scenario.connectBoth();
  server.send(0, err(1040, 'Too many connections'));
  assert.deepEqual(await client.packet(), { sequenceId: 0, payload: err(1040, 'Too many connections') });
  await client.ended();
  client.close();
  await scenario.quiet();
  assert.equal(scenario.observed[0]?.refusedWith, 1040);
});

test('an endless dialogue ends', async (t) => {
  const scenario = await startScenario(t);
  const { client, server } = await scenario.connectGreeted();
  client.send(1, login());
  await server.packet();
  let sequenceId = 2;
  for (;;) {
    server.send(sequenceId, authSwitch('client_ed25519'));
    const question = await client.packet();
    if (question.payload[0] === 0xff) {
      assert.match(readErr(question.payload).text, /more than 20 answers/);
      break;
    }
    client.send(sequenceId + 1, Buffer.alloc(64, 1));
    await server.packet();
    sequenceId += 2;
    assert.ok(sequenceId < 100);
  }
  assert.equal(scenario.observed[0]?.error?.code, 'authentication_too_long');
});

test('MariaDB Connector/C shows no error with a number of 2000-2999: it gets 1105 with the same text', async (t) => {
  const scenario = await startScenario(t, { server: verifying });
  const { client, server } = await scenario.connectGreeted();
  const attributes = Buffer.from('\x0c_client_name\x0alibmariadb', 'latin1');
  const flags = CLIENT_FLAGS | FLAGS.connectAttributes;
  client.send(1, Buffer.concat([login({ flags }), Buffer.from([attributes.length]), attributes]));
  await server.packet();
  server.finish();
  const { errno, text } = readErr((await client.packet()).payload);
  assert.equal(errno, 1105);
  assert.match(text, /closed the connection during the TLS handshake/);
});

async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

test('nothing listens: 2003 in place of the greeting', async (t) => {
  const port = await closedPort();
  const scenario = await startScenario(t, { servers: () => [{ kind: 'tcp', host: '127.0.0.1', port }] });
  const client = await scenario.connectClient();
  const { errno, sqlState, text } = readErr((await client.packet()).payload);
  assert.deepEqual({ errno, sqlState }, { errno: 2003, sqlState: undefined });
  assert.match(text, new RegExp(`127\\.0\\.0\\.1:${port} can not be reached \\(ECONNREFUSED.*--server`));
});

test('of several servers the first that speaks is used', async (t) => {
  const port = await closedPort();
  const mute = createServer();
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
  t.after(() => mute.close());
  const mutePort = (mute.address() as { port: number }).port;
  const held: { destroy(): void }[] = [];
  mute.on('connection', (socket) => held.push(socket));
  t.after(() => held.forEach((socket) => void socket.destroy()));
  const scenario = await startScenario(t, {
    process: { connectTimeout: 200 },
    servers: (living) =>
      [port, mutePort, living].map((each) => ({ kind: 'tcp', host: '127.0.0.1', port: each })),
  });
  const { client, server } = await scenario.connectBoth();
  server.send(0, greeting());
  assert.deepEqual((await client.packet()).payload, greeting({ flags: SERVER_FLAGS & ~FLAGS.ssl }));
  assert.match(scenario.observed[0]?.connection.serverAddress ?? '', new RegExp(`:${scenario.server.port}$`));
});

test('servers that are still silent when the time for the login is over are all known to be down', async (t) => {
  const mutes = [createServer(), createServer()];
  const sockets: { destroy(): void }[] = [];
  const ports = await Promise.all(
    mutes.map(async (mute) => {
      mute.on('connection', (socket) => sockets.push(socket));
      await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
      return (mute.address() as { port: number }).port;
    }),
  );
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    for (const mute of mutes) mute.close();
  });
  const scenario = await startScenario(t, {
    process: { connectTimeout: 200, handshakeTimeout: 300 },
    servers: () => ports.map((port) => ({ kind: 'tcp', host: '127.0.0.1', port })),
  });
  const client = await scenario.connectClient();
  const { text } = readErr((await client.packet()).payload);
  assert.match(text, new RegExp(`no server answered within 0\\.3 s \\(127\\.0\\.0\\.1:${ports[0]} accepted`));
  await scenario.quiet();
  const [observed] = scenario.observed;
  assert.equal(observed?.error?.code, 'server_silent');
  assert.deepEqual(
    observed?.unreachable,
    ports.map((port) => `127.0.0.1:${port}`),
  );
});

for (const how of ['finish', 'reset'] as const) {
  test(`a server that goes away (${how}) while the client has not logged in yet: told at once`, async (t) => {
    const scenario = await startScenario(t, { server: verifying });
    const { client, server } = await scenario.connectGreeted();
    server[how]();
    await new Promise((resolve) => setTimeout(resolve, 20));
    client.send(1, login());
    const { errno, text } = readErr((await client.packet()).payload);
    assert.equal(errno, 2012);
    assert.match(text, /server leg.*before the login was over/);
  });
}

/** Whoever sits on a plaintext server leg may pose as the server; the client answers in clear, for its own leg is TLS. */
const leadingQuestions: [name: string, loginPlugin: string, question: Buffer, code: ErrorCode][] = [
  [
    'full authentication with a byte behind it',
    'caching_sha2_password',
    Buffer.from([1, 4, 0]),
    'unknown_exchange_refused',
  ],
  [
    'full authentication without its header',
    'caching_sha2_password',
    Buffer.from([4]),
    'unknown_exchange_refused',
  ],
  [
    'a public key that it did not ask for',
    'caching_sha2_password',
    Buffer.from('\x01-----BEGIN PUBLIC KEY-----'),
    'unknown_exchange_refused',
  ],
  [
    'a switch to clear text',
    'mysql_native_password',
    authSwitch('mysql_clear_password'),
    'cleartext_refused',
  ],
  [
    'a switch to clear text in capitals',
    'mysql_native_password',
    authSwitch('MYSQL_CLEAR_PASSWORD'),
    'unknown_exchange_refused',
  ],
  [
    'a switch to PAM',
    'mysql_native_password',
    authSwitch('dialog', Buffer.from('\x04Password: ')),
    'cleartext_refused',
  ],
  [
    'a next factor that was not negotiated',
    'mysql_native_password',
    Buffer.from('\x02mysql_clear_password\0'),
    'unknown_exchange_refused',
  ],
  [
    'a switch to something unknown',
    'mysql_native_password',
    authSwitch('made_up'),
    'unknown_exchange_refused',
  ],
];

for (const [name, plugin, question, code] of leadingQuestions) {
  test(`TLS client, plaintext server leg: ${name} does not reach the client`, async (t) => {
    const scenario = await startScenario(t, {
      client: { sslMode: 'REQUIRED', sslCert: [serverTls.cert], sslKey: [serverTls.key] },
    });
    const { client, server } = await scenario.connectGreeted();
    client.send(1, sslRequest());
    await client.startTlsAsClient();
    const auth = Buffer.alloc(plugin === 'caching_sha2_password' ? 32 : 20, 0xaa);
    client.send(2, login({ plugin, auth }));
    await server.packet();
    server.send(2, question);
    assert.equal(readErr((await client.packet()).payload).errno, 2061);
    assert.equal(scenario.observed[0]?.error?.code, code);
  });
}

/** What a client sends all the same, as some do, would be read differently from how it was written. */
const leftOut: [name: string, missing: number][] = [
  ['the protocol of 4.1', FLAGS.protocol41],
  ['secure connections', FLAGS.secureConnection],
  ['both', FLAGS.protocol41 | FLAGS.secureConnection],
  ['plugins', FLAGS.pluginAuth],
];
for (const [name, missing] of leftOut) {
  test(`TLS client, plaintext server leg: a greeting without ${name} does not get a password out of a login`, async (t) => {
    const scenario = await startScenario(t, {
      client: { sslMode: 'REQUIRED', sslCert: [serverTls.cert], sslKey: [serverTls.key] },
    });
    const { client, server } = await scenario.connectBoth();
    server.send(0, greeting({ flags: SERVER_FLAGS & ~missing, plugin: 'sha256_password' }));
    await client.packet();
    client.send(1, sslRequest());
    await client.startTlsAsClient();
    // As long as a scramble.
    const password = 'nineteen characters';
    client.send(2, login({ plugin: 'sha256_password', auth: Buffer.from(`${password}\0`) }));
    assert.equal(readErr((await client.packet()).payload).errno, 2061);
    assert.equal(scenario.observed[0]?.error?.code, 'unknown_exchange_refused');
    // A login that it refuses, or, where it is too old for one, nothing more.
    const heard = await server.packet().then(
      ({ payload }) => payload.toString('latin1'),
      (error: Error) => error.message,
    );
    assert.match(heard, /proxy_abandoned|the connection ended/);
    assert.equal(heard.includes(password), false);
  });
}

test('TLS client, plaintext server leg: a password in the answer to sha256_password does not reach the server', async (t) => {
  const scenario = await startScenario(t, {
    client: { sslMode: 'REQUIRED', sslCert: [serverTls.cert], sslKey: [serverTls.key] },
  });
  const { client, server } = await scenario.connectGreeted();
  client.send(1, sslRequest());
  await client.startTlsAsClient();
  client.send(2, login());
  await server.packet();
  server.send(2, authSwitch('sha256_password'));
  await client.packet();
  client.send(4, Buffer.from('clear text\0'));
  // In its place comes the request for the key that it is encrypted with.
  assert.deepEqual(await server.packet(), { sequenceId: 3, payload: Buffer.from([1]) });
  server.send(4, err(1045, 'Access denied', '28000'));
  const told = await client.packet();
  assert.deepEqual(told, { sequenceId: 5, payload: err(1045, 'Access denied', '28000') });
});
