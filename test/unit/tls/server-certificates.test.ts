/** What the server leg makes of the certificate of a server, in each mode that looks at it and in one that does not. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerLegConfig, ServerSslMode } from '../../../src/config/model.js';
import type { ErrorCode } from '../../../src/errors.js';
import type { SavedIdentity } from '../../support/certificates.js';
import { makeCrl } from '../../support/revocation-list.js';
import {
  ca,
  expired,
  fileWith,
  namesakeCa,
  notYetValid,
  otherCa,
  reach,
  selfSignedCertificate,
  serverCertificate,
  serverLeg,
  tlsServer,
} from './tls-peers.js';

interface Case {
  readonly name: string;
  readonly certificate: SavedIdentity;
  readonly config?: Partial<ServerLegConfig>;
  readonly host?: string;
  /** Sent behind the certificate. */
  readonly chain?: string;
  readonly verifyCa: ErrorCode | 'accepted';
  readonly verifyIdentity: ErrorCode | 'accepted';
}

const both = (verdict: ErrorCode | 'accepted') => ({ verifyCa: verdict, verifyIdentity: verdict });
const good = serverCertificate();
const selfSigned = selfSignedCertificate('server');
const revoked = serverCertificate();
const crl = (name: string, text: string): Partial<ServerLegConfig> => ({ sslCrl: fileWith(name, text) });
const validCrl = crl('valid.crl', makeCrl(ca, [revoked.serialNumber]));
const longAgo = { from: new Date('2020-01-01'), to: new Date('2020-02-01') };
const farAhead = { from: new Date(Date.now() + 1e10), to: new Date(Date.now() + 2e10) };
/** The list of one CA under the name of another. */
const forgedCrl = makeCrl({ ...namesakeCa, key: otherCa.key }, []);

const cases: Case[] = [
  { name: 'a good certificate', certificate: good, ...both('accepted') },
  { name: 'a good certificate for the address', certificate: good, host: '127.0.0.1', ...both('accepted') },
  { name: 'a good certificate for the IPv6 address', certificate: good, host: '::1', ...both('accepted') },
  {
    name: 'another name',
    certificate: good,
    host: 'db.example',
    verifyCa: 'accepted',
    verifyIdentity: 'server_certificate_name_mismatch',
  },
  {
    name: 'another address',
    certificate: good,
    host: '127.0.0.2',
    verifyCa: 'accepted',
    verifyIdentity: 'server_certificate_name_mismatch',
  },
  {
    name: 'the right name in the common name alone, beside another',
    certificate: serverCertificate({ commonName: 'localhost', names: ['db.example'] }),
    verifyCa: 'accepted',
    verifyIdentity: 'server_certificate_name_only_in_cn',
  },
  {
    name: 'another CA',
    certificate: serverCertificate({ issuer: otherCa }),
    ...both('server_certificate_untrusted'),
  },
  {
    name: 'another CA, which the server sends along',
    certificate: serverCertificate({ issuer: otherCa }),
    chain: otherCa.certificate,
    ...both('server_certificate_untrusted'),
  },
  {
    name: 'another CA of the same name',
    certificate: serverCertificate({ issuer: namesakeCa }),
    ...both('server_certificate_untrusted'),
  },
  { name: 'no CA at all', certificate: selfSigned, ...both('server_certificate_self_signed') },
  {
    name: 'no CA at all, but trusted itself',
    certificate: selfSigned,
    config: { sslCa: selfSigned.certificateFile },
    ...both('accepted'),
  },
  { name: 'expired', certificate: serverCertificate(expired), ...both('server_certificate_expired') },
  {
    name: 'not valid yet',
    certificate: serverCertificate(notYetValid),
    ...both('server_certificate_not_yet_valid'),
  },
  { name: 'revoked', certificate: revoked, config: validCrl, ...both('server_certificate_revoked') },
  { name: 'not on the list', certificate: good, config: validCrl, ...both('accepted') },
  {
    name: 'a list that has expired',
    certificate: good,
    config: crl('expired.crl', makeCrl(ca, [], longAgo)),
    ...both('server_certificate_crl_unusable'),
  },
  {
    name: 'a list that is not valid yet',
    certificate: good,
    config: crl('future.crl', makeCrl(ca, [], farAhead)),
    ...both('server_certificate_crl_unusable'),
  },
  {
    name: 'the list of another CA',
    certificate: good,
    config: crl('other.crl', makeCrl(otherCa, [])),
    ...both('server_certificate_crl_unusable'),
  },
  {
    name: 'a forged list',
    certificate: good,
    config: crl('forged.crl', forgedCrl),
    ...both('server_certificate_crl_unusable'),
  },
  {
    name: 'a certificate made for clients',
    certificate: serverCertificate({ purpose: 'client' }),
    ...both('server_certificate_invalid'),
  },
];

for (const { name, certificate, config = {}, host = 'localhost', chain = '', ...verdicts } of cases) {
  const server = tlsServer(certificate, { cert: certificate.certificate + chain });
  const modes: [ServerSslMode, ErrorCode | 'accepted'][] = [
    ['VERIFY_CA', verdicts.verifyCa],
    ['VERIFY_IDENTITY', verdicts.verifyIdentity],
    ['AS_CLIENT', verdicts.verifyCa],
    ['REQUIRED', 'accepted'],
    ['PREFERRED', 'accepted'],
  ];
  for (const [sslMode, expected] of modes) {
    test(`${sslMode}, ${name}: ${expected}`, async (t) => {
      const leg = serverLeg({ sslMode, ...config });
      const { rejection, socket, description } = await reach(t, leg, server, host);
      assert.equal(rejection?.code ?? 'accepted', expected, rejection?.message);
      assert.match(description.version, /^TLSv1\.3$/);
      assert.equal(socket.destroyed, false, 'the handshake is over: the server can be left in good order');
      assert.equal(
        leg.sessions.has(`${host}:3306`),
        expected === 'accepted',
        'only a trusted session may be resumed',
      );
    });
  }
}

test('the rejection says what is wrong, with whom, and what to do', async (t) => {
  const server = tlsServer(serverCertificate(expired));
  const { rejection } = await reach(t, serverLeg(), server);
  assert.equal(
    rejection?.message,
    'mysql-tls-proxy, server leg: the certificate of localhost:3306 has expired (CERT_HAS_EXPIRED). ' +
      'Renew the certificate of the server.',
  );
  const other = await reach(t, serverLeg(), tlsServer(good), 'db.example');
  assert.match(
    other.rejection?.message ?? '',
    /db\.example:3306 is for another name: .*localhost.*db\.example/,
  );
});
