/** PROXY headers. Examples are those of the specification, and bytes written down by its tables. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { MalformedPacketError } from '../../../src/wire/bytes.js';
import { decodeProxyHeader, MAX_V2_LENGTH } from '../../../src/wire/proxy-protocol.js';
import {
  encodeProxyV1,
  encodeProxyV2,
  encodeProxyV2WithTls,
  type ProxiedConnection,
} from '../../../src/wire/proxy-protocol-encode.js';
import { crc32c, encodeTlv } from '../../../src/wire/proxy-protocol-tlvs.js';
import { truncations } from '../../support/chunked.js';

const SIGNATURE = '0d0a0d0a000d0a515549540a';

const overIpv4: ProxiedConnection = {
  source: { address: '203.0.113.7', port: 51234 },
  destination: { address: '192.0.2.1', port: 3306 },
};
const overIpv6: ProxiedConnection = {
  source: { address: '2001:db8::7', port: 51234 },
  destination: { address: '2001:db8::1', port: 3306 },
};
const tls = { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', isCertified: true, commonName: 'größe' };

/** A header of version 2 with these bytes behind its first 12. */
const v2 = (commandAndFamily: string, block: Buffer) =>
  Buffer.concat([
    Buffer.from(SIGNATURE + commandAndFamily, 'hex'),
    Buffer.from([block.length >> 8, block.length & 0xff]),
    block,
  ]);
const block4 = Buffer.from('cb007107c0000201c8220cea', 'hex');

const valid: Readonly<Record<string, Buffer>> = {
  'version 1, IPv4': Buffer.from('PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n'),
  'version 1, the longest IPv4': Buffer.from('PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n'),
  'version 1, the longest IPv6': Buffer.from(
    `PROXY TCP6 ${'ffff:'.repeat(8).slice(0, -1)} ${'ffff:'.repeat(8).slice(0, -1)} 65535 65535\r\n`,
  ),
  'version 1, unknown, short': Buffer.from('PROXY UNKNOWN\r\n'),
  'version 1, unknown, the longest line': Buffer.from(
    `PROXY UNKNOWN ${'ffff:'.repeat(8).slice(0, -1)} ${'ffff:'.repeat(8).slice(0, -1)} 65535 65535\r\n`,
  ),
  'version 2, IPv4': v2('2111', block4),
  'version 2, IPv6': encodeProxyV2(overIpv6),
  'version 2, LOCAL': v2('2000', Buffer.alloc(0)),
  'version 2, LOCAL with what is to be ignored': v2('20ff', Buffer.from('whatever this is')),
  'version 2, unspecified': v2('2100', Buffer.alloc(0)),
  'version 2, a socket file': v2('2131', Buffer.alloc(216, 'x')),
  'version 2 with TLS': encodeProxyV2WithTls(overIpv4, tls),
  'version 2, the longest': v2(
    '2111',
    Buffer.concat([block4, encodeTlv(0x04, Buffer.alloc(MAX_V2_LENGTH - 31))]),
  ),
};

describe('every valid header', () => {
  for (const [name, header] of Object.entries(valid)) {
    test(`${name}: is asked for to its last byte, and nothing behind it is touched`, () => {
      for (const start of truncations(header)) assert.equal(decodeProxyHeader(start), undefined);
      const alone = decodeProxyHeader(header);
      assert.equal(alone?.length, header.length);
      const behind = Buffer.concat([header, Buffer.from('\r\n\r\n PROXY ')]);
      assert.deepEqual(decodeProxyHeader(behind), alone);
    });
  }
});

test('whom they name', () => {
  const endpoints = (name: string) => decodeProxyHeader(valid[name] ?? assert.fail(name))?.endpoints;
  assert.deepEqual(endpoints('version 1, IPv4'), {
    source: { address: '192.168.0.1', port: 56324 },
    destination: { address: '192.168.0.11', port: 443 },
  });
  const ipv6 = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff';
  assert.deepEqual(endpoints('version 1, the longest IPv6')?.source, { address: ipv6, port: 65535 });
  assert.deepEqual(endpoints('version 2, IPv4'), overIpv4);
  assert.deepEqual(endpoints('version 2, IPv6'), overIpv6);
  for (const nobody of [
    'version 1, unknown, short',
    'version 1, unknown, the longest line',
    'version 2, LOCAL',
    'version 2, LOCAL with what is to be ignored',
    'version 2, unspecified',
    'version 2, a socket file',
  ]) {
    assert.equal(endpoints(nobody), undefined, nobody);
  }
});

