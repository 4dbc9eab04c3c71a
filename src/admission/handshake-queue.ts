/**
 * Handshakes of one route. Each holds a connection of the server before anyone knows who the client is, so only so many are
 * under way at once. More wait here, where they cost next to nothing, and as long as someone waits, handshakes whose client keeps
 * silent are ended early.
 *
 * Of those that wait, addresses with the fewest handshakes come first, then those that had their last turn longest ago; for those of
 * one address see waiting-line.ts.
 */
import { ProxyError } from '../errors.js';
import { FadingCount } from './fading-count.js';
import type { Pace } from './pace.js';
import { Suspects } from './suspects.js';
import { WaitingLine } from './waiting-line.js';

/** How long a client may take for each of its answers although others wait, in milliseconds: several round trips to another continent. */
export const PATIENCE_MS = 500;

/**
 * From one connection that waits to the next that is watched meanwhile, in milliseconds: a session for it, and its way to a worker, cost
 * as much as a few queries each. In a flood they come by the hundred.
 */
export const WATCH_PACE_MS = 2;

/** How often is looked for handshakes to end, or to refuse, as long as someone waits, in milliseconds. */
const LOOK_MS = 100;

/** How many are refused at a look: of those that waited too long, and of those that are no MySQL clients. */
const LATE_PER_LOOK = 50;
const SUSPECTS_PER_LOOK = 2;
const LAST_SUSPECTS_PER_LOOK = 50;

/**
 * After how many looks one is refused in a flood. It comes again at once: where others wait, each takes a slot from them that nobody
 * has given back.
 */
const LOOKS_IN_FLOOD = 5;
const LOOKS_IN_FLOOD_WITH_WAITING = 20;

/** It is a flood when more clients came to nothing in about the last second, or when more that are no MySQL clients are still there. */
const FRUITLESS_IN_FLOOD = 5;
const SUSPECTS_IN_FLOOD = 50;

export interface QueueLimits {
  /** Handshakes at once. */
  readonly ofRoute: number;
  readonly ofAddress: number | undefined;
  /** How long one waits at most until it is refused, in milliseconds. */
  readonly timeoutMs: number;
}

/** Shared by all routes: one process does the work of all. */
export interface Paces {
  /** From one handshake that is hurried to the next. */
  readonly hurries: Pace<object>;
  /** From one slot that is free because a client came to nothing to the next. Others are free at once. */
  readonly failures: Pace<object>;
  /** The same, where more wait than there are slots. */
  readonly failuresInFlood: Pace<object>;
  /** From one that waited too long and is refused to the next. */
  readonly refusals: Pace<object>;
}

/** Of one connection, from its arrival to its end. What is called once may be called again, without effect. */
export interface Stay {
  /** It has come in, and its handshake may not begin yet. */
  readonly isWaiting: boolean;
  /** Resolves when its handshake may begin. Rejects with the ProxyError that the client is to be told. Pending where it ended before. */
  readonly mayBegin: Promise<void>;
  /**
   * Resolves when a client that does not speak MySQL may be told so: it has no slot any more. In a flood of such clients, which come
   * again as soon as they are told, one is told after the other. Pending where its connection ended before.
   */
  mayBeRefused(): Promise<void>;
  /** Its handshake is over. `isClientsFault`: it came to nothing, and neither the server nor the proxy is to blame. */
  handshakeEnded(isClientsFault: boolean): void;
  /** Its connection is over, at whatever point. */
  ended(): void;
}

/** Where clients come from. */
export interface Origin {
  /** Of the address, or of whatever else counts as one. */
  readonly key: string;
  /** The limit of an address holds for it. */
  readonly isAddress: boolean;
}

interface Entry {
  readonly line: Line;
  begin: () => void;
  refuse: (error: ProxyError) => void;
  /** Others wait: a handshake that waits for its client should end. May come several times. */
  readonly hurry: () => void;
  readonly onEnd: () => void;
  /** It counts as a connection: until it has ended, or has made room for another one. */
  counts: boolean;
  /** When it came, then when its handshake began. */
  since: number;
}

/** Those of one origin. */
interface Line {
  readonly origin: Origin;
  handshakes: number;
  readonly waiting: WaitingLine<Entry>;
}

export class HandshakeQueue {
  readonly #limits: () => QueueLimits;
  readonly #paces: Paces;
  readonly #now: () => number;
  /** The one that had its last turn longest ago first: where there are more addresses than slots, all have one. */
  readonly #lines = new Map<string, Line>();
  /** In the order in which they began. */
  readonly #inHandshake = new Set<Entry>();
  readonly #suspects = new Suspects<Entry>();
  #handshakes = 0;
  /** How many wait in lines. */
  #waiting = 0;
  readonly #fruitless: FadingCount;
  #looks = 0;
  #timer: NodeJS.Timeout | undefined;
  #isBeginning = false;
  #areAllHere = false;

