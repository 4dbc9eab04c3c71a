/** Whom a server is told of, by the addresses that sockets and balancers give. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { ClientEnd, Proxied } from '../../../src/admission/client-address.js';
import type { ProxyProtocol } from '../../../src/config/model.js';
import { PLAINTEXT, type TlsDescription } from '../../../src/observe/events.js';
import { announcementOf } from '../../../src/proxy/announce-client.js';
import { decodeProxyHeader } from '../../../src/wire/proxy-protocol.js';

const clientAt = (remoteAddress: string, more: Partial<ClientEnd> = {}): ClientEnd => ({
  isUnix: false,
  remoteAddress,
  remotePort: 51234,
  ...more,
});
const listeningAt = (localAddress: string) => ({ localAddress, localPort: 3307 }) as Socket;

const lineFor = (client: ClientEnd, local: string): string =>
  String(announcementOf('v1', client, listeningAt(local)).atOnce);

for (const [what, remote, local, line] of [
  ['IPv4', '203.0.113.7', '192.0.2.1', 'TCP4 203.0.113.7 192.0.2.1 51234 3307'],
  ['IPv6', '2001:db8::7', '2001:db8::1', 'TCP6 2001:db8::7 2001:db8::1 51234 3307'],
  [
    'IPv4 at a listener for both',
    '::ffff:203.0.113.7',
    '::ffff:192.0.2.1',
    'TCP4 203.0.113.7 192.0.2.1 51234 3307',
  ],
  ['a link-local address', 'fe80::7%eth0', 'fe80::1%eth0', 'TCP6 fe80::7 fe80::1 51234 3307'],
  ['another loopback address', '127.0.0.2', '127.0.0.1', 'TCP4 127.0.0.2 127.0.0.1 51234 3307'],
  ['this machine', '127.0.0.1', '127.0.0.1', 'UNKNOWN'],
  ['this machine over IPv6', '::1', '::1', 'UNKNOWN'],
  ['this machine at a listener for both', '::ffff:127.0.0.1', '::ffff:127.0.0.1', 'UNKNOWN'],
  ['a socket that is closed already', '203.0.113.7', '', 'UNKNOWN'],
] as const) {
  test(`${what}: ${line}`, () => assert.equal(lineFor(clientAt(remote), local), `PROXY ${line}\r\n`));
}

test('a client on a socket file is nobody on the network', () => {
  assert.equal(lineFor(clientAt('', { isUnix: true }), ''), 'PROXY UNKNOWN\r\n');
});

const proxied = (destination: string, tls: Proxied['tls'] = undefined): Partial<ClientEnd> => ({
  proxied: { via: '10.0.0.5:4000', destination: { address: destination, port: 3306 }, tls },
});

test('behind a balancer the destination is where the client had connected to', () => {
  assert.equal(
    lineFor(clientAt('203.0.113.7', proxied('192.0.2.9')), '10.0.0.1'),
    'PROXY TCP4 203.0.113.7 192.0.2.9 51234 3306\r\n',
  );
  // One of the two alone inside IPv6.
  assert.equal(
    lineFor(clientAt('::ffff:203.0.113.7', proxied('2001:db8::1')), '10.0.0.1'),
    'PROXY TCP6 ::ffff:203.0.113.7 2001:db8::1 51234 3306\r\n',
  );
});

test('a balancer can not make its client one of this machine for the server', () => {
  for (const address of ['127.0.0.1', '::ffff:127.0.0.1', '::1'])
    assert.equal(lineFor(clientAt(address, proxied('192.0.2.9')), '10.0.0.1'), 'PROXY UNKNOWN\r\n', address);
});

const tlsIn = (client: ClientEnd, tls: TlsDescription) => {
  const { atOnce, late } = announcementOf('v2-ssl', client, listeningAt('192.0.2.1'));
  assert.equal(atOnce, undefined);
  return decodeProxyHeader(late?.(tls) ?? assert.fail())?.tls;
};

test('v2-ssl says the TLS of the client leg; where that is plaintext, what the balancer says of its own', () => {
  const atBalancer = { version: 'TLSv1.2', cipher: 'AES256-SHA', isCertified: true, commonName: 'app' };
  const behind = clientAt('203.0.113.7', proxied('192.0.2.9', atBalancer));
  const onLeg = {
    ...PLAINTEXT,
    version: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    peerSubject: 'O=x,CN=y',
  };
  assert.deepEqual(tlsIn(behind, onLeg), {
    version: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    isCertified: true,
    commonName: '',
  });
  assert.deepEqual(tlsIn(behind, PLAINTEXT), atBalancer);
  assert.equal(tlsIn(clientAt('203.0.113.7'), PLAINTEXT), undefined);
});

test('off: nothing; and a server that is told of nobody hears it at once, whatever the version', () => {
  const none = { atOnce: undefined, late: undefined };
  assert.deepEqual(announcementOf('off', clientAt('203.0.113.7'), listeningAt('192.0.2.1')), none);
  for (const version of ['v2', 'v2-ssl'] as const satisfies readonly ProxyProtocol[]) {
    const { atOnce, late } = announcementOf(version, clientAt('::1'), listeningAt('::1'));
    assert.equal(late, undefined);
    assert.equal(decodeProxyHeader(atOnce ?? assert.fail())?.length, 16);
  }
});
