/** The server leg: what goes wrong between the SSLRequest and a finished handshake, and what is told to the server. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import tls from 'node:tls';
import type { ServerLegConfig } from '../../../src/config/model.js';
import { ProxyError } from '../../../src/errors.js';
import { PacketPort } from '../../../src/proxy/packet-port.js';
import { connectTls } from '../../../src/tls/upgrade.js';
import { encodePacket } from '../../../src/wire/framing.js';
import { encodeErr } from '../../../src/wire/replies.js';
import { WatchedCancellation } from '../../support/cancellations.js';
import { arrived } from '../../support/chunked.js';
import {
  ca,
  clientCertificate,
  keyPair,
  neverCancelled,
  otherCa,
  reach,
  serverCertificate,
  serverLeg,
  socketPair,
  tlsServer,
} from './tls-peers.js';

const identity = serverCertificate();
const server = tlsServer(identity);

async function failure(
  t: TestContext,
  answer: (far: Socket) => void,
  config: Partial<ServerLegConfig> = {},
): Promise<{ error: ProxyError; destroyed: boolean }> {
  const { near, far } = await socketPair(t);
  answer(far);
  const error = await connectTls(near, serverLeg(config), 'localhost', 'db:3306', neverCancelled).then(
    () => assert.fail('the upgrade was to fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ProxyError, String(error));
  return { error, destroyed: near.destroyed };
}

test('what was negotiated is described', async (t) => {
  const { description, rejection } = await reach(t, serverLeg(), server);
  assert.equal(rejection, undefined);
  assert.equal(description.version, 'TLSv1.3');
  assert.match(description.cipher, /^TLS_AES_/);
  assert.equal(description.peerSubject, 'CN=Test server');
  assert.equal(description.resumed, false);
  assert.ok(description.handshakeSeconds > 0);
});

test('a server that refuses TLS in plaintext, as MySQL does, is told from one that fails', async (t) => {
  const answers: Record<string, Buffer> = {
    'an ERR packet': encodePacket(2, encodeErr(1043, '08S01', 'Bad handshake')),
    'an HTTP response': Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'),
  };
  for (const [what, bytes] of Object.entries(answers)) {
    const { error, destroyed } = await failure(t, (far) => far.end(bytes));
    assert.equal(error.code, 'server_refused_tls', what);
    assert.match(error.message, /db:3306 broke the TLS handshake off in plaintext/, what);
    assert.equal(destroyed, true);
  }
});

test('a server that closes or resets during the handshake has refused', async (t) => {
  for (const leave of ['end', 'resetAndDestroy'] as const) {
    const { error } = await failure(t, (far) => far.once('data', () => far[leave]()));
    assert.equal(error.code, 'server_refused_tls', leave);
    assert.match(error.message, /db:3306 closed the connection during the TLS handshake/);
  }
});

test('a server that had already said its last word is not waited for', async (t) => {
  const { near, far } = await socketPair(t);
  far.end();
  const port = new PacketPort(near, { leg: 'server', peer: 'db:3306' });
  while (!near.readableEnded) await nextTurn();
  const upgrade = connectTls(port.release(), serverLeg(), 'localhost', 'db:3306', neverCancelled);
  await assert.rejects(upgrade, { code: 'server_refused_tls' });
});

test('nothing in common with the server: the message says what', async (t) => {
  const cases: [tls.TlsOptions, Partial<ServerLegConfig>, RegExp][] = [
    [{ minVersion: 'TLSv1.3' }, { tlsVersion: ['TLSv1.2'] }, /no TLS version in common/],
    [{ maxVersion: 'TLSv1.2' }, { tlsVersion: ['TLSv1.3'] }, /no TLS version in common/],
    [
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES256-GCM-SHA384' },
      { sslCipher: 'ECDHE-RSA-AES128-GCM-SHA256' },
      /no cipher in common/,
    ],
    [
      { minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' },
      { tlsCiphersuites: 'TLS_AES_256_GCM_SHA384' },
      /no cipher in common/,
    ],
  ];
  for (const [options, config, expected] of cases) {
    const other = tlsServer(identity, options);
    const { error } = await failure(t, (far) => other.emit('connection', far), config);
    assert.match(error.code, /^server_tls_(version|cipher)_mismatch$/);
    assert.match(error.message, expected);
  }
});

test('a handshake that is given up ends at once, and leaves nothing on the signal', async (t) => {
  const { near, far } = await socketPair(t);
  const giveUp = new WatchedCancellation();
  const upgrade = connectTls(near, serverLeg(), 'localhost', 'db:3306', giveUp);
  // The ClientHello is out and no answer comes.
  await arrived(far, 1);
  const reason = new ProxyError('server_timeout', 'too slow');
  giveUp.cancel(reason);
  await assert.rejects(upgrade, reason);
  assert.equal(near.destroyed, true);
  assert.equal(giveUp.listenerCount, 0);
  const second = await socketPair(t);
  const late = connectTls(second.near, serverLeg(), 'localhost', 'db:3306', giveUp);
  await assert.rejects(late, reason);
});

test('a finished handshake leaves nothing on the signal', async (t) => {
  const { near, far } = await socketPair(t);
  const signal = new WatchedCancellation();
  server.emit('connection', far);
  await connectTls(near, serverLeg(), 'localhost', 'db:3306', signal);
  assert.equal(signal.listenerCount, 0);
});

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  test(`${maxVersion}: a server that wants a certificate gets the key pair, and none without it`, async (t) => {
    const demanding = tlsServer(identity, { maxVersion, requestCert: true, ca: ca.certificate });
    const seen: string[] = [];
    demanding.on('secureConnection', (socket) => seen.push(String(socket.getPeerCertificate().subject?.CN)));
    const pair = keyPair(clientCertificate());
    await reach(t, serverLeg(pair), demanding);
    assert.deepEqual(seen, ['Test client']);

    for (const config of [{}, keyPair(clientCertificate({ issuer: otherCa }))]) {
      const { near, far } = await socketPair(t);
      demanding.emit('connection', far);
      const refusal = await connectTls(near, serverLeg(config), 'localhost', 'db:3306', neverCancelled).then(
        ({ socket }) => readFailure(socket),
        (error: unknown) => error,
      );
      assert.ok(refusal instanceof ProxyError && refusal.definition.blame === 'server', String(refusal));
      assert.deepEqual(seen, ['Test client']);
    }
  });
}

test('the alert about a missing certificate comes behind the handshake of TLS 1.3, and names the reason', async (t) => {
  const { near, far } = await socketPair(t);
  const strict = new tls.TLSSocket(far, {
    isServer: true,
    requestCert: true,
    // Unlike a tls.Server, which lets the handshake end first.
    rejectUnauthorized: true,
    secureContext: tls.createSecureContext({
      cert: identity.certificate,
      key: identity.key,
      ca: ca.certificate,
    }),
  });
  strict.on('error', () => {});
  const { socket } = await connectTls(near, serverLeg(), 'localhost', 'db:3306', neverCancelled);
  const error = await readFailure(socket);
  assert.equal(error.code, 'server_requires_key_pair');
  assert.match(
    error.message,
    /db:3306 demands a client certificate of everyone \(ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED\)/,
  );
});

/** What the first read of a packet says, where the server has none to send. */
async function readFailure(socket: tls.TLSSocket): Promise<ProxyError> {
  const port = new PacketPort(socket, { leg: 'server', peer: 'db:3306', nextSequenceId: 2 });
  const error = await port.read(neverCancelled).then(
    () => assert.fail('there was to be no packet'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ProxyError, String(error));
  return error;
}

test('the server is told the name it was reached by, or the one that is configured; never an address', async (t) => {
  const names: (string | false)[] = [];
  const listening = tlsServer(identity);
  listening.on('secureConnection', (socket) => names.push(socket.servername ?? false));
  await reach(t, serverLeg(), listening, 'localhost');
  await reach(t, serverLeg(), listening, '127.0.0.1');
  const { rejection } = await reach(t, serverLeg({ tlsSniServername: 'db.example' }), listening, 'localhost');
  assert.equal(rejection, undefined, 'the name to verify is still the one connected to');
  assert.deepEqual(names, ['localhost', false, 'db.example']);
  const other = await reach(t, serverLeg({ tlsSniServername: 'localhost' }), listening, 'db.example');
  assert.equal(other.rejection?.code, 'server_certificate_name_mismatch');
});

test('what the proxy sends after the handshake reaches the server', async (t) => {
  const { near, far } = await socketPair(t);
  const secure = once(server, 'secureConnection');
  server.emit('connection', far);
  const { socket } = await connectTls(near, serverLeg(), 'localhost', 'db:3306', neverCancelled);
  const [accepted] = (await secure) as [tls.TLSSocket];
  socket.write('login');
  assert.equal(String((await once(accepted, 'data'))[0]), 'login');
});
