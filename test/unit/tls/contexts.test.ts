/** What the TLS options of a leg become: versions, ciphers, what is verified. Tried out on real handshakes. */
import assert from 'node:assert/strict';
import { createPrivateKey, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import type { ClientSslMode, ServerLegConfig, ServerSslMode, TlsVersion } from '../../../src/config/model.js';
import { ProxyError } from '../../../src/errors.js';
import { createClientLegTls, createServerLegTls } from '../../../src/tls/contexts.js';
import { acceptTls, connectTls } from '../../../src/tls/upgrade.js';
import {
  ca,
  clientCertificate,
  clientLeg,
  fileWith,
  modern,
  neverCancelled,
  serverCertificate,
  serverLeg,
  socketPair,
  tlsServer,
} from './tls-peers.js';

const secret = randomBytes(32);
const identity = serverCertificate();
const allVersions: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];
/** A peer that takes anything; older versions exist in OpenSSL 3 only at this level. */
const lax = { minVersion: 'TLSv1', ciphers: 'ALL@SECLEVEL=0' } as const;

const lists: readonly (readonly TlsVersion[])[] = [
  ['TLSv1.2', 'TLSv1.3'],
  ['TLSv1.2'],
  ['TLSv1.3'],
  ['TLSv1'],
  ['TLSv1.1'],
  ['TLSv1', 'TLSv1.1', 'TLSv1.2'],
  ['TLSv1.1', 'TLSv1.2', 'TLSv1.3'],
];

for (const tlsVersion of lists) {
  test(`client leg, ${tlsVersion.join(',')}: just these versions are accepted`, async (t) => {
    const leg = clientLeg(identity, { tlsVersion });
    const accepted = await versionsThatWork(async (version) => {
      const { near, far } = await socketPair(t);
      const peer = tls.connect({ socket: far, rejectUnauthorized: false, ...only(version) });
      peer.on('error', () => {});
      return (await acceptTls(near, leg, neverCancelled)).description.version;
    });
    assert.deepEqual(accepted, tlsVersion);
  });

  test(`server leg, ${tlsVersion.join(',')}: just these versions are offered`, async (t) => {
    const leg = serverLeg({ tlsVersion });
    const offered = await versionsThatWork(async (version) => {
      leg.sessions.clear();
      return (await handshakeWith(t, leg, only(version))).version;
    });
    assert.deepEqual(offered, tlsVersion);
  });
}

const only = (version: TlsVersion) => ({ ...lax, minVersion: version, maxVersion: version });

async function versionsThatWork(handshake: (version: TlsVersion) => Promise<string>): Promise<string[]> {
  const working: string[] = [];
  for (const version of allVersions) {
    try {
      working.push(await handshake(version));
    } catch (error) {
      assert.ok(
        error instanceof ProxyError &&
          /^(client_tls_failed|(client|server)_tls_(version|cipher)_mismatch)$/.test(error.code),
        `${version}: ${error}`,
      );
    }
  }
  return working;
}

async function handshakeWith(t: TestContext, leg: ReturnType<typeof serverLeg>, options: tls.TlsOptions) {
  const { near, far } = await socketPair(t);
  tlsServer(identity, options).emit('connection', far);
  const { description } = await connectTls(near, leg, 'localhost', 'localhost:3306', neverCancelled);
  return description;
}

test('an empty list of versions is a mistake of the caller', () => {
  assert.throws(() => serverLeg({ tlsVersion: [] }), /no TLS version is allowed/);
});

