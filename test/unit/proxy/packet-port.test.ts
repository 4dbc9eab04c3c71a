import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Cancellation } from '../../../src/cancellation.js';
import { ProxyError } from '../../../src/errors.js';
import { PacketPort } from '../../../src/proxy/packet-port.js';
import { encodePacket, HEADER_LENGTH, MAX_HANDSHAKE_PAYLOAD_LENGTH } from '../../../src/wire/framing.js';
import { unlessItHangs, WatchedCancellation } from '../../support/cancellations.js';
import {
  arrived,
  isPending,
  openSocketPair,
  sendApart,
  splitsInTwo,
  truncations,
} from '../../support/chunked.js';

const never = unlessItHangs();
const packet = (sequenceId: number, text: string) => encodePacket(sequenceId, Buffer.from(text));

interface Setup {
  readonly port: PacketPort;
  /** The port's socket. */
  readonly near: Socket;
  /** The peer's. */
  readonly far: Socket;
  readonly gone: ProxyError[];
}

async function setUp(
  t: TestContext,
  leg: 'client' | 'server' = 'client',
  nextSequenceId = 0,
): Promise<Setup> {
  const { near, far, close } = await openSocketPair();
  t.after(close);
  const gone: ProxyError[] = [];
  const port = new PacketPort(near, {
    leg,
    peer: 'db.example:3306',
    nextSequenceId,
    onGone: (reason) => gone.push(reason),
  });
  return { port, near, far, gone };
}

