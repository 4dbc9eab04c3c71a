import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { after, test } from 'node:test';
import { connect, createSecureContext } from 'node:tls';
import { makeCertificates } from '../support/certificates.js';
import {
  authSwitch,
  CLIENT_FLAGS,
  err,
  FLAGS,
  flagsOfGreeting,
  greeting,
  login,
  OK,
  SERVER_FLAGS,
  sslRequest,
} from '../support/packets.js';
import { frame } from '../support/scripted-peer.js';
import { type ScenarioOptions, startScenario } from './scenario.js';

const folder = mkdtempSync(join(tmpdir(), 'legs-'));
after(() => rmSync(folder, { recursive: true }));
const { ca, server: serverIdentity, client: clientIdentity, serverTls } = makeCertificates(folder);
const serverContext = createSecureContext({
  cert: serverIdentity.certificate,
  key: serverIdentity.key,
  ca: ca.certificate,
});

const clientLegTls: NonNullable<ScenarioOptions['client']> = {
  sslMode: 'PREFERRED',
  sslCert: [serverTls.cert],
  sslKey: [serverTls.key],
};
const serverOnly: NonNullable<ScenarioOptions['server']> = {
  sslMode: 'VERIFY_IDENTITY',
  sslCa: serverTls.ca,
};
const keyPair: NonNullable<ScenarioOptions['server']> = {
  ...serverOnly,
  sslCert: clientIdentity.certificateFile,
  sslKey: clientIdentity.keyFile,
};

/** Everything behind a login that stays the same whatever the legs are: a switch, its answer, the decision. */
const dialogues = [
  { name: 'OK at once', rounds: [], end: OK, accepted: true },
  {
    name: 'AuthSwitchRequest, then OK',
    rounds: [{ question: authSwitch('client_ed25519'), answer: Buffer.alloc(64, 0xbb) }],
    end: OK,
    accepted: true,
  },
  {
    name: 'several switches with an empty answer, then ERR',
    rounds: [
      { question: authSwitch('parsec'), answer: Buffer.alloc(0) },
      { question: Buffer.from('Praw plugin data of MariaDB'), answer: Buffer.alloc(96, 0xcc) },
      { question: authSwitch('auth_gssapi_client'), answer: Buffer.alloc(70_000, 0xdd) },
      { question: Buffer.from([0xfe]), answer: Buffer.alloc(9, 0xcc) },
    ],
    end: err(1045, 'Access denied', '28000'),
    accepted: false,
  },
];

