/**
 * Follows a connection after its login, from the bytes of both directions: which commands there are, where COM_CHANGE_USER
 * begins, which is a login of its own, and whether all that the client asked for has been answered.
 *
 * A command is a packet `uint24 length | sequence id 0 | command u8 | ...`. The same bytes may be a piece of a file: a
 * client that uploads one (LOAD DATA LOCAL) counts its packets on, modulo 256, from the packet that asked for it.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/my__command_8h.html
 */
import { COM_CHANGE_USER } from './change-user.js';
import { HEADER_LENGTH, MAX_PAYLOAD_LENGTH, payloadLengthAt, sequenceIdAt } from './framing.js';
import { ReplyKind } from './pending-replies.js';
import { ReplyTracker } from './reply-tracker.js';

const COM_QUIT = 0x01;

/**
 * Commands, as bits, whose traces in a session a COM_RESET_CONNECTION takes away. Not among them is all that has to do with
 * replication and COM_SET_OPTION, whose setting outlives even a change of user.
 */
const TRACELESS_COMMANDS =
  bitOf(0x02) | // COM_INIT_DB
  bitOf(0x03) | // COM_QUERY
  bitOf(0x04) | // COM_FIELD_LIST
  bitOf(0x07) | // COM_REFRESH
  bitOf(0x09) | // COM_STATISTICS
  bitOf(0x0a) | // COM_PROCESS_INFO
  bitOf(0x0c) | // COM_PROCESS_KILL
  bitOf(0x0d) | // COM_DEBUG
  bitOf(0x0e) | // COM_PING
  bitOf(0x16) | // COM_STMT_PREPARE
  bitOf(0x17) | // COM_STMT_EXECUTE
  bitOf(0x18) | // COM_STMT_SEND_LONG_DATA
  bitOf(0x19) | // COM_STMT_CLOSE
  bitOf(0x1a) | // COM_STMT_RESET
  bitOf(0x1c) | // COM_STMT_FETCH
  bitOf(0x1f); // COM_RESET_CONNECTION

function bitOf(command: number): number {
  return 1 << command;
}

/** The commands whose reply may ask for a file. */
const COM_QUERY = 0x03;
const COM_STMT_EXECUTE = 0x17;

/** Undefined for a command that is not answered. Servers answer one that they do not know, too. */
function replyKindOf(command: number): ReplyKind | undefined {
  switch (command) {
    case 0x01: // COM_QUIT
    case 0x18: // COM_STMT_SEND_LONG_DATA
    case 0x19: // COM_STMT_CLOSE
      return undefined;
    case 0x04: // COM_FIELD_LIST
    case 0x1c: // COM_STMT_FETCH
      return ReplyKind.rows;
    case 0x09: // COM_STATISTICS
      return ReplyKind.onePacket;
    case 0x16: // COM_STMT_PREPARE
      return ReplyKind.preparedStatement;
    case 0x12: // COM_BINLOG_DUMP
    case 0x13: // COM_TABLE_DUMP
    case 0x1e: // COM_BINLOG_DUMP_GTID
    case 0x20: // COM_CLONE
    case 0x21: // COM_SUBSCRIBE_GROUP_REPLICATION_STREAM
      return ReplyKind.stream;
    default:
      return ReplyKind.result;
  }
}

/** Is told of each command as it passes, so it must be cheap, and must not throw. */
export interface CommandMeter {
  /** Milliseconds on any clock. */
  now(): number;
  /** The last byte of a command was passed on. */
  sent(command: number): void;
  /** The reply began. `sentAt` is when the command was whole, or when it began if that is still to come. */
  answered(command: number, sentAt: number): void;
}

export interface TrackerOptions {
  /**
   * Where the packets can not be followed any more, everything passes: no password can be had by what is not understood.
   * Otherwise a COM_CHANGE_USER is still stopped.
   */
  readonly passesWhenLost?: boolean;
  /** Whoever is on the server's wire may say anything to have a command taken for something else, and could have a password by it. */
  readonly isExposed?: boolean;
  /** A COM_QUIT that leaves nothing behind is not passed on: the server's connection may serve another client. */
  readonly stopsAtQuit?: boolean;
  readonly meter?: CommandMeter | undefined;
}

