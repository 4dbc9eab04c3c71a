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

const KIND_SHIFT = 8;
const COMMAND_SHIFT = 16;
const FIRST_CAPACITY = 8;

/**
 * A client may send commands faster than they are answered; this many of the shortest ones fill 5 MB, more than socket
 * buffers usually hold. They take 12 MB here.
 */
const MAX_PENDING = 2 ** 20;

/** A ring of numbers: a command, the kind of its reply and the sequence id of that one's first packet, and a time. */
export class PendingReplies {
  #ring = new Uint32Array(FIRST_CAPACITY);
  #sentAt = new Float64Array(FIRST_CAPACITY);
  #first = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** False where there is no place for one more. */
  add(command: number, kind: ReplyKind, sequenceId: number, sentAt: number): boolean {
    if (this.#length === this.#ring.length && !this.#grow()) return false;
    const at = this.#slot(this.#length);
    this.#ring[at] = (command << COMMAND_SHIFT) | (kind << KIND_SHIFT) | (sequenceId & 0xff);
    this.#sentAt[at] = sentAt;
    this.#length++;
    return true;
  }

  /** Of the reply that comes next. Only where there is one. */
  get nextKind(): ReplyKind {
    return (((this.#ring[this.#first] ?? 0) >>> KIND_SHIFT) & 0xff) as ReplyKind;
  }

  /** The command that the reply that comes next is for. Only where there is one. */
  get nextCommand(): number {
    return (this.#ring[this.#first] ?? 0) >>> COMMAND_SHIFT;
  }

  /** When that command was sent. Only where there is one. */
  get nextSentAt(): number {
    return this.#sentAt[this.#first] ?? 0;
  }

  /** Removes the one that comes next, and returns the sequence id of its first packet. Only where there is one. */
  takeNext(): number {
    const sequenceId = (this.#ring[this.#first] ?? 0) & 0xff;
    this.#first = this.#slot(1);
    this.#length--;
    return sequenceId;
  }

  /** The latest command took one packet more. Only where its reply is still pending. */
  setSequenceIdOfLatest(sequenceId: number): void {
    const latest = this.#slot(this.#length - 1);
    this.#ring[latest] = ((this.#ring[latest] ?? 0) & ~0xff) | (sequenceId & 0xff);
  }

  /** The latest command is whole only now. Only where its reply is still pending. */
  setSentAtOfLatest(sentAt: number): void {
    this.#sentAt[this.#slot(this.#length - 1)] = sentAt;
  }

  /** Where the one is that so many come before. The ring's length is a power of two. */
  #slot(index: number): number {
    return (this.#first + index) & (this.#ring.length - 1);
  }

  #grow(): boolean {
    const capacity = this.#ring.length;
    if (capacity === MAX_PENDING) return false;
    this.#ring = unrolled(this.#ring, this.#first, new Uint32Array(capacity * 2));
    this.#sentAt = unrolled(this.#sentAt, this.#first, new Float64Array(capacity * 2));
    this.#first = 0;
    return true;
  }
}

/** Copies a full ring, the first one first. */
function unrolled<Ring extends Uint32Array | Float64Array>(ring: Ring, first: number, into: Ring): Ring {
  into.set(ring.subarray(first));
  into.set(ring.subarray(0, first), ring.length - first);
  return into;
}
