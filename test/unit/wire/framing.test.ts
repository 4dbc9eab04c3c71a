import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeHeader,
  encodePacket,
  HEADER_LENGTH,
  MAX_HANDSHAKE_PAYLOAD_LENGTH,
  MAX_PAYLOAD_LENGTH,
} from '../../../src/wire/framing.js';
import { loadRecordings } from '../../fixtures/recordings.js';

test('a packet is length, sequence id and payload', () => {
  assert.equal(encodePacket(1, Buffer.from('abc')).toString('hex'), '03000001616263');
  assert.equal(encodePacket(2, Buffer.alloc(0)).toString('hex'), '00000002');
  assert.equal(
    encodePacket(0, Buffer.alloc(0x010203)).subarray(0, HEADER_LENGTH).toString('hex'),
    '03020100',
  );
});

test('sequence ids are one byte and wrap around', () => {
  assert.equal(encodePacket(255, Buffer.alloc(0))[3], 255);
  assert.equal(encodePacket(256, Buffer.alloc(0))[3], 0);
});

test('a payload that would need a second packet is a mistake of the caller', () => {
  assert.equal(
    encodePacket(0, Buffer.alloc(MAX_PAYLOAD_LENGTH - 1)).length,
    HEADER_LENGTH + MAX_PAYLOAD_LENGTH - 1,
  );
  assert.throws(() => encodePacket(0, Buffer.alloc(MAX_PAYLOAD_LENGTH)), RangeError);
  assert.equal(MAX_PAYLOAD_LENGTH, 0xffffff);
  assert.ok(
    MAX_HANDSHAKE_PAYLOAD_LENGTH < MAX_PAYLOAD_LENGTH,
    'no handshake packet is ever continued in another',
  );
});

test('every recorded packet has the header it was sent with', () => {
  for (const { name, packets } of loadRecordings()) {
    for (const { sequenceId, payload } of packets) {
      const packet = encodePacket(sequenceId, payload);
      assert.deepEqual(decodeHeader(packet), { payloadLength: payload.length, sequenceId }, name);
      assert.deepEqual(packet.subarray(HEADER_LENGTH), payload);
    }
  }
});
