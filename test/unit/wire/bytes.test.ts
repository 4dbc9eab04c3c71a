import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ByteReader, MalformedPacketError } from '../../../src/wire/bytes.js';
import { truncations } from '../../support/chunked.js';

const reader = (...bytes: number[]) => new ByteReader(Buffer.from(bytes));

test('fixed-width integers are little-endian and unsigned', () => {
  const all = reader(0xff, 0xfe, 0xff, 0xfd, 0xfe, 0xff, 0xfc, 0xfd, 0xfe, 0xff);
  assert.equal(all.uint8('a'), 0xff);
  assert.equal(all.uint16('b'), 0xfffe);
  assert.equal(all.uint24('c'), 0xfffefd);
  assert.equal(all.uint32('d'), 0xfffefdfc);
  assert.equal(all.remaining, 0);
});

test('length-encoded integers of every width', () => {
  const cases: [number[], number][] = [
    [[0x00], 0],
    [[0xfa], 0xfa],
    [[0xfc, 0xfb, 0x00], 0xfb],
    [[0xfc, 0xff, 0xff], 0xffff],
    [[0xfd, 0x00, 0x00, 0x01], 0x10000],
    [[0xfd, 0xff, 0xff, 0xff], 0xffffff],
    [[0xfe, 0x00, 0x00, 0x00, 0x01, 0, 0, 0, 0], 0x1000000],
    [[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x1f, 0x00], Number.MAX_SAFE_INTEGER],
    // Longer than needed, which is allowed.
    [[0xfc, 0x01, 0x00], 1],
    [[0xfe, 0x01, 0, 0, 0, 0, 0, 0, 0], 1],
  ];
  for (const [bytes, value] of cases) {
    const input = reader(...bytes);
    assert.equal(input.lengthEncodedInteger('length'), value, bytes.join(' '));
    assert.equal(input.remaining, 0);
    for (const cut of truncations(Buffer.from(bytes))) {
      assert.throws(() => new ByteReader(cut).lengthEncodedInteger('length'), MalformedPacketError);
    }
  }
});

test('NULL, the ERR header and lengths beyond 2^53 are no lengths', () => {
  for (const bytes of [[0xfb], [0xff], [0xfe, 0, 0, 0, 0, 0, 0, 0x20, 0], [0xfe, ...Array(8).fill(0xff)]]) {
    assert.throws(
      () => reader(...bytes).lengthEncodedInteger('length'),
      MalformedPacketError,
      bytes.join(' '),
    );
  }
});

test('length-encoded bytes may be empty and may not reach behind the packet', () => {
  assert.equal(reader(0).lengthEncodedBytes('field').length, 0);
  assert.deepEqual(reader(2, 7, 8, 9).lengthEncodedBytes('field'), Buffer.from([7, 8]));
  assert.throws(() => reader(3, 7, 8).lengthEncodedBytes('field'), MalformedPacketError);
  assert.throws(
    () => reader(0xfe, ...Array(7).fill(0xff), 0).lengthEncodedBytes('field'),
    MalformedPacketError,
  );
});

test('a string ends at its zero byte, which is consumed', () => {
  const input = reader(0x61, 0x62, 0, 0x63, 0);
  assert.equal(input.nulTerminated('first').toString(), 'ab');
  assert.equal(input.nulTerminated('second').toString(), 'c');
  assert.throws(() => input.nulTerminated('third'), /third has no terminating zero byte/);
});

test('where peers leave the last zero byte out, the end of the packet ends the string', () => {
  const input = reader(0x61, 0, 0x62);
  assert.equal(input.nulTerminatedOrRest().toString(), 'a');
  assert.equal(input.nulTerminatedOrRest().toString(), 'b');
  assert.equal(input.nulTerminatedOrRest().toString(), '');
  assert.equal(input.remaining, 0);
});

test('the error names the field and the sizes, and nothing is consumed', () => {
  const input = reader(1, 2, 3);
  assert.throws(() => input.uint32('thread id'), {
    name: 'MalformedPacketError',
    message: 'thread id needs 4 bytes, the packet of 3 has 3 left',
  });
  assert.equal(input.offset, 0);
});

test('slices are views of the packet, not copies', () => {
  const bytes = Buffer.from([1, 2, 3, 4]);
  const slice = new ByteReader(bytes, 1).slice(2, 'field');
  assert.equal(slice.buffer, bytes.buffer);
  bytes[1] = 9;
  assert.deepEqual(slice, Buffer.from([9, 3]));
});

test('property: an integer written in the shortest form reads back', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (value) => {
      const bytes = lengthEncoded(value);
      const input = new ByteReader(bytes);
      assert.equal(input.lengthEncodedInteger('length'), value);
      assert.equal(input.offset, bytes.length);
    }),
  );
});

function lengthEncoded(value: number): Buffer {
  if (value < 0xfb) return Buffer.from([value]);
  const [prefix, width] = value <= 0xffff ? [0xfc, 2] : value <= 0xffffff ? [0xfd, 3] : [0xfe, 8];
  const number = Buffer.alloc(8);
  number.writeBigUInt64LE(BigInt(value));
  return Buffer.concat([Buffer.from([prefix]), number.subarray(0, width)]);
}
