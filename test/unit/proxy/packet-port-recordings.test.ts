/** The packet port on recorded dialogues, however the network cuts them. */

import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { PacketPort } from '../../../src/proxy/packet-port.js';
import { encodePacket } from '../../../src/wire/framing.js';
import { loadRecordings, type Recording } from '../../fixtures/recordings.js';
import { unlessItHangs } from '../../support/cancellations.js';
import { arrived, openSocketPair, sendApart, singleBytes, splitsInTwo } from '../../support/chunked.js';

type Side = 'client' | 'server';

const never = unlessItHangs();

const wireBytesOf = ({ packets }: Recording, side: Side) =>
  Buffer.concat(
    packets
      .filter(({ from }) => from === side)
      .map(({ sequenceId, payload }) => encodePacket(sequenceId, payload)),
  );

/** Plays the part that the proxy has on the leg of `side`: reads what that side says, writes what it hears. */
async function replay(near: Socket, { name, packets }: Recording, side: Side): Promise<void> {
  const port = new PacketPort(near, { leg: side, peer: name });
  for (const { from, sequenceId, payload } of packets) {
    if (from !== side) {
      assert.equal(port.nextSequenceId, sequenceId, name);
      port.write(payload);
      continue;
    }
    assert.deepEqual(await port.read(never), { sequenceId, payload }, name);
  }
  assert.equal(port.release(), near);
  assert.equal(near.readableLength, 0);
}

for (const side of ['client', 'server'] as const) {
  const other = side === 'client' ? 'server' : 'client';
  const recordings = loadRecordings().filter(({ packets }) => packets.some(({ from }) => from === side));

  test(`recorded dialogues, ${side} leg: cut in two at every byte`, async (t) => {
    const { near, far, close } = await openSocketPair();
    t.after(close);
    let written = 0;
    let expected = 0;
    far.on('data', (bytes: Buffer) => {
      written += bytes.length;
    });
    for (const recording of recordings) {
      const bytes = wireBytesOf(recording, side);
      for (const pieces of splitsInTwo(bytes)) {
        await Promise.all([replay(near, recording, side), sendApart(far, near, pieces)]);
        expected += wireBytesOf(recording, other).length;
      }
    }
    await arrived(far, expected);
    assert.equal(written, expected);
  });

  test(`recorded dialogues, ${side} leg: byte by byte`, async (t) => {
    const { near, far, close } = await openSocketPair();
    t.after(close);
    far.resume();
    for (const recording of recordings) {
      const pieces = singleBytes(wireBytesOf(recording, side));
      await Promise.all([replay(near, recording, side), sendApart(far, near, pieces)]);
    }
    assert.equal(
      near.bytesRead,
      recordings.reduce((sum, recording) => sum + wireBytesOf(recording, side).length, 0),
    );
  });

  test(`recorded dialogues, ${side} leg: what the port writes is what was recorded, in one chunk each way`, async (t) => {
    for (const recording of recordings) {
      const { near, far, close } = await openSocketPair();
      t.after(close);
      const said: Buffer[] = [];
      far.on('data', (bytes: Buffer) => said.push(bytes));
      far.write(wireBytesOf(recording, side));
      await arrived(near, wireBytesOf(recording, side).length);
      await replay(near, recording, side);
      const expected = wireBytesOf(recording, other);
      await arrived(far, expected.length);
      await nextTurn();
      assert.deepEqual(Buffer.concat(said), expected, recording.name);
    }
  });
}
