import assert from 'node:assert/strict';
import { randomBytes, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { RouteConfig } from '../../../src/config/model.js';
import { createRoute } from '../../../src/proxy/create-route.js';
import { certificatesOf } from '../../../src/proxy/route.js';
import { makeCertificates } from '../../support/certificates.js';
import { loadFlags, temporaryFolder } from '../config/problems.js';

const certificates = makeCertificates(temporaryFolder());
const { ca, server, client } = certificates;

const flags = {
  server: ['a:1', 'b:2'],
  'client-ssl-cert': server.certificateFile,
  'client-ssl-key': server.keyFile,
  'server-ssl-ca': ca.certificateFile,
  'server-ssl-cert': client.certificateFile,
  'server-ssl-key': client.keyFile,
};

function routeConfig(more: Record<string, unknown> = {}): RouteConfig {
  return loadFlags({ ...flags, ...more }).config.routes[0] ?? assert.fail();
}

const secrets = { ownKey: () => assert.fail('needs no key'), ticketSecret: randomBytes(32) };

function routeOf(config: RouteConfig, before?: ReturnType<typeof createRoute>) {
  return createRoute(config, {
    users: [],
    secrets,
    observer: {},
    before,
    timeouts: { connectTimeout: 1_000, handshakeTimeout: 1_000 },
  });
}

const shown = { fingerprint: 'AA', subject: 'CN=db', weaknesses: [], notBefore: 1, notAfter: 2 };
const sources = (route: ReturnType<typeof createRoute>) =>
  certificatesOf(route).map(({ leg, role, source, option }) => [leg, role, source, option].join(' '));

test('a route knows the certificates of its files, with their subject and validity', () => {
  const route = routeOf(routeConfig());
  assert.deepEqual(sources(route), [
    `client own ${server.certificateFile} client-ssl-cert`,
    `server own ${client.certificateFile} server-ssl-cert`,
    `server ca ${ca.certificateFile} server-ssl-ca`,
  ]);
  for (const { source, subject, notBefore, notAfter, route: name } of certificatesOf(route)) {
    const certificate = new X509Certificate(readFileSync(source));
    assert.equal(name, 'default');
    assert.equal(subject, certificate.subject.replaceAll('\n', ','));
    assert.equal(notBefore, new Date(certificate.validFrom).getTime());
    assert.equal(notAfter, new Date(certificate.validTo).getTime());
  }
});

test('what servers showed stays known after a reload, of those that are still servers', () => {
  const before = routeOf(routeConfig());
  for (const address of ['a:1', 'b:2']) before.serverTls?.certificates.set(address, shown);
  assert.deepEqual(sources(before).slice(3), ['server peer a:1 ', 'server peer b:2 ']);
  const after = routeOf(routeConfig({ server: ['b:2', 'c:3'] }), before);
  assert.deepEqual(sources(after).slice(3), ['server peer b:2 ']);
  assert.deepEqual(certificatesOf(after).at(-1), {
    route: 'default',
    leg: 'server',
    role: 'peer',
    subject: 'CN=db',
    notBefore: 1,
    notAfter: 2,
    source: 'b:2',
    option: '',
  });
});

test('a leg in plaintext has none', () => {
  const none = routeOf(
    loadFlags({ server: 'a', 'server-ssl-mode': 'DISABLED' }).config.routes[0] ?? assert.fail(),
  );
  assert.deepEqual(certificatesOf(none), []);
});
