/** The replies that a server still owes, in the order in which it will send them. */

/** What a reply looks like, as far as its end is concerned. */
export const ReplyKind = {
  /** OK, ERR, a request for a file, or result sets. */
  result: 0,
  /** One packet of whatever content. */
  onePacket: 1,
  /** Rows or column definitions without a count in front of them. */
  rows: 2,
  /** The description of a prepared statement. */
  preparedStatement: 3,
  /** Endless, unless it begins with an ERR. */
  stream: 4,
} as const;
export type ReplyKind = (typeof ReplyKind)[keyof typeof ReplyKind];

const SEQUENCE_ID_BITS = 8;
const FIRST_CAPACITY = 8;

/**
 * A client may send commands faster than they are answered; this many of the shortest ones fill 5 MB, more than socket
 * buffers usually hold. They take 2 MB here.
 */
const MAX_PENDING = 2 ** 20;

/** A ring of numbers: the kind of a reply, and the sequence id of its first packet. */
export class PendingReplies {
  #ring = new Uint16Array(FIRST_CAPACITY);
  #first = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** False where there is no place for one more. */
  add(kind: ReplyKind, sequenceId: number): boolean {
    if (this.#length === this.#ring.length && !this.#grow()) return false;
    this.#ring[(this.#first + this.#length) & (this.#ring.length - 1)] = encode(kind, sequenceId);
    this.#length++;
    return true;
  }

  /** The kind of the one that comes next. Only where there is one. */
  get nextKind(): ReplyKind {
    return ((this.#ring[this.#first] ?? 0) >>> SEQUENCE_ID_BITS) as ReplyKind;
  }

  /** Removes the one that comes next, and returns the sequence id of its first packet. Only where there is one. */
  takeNext(): number {
    const sequenceId = (this.#ring[this.#first] ?? 0) & 0xff;
    this.#first = (this.#first + 1) & (this.#ring.length - 1);
    this.#length--;
    return sequenceId;
  }

  /** The latest command took one packet more. Only where its reply is still pending. */
  setSequenceIdOfLatest(sequenceId: number): void {
    const latest = (this.#first + this.#length - 1) & (this.#ring.length - 1);
    this.#ring[latest] = encode((this.#ring[latest] ?? 0) >>> SEQUENCE_ID_BITS, sequenceId);
  }

  #grow(): boolean {
    const capacity = this.#ring.length;
    if (capacity === MAX_PENDING) return false;
    const ring = new Uint16Array(capacity * 2);
    ring.set(this.#ring.subarray(this.#first));
    ring.set(this.#ring.subarray(0, this.#first), capacity - this.#first);
    this.#ring = ring;
    this.#first = 0;
    return true;
  }
}

function encode(kind: number, sequenceId: number): number {
  return (kind << SEQUENCE_ID_BITS) | (sequenceId & 0xff);
}