const NONE = -1;

/** Both directions must be given in the order in which they travel: a reply before the client can see it. */
export class CommandTracker {
  readonly #replies: ReplyTracker;
  readonly #isExposed: boolean;
  readonly #meter: CommandMeter | undefined;
  readonly #passesWhenLost: boolean;
  readonly #stopsAtQuit: boolean;
  #isAtChangeUser = false;
  #isAtQuit = false;
  #leavesTraces = false;
  /** The latest packet is continued by the next one, which begins nothing. */
  #isContinued = false;
  /** Bytes of the latest packet that have not been passed on yet. */
  #payloadLeft = 0;
  #latestSequenceId = 0;
  #latestIsAnswered = false;
  #latestCommand = 0;
  /** The command whose last byte has not been passed on yet, or NONE. */
  #unfinishedCommand = NONE;

  /** `capabilities`: those that client and server agreed on. */
  constructor(
    capabilities: number,
    { isExposed = false, passesWhenLost = false, stopsAtQuit = false, meter }: TrackerOptions = {},
  ) {
    this.#replies = new ReplyTracker(
      capabilities,
      meter && ((command, sentAt) => meter.answered(command, sentAt)),
    );
    this.#passesWhenLost = passesWhenLost;
    this.#isExposed = isExposed;
    this.#stopsAtQuit = stopsAtQuit;
    this.#meter = meter;
  }

  /** The client's next command is a COM_CHANGE_USER: nothing is passed on until `changeUserDone`. */
  get isAtChangeUser(): boolean {
    return this.#isAtChangeUser;
  }

  /**
   * The client has left with a COM_QUIT, which has not been passed on, and the server's session is idle, outside of a
   * transaction, and had no command whose traces can not be taken away. With `stopsAtQuit` only.
   */
  get isAtQuit(): boolean {
    return this.#isAtQuit;
  }

  /** Every command passed on so far was passed on whole, and has its whole reply. */
  get isIdle(): boolean {
    return this.#replies.isIdle && this.#payloadLeft === 0 && !this.#isContinued;
  }

  /** The server waits for a command, and has said that no transaction is open. Not known of a stream, or when lost. */
  get isOutsideTransaction(): boolean {
    return this.isIdle && !this.#replies.isTransactionOpen;
  }

  /** A replication dump or a clone has begun: everything passes, on an exposed leg but for a COM_CHANGE_USER. */
  get isStream(): boolean {
    return this.#replies.isStream;
  }

  /**
   * A peer left the protocol as it is known here: replies can't be told apart any more. Everything passes but, unless
   * `passesWhenLost`, what looks like a COM_CHANGE_USER.
   */
  get isLost(): boolean {
    return this.#replies.isLost;
  }

  /** Lost on an exposed leg, where somebody may have wanted that: nothing more may pass, in either direction. */
  get mustEnd(): boolean {
    return this.#isExposed && this.isLost;
  }

  /**
   * Looks at the client's next bytes, and returns how many of them may be passed on to the server: all, or those before
   * a COM_CHANGE_USER or before the last 1-4 bytes, where these are too few to know what begins. The others are to be
   * given again, in front of what comes next.
   */
  fromClient(bytes: Buffer): number {
    const end = bytes.length;
    // Nothing but a COM_CHANGE_USER matters there, and only where someone may have made the tracker believe in a stream.
    if (this.isStream && !this.#isExposed) return end;
    if (this.isLost && this.#passesWhenLost) return end;
    if (this.#isAtChangeUser || this.#isAtQuit) return 0;
    let at = this.#payloadLeft;
    if (at > 0 && at <= end) this.#onPacketEnd(true);
    while (at + HEADER_LENGTH <= end) {
      const length = payloadLengthAt(bytes, at);
      const sequenceId = sequenceIdAt(bytes, at);
      const command = length === 0 ? 0 : bytes[at + HEADER_LENGTH];
      const goesOn = this.#isContinued;
      if (goesOn) this.#onContinuation(sequenceId);
      else if (this.#replies.isUpload) this.#replies.uploaded(sequenceId, length === 0);
      else if (command === undefined) break;
      else if (command === COM_QUIT && length === 1 && this.#canStopAtQuit(sequenceId)) break;
      else if (!this.#beginCommand(command, sequenceId)) break;
      this.#isContinued = length === MAX_PAYLOAD_LENGTH;
      at += HEADER_LENGTH + length;
      if (at <= end) this.#onPacketEnd(goesOn);
    }
    this.#payloadLeft = Math.max(at - end, 0);
    return Math.min(at, end);
  }

  /** Looks at the server's next bytes, all of which may be passed on to the client unless `mustEnd` then. */
  fromServer(bytes: Buffer): void {
    if (this.isStream || this.isLost) return;
    this.#replies.read(bytes);
    const isMisread =
      (this.#replies.isUpload && !this.#canUpload()) || (this.#replies.isStream && this.#isAtChangeUser);
    if (isMisread) this.#replies.lose();
  }

  /** The dialogue was had elsewhere: the client's next bytes begin a command again. */
  changeUserDone(): void {
    this.#isAtChangeUser = false;
  }

  /** False where it must not be passed on. */
  #beginCommand(command: number, sequenceId: number): boolean {
    if (command === COM_CHANGE_USER && sequenceId === 0) {
      this.#isAtChangeUser = true;
      return false;
    }
    if (this.isStream) return true;
    if (sequenceId !== 0) {
      this.#replies.lose();
      return true;
    }
    this.#unfinishedCommand = command;
    if (this.isLost) return true;
    if (command > 0x1f || ((TRACELESS_COMMANDS >>> command) & 1) === 0) this.#leavesTraces = true;
    this.#latestSequenceId = 0;
    this.#latestCommand = command;
    const kind = replyKindOf(command);
    this.#latestIsAnswered = kind !== undefined;
    if (kind !== undefined) this.#replies.expect(command, kind, this.#meter?.now() ?? 0);
    return true;
  }

  #canStopAtQuit(sequenceId: number): boolean {
    const replies = this.#replies;
    if (!this.#stopsAtQuit || this.#leavesTraces || sequenceId !== 0) return false;
    if (!replies.isIdle || replies.isTransactionOpen) return false;
    this.#isAtQuit = true;
    this.#meter?.sent(COM_QUIT);
    return true;
  }

  /** A packet of the client has been passed on whole; `late`: after the command had begun in an earlier piece. */
  #onPacketEnd(late: boolean): void {
    if (this.#unfinishedCommand === NONE || this.#isContinued) return;
    if (late && this.#meter !== undefined && this.#latestIsAnswered)
      this.#replies.commandEnds(this.#meter.now());
    this.#meter?.sent(this.#unfinishedCommand);
    this.#unfinishedCommand = NONE;
  }

  #onContinuation(sequenceId: number): void {
    if (this.isLost || this.isStream) return;
    if (this.#replies.isUpload) {
      this.#replies.uploaded(sequenceId, false);
      return;
    }
    this.#latestSequenceId = (this.#latestSequenceId + 1) & 0xff;
    if (sequenceId !== this.#latestSequenceId) this.#replies.lose();
    else if (this.#latestIsAnswered) this.#replies.commandGoesOn(sequenceId);
  }

  /** Whether what the server asks for can only come next: other commands behind the one in question would be read as it. */
  #canUpload(): boolean {
    if (this.#latestCommand !== COM_QUERY && this.#latestCommand !== COM_STMT_EXECUTE) return false;
    // A command begins with 0, and a client that ignored the request would go on with one.
    if (this.#isExposed && this.#replies.nextSequenceId === 0) return false;
    return this.#replies.pendingReplies === 0 && this.#latestIsAnswered && this.#isBetweenPackets();
  }

  #isBetweenPackets(): boolean {
    return this.#payloadLeft === 0 && !this.#isContinued && !this.#isAtChangeUser;
  }
}
