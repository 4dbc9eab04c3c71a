import assert from 'node:assert/strict';
import { isIP } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesToIp, ipToBytes } from '../../../src/wire/ip-address.js';

const sameText = [
  '0.0.0.0',
  '192.0.2.7',
  '255.255.255.255',
  '::',
  '::1',
  '1::',
  '2001:db8::7',
  '2001:db8:0:1:1:1:1:1',
  '2001:0:0:1::1',
  '::ffff:192.0.2.7',
  'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff',
];

for (const text of sameText) {
  test(`${text} comes back as it was`, () => {
    const bytes = ipToBytes(text);
    assert.ok(bytes);
    assert.equal(bytes.length, isIP(text) === 4 ? 4 : 16);
    assert.equal(bytesToIp(bytes), text);
  });
}

test('other ways to write an address', () => {
  const canonical = (text: string) => bytesToIp(ipToBytes(text) ?? assert.fail(text));
  assert.equal(canonical('2001:0DB8:0000::0:7'), '2001:db8::7');
  assert.equal(canonical('0:0:0:0:0:0:0:0'), '::');
  assert.equal(canonical('64:ff9b::192.0.2.33'), '64:ff9b::c000:221');
  assert.equal(canonical('::ffff:c000:207'), '::ffff:192.0.2.7');
});

for (const text of [
  '',
  '1.2.3',
  '1.2.3.4.5',
  '1.2.3.256',
  '01.2.3.4',
  '1.2.3.4 ',
  ':',
  ':::',
  '1:2:3:4:5:6:7',
  '1:2:3:4:5:6:7:8:9',
  '1::2::3',
  '1:2:3:4:5:6:7::8',
  '12345::',
  '::1.2.3.4:5',
  '1.2.3.4::',
  'fe80::1%eth0',
  'localhost',
]) {
  test(`"${text}" is no address`, () => assert.equal(ipToBytes(text), undefined));
}

test('any text is an address exactly where Node.js takes it for one', () => {
  const pieces = fc.constantFrom('0', '1', 'ffff', '00', '10', '255', ':', '::', '.', '1.2.3.4', 'g');
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 18 }), (parts) => {
      const text = parts.join('');
      assert.equal(ipToBytes(text) !== undefined, isIP(text) !== 0, text);
    }),
    { numRuns: 20_000 },
  );
});

test('any 4 or 16 bytes come back as they were', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.array(fc.constantFrom(0, 0, 1, 0xff), { minLength: 16, maxLength: 16 }),
  );
  fc.assert(
    fc.property(bytes, (values) => {
      const address = Buffer.from(values);
      const text = bytesToIp(address);
      assert.notEqual(isIP(text), 0, text);
      assert.deepEqual(ipToBytes(text), address);
    }),
    { numRuns: 5_000 },
  );
});
