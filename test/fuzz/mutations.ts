/** Packets that are almost like real ones. */
import fc from 'fast-check';

type Mutation = (bytes: Buffer) => Buffer;

/** Bytes at which decoders take decisions: ends of strings, widths of lengths, kinds of packets. */
const interestingBytes = [0x00, 0x01, 0x02, 0x0a, 0x7f, 0x80, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff];

const anyByte = fc.oneof(fc.constantFrom(...interestingBytes), fc.integer({ min: 0, max: 255 }));
/** A place in a packet of any length, as a fraction of it. */
const place = fc.integer({ min: 0, max: 0xffff });
const at = (fraction: number, bytes: Buffer): number => Math.floor((fraction * bytes.length) / 0x10000);

const mutations: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(place, anyByte).map(
    ([where, byte]): Mutation =>
      (bytes) => {
        const changed = Buffer.from(bytes);
        if (changed.length > 0) changed[at(where, bytes)] = byte;
        return changed;
      },
  ),
  fc.tuple(place, fc.nat(7)).map(
    ([where, bit]): Mutation =>
      (bytes) => {
        const changed = Buffer.from(bytes);
        const offset = at(where, bytes);
        if (changed.length > 0) changed[offset] = (changed[offset] ?? 0) ^ (1 << bit);
        return changed;
      },
  ),
  place.map(
    (where): Mutation =>
      (bytes) =>
        bytes.subarray(0, at(where, bytes)),
  ),
  place.map(
    (where): Mutation =>
      (bytes) =>
        bytes.subarray(at(where, bytes)),
  ),
  fc.tuple(place, fc.uint8Array({ maxLength: 40 })).map(
    ([where, inserted]): Mutation =>
      (bytes) =>
        Buffer.concat([bytes.subarray(0, at(where, bytes)), inserted, bytes.subarray(at(where, bytes))]),
  ),
  fc.tuple(place, place).map(
    ([one, other]): Mutation =>
      (bytes) => {
        const [start, end] = [at(Math.min(one, other), bytes), at(Math.max(one, other), bytes)];
        return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)]);
      },
  ),
);

/** One of the packets, changed in up to six ways; sometimes not at all. */
export function mutated(packets: readonly Buffer[]): fc.Arbitrary<Buffer> {
  return fc
    .tuple(fc.constantFrom(...packets), fc.array(mutations, { maxLength: 6 }))
    .map(([packet, changes]) => changes.reduce((bytes, change) => change(bytes), packet));
}
