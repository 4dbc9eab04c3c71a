/** Sockets that are read into one shared buffer lose, repeat and mix up nothing, whoever reads slowly. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { chunkReader } from '../../../src/proxy/chunk-reader.js';
import { ChunkWriter } from '../../../src/proxy/chunk-writer.js';
import { openSocketPair } from '../../support/chunked.js';
import { acceptedPair } from '../tls/tls-peers.js';

/** A socket without what the shared buffer needs, as another Node may have it. */
function asStream(socket: Socket): Socket {
  const { _handle } = socket as unknown as { _handle: { useUserBuffer?: unknown } };
  _handle.useUserBuffer = undefined;
  return socket;
}

interface Relayed {
  readonly from: Socket;
  readonly to: Socket;
  /** What the relay reads, and where it writes to. */
  readonly source: Socket;
  readonly target: Socket;
}

type Kind = 'shared buffer' | 'stream' | 'TLS';

async function relay(t: TestContext, kind: Kind): Promise<Relayed> {
  const [incoming, outgoing] =
    kind === 'TLS' ? [await acceptedPair(t), await acceptedPair(t)] : [await pair(t), await pair(t)];
  const [source, target] = [incoming.near, outgoing.near];
  if (kind === 'stream') asStream(source);
  return { from: incoming.far, to: outgoing.far, source, target };
}

async function pair(t: TestContext): Promise<{ near: Socket; far: Socket }> {
  const { near, far, close } = await openSocketPair();
  t.after(close);
  return { near, far };
}

/** As the splice does it: no more is read while much waits to be written. */
function pump({ source, target }: Relayed): void {
  const writer = new ChunkWriter(target);
  chunkReader(source).start((bytes) => {
    writer.write(bytes);
    if (target.writableLength >= 65_536) source.pause();
  });
  target.on('drain', () => source.resume());
  source.resume();
}

async function digestOf(socket: Socket, length: number, pauses: boolean): Promise<string> {
  const hash = createHash('sha256');
  let received = 0;
  for await (const chunk of socket) {
    hash.update(chunk);
    received += chunk.length;
    if (pauses && received % 7 === 0) await delay(2);
    if (received >= length) break;
  }
  assert.equal(received, length);
  return hash.digest('hex');
}

for (const kind of ['shared buffer', 'stream', 'TLS'] as const) {
  test(`${kind}: four relays at once, two of them to slow readers, deliver every byte`, async (t) => {
    const length = 6_000_000;
    const relays = await Promise.all(Array.from({ length: 4 }, () => relay(t, kind)));
    const digests = await Promise.all(
      relays.map(async (each, index) => {
        pump(each);
        const bytes = randomBytes(length);
        each.from.write(bytes);
        const digest = await digestOf(each.to, length, index % 2 === 0);
        return digest === createHash('sha256').update(bytes).digest('hex');
      }),
    );
    assert.deepEqual(digests, [true, true, true, true]);
  });

  test(`${kind}: what is written while earlier bytes wait is not overwritten by what is read next`, async (t) => {
    const { from, to, source, target } = await relay(t, kind);
    const written: Buffer[] = [];
    const writer = new ChunkWriter(target);
    chunkReader(source).start((bytes) => {
      written.push(Buffer.from(bytes));
      // Twice: the second write finds the first one waiting.
      writer.write(bytes);
      writer.write(bytes);
    });
    source.resume();
    // More than the system takes from a socket whose peer does not read; small and large ones.
    for (let n = 0; n < 600; n++) {
      from.write(randomBytes(n % 2 === 0 ? 20_000 : 300));
      await nextTurn();
    }
    from.end();
    await once(source, 'end');
    writer.flush();
    assert.ok(target.writableLength > 0);
    const received = to.toArray();
    target.end();
    assert.ok(
      Buffer.concat(await received).equals(Buffer.concat(written.flatMap((bytes) => [bytes, bytes]))),
    );
  });

  test(`${kind}: begins with what the stream holds, and gives back to the stream what comes after stop`, async (t) => {
    const { from, source } = await relay(t, kind);
    from.write('one');
    await once(source, 'readable');
    const chunks: string[] = [];
    const reader = chunkReader(source);
    reader.start((bytes) => {
      chunks.push(bytes.toString());
      if (chunks.length === 2) {
        source.pause();
        reader.stop();
        from.write('three');
      }
    });
    source.resume();
    await nextTurn();
    from.write('two');
    while (chunks.length < 2) await nextTurn();
    assert.deepEqual(chunks, ['one', 'two']);
    const readable = once(source, 'readable');
    // As a PacketPort asks for more.
    source.read(0);
    await readable;
    assert.equal(source.read()?.toString(), 'three');
    reader.start((bytes) => chunks.push(bytes.toString()));
    source.resume();
    from.write('four');
    while (chunks.length < 3) await nextTurn();
    assert.deepEqual(chunks, ['one', 'two', 'four']);
  });

  test(`${kind}: a paused socket is not read`, async (t) => {
    const { from, source } = await relay(t, kind);
    let received = 0;
    chunkReader(source).start((bytes) => {
      received += bytes.length;
      source.pause();
    });
    source.resume();
    from.write(Buffer.alloc(4_000_000));
    while (received === 0) await nextTurn();
    await delay(50);
    // TLS hands out what it has decrypted already: at most one record.
    assert.ok(received <= 65_536 + 16_384, String(received));
    while (received < 4_000_000) {
      source.resume();
      await nextTurn();
    }
    assert.equal(received, 4_000_000);
  });
}

test('this Node has what the shared buffer needs: no socket is read as a stream', async (t) => {
  for (const kind of ['shared buffer', 'TLS'] as const) {
    const { source } = await relay(t, kind);
    chunkReader(source).start(() => {});
    assert.equal(source.listenerCount('data'), 0, kind);
  }
});

test('what is not taken comes in the stream, and what is taken does not', async (t) => {
  const { near, far } = await pair(t);
  const offered: string[] = [];
  chunkReader(near).offer((bytes) => {
    offered.push(bytes.toString());
    return offered.length === 1;
  });
  near.read(0);
  far.write('taken');
  while (offered.length < 1) await nextTurn();
  assert.equal(near.readableLength, 0);
  far.write('left');
  while (offered.length < 2) await nextTurn();
  assert.deepEqual(offered, ['taken', 'left']);
  assert.equal(String(near.read()), 'left');
});

test('nothing of what was offered stays in the shared buffer', async (t) => {
  for (const isTaken of [true, false]) {
    const { near, far } = await pair(t);
    let shared: Buffer | undefined;
    chunkReader(near).offer((bytes) => {
      shared = bytes;
      assert.equal(bytes.toString(), 'a password');
      return isTaken;
    });
    near.read(0);
    far.write('a password');
    while (shared === undefined) await nextTurn();
    assert.deepEqual(shared, Buffer.alloc('a password'.length));
  }
});
