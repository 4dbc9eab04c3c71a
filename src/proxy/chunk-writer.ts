/**
 * Sends on what a `ChunkReader` hands out, whose bytes are gone when it returns: copied where the socket may keep them, and
 * several large ones together. A TLS server sends a large result in records of 16 KiB, each of which would be a write of
 * its own: sixty-four for a megabyte, and as many times the client is woken up.
 */
import type { Socket } from 'node:net';

/** A TLS record with less is the last one of what the peer had to send: what has been collected goes out with it. */
const FULL_RECORD_LENGTH = 16_384;
const BATCH_LENGTH = 131_072;

/** Buffers of batches that are not in use. Most of the time one or two are needed. */
const spare: Buffer[] = [];
const MAX_SPARE = 8;

export class ChunkWriter {
  readonly #to: Socket;
  readonly #isTls: boolean;
  /** Undefined unless something has been collected. */
  #batch: Buffer | undefined;
  #batchLength = 0;
  #flushSoon: NodeJS.Immediate | undefined;

  constructor(to: Socket) {
    this.#to = to;
    this.#isTls = 'encrypted' in to;
  }

  write(bytes: Buffer): void {
    const to = this.#to;
    if (this.#isTls) {
      // Encrypted by the time that `write` returns, unless others wait in front: then the stream keeps the bytes.
      to.write(to.writableLength === 0 ? bytes : Buffer.from(bytes));
    } else if (bytes.length < FULL_RECORD_LENGTH && this.#batch === undefined) {
      to.write(Buffer.from(bytes));
    } else this.#collect(bytes);
  }

  /** To be called before the socket is ended or given to someone else. */
  flush(): void {
    const batch = this.#batch;
    if (batch === undefined) return;
    const to = this.#to;
    const bytes = batch.subarray(0, this.#batchLength);
    this.#batch = undefined;
    this.#batchLength = 0;
    clearImmediate(this.#flushSoon);
    if (!to.writable) return;
    to.write(bytes);
    // Otherwise the socket needs the buffer until the peer has taken all.
    if (to.writableLength === 0 && spare.length < MAX_SPARE) spare.push(batch);
  }

  #collect(bytes: Buffer): void {
    if (this.#batchLength + bytes.length > BATCH_LENGTH) this.flush();
    if (this.#batch === undefined) {
      this.#batch = spare.pop() ?? Buffer.allocUnsafeSlow(BATCH_LENGTH);
      this.#flushSoon = setImmediate(() => this.flush());
    }
    bytes.copy(this.#batch, this.#batchLength);
    this.#batchLength += bytes.length;
    if (bytes.length < FULL_RECORD_LENGTH) this.flush();
  }
}
