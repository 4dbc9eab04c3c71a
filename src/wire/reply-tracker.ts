/**
 * Finds the end of each of a server's replies to commands, without looking at more than the first bytes of a packet.
 *
 *   OK        00 | affected rows lenenc | insert id lenenc | status u16 | ...
 *   EOF       fe | warnings u16 | status u16                     (payload shorter than 9)
 *   OK as EOF fe | otherwise as OK                               (with CLIENT_DEPRECATE_EOF, shorter than 0xffffff)
 *   ERR       ff | errno u16 | ...
 *   file      fb | file name                                     (LOAD DATA LOCAL: the client sends the file now)
 *   result    column count lenenc | [metadata follows u8]
 *   prepared  00 | statement id u32 | columns u16 | parameters u16 | 00 | warnings u16 | [metadata follows u8]
 *
 * https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_command_phase.html
 * https://mariadb.com/docs/server/reference/clientserver-protocol
 */
import { CLIENT_DEPRECATE_EOF, has } from './capabilities.js';
import { HEADER_LENGTH, MAX_PAYLOAD_LENGTH, payloadLengthAt, sequenceIdAt } from './framing.js';
import { PendingReplies, ReplyKind } from './pending-replies.js';
import { ERR_HEADER, OK_HEADER, PROGRESS_REPORT_ERRNO } from './replies.js';
import { lengthOfInteger, statusOfEof, statusOfOk } from './server-status.js';

const CLIENT_OPTIONAL_RESULTSET_METADATA = 0x0200_0000;

const SERVER_STATUS_IN_TRANS = 0x0001;
const SERVER_MORE_RESULTS_EXISTS = 0x0008;
const SERVER_STATUS_CURSOR_EXISTS = 0x0040;
const SERVER_STATUS_IN_TRANS_READONLY = 0x2000;
/** Behind an ERR: a procedure that failed may have begun a transaction. */
const UNKNOWN_STATUS = SERVER_STATUS_IN_TRANS;

const FILE_REQUEST = 0xfb;
const EOF = 0xfe;

/** A longer packet that begins like an EOF is a row whose first column is longer than 16 MB. */
const MAX_EOF_LENGTH = 8;

/** Bytes of a payload that are looked at: an OK packet's first byte, two integers of nine bytes each, and the status. */
const MAX_LOOKED_AT = 21;

/** What the server's next packet is. */
const Phase = {
  /** The first one of a reply. */
  between: 0,
  /** The first one of a result, of which a reply may have several. */
  head: 1,
  preparedHead: 2,
  definitions: 3,
  eofOfDefinitions: 4,
  rows: 5,
  /** None: the client sends a file. */
  upload: 6,
  stream: 7,
  lost: 8,
} as const;
type Phase = (typeof Phase)[keyof typeof Phase];

export class ReplyTracker {
  readonly #pending = new PendingReplies();
  readonly #deprecateEof: boolean;
  readonly #optionalMetadata: boolean;
  readonly #onReply: ((command: number, sentAt: number) => void) | undefined;
  #phase: Phase = Phase.between;
  #kind: ReplyKind = ReplyKind.result;
  #nextSequenceId = 0;
  /** False where the server leaves them out, because the client knows them or said that it needs none. */
  #hasDefinitions = true;
  /** Of the current group: a statement's parameters, or the columns of a result. */
  #definitionsLeft = 0;
  /** Of a prepared statement whose parameters come first. */
  #columnsToCome = 0;
  /** The server's flags at the end of the latest result, or UNKNOWN_STATUS. */
  #status = 0;

  /** The latest packet is continued by the next one, which begins nothing. */
  #isContinued = false;
  /** Bytes of the latest packet that have not arrived yet. */
  #payloadLeft = 0;
  /** Header and first bytes of a packet that did not arrive in one piece. */
  readonly #head = Buffer.alloc(HEADER_LENGTH + MAX_LOOKED_AT);
  #headLength = 0;

  /** `capabilities`: those that client and server agreed on. `onReply` is called when a reply begins. */
  constructor(capabilities: number, onReply?: (command: number, sentAt: number) => void) {
    this.#onReply = onReply;
    this.#deprecateEof = has(capabilities, CLIENT_DEPRECATE_EOF);
    this.#optionalMetadata = has(capabilities, CLIENT_OPTIONAL_RESULTSET_METADATA);
  }

  /** The server has sent the whole of every reply that is expected, and nothing of another packet. */
  get isIdle(): boolean {
    return (
      this.#phase === Phase.between &&
      this.#pending.length === 0 &&
      this.#payloadLeft === 0 &&
      this.#headLength === 0 &&
      !this.#isContinued
    );
  }

  /** The latest reply that began is a stream: nothing more is looked at. */
  get isStream(): boolean {
    return this.#phase === Phase.stream;
  }

  /** The packets do not fit together: nothing more is looked at. */
  get isLost(): boolean {
    return this.#phase === Phase.lost;
  }