const refused: readonly [what: string, header: Buffer, why: RegExp][] = [
  ['a login', Buffer.from('3a0000018da6ff20', 'hex'), /begins with neither/],
  ['TLS', Buffer.from('1603010200', 'hex'), /begins with neither/],
  ['another word', Buffer.from('POST '), /begins with neither/],
  ['half of the signature', Buffer.from(`${SIGNATURE.slice(0, 12)}00`, 'hex'), /begins with neither/],
  ['a line without end', Buffer.from(`PROXY UNKNOWN ${'x'.repeat(93)}`), /does not end within 107/],
  ['UDP in version 1', Buffer.from('PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n'), /another protocol/],
  ['no address', Buffer.from('PROXY TCP4\r\n'), /two addresses and two ports/],
  ['an address too many', Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n'), /two addresses and two ports/],
  ['two spaces', Buffer.from('PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n'), /two addresses and two ports/],
  ['IPv6 as TCP4', Buffer.from('PROXY TCP4 ::1 ::1 1 1\r\n'), /not one of IPv4/],
  ['IPv4 as TCP6', Buffer.from('PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n'), /not one of IPv6/],
  ['a host name', Buffer.from('PROXY TCP4 localhost 1.2.3.4 1 1\r\n'), /not one of IPv4/],
  ['a port beyond 65535', Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n'), /port/],
  ['a port with zeros in front', Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1 01\r\n'), /port/],
  ['a negative port', Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n'), /port/],
  ['version 3', v2('3111', block4), /version 3/],
  ['another command', v2('2211', block4), /command is 2/],
  ['UDP in version 2', v2('2112', block4), /family is 0x12/],
  ['another family', v2('2141', block4), /family is 0x41/],
  ['too short for IPv4', v2('2111', block4.subarray(1)), /too short for its addresses/],
  ['too short for IPv6', v2('2121', Buffer.alloc(35)), /too short for its addresses/],
  ['too long', v2('2111', Buffer.alloc(MAX_V2_LENGTH - 15)).subarray(0, 16), /4097 bytes, and 4096/],
  ['a TLV without length', v2('2111', Buffer.concat([block4, Buffer.from([4, 0])])), /TLVs reaches beyond/],
  [
    'a TLV that is cut off',
    v2('2111', Buffer.concat([block4, Buffer.from([4, 0, 2, 1])])),
    /TLVs reaches beyond/,
  ],
  [
    'a short TLV about TLS',
    v2('2111', Buffer.concat([block4, encodeTlv(0x20, 'four')])),
    /about TLS is too short/,
  ],
  ['a short checksum', v2('2111', Buffer.concat([block4, encodeTlv(0x03, 'abc')])), /not 4 bytes/],
];

for (const [what, header, why] of refused) {
  test(`refused: ${what}`, () => {
    assert.throws(
      () => decodeProxyHeader(header),
      (error) => error instanceof MalformedPacketError && why.test(error.message),
    );
  });
}

test('the checksum is that of the whole header, wherever it stands', () => {
  assert.equal(crc32c(Buffer.from('123456789')), 0xe306_9283);
  const header = v2(
    '2111',
    Buffer.concat([block4, encodeTlv(0x03, Buffer.alloc(4)), encodeTlv(0x05, 'an id')]),
  );
  assert.throws(() => decodeProxyHeader(header), /checksum/);
  header.writeUInt32BE(crc32c(header), 16 + block4.length + 3);
  assert.deepEqual(decodeProxyHeader(header)?.endpoints, overIpv4);
  for (let at = 16; at < header.length; at++) {
    // Its type: a header without checksum is none the less valid.
    if (at === 16 + block4.length) continue;
    const changed = Buffer.from(header);
    changed[at] = (changed[at] ?? 0) ^ 0x10;
    assert.throws(() => decodeProxyHeader(changed), MalformedPacketError, `byte ${at}`);
  }
});

test('what is written: the bytes of the specification', () => {
  assert.equal(String(encodeProxyV1(overIpv4)), 'PROXY TCP4 203.0.113.7 192.0.2.1 51234 3306\r\n');
  assert.equal(String(encodeProxyV1(overIpv6)), 'PROXY TCP6 2001:db8::7 2001:db8::1 51234 3306\r\n');
  assert.equal(String(encodeProxyV1(undefined)), 'PROXY UNKNOWN\r\n');
  assert.deepEqual(encodeProxyV2(overIpv4), v2('2111', block4));
  assert.equal(
    encodeProxyV2(overIpv6).toString('hex'),
    `${SIGNATURE}21210024${'20010db8000000000000000000000007'}${'20010db8000000000000000000000001'}c8220cea`,
  );
  assert.deepEqual(encodeProxyV2(undefined), v2('2000', Buffer.alloc(0)));
});

test('the TLS of the client, as HAProxy lays it out', () => {
  const header = encodeProxyV2WithTls(overIpv4, { ...tls, isCertified: false, commonName: '' });
  const inner = Buffer.concat([
    Buffer.from('0100000001', 'hex'),
    Buffer.from('\x21\x00\x07TLSv1.3\x23\x00\x16TLS_AES_256_GCM_SHA384', 'latin1'),
  ]);
  assert.deepEqual(header.subarray(28, -7), encodeTlv(0x20, inner));
  assert.deepEqual(decodeProxyHeader(header)?.tls, { ...tls, isCertified: false, commonName: '' });
  assert.deepEqual(decodeProxyHeader(encodeProxyV2WithTls(overIpv6, tls))?.tls, tls);
});

test('no TLS is said, too', () => {
  const header = encodeProxyV2WithTls(overIpv4, undefined);
  assert.equal(header.subarray(28, -7).toString('hex'), '2000050000000001');
  assert.equal(decodeProxyHeader(header)?.tls, undefined);
});

test('a name in a certificate that was not verified counts for nothing', () => {
  const header = encodeProxyV2WithTls(overIpv4, tls);
  const unverified = Buffer.concat([
    header.subarray(0, 32),
    Buffer.from([0, 0, 0, 1]),
    header.subarray(36, -7),
  ]);
  unverified.writeUInt16BE(unverified.length - 16, 14);
  assert.deepEqual(decodeProxyHeader(unverified)?.tls, { ...tls, isCertified: false, commonName: '' });
});

test('MariaDB takes 256 bytes, Percona Server 108, whatever there is to say', () => {
  const longest = { ...tls, cipher: 'ECDHE-ECDSA-CHACHA20-POLY1305', commonName: 'ü'.repeat(300) };
  const header = encodeProxyV2WithTls(overIpv6, longest);
  assert.ok(header.length <= 256, String(header.length));
  assert.ok(decodeProxyHeader(header)?.tls?.commonName.startsWith('üüü'));
  assert.ok(encodeProxyV2(overIpv6).length <= 108);
});