for (const clientTls of [false, true]) {
  for (const [serverName, serverLeg] of [
    ['plaintext', undefined],
    ['TLS, server-only', serverOnly],
    ['TLS, key pair', keyPair],
  ] as const) {
    for (const dialogue of dialogues) {
      test(`client ${clientTls ? 'TLS' : 'plaintext'}, server ${serverName}: ${dialogue.name}`, async (t) => {
        const scenario = await startScenario(t, {
          ...(clientTls ? { client: clientLegTls } : {}),
          ...(serverLeg === undefined ? {} : { server: serverLeg }),
        });
        const { client, server } = await scenario.connectBoth();

        server.send(0, greeting());
        const greeted = await client.packet();
        assert.equal(greeted.sequenceId, 0);
        const expectedFlags = clientTls ? SERVER_FLAGS : SERVER_FLAGS & ~FLAGS.ssl;
        assert.equal(flagsOfGreeting(greeted.payload), expectedFlags >>> 0);
        assert.deepEqual(greeted.payload, greeting({ flags: expectedFlags }), 'only the flags may change');

        let clientSequence = 1;
        if (clientTls) {
          client.send(clientSequence++, sslRequest());
          await client.startTlsAsClient({ ca: ca.certificate, host: '127.0.0.1', rejectUnauthorized: true });
        }
        client.send(clientSequence++, login({ flags: CLIENT_FLAGS | (clientTls ? FLAGS.ssl : 0) }));

        let serverSequence = 1;
        if (serverLeg !== undefined) {
          const request = await server.packet();
          assert.equal(request.sequenceId, serverSequence++);
          assert.deepEqual(request.payload, sslRequest(CLIENT_FLAGS | FLAGS.ssl));
          const secured = await server.startTlsAsServer(serverContext, true);
          const certificate = secured.getPeerCertificate();
          assert.equal(certificate.subject?.CN, serverLeg === keyPair ? 'Test client' : undefined);
        }
        const forwarded = await server.packet();
        assert.equal(forwarded.sequenceId, serverSequence++);
        const forwardedFlags = CLIENT_FLAGS | (serverLeg === undefined ? 0 : FLAGS.ssl);
        assert.deepEqual(forwarded.payload, login({ flags: forwardedFlags }));

        for (const { question, answer } of dialogue.rounds) {
          server.send(serverSequence++, question);
          assert.deepEqual(await client.packet(), { sequenceId: clientSequence++, payload: question });
          client.send(clientSequence++, answer);
          assert.deepEqual(await server.packet(), { sequenceId: serverSequence++, payload: answer });
        }
        server.send(serverSequence, dialogue.end);
        assert.deepEqual(await client.packet(), { sequenceId: clientSequence, payload: dialogue.end });

        const [observed] = scenario.observed;
        if (dialogue.accepted) {
          const { clientBytes, serverBytes } = structuredClone(observed?.connection) ?? assert.fail();
          client.send(0, '\x03SELECT 1');
          assert.deepEqual(await server.packet(), { sequenceId: 0, payload: Buffer.from('\x03SELECT 1') });
          server.send(1, OK);
          assert.deepEqual(await client.packet(), { sequenceId: 1, payload: OK });
          client.finish();
          await server.ended();
          server.finish();
          await scenario.quiet();
          assert.equal(observed?.established, true);
          assert.equal(observed?.closed, 'client_closed');
          const replyLength = 4 + OK.length;
          assert.deepEqual(observed?.connection.clientBytes, {
            in: clientBytes.in + 13,
            out: clientBytes.out + replyLength,
          });
          assert.deepEqual(observed?.connection.serverBytes, {
            in: serverBytes.in + replyLength,
            out: serverBytes.out + 13,
          });
          // Of a plaintext leg every byte is one of the protocol, from the greeting on.
          if (!clientTls) {
            assert.equal(observed.connection.clientBytes.in, client.socket.bytesWritten);
            assert.equal(observed.connection.clientBytes.out, client.socket.bytesRead);
          }
          if (serverLeg === undefined) {
            assert.equal(observed.connection.serverBytes.in, server.socket.bytesWritten);
            assert.equal(observed.connection.serverBytes.out, server.socket.bytesRead);
          }
        } else {
          assert.equal((await client.ended()).length, 0);
          client.finish();
          await scenario.quiet();
          assert.equal(observed?.refusedWith, 1045);
          assert.equal(observed?.closed, 'login_refused');
        }
        assert.equal(observed?.connection.user, 'app');
        assert.equal(observed?.connection.serverThreadId, 4711);
        assert.equal(observed?.connection.clientTls.version, clientTls ? 'TLSv1.3' : 'none');
        assert.equal(observed?.connection.serverTls.version, serverLeg === undefined ? 'none' : 'TLSv1.3');
      });
    }
  }
}

test('AS_CLIENT: the server leg is what the client leg is, and TLS is offered only where the server has it', async (t) => {
  const scenario = await startScenario(t, {
    client: clientLegTls,
    server: { ...serverOnly, sslMode: 'AS_CLIENT' },
  });
  const plain = await scenario.connectBoth();
  plain.server.send(0, greeting());
  await plain.client.packet();
  plain.client.send(1, login());
  assert.deepEqual((await plain.server.packet()).payload, login());

  const secured = await scenario.connectBoth();
  secured.server.send(0, greeting());
  await secured.client.packet();
  secured.client.send(1, sslRequest());
  await secured.client.startTlsAsClient();
  secured.client.send(2, login());
  assert.deepEqual((await secured.server.packet()).payload, sslRequest());

  const old = await scenario.connectBoth();
  old.server.send(0, greeting({ flags: SERVER_FLAGS & ~FLAGS.ssl }));
  assert.equal(flagsOfGreeting((await old.client.packet()).payload) & FLAGS.ssl, 0);
});

test('PREFERRED: TLS where the server offers it, else plaintext', async (t) => {
  const scenario = await startScenario(t, { server: { sslMode: 'PREFERRED' } });
  const old = await scenario.connectBoth();
  old.server.send(0, greeting({ flags: SERVER_FLAGS & ~FLAGS.ssl }));
  await old.client.packet();
  old.client.send(1, login());
  assert.deepEqual((await old.server.packet()).payload, login());

  const modern = await scenario.connectBoth();
  modern.server.send(0, greeting());
  await modern.client.packet();
  modern.client.send(1, login());
  assert.deepEqual((await modern.server.packet()).payload, sslRequest());
});

