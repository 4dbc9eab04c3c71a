/** The client leg where clients are to present certificates: whose are accepted, and what a resumed session remembers. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Upgraded } from '../../../src/tls/upgrade.js';
import type { SavedIdentity } from '../../support/certificates.js';
import {
  ca,
  clientCertificate,
  clientLeg,
  connectWith,
  expired,
  otherCa,
  resuming,
  selfSignedCertificate,
  serverCertificate,
} from './tls-peers.js';

const identity = serverCertificate();

interface ClientCase {
  readonly certificate: SavedIdentity | undefined;
  /** Undefined: accepted. */
  readonly refused: RegExp | undefined;
  readonly subject: string;
}

const clientCases: Record<string, ClientCase> = {
  'a good one': { certificate: clientCertificate(), refused: undefined, subject: 'CN=Test client' },
  none: { certificate: undefined, refused: /the client presented no certificate/, subject: '' },
  'one of another CA': {
    certificate: clientCertificate({ issuer: otherCa }),
    refused: /UNABLE_TO_VERIFY_LEAF_SIGNATURE|UNABLE_TO_GET_ISSUER_CERT/,
    subject: 'CN=Test client',
  },
  'a self-signed one': {
    certificate: selfSignedCertificate('client'),
    refused: /DEPTH_ZERO_SELF_SIGNED_CERT/,
    subject: 'CN=Self-made',
  },
  'an expired one': {
    certificate: clientCertificate(expired),
    refused: /CERT_HAS_EXPIRED/,
    subject: 'CN=Test client',
  },
  'one made for servers': {
    certificate: serverCertificate(),
    refused: /INVALID_PURPOSE/,
    subject: 'CN=Test server',
  },
};

for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
  for (const [name, { certificate, refused, subject }] of Object.entries(clientCases)) {
    test(`${maxVersion}, client certificates wanted, ${name}: ${refused === undefined ? 'accepted' : 'refused'}`, async (t) => {
      const leg = clientLeg(identity, { sslCa: ca.certificateFile });
      const options = {
        maxVersion,
        ...(certificate && { cert: certificate.certificate, key: certificate.key }),
      };
      const { upgraded, session } = await connectWith(t, leg, options);
      assert.equal(upgraded.description.version, maxVersion);
      assert.equal(upgraded.description.peerSubject, subject);
      assertRefused(upgraded, refused);
      // What was found out about a certificate holds for a session that is resumed.
      const { upgraded: again } = await connectWith(t, leg, { maxVersion, ...resuming(session) });
      assert.equal(again.description.resumed, session !== undefined);
      assertRefused(again, refused);
    });
  }
}

function assertRefused({ rejection: refusal, socket }: Upgraded, expected: RegExp | undefined): void {
  if (expected === undefined) {
    assert.equal(refusal, undefined, refusal?.message);
    return;
  }
  assert.equal(refusal?.code, 'client_certificate_rejected');
  assert.match(refusal.message, expected);
  assert.equal(socket.destroyed, false, 'the client can still be told inside TLS');
}

test('where no client certificates are wanted, one of another CA does no harm', async (t) => {
  const certificate = clientCertificate({ issuer: otherCa });
  const options = { cert: certificate.certificate, key: certificate.key };
  const { upgraded } = await connectWith(t, clientLeg(identity), options);
  assert.equal(upgraded.rejection, undefined);
  assert.equal(upgraded.description.peerSubject, '');
});

test('a client that comes back resumes its session', async (t) => {
  const leg = clientLeg(identity);
  const { session, upgraded } = await connectWith(t, leg, {});
  assert.equal(upgraded.description.resumed, false);
  const { upgraded: again } = await connectWith(t, leg, resuming(session));
  assert.equal(again.description.resumed, true);
});