test('by default TLS 1.2 has only ciphers with forward secrecy and authenticated encryption', async (t) => {
  for (const ciphers of [
    'AES256-SHA',
    'ECDHE-RSA-AES256-SHA',
    'AES256-GCM-SHA384',
    'ECDHE-RSA-AES256-SHA384',
  ]) {
    const options = { maxVersion: 'TLSv1.2', ciphers } as const;
    await assert.rejects(handshakeWith(t, serverLeg(), options), /no cipher in common/, ciphers);
  }
  const good = { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-RSA-AES256-GCM-SHA384' } as const;
  assert.equal((await handshakeWith(t, serverLeg(), good)).cipher, 'ECDHE-RSA-AES256-GCM-SHA384');
});

test('ciphers can be chosen, for TLS 1.3 and for older versions apart', async (t) => {
  const leg = serverLeg({ sslCipher: 'AES256-SHA', tlsCiphersuites: 'TLS_AES_128_GCM_SHA256' });
  assert.equal((await handshakeWith(t, leg, { maxVersion: 'TLSv1.2', ...lax })).cipher, 'AES256-SHA');
  leg.sessions.clear();
  assert.equal((await handshakeWith(t, leg, {})).cipher, 'TLS_AES_128_GCM_SHA256');
  const upTo12 = serverLeg({ sslCipher: 'ECDHE-RSA-AES128-GCM-SHA256' });
  assert.match((await handshakeWith(t, upTo12, {})).cipher, /^TLS_/, 'TLS 1.3 stays on');
});

test('the client leg follows its own order of ciphers', async (t) => {
  const { near, far } = await socketPair(t);
  const [first, second] = ['ECDHE-RSA-AES256-GCM-SHA384', 'ECDHE-RSA-AES128-GCM-SHA256'];
  tls
    .connect({ socket: far, rejectUnauthorized: false, maxVersion: 'TLSv1.2', ciphers: `${second}:${first}` })
    .on('error', () => {});
  const leg = clientLeg(identity, { sslCipher: `${first}:${second}` });
  assert.equal((await acceptTls(near, leg, neverCancelled)).description.cipher, first);
});

test('old versions bring what a MySQL 5.6 with yaSSL can: AES with RSA key exchange, never its small DHE groups', async (t) => {
  const leg = serverLeg({ tlsVersion: ['TLSv1'] });
  const yassl = { ...only('TLSv1'), ciphers: 'AES256-SHA@SECLEVEL=0' };
  assert.deepEqual(pick(await handshakeWith(t, leg, yassl)), { version: 'TLSv1', cipher: 'AES256-SHA' });
  leg.sessions.clear();
  const onlyDhe = { ...only('TLSv1'), ciphers: 'DHE-RSA-AES256-SHA@SECLEVEL=0', dhparam: 'auto' } as const;
  await assert.rejects(handshakeWith(t, leg, onlyDhe), /no cipher in common/);
  const { near, far } = await socketPair(t);
  tls.connect({ socket: far, rejectUnauthorized: false, ...yassl }).on('error', () => {});
  const accepted = await acceptTls(
    near,
    clientLeg(identity, { tlsVersion: ['TLSv1', 'TLSv1.1', 'TLSv1.2'] }),
    neverCancelled,
  );
  assert.deepEqual(pick(accepted.description), { version: 'TLSv1', cipher: 'AES256-SHA' });
});

const pick = ({ version, cipher }: { version: string; cipher: string }) => ({ version, cipher });

test('a cipher list that names its own security level keeps it', async (t) => {
  const strict = serverLeg({
    tlsVersion: ['TLSv1', 'TLSv1.1', 'TLSv1.2'],
    sslCipher: 'AES256-SHA:@SECLEVEL=3',
  });
  await assert.rejects(handshakeWith(t, strict, only('TLSv1')), /ERR_SSL_NO_CIPHERS_AVAILABLE/);
});

test('what each mode of the server leg verifies', () => {
  const files = { sslCa: ca.certificateFile };
  const verified = (sslMode: ServerSslMode, config: Partial<ServerLegConfig> = {}) => {
    const leg = createServerLegTls({
      sslMode,
      proxyProtocol: 'off',
      tlsProfile: 'intermediate',
      tlsVersion: modern,
      ...config,
    });
    return leg && [leg.verifyChain, leg.verifyIdentity];
  };
  assert.equal(verified('DISABLED', files), undefined);
  assert.deepEqual(verified('PREFERRED', files), [false, false]);
  assert.deepEqual(verified('REQUIRED', files), [false, false]);
  assert.deepEqual(verified('VERIFY_CA', files), [true, false]);
  assert.deepEqual(verified('VERIFY_IDENTITY', files), [true, true]);
  assert.deepEqual(verified('AS_CLIENT'), [false, false]);
  assert.deepEqual(verified('AS_CLIENT', files), [true, false]);
});

test('the client leg has TLS when it has a certificate and the mode allows', () => {
  const config = { tlsProfile: 'intermediate', tlsVersion: modern, plaintextFrom: [] } as const;
  const pair = { sslCert: [identity.certificateFile], sslKey: [identity.keyFile] };
  const has = (sslMode: ClientSslMode) =>
    createClientLegTls({ sslMode, ...config, ...pair }, secret) !== undefined;
  assert.deepEqual((['DISABLED', 'PREFERRED', 'REQUIRED', 'PASSTHROUGH'] as const).filter(has), [
    'PREFERRED',
    'REQUIRED',
  ]);
  assert.equal(createClientLegTls({ sslMode: 'PREFERRED', ...config }, secret), undefined);
  assert.equal(clientLeg(identity).requestCertificate, false);
  assert.equal(clientLeg(identity, { sslCa: ca.certificateFile }).requestCertificate, true);
});

test('a key with a passphrase is opened with the file it is given, whatever ends its line', async (t) => {
  const client = clientCertificate();
  const encrypted = createPrivateKey(readFileSync(client.keyFile)).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'open sesame',
  });
  const sslKey = fileWith('encrypted-key.pem', String(encrypted));
  const pair = { sslCert: client.certificateFile, sslKey };
  const seen: string[] = [];
  const server = tlsServer(identity, { requestCert: true, ca: ca.certificate });
  server.on('secureConnection', (socket) => seen.push(String(socket.getPeerCertificate().subject?.CN)));
  for (const [index, ending] of ['', '\n', '\r\n'].entries()) {
    const sslKeyPassphraseFile = fileWith(`passphrase-${index}`, `open sesame${ending}`);
    const leg = serverLeg({ ...pair, sslKeyPassphraseFile });
    const { near, far } = await socketPair(t);
    server.emit('connection', far);
    await connectTls(near, leg, 'localhost', 'localhost:3306', neverCancelled);
  }
  while (seen.length < 3) await new Promise(setImmediate);
  assert.deepEqual(seen, ['Test client', 'Test client', 'Test client']);
  assert.throws(() => serverLeg({ ...pair, sslKeyPassphraseFile: fileWith('wrong', 'close sesame') }));
  assert.throws(() => serverLeg(pair));
});

test('files that are missing, or do not belong together, are found when the context is made', () => {
  assert.throws(() => serverLeg({ sslCa: '/nonexistent/ca.pem' }), /ENOENT/);
  const other = clientCertificate();
  assert.throws(() => clientLeg(identity, { sslKey: [other.keyFile] }), /key values mismatch/);
});