test('PASSTHROUGH: client and server negotiate TLS by themselves, no byte is changed', async (t) => {
  const scenario = await startScenario(t, { client: { sslMode: 'PASSTHROUGH' } });
  const { client, server } = await scenario.connectBoth();
  server.send(0, greeting());
  assert.deepEqual((await client.packet()).payload, greeting());
  client.send(1, sslRequest());
  const secured = client.startTlsAsClient({
    ca: ca.certificate,
    host: '127.0.0.1',
    rejectUnauthorized: true,
  });
  assert.deepEqual(await server.packet(), { sequenceId: 1, payload: sslRequest() });
  await server.startTlsAsServer(serverContext);
  await secured;
  client.send(2, login());
  assert.deepEqual(await server.packet(), { sequenceId: 2, payload: login() });
  assert.equal(scenario.observed[0]?.connection.clientTls.version, 'passthrough');
});

test('PASSTHROUGH: an error in place of the greeting is a refusal', async (t) => {
  const scenario = await startScenario(t, { client: { sslMode: 'PASSTHROUGH' } });
  const { client, server } = await scenario.connectBoth();
  const tooMany = err(1040, 'Too many connections');
  server.send(0, tooMany);
  assert.deepEqual((await client.packet()).payload, tooMany);
  client.finish();
  await scenario.quiet();
  const [observed] = scenario.observed;
  assert.deepEqual([observed?.refusedWith, observed?.established], [1040, undefined]);
  assert.equal(observed?.closed, 'server_too_many_connections');
});

test('the SSLRequest and the ClientHello may come in one segment', async (t) => {
  const scenario = await startScenario(t, { client: clientLegTls });
  const { client, server } = await scenario.connectGreeted();
  let prefix = frame(1, sslRequest());
  const joined = new Duplex({
    write: (chunk: Buffer, _encoding, done) => {
      client.sendRaw(Buffer.concat([prefix, chunk]));
      prefix = Buffer.alloc(0);
      done();
    },
    read: () => {},
  });
  client.socket.removeAllListeners('data').on('data', (chunk) => joined.push(chunk));
  const secured = connect({ socket: joined, ca: ca.certificate, host: '127.0.0.1' });
  t.after(() => secured.destroy());
  await once(secured, 'secureConnect');
  secured.write(frame(2, login()));
  assert.deepEqual((await server.packet()).payload, login());
});

test('the SSLRequest of old Connector/J has 4 bytes; flags and character set then come from the login', async (t) => {
  const scenario = await startScenario(t, { client: clientLegTls, server: serverOnly });
  const { client, server } = await scenario.connectGreeted();
  client.send(1, sslRequest().subarray(0, 4));
  await client.startTlsAsClient();
  client.send(2, login({ flags: CLIENT_FLAGS }));
  assert.deepEqual((await server.packet()).payload, sslRequest());
});

test('a login before 4.1 goes through, with a 5-byte SSLRequest on a TLS server leg', async (t) => {
  const login320 = Buffer.concat([
    Buffer.from([0x01, 0x00, 0, 0, 1]),
    Buffer.from('app\0'),
    Buffer.from('scramble'),
  ]);
  const scenario = await startScenario(t, { server: serverOnly });
  const { client, server } = await scenario.connectGreeted();
  client.send(1, login320);
  const request = await server.packet();
  assert.deepEqual(request.payload, Buffer.from([0x01, 0x08, 0, 0, 1]));
  await server.startTlsAsServer(serverContext);
  const expected = Buffer.from(login320);
  expected.writeUInt16LE(0x0801, 0);
  assert.deepEqual((await server.packet()).payload, expected);
  server.send(3, err(1045, 'Access denied'));
  assert.deepEqual((await client.packet()).payload, err(1045, 'Access denied'));
});

test('a login of exactly 32 bytes of fixed fields is no SSLRequest without the flag', async (t) => {
  const scenario = await startScenario(t, { client: clientLegTls });
  const { client } = await scenario.connectGreeted();
  client.send(1, sslRequest(CLIENT_FLAGS));
  const answer = await client.packet();
  assert.equal(answer.sequenceId, 2);
  assert.equal(answer.payload.readUInt16LE(1), 1043);
  assert.equal(scenario.observed[0]?.error?.code, 'client_malformed_packet');
});

test('what the client pipelines behind its login, and the server behind its OK, reaches the other side', async (t) => {
  const scenario = await startScenario(t);
  const { client, server } = await scenario.connectGreeted();
  client.send(1, login());
  await server.packet();
  client.send(0, '\x0e');
  server.socket.cork();
  server.send(2, OK);
  server.send(0, 'unasked');
  server.socket.uncork();
  assert.deepEqual((await client.packet()).payload, OK);
  assert.deepEqual((await client.packet()).payload, Buffer.from('unasked'));
  assert.deepEqual((await server.packet()).payload, Buffer.from('\x0e'));
});