  /** As far as the server has said; an ERR tells nothing of it. */
  get isTransactionOpen(): boolean {
    return has(this.#status, SERVER_STATUS_IN_TRANS | SERVER_STATUS_IN_TRANS_READONLY);
  }

  /** The server has asked for a file. */
  get isUpload(): boolean {
    return this.#phase === Phase.upload;
  }

  /** The sequence id that the next packet of the current reply, or of the upload, has: 0-255. */
  get nextSequenceId(): number {
    return this.#nextSequenceId;
  }

  /** Replies that have not begun. */
  get pendingReplies(): number {
    return this.#pending.length;
  }

  /** The client has sent the first packet of a command. */
  expect(command: number, kind: ReplyKind, sentAt: number): void {
    if (!this.#pending.add(command, kind, 1, sentAt)) this.lose();
  }

  /** The command that was expected latest goes on with a packet of this sequence id. */
  commandGoesOn(sequenceId: number): void {
    // A server may refuse a command before it has all of it.
    if (this.#pending.length > 0) this.#pending.setSequenceIdOfLatest(sequenceId + 1);
  }

  /** The command that was expected latest is whole only now. */
  commandEnds(sentAt: number): void {
    if (this.#pending.length > 0) this.#pending.setSentAtOfLatest(sentAt);
  }

  /** The client has sent a packet with a piece of the file, or the empty one that ends it. */
  uploaded(sequenceId: number, isEnd: boolean): void {
    if (sequenceId !== this.#nextSequenceId) {
      this.lose();
      return;
    }
    this.#nextSequenceId = (sequenceId + 1) & 0xff;
    if (isEnd) this.#phase = Phase.head;
  }

  lose(): void {
    this.#phase = Phase.lost;
  }

  /** The server's next bytes. */
  read(bytes: Buffer): void {
    const end = bytes.length;
    let at = this.#headLength === 0 ? this.#payloadLeft : this.#completeHead(bytes);
    while (at + HEADER_LENGTH <= end) {
      const length = payloadLengthAt(bytes, at);
      if (at + HEADER_LENGTH + this.#lookedAt(length) > end) break;
      this.#onPacket(bytes, at + HEADER_LENGTH, length, sequenceIdAt(bytes, at));
      at += HEADER_LENGTH + length;
    }
    this.#payloadLeft = Math.max(at - end, 0);
    if (at < end) this.#addToHead(bytes, at, end - at);
  }

  #lookedAt(length: number): number {
    return this.#isContinued ? 0 : Math.min(length, MAX_LOOKED_AT);
  }

  /** Returns where the packet behind the one that came in pieces begins, or the end where that is still not enough. */
  #completeHead(bytes: Buffer): number {
    let taken = this.#addToHead(bytes, 0, HEADER_LENGTH);
    if (this.#headLength < HEADER_LENGTH) return bytes.length;
    const length = payloadLengthAt(this.#head, 0);
    const lookedAt = this.#lookedAt(length);
    taken += this.#addToHead(bytes, taken, HEADER_LENGTH + lookedAt);
    if (this.#headLength < HEADER_LENGTH + lookedAt) return bytes.length;
    this.#headLength = 0;
    this.#onPacket(this.#head, HEADER_LENGTH, length, sequenceIdAt(this.#head, 0));
    return taken + length - lookedAt;
  }

  /** Returns how many bytes it took. One by one: `copy` makes a view for each call, which costs more than these few. */
  #addToHead(bytes: Buffer, from: number, wantedLength: number): number {
    let at = from;
    while (at < bytes.length && this.#headLength < wantedLength)
      this.#head[this.#headLength++] = bytes[at++] ?? 0;
    return at - from;
  }

  /** `at`: where the payload begins. Of a payload that is not continued, what is looked at is there. */
  #onPacket(bytes: Buffer, at: number, length: number, sequenceId: number): void {
    const beginsNothing = this.#isContinued;
    this.#isContinued = length === MAX_PAYLOAD_LENGTH;
    const first = length === 0 ? undefined : bytes[at];
    if (this.#phase === Phase.between && !beginsNothing && !this.#beginReply(first)) return;
    if (sequenceId !== this.#nextSequenceId) {
      if (this.#phase !== Phase.stream) this.lose();
      return;
    }
    this.#nextSequenceId = (sequenceId + 1) & 0xff;
    if (beginsNothing) return;
    if (this.#phase === Phase.rows && first !== undefined && first < EOF) return;
    this.#onPart(bytes, at, length, first);
  }

  /** False where the packet belongs to no reply. */
  #beginReply(first: number | undefined): boolean {
    if (this.#pending.length === 0) {
      // Servers say in an ERR that they close a connection that was silent for too long (4031), or that they stop (1053).
      if (first !== ERR_HEADER) this.lose();
      return false;
    }
    this.#kind = this.#pending.nextKind;
    this.#onReply?.(this.#pending.nextCommand, this.#pending.nextSentAt);
    this.#nextSequenceId = this.#pending.takeNext();
    if (this.#kind === ReplyKind.rows) this.#phase = Phase.rows;
    else if (this.#kind === ReplyKind.preparedStatement) this.#phase = Phase.preparedHead;
    else this.#phase = Phase.head;
    return true;
  }

  /** Any packet of a reply but an ordinary row. */
  #onPart(bytes: Buffer, at: number, length: number, first: number | undefined): void {
    if (this.#phase === Phase.stream || this.#phase === Phase.lost) return;
    if (this.#kind === ReplyKind.onePacket) this.#phase = Phase.between;
    // Servers read a file to its end, even where they gave up at its beginning.
    else if (first === undefined || this.#phase === Phase.upload) this.lose();
    else if (first === ERR_HEADER) this.#onErr(bytes, at, length);
    else if (this.#phase === Phase.head) this.#onHead(bytes, at, length, first);
    else if (this.#phase === Phase.preparedHead) this.#onPreparedHead(bytes, at, length, first);
    else if (this.#phase === Phase.definitions) this.#onDefinition(first);
    else if (this.#phase === Phase.eofOfDefinitions) this.#onEofOfDefinitions(bytes, at, length, first);
    else this.#onEofInRows(bytes, at, length);
  }

  #onErr(bytes: Buffer, at: number, length: number): void {
    const isProgressReport = length >= 3 && bytes.readUInt16LE(at + 1) === PROGRESS_REPORT_ERRNO;
    if (isProgressReport) return;
    this.#phase = Phase.between;
    this.#status = UNKNOWN_STATUS;
  }

  #onHead(bytes: Buffer, at: number, length: number, first: number): void {
    if (this.#kind === ReplyKind.stream) this.#phase = Phase.stream;
    else if (first === OK_HEADER) this.#endResult(statusOfOk(bytes, at, length));
    // As a count of columns it would be one of more than 16 million.
    else if (first === EOF) this.#endResult(statusOfEof(bytes, at, length));
    else if (first === FILE_REQUEST) this.#phase = Phase.upload;
    else this.#onColumnCount(bytes, at, length, first);
  }

  #onColumnCount(bytes: Buffer, at: number, length: number, first: number): void {
    const countLength = lengthOfInteger(first);
    if (length < countLength || length > countLength + 1) {
      this.lose();
      return;
    }
    const columns = countLength === 1 ? first : bytes.readUIntLE(at + 1, countLength - 1);
    if (columns === 0) {
      this.lose();
      return;
    }
    // Sent to clients that can do without: MySQL's with CLIENT_OPTIONAL_RESULTSET_METADATA, MariaDB's that keep metadata.
    this.#hasDefinitions = length === countLength || bytes[at + countLength] !== 0;
    this.#columnsToCome = 0;
    this.#beginDefinitions(columns);
  }

  #onPreparedHead(bytes: Buffer, at: number, length: number, first: number): void {
    if (first !== OK_HEADER || length < 9) {
      this.lose();
      return;
    }
    this.#hasDefinitions = !this.#optionalMetadata || length < 13 || bytes[at + 12] !== 0;
    const columns = bytes.readUInt16LE(at + 5);
    const parameters = bytes.readUInt16LE(at + 7);
    this.#columnsToCome = parameters === 0 ? 0 : columns;
    if (parameters + columns === 0) this.#phase = Phase.between;
    else this.#beginDefinitions(parameters === 0 ? columns : parameters);
  }

  /** MySQL 9 ends a group from which it left all definitions out with an EOF, too. */
  #beginDefinitions(count: number): void {
    this.#definitionsLeft = count;
    this.#phase = Phase.definitions;
    if (!this.#hasDefinitions) this.#endDefinitions();
  }

  #onDefinition(first: number): void {
    if (first === EOF) {
      this.lose();
      return;
    }
    this.#definitionsLeft--;
    if (this.#definitionsLeft === 0) this.#endDefinitions();
  }

  #endDefinitions(): void {
    if (this.#deprecateEof) this.#behindDefinitions();
    else this.#phase = Phase.eofOfDefinitions;
  }

  #onEofOfDefinitions(bytes: Buffer, at: number, length: number, first: number): void {
    if (first !== EOF || length > MAX_EOF_LENGTH) {
      this.lose();
      return;
    }
    const status = statusOfEof(bytes, at, length);
    // The rows stay at the server until the client fetches them.
    if (has(status, SERVER_STATUS_CURSOR_EXISTS) && this.#kind === ReplyKind.result) this.#endResult(status);
    else this.#behindDefinitions();
  }

  #behindDefinitions(): void {
    if (this.#kind !== ReplyKind.preparedStatement) {
      this.#phase = Phase.rows;
    } else if (this.#columnsToCome > 0) {
      const columns = this.#columnsToCome;
      this.#columnsToCome = 0;
      this.#beginDefinitions(columns);
    } else {
      this.#phase = Phase.between;
    }
  }

  /** A packet among rows that begins with 0xfe. */
  #onEofInRows(bytes: Buffer, at: number, length: number): void {
    const isEnd = this.#deprecateEof ? length < MAX_PAYLOAD_LENGTH : length <= MAX_EOF_LENGTH;
    if (isEnd) this.#endResult(statusOfEof(bytes, at, length));
  }

  #endResult(status: number): void {
    this.#status = status;
    const hasMore = this.#kind === ReplyKind.result && has(status, SERVER_MORE_RESULTS_EXISTS);
    this.#phase = hasMore ? Phase.head : Phase.between;
  }
}