async function rejection(promise: Promise<unknown>): Promise<ProxyError> {
  const error = await promise.then(
    () => assert.fail('the promise was to be rejected'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof ProxyError, String(error));
  return error;
}

test('several packets in one chunk come one by one, an empty one among them', async (t) => {
  const { port, far } = await setUp(t);
  far.write(Buffer.concat([packet(0, 'one'), packet(1, ''), packet(2, 'three')]));
  assert.equal((await port.read(never)).payload.toString(), 'one');
  assert.equal((await port.read(never)).payload.length, 0);
  assert.equal((await port.read(never)).payload.toString(), 'three');
  assert.equal(port.nextSequenceId, 3);
});

test('a packet that comes alone while it is waited for never is in the stream, and keeps its bytes', async (t) => {
  const { port, near, far } = await setUp(t);
  let inStream = 0;
  near.prependListener('readable', () => {
    inStream += near.readableLength;
  });
  const payloads: Buffer[] = [];
  for (const [sequenceId, text] of ['one', '', 'the third'].entries()) {
    const reading = port.read(never);
    far.write(packet(sequenceId, text));
    payloads.push((await reading).payload);
  }
  assert.deepEqual(payloads.map(String), ['one', '', 'the third']);
  assert.equal(inStream, 0);
  assert.deepEqual(
    [port.nextSequenceId, port.bytes.in],
    [3, 3 * HEADER_LENGTH + 'one'.length + 'the third'.length],
  );
});

test('a packet that comes alone is refused as any other', async (t) => {
  const { port, near, far } = await setUp(t);
  const reading = port.read(never);
  far.write(packet(1, 'out of order'));
  assert.equal((await rejection(reading)).code, 'client_packet_out_of_order');
  // A byte that is looked at, and not taken, stays.
  const other = await setUp(t);
  const peeking = other.port.peekByte(never);
  other.far.write(packet(0, 'whole'));
  assert.equal(await peeking, 'whole'.length);
  assert.equal((await other.port.read(never)).payload.toString(), 'whole');
  assert.equal(near.listenerCount('readable'), 1);
});

test('a peer that leaves in the middle of a packet is gone, at whatever byte', async (t) => {
  for (const leg of ['client', 'server'] as const) {
    for (const cut of truncations(packet(0, 'half of it'))) {
      const { port, far, gone } = await setUp(t, leg);
      far.end(cut);
      const error = await rejection(port.read(never));
      assert.equal(error.code, leg === 'client' ? 'client_gone' : 'server_closed', `${cut.length} bytes`);
      assert.deepEqual(gone, [error]);
      assert.equal(await rejection(port.read(never)), error, 'later reads are refused with the same error');
    }
  }
});

test('a packet that is too large is refused at its header', async (t) => {
  const expected = { client: 'client_packet_too_large', server: 'server_protocol_error' } as const;
  for (const leg of ['client', 'server'] as const) {
    for (const length of [MAX_HANDSHAKE_PAYLOAD_LENGTH + 1, 0xffffff]) {
      const { port, far } = await setUp(t, leg);
      const header = Buffer.alloc(HEADER_LENGTH);
      header.writeUIntLE(length, 0, 3);
      far.write(header);
      const error = await rejection(port.read(never));
      assert.equal(error.code, expected[leg]);
      assert.match(error.message, new RegExp(`${length} bytes`));
    }
  }
});

test('a packet of the greatest length is read', async (t) => {
  const { port, far } = await setUp(t);
  const payload = Buffer.alloc(MAX_HANDSHAKE_PAYLOAD_LENGTH, 'abc');
  far.write(encodePacket(0, payload));
  assert.ok((await port.read(never)).payload.equals(payload));
});

test('a client must number its packets in order', async (t) => {
  const { port, far } = await setUp(t, 'client', 1);
  far.write(packet(3, 'login'));
  const error = await rejection(port.read(never));
  assert.equal(error.code, 'client_packet_out_of_order');
  assert.match(error.message, /packet 3 where packet 1 was due/);
});

test("a server's numbers are taken as they come, and followed", async (t) => {
  const { port, far } = await setUp(t, 'server', 1);
  far.write(packet(7, 'reply'));
  assert.equal((await port.read(never)).sequenceId, 7);
  port.write(Buffer.from('next'));
  const [bytes] = await once(far, 'data');
  assert.deepEqual(bytes, packet(8, 'next'));
});

test('what is written in one turn leaves together at its end, or when the socket is given back', async (t) => {
  const { port, near, far } = await setUp(t);
  const both = Buffer.concat([packet(0, 'fast authentication'), packet(1, 'ok')]);
  port.write(Buffer.from('fast authentication'));
  await Promise.resolve();
  port.writeSecret(Buffer.from('ok'));
  assert.equal(near.writableLength, both.length);
  await nextTurn();
  assert.equal(near.writableLength, 0);
  const [bytes] = await once(far, 'data');
  assert.deepEqual(bytes, both);
  port.write(Buffer.from('last'));
  port.release();
  assert.deepEqual([near.writableLength, near.writableCorked], [0, 0]);
});

test('numbers wrap around after 255, in both directions', async (t) => {
  const { port, far } = await setUp(t, 'client', 254);
  far.write(Buffer.concat([packet(254, 'a'), packet(255, 'b'), packet(0, 'c')]));
  for (const text of ['a', 'b', 'c']) assert.equal((await port.read(never)).payload.toString(), text);
  assert.equal(port.nextSequenceId, 1);
  const other = await setUp(t, 'server', 255);
  other.port.write(Buffer.from('x'));
  assert.equal(other.port.nextSequenceId, 0);
});

test('a read given up in the middle of a packet loses nothing', async (t) => {
  const whole = packet(0, 'not lost');
  for (const [first, second] of splitsInTwo(whole)) {
    const { port, near, far } = await setUp(t);
    const giveUp = new WatchedCancellation();
    const reading = port.read(giveUp);
    assert.equal(port.isReading, true);
    await sendApart(far, near, [first]);
    assert.equal(await isPending(reading), true);
    const reason = new ProxyError('client_timeout', 'too slow');
    giveUp.cancel(reason);
    assert.equal(await rejection(reading), reason);
    assert.equal(port.isReading, false);
    const again = port.read(never);
    far.write(second);
    assert.deepEqual(await again, { sequenceId: 0, payload: Buffer.from('not lost') });
  }
});

test('a signal that is cancelled already is told at once and takes no packet', async (t) => {
  const { port, near, far } = await setUp(t);
  far.write(packet(0, 'waiting'));
  await arrived(near, packet(0, 'waiting').length);
  const reason = new ProxyError('proxy_shutdown', 'stopping');
  const stopped = new Cancellation();
  stopped.cancel(reason);
  assert.equal(await rejection(port.read(stopped)), reason);
  assert.equal((await port.read(never)).payload.toString(), 'waiting');
});

test('a read leaves no listener on its signal, however it ends', async (t) => {
  const { port, far } = await setUp(t);
  const signal = new WatchedCancellation();
  far.write(packet(0, 'one'));
  await port.read(signal);
  far.end();
  await rejection(port.read(signal));
  await rejection(port.peekByte(signal));
  const other = await setUp(t);
  other.far.write(packet(9, 'out of order'));
  await rejection(other.port.read(signal));
  assert.equal(signal.listenerCount, 0);
});

test('a peer that closes or resets while no one reads is noticed', async (t) => {
  for (const leave of ['end', 'resetAndDestroy'] as const) {
    const { port, far, gone } = await setUp(t);
    far[leave]();
    while (gone.length === 0) await nextTurn();
    assert.deepEqual(
      gone.map(({ code }) => code),
      ['client_gone'],
      leave,
    );
    assert.equal(await rejection(port.read(never)), gone[0]);
    await nextTurn();
    assert.equal(gone.length, 1, `${leave}: told once`);
  }
});

test('a read that waits is rejected when the peer resets the connection', async (t) => {
  const { port, far } = await setUp(t, 'server');
  const reading = port.read(never);
  far.resetAndDestroy();
  const error = await rejection(reading);
  assert.equal(error.code, 'server_closed');
  assert.match(error.message, /db\.example:3306 broke the connection \(.*ECONNRESET/);
});

test('what a peer said before it left is delivered first', async (t) => {
  const { port, near, far, gone } = await setUp(t);
  const last = Buffer.concat([packet(0, 'last'), packet(1, 'words')]);
  far.end(last);
  await arrived(near, last.length);
  for (let turn = 0; turn < 5; turn++) await nextTurn();
  assert.equal((await port.read(never)).payload.toString(), 'last');
  assert.equal((await port.read(never)).payload.toString(), 'words');
  assert.equal((await rejection(port.read(never))).code, 'client_gone');
  assert.equal(gone.length, 1);
});

test('a peer that said something and left is noticed when that is read, although no one reads on', async (t) => {
  const { port, near, far, gone } = await setUp(t);
  far.end(packet(0, 'last words'));
  await arrived(near, packet(0, 'last words').length);
  await nextTurn();
  await port.read(never);
  for (let turn = 0; turn < 5; turn++) await nextTurn();
  assert.equal(gone[0]?.code, 'client_gone');
});

test('a socket that was destroyed before the read is gone too', async (t) => {
  const { port, near } = await setUp(t);
  near.destroy();
  assert.equal((await rejection(port.read(never))).code, 'client_gone');
});

test('a byte that was looked at is still unread, and in its place', async (t) => {
  const { port, near, far } = await setUp(t);
  const looking = port.peekByte(never);
  assert.equal(await isPending(looking), true);
  assert.equal(port.isReading, true);
  const sent = Buffer.concat([packet(0, 'whole'), Buffer.from([0, 0x16, 3, 1])]);
  far.write(sent);
  assert.equal(await looking, sent[0]);
  assert.equal(near.readableLength, sent.length);
  assert.equal((await port.read(never)).payload.toString(), 'whole');
  assert.equal(await port.peekByte(never), 0, 'a zero is a byte, too');
  assert.deepEqual(port.release().read(), Buffer.from([0, 0x16, 3, 1]));
});

test('a byte that comes alone can be looked at twice', async (t) => {
  const { port, near, far } = await setUp(t);
  await sendApart(far, near, [Buffer.from([0x16])]);
  assert.equal(await port.peekByte(never), 0x16);
  assert.equal(await port.peekByte(never), 0x16);
  assert.equal(near.readableLength, 1);
  far.end();
  assert.equal((await rejection(port.read(never))).code, 'client_gone');
});

test('a port is open until its peer has gone', async (t) => {
  for (const leave of ['end', 'resetAndDestroy'] as const) {
    const { port, far, gone } = await setUp(t, 'server');
    port.assertOpen();
    far[leave]();
    while (gone.length === 0) await nextTurn();
    assert.throws(() => port.assertOpen(), gone[0]);
    assert.equal(gone[0]?.code, 'server_closed');
  }
  const { port, near } = await setUp(t, 'server');
  near.destroy();
  assert.throws(() => port.assertOpen(), { code: 'server_closed' });
});

test('what follows the last packet is still in the socket after the release, and the port lets go', async (t) => {
  const { near, far, close } = await openSocketPair();
  t.after(close);
  const before = near.eventNames().map((name) => [name, near.listenerCount(name)]);
  const gone: ProxyError[] = [];
  const port = new PacketPort(near, { leg: 'client', peer: '', onGone: (reason) => gone.push(reason) });
  const left = Buffer.from('\x16\x03\x01 the start of a TLS record');
  const sent = Buffer.concat([packet(0, 'SSLRequest'), left]);
  far.write(sent);
  assert.equal((await port.read(never)).payload.toString(), 'SSLRequest');
  assert.equal(port.release(), near);
  await arrived(near, sent.length);
  // Node takes back its own reading mode in the next turn.
  await nextTurn();
  assert.deepEqual(
    near.eventNames().map((name) => [name, near.listenerCount(name)]),
    before,
  );
  assert.deepEqual(near.read(), left);
  far.end();
  near.resume();
  while (!near.readableEnded) await nextTurn();
  assert.deepEqual(gone, [], 'a released port reports nothing');
});
