/** Ways to find the packets in the bytes of one direction. The proxy's own is in its trackers; these do nothing else. */
import { Transform, type TransformCallback } from 'node:stream';
import { HEADER_LENGTH, payloadLengthAt, sequenceIdAt } from '../../src/wire/framing.js';
import { PacketParser } from './mysql2-internals.js';

export interface Walk {
  /** That ended or, for those that do not wait for the payload, began. */
  readonly packets: number;
  readonly payloadBytes: number;
  push(bytes: Buffer): void;
}

/** Keeps where the next header begins, and nothing of the payloads. */
abstract class IndexWalk implements Walk {
  packets = 0;
  payloadBytes = 0;
  readonly #header = Buffer.alloc(HEADER_LENGTH);
  #headerLength = 0;
  #payloadLeft = 0;

  push(bytes: Buffer): void {
    const end = bytes.length;
    let at = this.#headerLength === 0 ? this.#payloadLeft : this.#completeHeader(bytes);
    if (at + HEADER_LENGTH <= end) at = this.walk(bytes, at);
    this.#payloadLeft = Math.max(at - end, 0);
    if (at < end) this.#headerLength = bytes.copy(this.#header, 0, at, end);
  }

  /** Goes on from a header to the first one that is not there as a whole, and returns where that begins. */
  protected abstract walk(bytes: Buffer, from: number): number;

  #completeHeader(bytes: Buffer): number {
    const taken = bytes.copy(this.#header, this.#headerLength);
    this.#headerLength += taken;
    if (this.#headerLength < HEADER_LENGTH) return bytes.length;
    this.#headerLength = 0;
    return taken + this.walk(this.#header, 0) - HEADER_LENGTH;
  }
}

/** As the trackers read headers. */
export class ByteWalk extends IndexWalk {
  protected walk(bytes: Buffer, from: number): number {
    const last = bytes.length - HEADER_LENGTH;
    let at = from;
    while (at <= last) {
      const length = payloadLengthAt(bytes, at);
      this.packets++;
      this.payloadBytes += length;
      at += HEADER_LENGTH + length;
    }
    return at;
  }
}

/** As the trackers read headers before: four bytes at once, checked by Buffer. */
export class Int32Walk extends IndexWalk {
  protected walk(bytes: Buffer, from: number): number {
    const last = bytes.length - HEADER_LENGTH;
    let at = from;
    while (at <= last) {
      const length = bytes.readInt32LE(at) & 0xffffff;
      this.packets++;
      this.payloadBytes += length;
      at += HEADER_LENGTH + length;
    }
    return at;
  }
}

export class UIntWalk extends IndexWalk {
  protected walk(bytes: Buffer, from: number): number {
    const last = bytes.length - HEADER_LENGTH;
    let at = from;
    while (at <= last) {
      const length = bytes.readUIntLE(at, 3);
      this.packets++;
      this.payloadBytes += length;
      at += HEADER_LENGTH + length;
    }
    return at;
  }
}

/** Makes a view of what is there of each packet. */
export class ViewWalk extends IndexWalk {
  latest: Buffer | undefined;

  protected walk(bytes: Buffer, from: number): number {
    const last = bytes.length - HEADER_LENGTH;
    let at = from;
    while (at <= last) {
      const length = payloadLengthAt(bytes, at);
      this.latest = bytes.subarray(at, at + HEADER_LENGTH + length);
      this.packets++;
      this.payloadBytes += length;
      at += HEADER_LENGTH + length;
    }
    return at;
  }
}

/** Waits for whole packets, by adding each chunk to what is left of the one before. */
export class ConcatWalk implements Walk {
  packets = 0;
  payloadBytes = 0;
  readonly #onPacket: (packet: Buffer) => void;
  #rest: Buffer = Buffer.alloc(0);

  /** `onPacket` gets header and payload. */
  constructor(onPacket: (packet: Buffer) => void = () => {}) {
    this.#onPacket = onPacket;
  }

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at + HEADER_LENGTH <= bytes.length) {
      const end = at + HEADER_LENGTH + payloadLengthAt(bytes, at);
      if (end > bytes.length) break;
      this.packets++;
      this.payloadBytes += end - at - HEADER_LENGTH;
      this.#onPacket(bytes.subarray(at, end));
      at = end;
    }
    this.#rest = bytes.subarray(at);
  }
}

export class Mysql2Walk implements Walk {
  packets = 0;
  payloadBytes = 0;
  readonly #parser = new PacketParser((packet) => {
    this.packets++;
    this.payloadBytes += packet.length() - HEADER_LENGTH;
  });

  push(bytes: Buffer): void {
    this.#parser.execute(bytes);
  }
}

export interface WalkedPacket {
  readonly sequenceId: number;
  readonly payload: Buffer;
}

/** Bytes in, packets out. */
export class PacketTransform extends Transform {
  readonly #walk = new ConcatWalk((packet) => this.push(packetFrom(packet)));

  constructor() {
    super({ readableObjectMode: true });
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#walk.push(chunk);
    done();
  }
}

export async function* iteratedPackets(
  chunks: AsyncIterable<Buffer> | Iterable<Buffer>,
): AsyncGenerator<WalkedPacket> {
  let arrived: WalkedPacket[] = [];
  const walk = new ConcatWalk((packet) => arrived.push(packetFrom(packet)));
  for await (const chunk of chunks) {
    walk.push(chunk);
    yield* arrived;
    arrived = [];
  }
}

function packetFrom(packet: Buffer): WalkedPacket {
  return { sequenceId: sequenceIdAt(packet, 0), payload: packet.subarray(HEADER_LENGTH) };
}
