/** Packets of the command phase, built byte by byte, and a tracker that is used as the proxy uses it. */
import { CommandTracker, type TrackerOptions } from '../../src/wire/command-tracker.js';

export const DEPRECATE_EOF = 0x0100_0000;
export const OPTIONAL_METADATA = 0x0200_0000;

export const MORE_RESULTS = 0x0008;
export const CURSOR_EXISTS = 0x0040;

export const bytes = (...values: number[]): Buffer => Buffer.from(values);

/** Cut into packets where it is long: 0xffffff bytes each but the last, which may be empty. */
export function packet(sequenceId: number, payload: Buffer | string): Buffer {
  const all = Buffer.from(payload as string, 'latin1');
  const pieces: Buffer[] = [];
  for (let at = 0, id = sequenceId; at <= all.length; at += 0xffffff, id++) {
    const piece = all.subarray(at, at + 0xffffff);
    const header = Buffer.alloc(4);
    header.writeUIntLE(piece.length, 0, 3);
    header.writeUInt8(id & 0xff, 3);
    pieces.push(header, piece);
  }
  return pieces.length === 2 && all.length === 0 ? (pieces[0] ?? all) : Buffer.concat(pieces);
}

/** Consecutive packets from a sequence id on. */
export const packets = (firstSequenceId: number, ...payloads: (Buffer | string)[]): Buffer =>
  Buffer.concat(payloads.map((payload, index) => packet(firstSequenceId + index, payload)));

export const command = (code: number, argument = ''): Buffer =>
  packet(0, Buffer.concat([bytes(code), Buffer.from(argument)]));
export const QUERY = command(0x03, 'SELECT 1');
export const CHANGE_USER = command(0x11, 'app\0\0shop\0');

export const ok = (status = 2): Buffer => bytes(0, 0, 0, status, 0, 0, 0);
export const eof = (status = 2): Buffer => bytes(0xfe, 0, 0, status, 0);
/** The OK packet that stands for an EOF, with long integers and some session state. */
export const okAsEof = (status = 2): Buffer =>
  Buffer.concat([
    bytes(0xfe, 0xfc, 1, 1, 0xfe, 1, 2, 3, 4, 5, 6, 7, 8, status, 0x40, 0, 0),
    Buffer.from('some session state'),
  ]);
export const err = (errno = 1064): Buffer =>
  Buffer.concat([bytes(0xff, errno & 0xff, errno >>> 8), Buffer.from('#42000You have an error')]);
export const progressReport = Buffer.from('\xff\xff\xff\x01\x01\x02\x10\x27\x00\x04copy', 'latin1');
export const definition = Buffer.from(
  '\x03def\x04shop\x04item\x04item\x02id\x02id\x0c\x3f\x00\x0b\x00\x00\x00\x03',
  'latin1',
);
export const row = (text: string): Buffer => Buffer.concat([bytes(text.length), Buffer.from(text)]);
export const nullRow = bytes(0xfb, 1, 65);

/** Holds back what the tracker does not let pass, and gives it again. */
export class TrackedConnection {
  readonly tracker: CommandTracker;
  #held: Buffer = Buffer.alloc(0);

  constructor(capabilities = 0, options: TrackerOptions = {}) {
    this.tracker = new CommandTracker(capabilities, options);
  }

  fromClient(piece: Buffer): void {
    const offered = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece]);
    const allowed = this.tracker.fromClient(offered);
    this.#held = offered.subarray(allowed);
  }

  fromServer(piece: Buffer): void {
    this.tracker.fromServer(piece);
  }

  /** What the tracker says, in words, and how many of the client's bytes wait. */
  get state(): string {
    const { isAtChangeUser, isIdle, isStream, isLost } = this.tracker;
    const words = { isAtChangeUser, isIdle, isStream, isLost };
    const said = Object.entries(words).flatMap(([word, is]) => (is ? [word] : []));
    return `${said.join(' ') || 'isBusy'}, holds ${this.#held.length}`;
  }
}
