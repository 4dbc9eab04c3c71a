import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commonNameFor, readHosts, UnusableHost } from '../../../src/certs/host-names.js';

test('names and addresses, each once', () => {
  const texts = [
    'db.example.com',
    '10.0.0.7',
    '::1',
    '0:0:0::1',
    'DB.example.COM',
    '*.example.com',
    'my_db',
    '10.0.0.7',
  ];
  assert.deepEqual(readHosts(texts), [
    { kind: 'dns', value: 'db.example.com' },
    { kind: 'ip', value: '10.0.0.7' },
    { kind: 'ip', value: '::1' },
    { kind: 'dns', value: '*.example.com' },
    { kind: 'dns', value: 'my_db' },
  ]);
  assert.deepEqual(readHosts(['2001:DB8:0:0::A']), [{ kind: 'ip', value: '2001:db8::a' }]);
  assert.deepEqual(readHosts(['::ffff:10.0.0.7']), [{ kind: 'ip', value: '::ffff:a00:7' }]);
  assert.deepEqual(readHosts(['xn--mller-kva.example']), [{ kind: 'dns', value: 'xn--mller-kva.example' }]);
});

const unusable: readonly [host: string, cure: RegExp][] = [
  ['', /empty/],
  ['a.example,b.example', /repeat --host/],
  ['db.example:3306', /leave out the port/],
  ['[::1]', /without brackets/],
  ['[::1]:3306', /without brackets/],
  ['fe80::1%eth0', /no zone/],
  ['https://db.example', /only the name/],
  ['10.0.0.0/8', /only the name/],
  ['müller.example', /xn--mller-kva\.example/],
  ['db.example.', /last dot/],
  ['10.0.0.256', /not an IPv4 address/],
  ['10.1', /not an IPv4 address/],
  ['*', /two parts/],
  ['*.lan', /two parts/],
  ['db.*.example', /neither a host name/],
  ['a*.example.com', /neither a host name/],
  ['-db.example', /neither a host name/],
  ['db..example', /neither a host name/],
  [`${'a'.repeat(64)}.example`, /neither a host name/],
  [Array(5).fill('a'.repeat(60)).join('.'), /neither a host name/],
  ['db.example\n', /neither a host name/],
  // The common names of the other certificates of the folder.
  ['MySQL server', /neither a host name/],
  ['MySQL client', /neither a host name/],
  ['mysql-tls-proxy CA 00000000', /neither a host name/],
];
for (const [host, cure] of unusable) {
  test(`"${host.slice(0, 40).trim()}" is refused, with a cure`, () => {
    assert.throws(
      () => readHosts([host]),
      (error) => error instanceof UnusableHost && cure.test(error.message) && /--host/.test(error.message),
    );
  });
}

test('the common name is the first host that can be one', () => {
  const long = `${'a'.repeat(60)}.example.com`;
  const from = (...texts: string[]) => commonNameFor(readHosts(texts));
  assert.equal(from('127.0.0.1', 'localhost'), '127.0.0.1');
  assert.equal(from(long, 'db.example.com'), 'db.example.com');
  assert.equal(from('*.example.com', 'db.example.com'), 'db.example.com');
  assert.equal(from('*.example.com'), '*.example.com');
  assert.equal(from(long), 'MySQL proxy');
});
