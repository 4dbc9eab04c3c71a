/** The client leg: what arrives behind an SSLRequest, and what breaks afterwards. */

import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import tls from 'node:tls';
import type { ClientLegConfig } from '../../../src/config/model.js';
import { ProxyError } from '../../../src/errors.js';
import { PacketPort } from '../../../src/proxy/packet-port.js';
import { acceptTls, type Upgraded } from '../../../src/tls/upgrade.js';
import { loadRecording, loginOf, sslRequestOf } from '../../fixtures/recordings.js';
import { WatchedCancellation } from '../../support/cancellations.js';
import { arrived, isPending, sendApart, singleBytes } from '../../support/chunked.js';
import { frame } from '../../support/scripted-peer.js';
import { ca, clientLeg, connectWith, neverCancelled, serverCertificate, socketPair } from './tls-peers.js';

const identity = serverCertificate();
const tlsRecording = loadRecording('mysql2-to-mysql-9-tls-cold');
const sslRequest = frame(1, sslRequestOf(tlsRecording) ?? assert.fail('a recording with TLS'));

/** A client whose TLS records go where the test wants them. */
class Records extends Duplex {
  readonly written: Buffer[] = [];
  onWrite: (bytes: Buffer) => void = (bytes) => this.written.push(bytes);
  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.onWrite(bytes);
    done();
  }
  override _read(): void {}
}

async function clientHello(
  options: tls.ConnectionOptions = {},
): Promise<{ client: tls.TLSSocket; records: Records; hello: Buffer }> {
  const records = new Records();
  const client = tls.connect({ socket: records, ca: ca.certificate, servername: 'localhost', ...options });
  client.on('error', () => {});
  while (records.written.length === 0) await nextTurn();
  return { client, records, hello: Buffer.concat(records.written) };
}

/** From now on the client's records and the answers to them take the network. */
function joinToNetwork(records: Records, far: Socket): void {
  records.onWrite = (bytes) => far.write(bytes);
  far.on('data', (bytes: Buffer) => records.push(bytes));
}

/** As the proxy does it: the SSLRequest is read as a packet, the rest is left in the socket. */
async function readSslRequest(near: Socket): Promise<Socket> {
  const port = new PacketPort(near, { leg: 'client', peer: 'client', nextSequenceId: 1 });
  assert.deepEqual(await port.read(neverCancelled), { sequenceId: 1, payload: sslRequest.subarray(4) });
  return port.release();
}

