/** What the profiles let through, tried out on real handshakes; and certificates of two kinds on one client leg. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import type { ClientLegConfig, TlsProfile, TlsVersion } from '../../../src/config/model.js';
import { tlsProfiles } from '../../../src/config/tls-profiles.js';
import { ProxyError } from '../../../src/errors.js';
import { acceptTls, connectTls } from '../../../src/tls/upgrade.js';
import {
  ca,
  clientLeg,
  neverCancelled,
  serverCertificate,
  serverLeg,
  socketPair,
  tlsServer,
} from './tls-peers.js';

const identity = serverCertificate();
const ecIdentity = serverCertificate({ keyType: 'ec' });

/** One version, one cipher: what an old or a new peer would insist on. */
const peers: readonly { version: TlsVersion; cipher: string; profiles: readonly TlsProfile[] }[] = [
  { version: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', profiles: ['modern', 'intermediate', 'legacy'] },
  { version: 'TLSv1.2', cipher: 'ECDHE-RSA-AES128-GCM-SHA256', profiles: ['intermediate', 'legacy'] },
  { version: 'TLSv1.2', cipher: 'ECDHE-RSA-CHACHA20-POLY1305', profiles: ['intermediate', 'legacy'] },
  { version: 'TLSv1.2', cipher: 'ECDHE-RSA-AES128-SHA256', profiles: ['legacy'] },
  { version: 'TLSv1.2', cipher: 'AES128-GCM-SHA256', profiles: ['legacy'] },
  { version: 'TLSv1.2', cipher: 'AES256-SHA', profiles: ['legacy'] },
  { version: 'TLSv1.1', cipher: 'ECDHE-RSA-AES256-SHA', profiles: ['legacy'] },
  { version: 'TLSv1', cipher: 'AES128-SHA', profiles: ['legacy'] },
];

const profileOf = (tlsProfile: TlsProfile) => ({ tlsProfile, tlsVersion: tlsProfiles[tlsProfile].versions });
const insistOn = ({ version, cipher }: { version: TlsVersion; cipher: string }) => ({
  minVersion: version,
  maxVersion: version,
  ciphers: version === 'TLSv1.3' ? cipher : `${cipher}:@SECLEVEL=0`,
});

for (const profile of ['modern', 'intermediate', 'legacy'] as const) {
  for (const peer of peers) {
    const isAllowed = peer.profiles.includes(profile);
    test(`${profile}, ${peer.version} ${peer.cipher}: ${isAllowed ? 'accepted' : 'refused'} on both legs`, async (t) => {
      const expected = isAllowed ? { version: peer.version, cipher: peer.cipher } : undefined;
      assert.deepEqual(await negotiatedWithClient(t, profileOf(profile), insistOn(peer)), expected);
      assert.deepEqual(await negotiatedWithServer(t, profile, insistOn(peer)), expected);
    });
  }
}

test('versions and ciphers given one by one go before the profile', async (t) => {
  const onlyOld = { tlsProfile: 'modern', tlsVersion: ['TLSv1'] } as const;
  const [oldest] = peers.filter(({ version }) => version === 'TLSv1').map(insistOn);
  assert.ok(await negotiatedWithClient(t, onlyOld, oldest ?? {}));
  const oneCipher = { ...profileOf('intermediate'), sslCipher: 'AES256-SHA' };
  assert.ok(await negotiatedWithClient(t, oneCipher, insistOn({ version: 'TLSv1.2', cipher: 'AES256-SHA' })));
  const other = insistOn({ version: 'TLSv1.2', cipher: 'ECDHE-RSA-AES128-GCM-SHA256' });
  assert.equal(await negotiatedWithClient(t, oneCipher, other), undefined);
});

for (const [client, options, kind] of [
  ['a new client', { minVersion: 'TLSv1.3' }, 'EC'],
  ['a client of TLS 1.2', { maxVersion: 'TLSv1.2' }, 'EC'],
  ['a client that can do RSA signatures alone', { sigalgs: 'rsa_pss_rsae_sha256:RSA+SHA256' }, 'RSA'],
  ['a client of TLS 1.0 with RSA key exchange', insistOn({ version: 'TLSv1', cipher: 'AES256-SHA' }), 'RSA'],
] as const) {
  for (const order of ['RSA first', 'ECDSA first'] as const) {
    test(`RSA and ECDSA certificates together, ${order}: ${client} gets ${kind}`, async (t) => {
      const identities = order === 'RSA first' ? [identity, ecIdentity] : [ecIdentity, identity];
      const leg = clientLeg(identity, {
        ...profileOf('legacy'),
        sslCert: identities.map(({ certificateFile }) => certificateFile),
        sslKey: identities.map(({ keyFile }) => keyFile),
      });
      const { near, far } = await socketPair(t);
      const accepting = acceptTls(near, leg, neverCancelled);
      const peer = tls.connect({ socket: far, ca: ca.certificate, servername: 'localhost', ...options });
      await new Promise((resolve, reject) => peer.on('secureConnect', resolve).on('error', reject));
      await accepting;
      const { asn1Curve, bits } = peer.getPeerCertificate();
      assert.equal(asn1Curve === undefined ? `RSA ${bits}` : 'EC', kind === 'EC' ? 'EC' : 'RSA 2048');
    });
  }
}

async function negotiatedWithClient(
  t: TestContext,
  config: Partial<ClientLegConfig>,
  options: tls.ConnectionOptions,
): Promise<{ version: string; cipher: string } | undefined> {
  const { near, far } = await socketPair(t);
  const peer = tls.connect({ socket: far, rejectUnauthorized: false, ...options });
  peer.on('error', () => {});
  return negotiated(acceptTls(near, clientLeg(identity, config), neverCancelled));
}

async function negotiatedWithServer(
  t: TestContext,
  profile: TlsProfile,
  options: tls.TlsOptions,
): Promise<{ version: string; cipher: string } | undefined> {
  const { near, far } = await socketPair(t);
  const server = tlsServer(identity, options);
  server.on('tlsClientError', () => {});
  server.emit('connection', far);
  const leg = serverLeg(profileOf(profile));
  return negotiated(connectTls(near, leg, 'localhost', 'localhost:3306', neverCancelled));
}

async function negotiated(
  handshake: ReturnType<typeof acceptTls>,
): Promise<{ version: string; cipher: string } | undefined> {
  try {
    const { version, cipher } = (await handshake).description;
    return { version, cipher };
  } catch (error) {
    assert.ok(
      error instanceof ProxyError && /^(client|server)_tls_(version|cipher)_mismatch$/.test(error.code),
      String(error),
    );
    return undefined;
  }
}