  /** `now`: milliseconds on a clock that never goes back. */
  constructor(limits: () => QueueLimits, paces: Paces, now: () => number) {
    this.#limits = limits;
    this.#paces = paces;
    this.#now = now;
    this.#fruitless = new FadingCount(now);
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting + this.#suspects.size;
  }

  /**
   * `hurry` is called, maybe several times, when others wait: a handshake that waits for its client should then end. `onEnd` is
   * called once, when the connection is over, or has made room for another one.
   */
  enter(origin: Origin, hurry: () => void, onEnd: () => void): Stay {
    const line = this.#lineOf(origin);
    const entry: Entry = {
      line,
      begin: () => {},
      refuse: () => {},
      hurry,
      onEnd,
      counts: true,
      since: this.#now(),
    };
    const mayBegin = new Promise<void>((resolve, reject) => {
      entry.begin = resolve;
      entry.refuse = reject;
    });
    if (this.#waiting === 0 && this.#hasSlot() && this.#addressMayHaveOneMore(line)) this.#begin(entry);
    else this.#wait(entry);
    return {
      get isWaiting() {
        return line.waiting.has(entry);
      },
      mayBegin,
      mayBeRefused: () => this.#mayBeRefused(entry),
      handshakeEnded: (isClientsFault) => {
        this.#stopWaiting(entry);
        this.#end(entry, isClientsFault);
      },
      ended: () => {
        this.#stopWaiting(entry);
        this.#suspects.delete(entry);
        this.#end(entry, true);
        this.#release(entry);
      },
    };
  }

  /** One at a time, as slots are free. To be called where limits have grown. */
  beginNext(): void {
    if (this.#isBeginning || this.#waiting === 0 || !this.#hasSlot()) return;
    this.#isBeginning = true;
    // In a turn of the event loop each: sessions have theirs in between.
    setImmediate(() => {
      this.#isBeginning = false;
      if (this.#beginFirst()) this.beginNext();
    });
  }

  /**
   * Refuses someone who waits for nothing, or with little hope, for the sake of one that comes: of that origin only, where one is
   * given. Returns whether there was one. It counts no more, however long it takes to leave: or an address would have more than it
   * may have, and others none.
   */
  makeRoom(origin?: Origin): boolean {
    const suspect = this.#suspects.tellOne(
      ({ line }) => origin === undefined || line.origin.key === origin.key,
    );
    if (suspect !== undefined) {
      this.#release(suspect);
      return true;
    }
    const lines = origin === undefined ? this.#lines.values() : [this.#lines.get(origin.key)];
    for (const line of lines) {
      const entry = line?.waiting.oldestStale;
      if (entry === undefined) continue;
      this.#refuse(entry, this.#notBegun('and others came after'));
      this.#release(entry);
      return true;
    }
    return false;
  }

  /** Nobody comes any more: there is no flood then, and those that are told something do not come again. */
  allAreHere(): void {
    this.#areAllHere = true;
  }

  refuseAll(error: ProxyError): void {
    for (const { waiting } of [...this.#lines.values()])
      for (const entry of [...waiting]) this.#refuse(entry, error);
    this.#suspects.tellAll();
  }

  #lineOf(origin: Origin): Line {
    let line = this.#lines.get(origin.key);
    if (line === undefined) {
      line = { origin, handshakes: 0, waiting: new WaitingLine() };
      this.#lines.set(origin.key, line);
    }
    return line;
  }

  #forgetIfEmpty({ origin, handshakes, waiting }: Line): void {
    if (handshakes + waiting.size === 0) this.#lines.delete(origin.key);
  }

  #release(entry: Entry): void {
    if (!entry.counts) return;
    entry.counts = false;
    entry.onEnd();
  }

  #hasSlot(): boolean {
    return this.#handshakes < this.#limits().ofRoute;
  }