async function rejection(upgrade: Promise<Upgraded>): Promise<ProxyError> {
  const error = await upgrade.then(
    () => assert.fail('the upgrade was to fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ProxyError, String(error));
  return error;
}

async function exchange(near: tls.TLSSocket, far: tls.TLSSocket): Promise<void> {
  near.write('from the proxy');
  assert.equal(String((await once(far, 'data'))[0]), 'from the proxy');
  far.write('from the client');
  assert.equal(String((await once(near, 'data'))[0]), 'from the client');
}

test('SSLRequest and ClientHello in one segment', async (t) => {
  const { near, far } = await socketPair(t);
  const { client, records, hello } = await clientHello();
  const sent = Buffer.concat([sslRequest, hello]);
  far.write(sent);
  await arrived(near, sent.length);
  const raw = await readSslRequest(near);
  assert.equal(raw.readableLength, hello.length, 'the ClientHello is still in the socket');
  joinToNetwork(records, far);
  const {
    socket,
    rejection: refused,
    description,
  } = await acceptTls(raw, clientLeg(identity), neverCancelled);
  assert.equal(refused, undefined);
  assert.equal(description.version, 'TLSv1.3');
  assert.match(description.cipher, /^TLS_AES_/);
  assert.equal(description.resumed, false);
  assert.equal(description.peerSubject, '');
  assert.ok(description.handshakeSeconds > 0);
  await exchange(socket, client);
});

test('SSLRequest and ClientHello byte by byte', async (t) => {
  const { near, far } = await socketPair(t);
  const { client, records, hello } = await clientHello();
  const [raw] = await Promise.all([readSslRequest(near), sendApart(far, near, singleBytes(sslRequest))]);
  const upgrade = acceptTls(raw, clientLeg(identity), neverCancelled);
  joinToNetwork(records, far);
  await sendApart(far, near, singleBytes(hello));
  const { socket } = await upgrade;
  await exchange(socket, client);
});

test('plaintext behind an SSLRequest is never taken for a login', async (t) => {
  const login = frame(2, loginOf(tlsRecording));
  for (const [what, behind] of Object.entries({
    'a login in plaintext': login,
    'an HTTP request': Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'),
    noise: Buffer.from([0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8, 0xf7, 0xf6, 0xf5]),
    'a record of another kind': Buffer.from('170303000a00000000000000000000', 'hex'),
  })) {
    const { near, far } = await socketPair(t);
    far.write(Buffer.concat([sslRequest, behind]));
    await arrived(near, sslRequest.length + behind.length);
    const raw = await readSslRequest(near);
    const error = await rejection(acceptTls(raw, clientLeg(identity), neverCancelled));
    assert.equal(error.code, 'client_tls_failed', what);
    assert.match(error.message, /the client went on with something else/, what);
    assert.equal(near.destroyed, true, what);
  }
});

test('a client that leaves during the handshake may not trust the certificate: it failed', async (t) => {
  for (const leave of ['end', 'resetAndDestroy'] as const) {
    for (const part of [0, 1, 100]) {
      const { near, far } = await socketPair(t);
      const { hello } = await clientHello();
      const upgrade = acceptTls(near, clientLeg(identity), neverCancelled);
      await sendApart(far, near, [hello.subarray(0, part)]);
      far[leave]();
      const error = await rejection(upgrade);
      assert.equal(error.code, 'client_tls_failed', `${leave} after ${part} bytes`);
      assert.match(error.message, /closed the connection during the TLS handshake/);
      assert.equal(near.destroyed, true);
    }
  }
});

test('a client that has left before the handshake began does not hold the proxy up', async (t) => {
  const { near, far } = await socketPair(t);
  const port = new PacketPort(near, { leg: 'client', peer: 'client', nextSequenceId: 1 });
  far.end(sslRequest);
  await port.read(neverCancelled);
  while (!near.readableEnded) await nextTurn();
  const error = await rejection(acceptTls(port.release(), clientLeg(identity), neverCancelled));
  assert.equal(error.code, 'client_tls_failed');
});

test('a handshake that is given up ends at once, and leaves nothing on the signal', async (t) => {
  const { near, far } = await socketPair(t);
  const { hello } = await clientHello();
  const giveUp = new WatchedCancellation();
  const upgrade = acceptTls(near, clientLeg(identity), giveUp);
  await sendApart(far, near, [hello.subarray(0, 50)]);
  const reason = new ProxyError('client_timeout', 'too slow');
  giveUp.cancel(reason);
  assert.equal(await rejection(upgrade), reason);
  assert.equal(near.destroyed, true);
  assert.equal(giveUp.listenerCount, 0);
  const second = await socketPair(t);
  assert.equal(await rejection(acceptTls(second.near, clientLeg(identity), giveUp)), reason);
  assert.equal(second.near.destroyed, true);
});

test('a client that has nothing in common with the proxy fails with the reason', async (t) => {
  const cases: [string, tls.ConnectionOptions, Partial<ClientLegConfig>, RegExp][] = [
    ['an older client', { maxVersion: 'TLSv1.2' }, { tlsVersion: ['TLSv1.3'] }, /no TLS version in common/],
    ['a newer client', { minVersion: 'TLSv1.3' }, { tlsVersion: ['TLSv1.2'] }, /no TLS version in common/],
    [
      'other ciphers',
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES256-GCM-SHA384' },
      { sslCipher: 'ECDHE-RSA-AES128-GCM-SHA256' },
      /no cipher in common/,
    ],
  ];
  for (const [what, client, leg, expected] of cases) {
    const { near, far } = await socketPair(t);
    const secured = tls.connect({ socket: far, servername: 'localhost', ca: ca.certificate, ...client });
    secured.on('error', () => {});
    const error = await rejection(acceptTls(near, clientLeg(identity, leg), neverCancelled));
    assert.match(error.code, /^client_tls_(version|cipher)_mismatch$/, what);
    assert.match(error.message, expected, what);
    assert.equal(near.destroyed, true);
  }
});

test('a client that does not trust the proxy says so in an alert', async (t) => {
  const { near, far } = await socketPair(t);
  const { hello } = await clientHello({ maxVersion: 'TLSv1.2' });
  const upgrade = acceptTls(near, clientLeg(identity), neverCancelled);
  far.write(hello);
  await once(far, 'data');
  const unknownCa = 48;
  far.write(Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, unknownCa]));
  const error = await rejection(upgrade);
  assert.equal(error.code, 'client_refused_certificate');
  assert.match(error.message, /the client does not accept the certificate of the proxy/);
});

test('a client cannot renegotiate', async (t) => {
  const { upgraded, client } = await connectWith(t, clientLeg(identity), { maxVersion: 'TLSv1.2' });
  const failed = once(upgraded.socket, 'error');
  const renegotiated = new Promise((resolve) => {
    client.renegotiate({ rejectUnauthorized: false }, () => resolve(['the client renegotiated']));
  });
  const [error] = (await Promise.race([failed, renegotiated])) as [{ code?: string }];
  assert.match(error.code ?? '', /^ERR_SSL_.*(HANDSHAKE_FAILURE|NO_RENEGOTIATION)$/);
  assert.equal(upgraded.socket.destroyed, true);
});

test('a record that was tampered with breaks the connection, also after the handshake', async (t) => {
  const { near, far } = await socketPair(t);
  const { client, records, hello } = await clientHello();
  const upgrade = acceptTls(near, clientLeg(identity), neverCancelled);
  joinToNetwork(records, far);
  far.write(hello);
  const { socket } = await upgrade;
  await exchange(socket, client);
  const failed = once(socket, 'error');
  // Where the connection goes on, the client hears of it in an alert all the same.
  const alerted = once(client, 'error');
  far.write(Buffer.from('170303001400112233445566778899aabbccddeeff00112233', 'hex'));
  await Promise.race([failed, alerted]);
  assert.equal(await isPending(failed), false);
  assert.match((await failed)[0].code, /^ERR_SSL_/);
  assert.equal(near.destroyed, true);
});
