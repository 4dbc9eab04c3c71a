/** A kept session of TLS 1.3 has no certificate in it, and is as good as before. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { withoutCertificate } from '../../../src/tls/ticket.js';
import { reach, serverCertificate, serverLeg, tlsServer } from './tls-peers.js';

const identity = serverCertificate();
const certificate = Buffer.from(
  identity.certificate.replace(/-----[^-]+-----/g, '').replaceAll('\n', ''),
  'base64',
);
const der = (tag: number, content: Buffer) =>
  Buffer.concat([Buffer.from([tag, 0x82, content.length >>> 8, content.length & 0xff]), content]);

test('TLS 1.3: the session that is kept holds no certificate; that of TLS 1.2 must', async (t) => {
  for (const [maxVersion, holdsCertificate] of [
    ['TLSv1.3', false],
    ['TLSv1.2', true],
  ] as const) {
    const leg = serverLeg();
    await reach(t, leg, tlsServer(identity, { maxVersion }));
    const [session] = [...leg.sessions.values()];
    assert.ok(session !== undefined);
    assert.equal(session.ticket.includes(certificate), holdsCertificate, maxVersion);
  }
});

test('only the certificate is taken out, and the length in front is that of the rest', () => {
  const [before, behind] = [der(0x02, Buffer.alloc(3, 1)), der(0xa4, Buffer.alloc(400, 2))];
  const session = der(0x30, Buffer.concat([before, der(0xa3, certificate), behind]));
  assert.deepEqual(withoutCertificate(session), der(0x30, Buffer.concat([before, behind])));
});

test('what holds no certificate, or is laid out in another way, stays as it is', () => {
  const whole = der(0x30, der(0xa3, certificate));
  const wrong: readonly Buffer[] = [
    Buffer.alloc(0),
    der(0x30, der(0xa4, certificate)),
    der(0x31, der(0xa3, certificate)),
    whole.subarray(0, -1),
    Buffer.concat([whole, Buffer.from([0])]),
    der(0x30, Buffer.from([0xa3, 0x83, 0, 0, 1, 0])),
    der(0x30, Buffer.from([0xa3, 0x82, 0xff, 0xff, 1])),
  ];
  for (const session of wrong) assert.equal(withoutCertificate(session), session);
});

test('property: no bytes make it throw, and none grow', () => {
  const beginning = fc.constantFrom(Buffer.alloc(0), Buffer.from([0x30]), Buffer.from([0x30, 0x82]));
  fc.assert(
    fc.property(beginning, fc.uint8Array({ maxLength: 300 }), (start, rest) => {
      const session = Buffer.concat([start, rest]);
      assert.ok(withoutCertificate(session).length <= session.length + 2);
    }),
  );
});