  #addressMayHaveOneMore({ origin, handshakes }: Line): boolean {
    const { ofAddress } = this.#limits();
    return !origin.isAddress || ofAddress === undefined || handshakes < ofAddress;
  }

  #begin(entry: Entry): void {
    const { line } = entry;
    entry.since = this.#now();
    this.#inHandshake.add(entry);
    this.#handshakes += 1;
    line.handshakes += 1;
    this.#lines.delete(line.origin.key);
    this.#lines.set(line.origin.key, line);
    entry.begin();
  }

  #end(entry: Entry, isClientsFault: boolean): void {
    if (!this.#inHandshake.delete(entry)) return;
    const freeSlot = () => {
      this.#handshakes -= 1;
      entry.line.handshakes -= 1;
      this.#forgetIfEmpty(entry.line);
      this.beginNext();
    };
    if (isClientsFault) {
      this.#fruitless.add();
      const pace = this.waiting > this.#limits().ofRoute ? this.#paces.failuresInFlood : this.#paces.failures;
      pace.add(entry, () => {
        freeSlot();
        return true;
      });
    } else freeSlot();
  }

  #wait(entry: Entry): void {
    this.#waiting += 1;
    entry.line.waiting.add(entry);
    this.#startLooking();
    // There may be a slot that those before it may not have.
    this.beginNext();
  }

  #startLooking(): void {
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  #mayBeRefused(entry: Entry): Promise<void> {
    const wasWaiting = this.#stopWaiting(entry);
    // One that has made room already can not make any again.
    if (!entry.counts || (!wasWaiting && !this.#isFlood)) return Promise.resolve();
    if (wasWaiting) this.#fruitless.add();
    this.#startLooking();
    return this.#suspects.add(entry);
  }

  get #isFlood(): boolean {
    if (this.#areAllHere) return false;
    return this.#fruitless.value > FRUITLESS_IN_FLOOD || this.#suspects.size > SUSPECTS_IN_FLOOD;
  }

  /** Returns whether it was waiting. */
  #stopWaiting(entry: Entry): boolean {
    if (!entry.line.waiting.delete(entry)) return false;
    this.#waiting -= 1;
    this.#forgetIfEmpty(entry.line);
    return true;
  }

  /** Returns whether one could begin: all that wait may be of addresses that have as many as they may. */
  #beginFirst(): boolean {
    if (!this.#hasSlot()) return false;
    let first: Line | undefined;
    for (const line of this.#lines.values()) {
      if (line.waiting.size === 0 || !this.#addressMayHaveOneMore(line)) continue;
      if (first === undefined || line.handshakes < first.handshakes) first = line;
    }
    if (first === undefined) return false;
    this.#waiting -= 1;
    this.#begin(first.waiting.take());
    return true;
  }

  /** For those that wait. */
  #look(): void {
    const now = this.#now();
    this.#looks += 1;
    const looks = this.#waiting > 0 ? LOOKS_IN_FLOOD_WITH_WAITING : LOOKS_IN_FLOOD;
    if (!this.#isFlood) this.#refuseSome(now);
    else if (this.#looks % looks === 0) this.#refuseOne(now);
    if (this.#waiting > 0) this.#hurrySilent(now - PATIENCE_MS);
    if (this.waiting > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #hurrySilent(beganBefore: number): void {
    for (const entry of this.#inHandshake) {
      if (entry.since > beganBefore) return;
      this.#paces.hurries.add(entry, () => {
        if (!this.#inHandshake.has(entry) || !this.#isInTheWay(entry)) return false;
        entry.hurry();
        return true;
      });
    }
  }

  /** Those of an address that has as many as it may wait for those of their address alone. */
  #isInTheWay({ line }: Entry): boolean {
    if (line.waiting.size > 0) return true;
    for (const other of this.#lines.values())
      if (other.waiting.size > 0 && this.#addressMayHaveOneMore(other)) return true;
    return false;
  }

  #refuseSome(now: number): void {
    for (const entry of this.#late(now).slice(0, LATE_PER_LOOK))
      this.#paces.refusals.add(entry, () => this.#refuseLate(entry));
    const suspects = this.#areAllHere ? LAST_SUSPECTS_PER_LOOK : SUSPECTS_PER_LOOK;
    for (let suspect = 0; suspect < suspects; suspect++) this.#suspects.tellOne();
  }

  /** The one that has waited too long since a moment ago: those that came with the flood have nothing to hear. */
  #refuseOne(now: number): void {
    const late = this.#late(now).reduce<Entry | undefined>(
      (last, entry) => (last === undefined || entry.since > last.since ? entry : last),
      undefined,
    );
    if (late !== undefined) this.#refuseLate(late);
    else this.#suspects.tellOne();
  }

  #refuseLate(entry: Entry): boolean {
    return this.#refuse(entry, this.#notBegun(`for ${this.#limits().timeoutMs / 1000} s`));
  }

  #notBegun(what: string): ProxyError {
    return new ProxyError(
      'handshake_not_begun',
      `Too many connections: ${this.#handshakes} handshakes were under way ${what}`,
    );
  }

  #late(now: number): readonly Entry[] {
    const cameBefore = now - this.#limits().timeoutMs;
    const late: Entry[] = [];
    for (const { waiting } of this.#lines.values()) {
      for (const entry of waiting) {
        if (entry.since > cameBefore) break;
        late.push(entry);
      }
    }
    return late;
  }

  /** Returns whether it was waiting. */
  #refuse(entry: Entry, error: ProxyError): boolean {
    if (!this.#stopWaiting(entry)) return false;
    entry.refuse(error);
    return true;
  }
}
