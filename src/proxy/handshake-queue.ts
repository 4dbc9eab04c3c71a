/**
 * Handshakes of one route. Each holds a connection of the server before anyone knows who the client is, so only so many are
 * under way at once. More wait here, where they cost next to nothing, and as long as someone waits, handshakes whose client keeps
 * silent are ended early.
 *
 * Of those that wait, addresses with the fewest handshakes come first; for those of one address see waiting-line.ts.
 */
import { ProxyError } from '../errors.js';
import type { Pace } from './pace.js';
import { WaitingLine } from './waiting-line.js';

/** How long a handshake may take although others wait, in milliseconds: several round trips to another continent. */
const PATIENCE_MS = 500;

/** How often is looked for handshakes to end, or to refuse, as long as someone waits, in milliseconds. */
const LOOK_MS = 100;

/**
 * How many of those that waited too long are refused between two looks; and how many when the slots are held by clients that come to
 * nothing: those that are refused then come again at once, and would leave no slot to others.
 */
const REFUSALS_PER_LOOK = 50;
const REFUSALS_PER_LOOK_IN_FLOOD = 2;

/** Between two looks. Where the server fails to answer they are many at once, but not again and again. */
const FRUITLESS_IN_FLOOD = 5;

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
  /** From one slot that is free because a handshake came to nothing to the next. Those of clients that have logged in are free at once. */
  readonly failures: Pace<object>;
  readonly refusals: Pace<object>;
}

/** Of one connection. */
export interface Ticket {
  readonly isWaiting: boolean;
  /** Resolves when its handshake may begin. Rejects with the ProxyError that the client is to be told. Pending where it ended before. */
  readonly mayBegin: Promise<void>;
  /** The client has sent something before it was greeted, which no MySQL client does: all others come first. */
  spoke(): void;
  /** Its handshake is over, or does not begin any more. May be called again, without effect. */
  ended(hasSession: boolean): void;
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
  readonly #lines = new Map<string, Line>();
  /** In the order in which they began. */
  readonly #inHandshake = new Set<Entry>();
  #handshakes = 0;
  #waiting = 0;
  /** Handshakes that came to nothing since the last look. */
  #fruitless = 0;
  #timer: NodeJS.Timeout | undefined;
  #isBeginning = false;

  /** `now`: milliseconds on a clock that never goes back. */
  constructor(limits: () => QueueLimits, paces: Paces, now: () => number) {
    this.#limits = limits;
    this.#paces = paces;
    this.#now = now;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** `hurry` is called, maybe several times, when others wait: a handshake that waits for its client should then end. */
  enter(origin: Origin, hurry: () => void): Ticket {
    const line = this.#lineOf(origin);
    const entry: Entry = { line, begin: () => {}, refuse: () => {}, hurry, since: this.#now() };
    const mayBegin = new Promise<void>((resolve, reject) => {
      entry.begin = resolve;
      entry.refuse = reject;
    });
    if (this.#hasSlot() && this.#hasSlotInRoute(line)) this.#begin(entry);
    else this.#wait(entry);
    return {
      get isWaiting() {
        return line.waiting.has(entry);
      },
      mayBegin,
      spoke: () => line.waiting.suspect(entry),
      ended: (hasSession) => {
        this.#stopWaiting(entry);
        this.#end(entry, hasSession);
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
      this.#beginFirst();
      this.beginNext();
    });
  }

  refuseAll(error: ProxyError): void {
    for (const entry of this.#allWaiting()) this.#refuse(entry, error);
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

  #hasSlot(): boolean {
    return this.#handshakes < this.#limits().ofRoute;
  }

  #hasSlotInRoute({ origin, handshakes }: Line): boolean {
    const { ofAddress } = this.#limits();
    return !origin.isAddress || ofAddress === undefined || handshakes < ofAddress;
  }

  #begin(entry: Entry): void {
    entry.since = this.#now();
    this.#inHandshake.add(entry);
    this.#handshakes += 1;
    entry.line.handshakes += 1;
    entry.begin();
  }

  #end(entry: Entry, hasSession: boolean): void {
    if (!this.#inHandshake.delete(entry)) return;
    const freeSlot = () => {
      this.#handshakes -= 1;
      entry.line.handshakes -= 1;
      this.#forgetIfEmpty(entry.line);
      this.beginNext();
    };
    if (!hasSession) this.#fruitless += 1;
    if (hasSession || this.#waiting === 0) freeSlot();
    else this.#paces.failures.add(entry, freeSlot);
  }

  #wait(entry: Entry): void {
    this.#waiting += 1;
    entry.line.waiting.add(entry);
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  /** Returns whether it was waiting. */
  #stopWaiting(entry: Entry): boolean {
    if (!entry.line.waiting.delete(entry)) return false;
    this.#waiting -= 1;
    this.#forgetIfEmpty(entry.line);
    return true;
  }

  #beginFirst(): void {
    if (!this.#hasSlot()) return;
    let first: Line | undefined;
    for (const line of this.#lines.values()) {
      if (line.waiting.size === 0 || !this.#hasSlotInRoute(line)) continue;
      if (first === undefined || line.handshakes < first.handshakes) first = line;
    }
    if (first === undefined) return;
    this.#waiting -= 1;
    this.#begin(first.waiting.take());
  }

  #allWaiting(): readonly Entry[] {
    return [...this.#lines.values()].flatMap(({ waiting }) => [...waiting]);
  }

  /** For those that wait. */
  #look(): void {
    const now = this.#now();
    const isFlood = this.#fruitless > FRUITLESS_IN_FLOOD;
    this.#fruitless = 0;
    this.#refuseLate(now, isFlood ? REFUSALS_PER_LOOK_IN_FLOOD : REFUSALS_PER_LOOK);
    if (this.#waiting > 0) {
      this.#hurrySilent(now - PATIENCE_MS);
      return;
    }
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #hurrySilent(beganBefore: number): void {
    for (const entry of this.#inHandshake) {
      if (entry.since > beganBefore) return;
      this.#paces.hurries.add(entry, () => {
        if (this.#inHandshake.has(entry) && this.#waiting > 0) entry.hurry();
      });
    }
  }

  #refuseLate(now: number, most: number): void {
    const { timeoutMs } = this.#limits();
    const late = this.#allWaiting()
      .filter(({ since }) => since <= now - timeoutMs)
      .slice(0, most);
    const what = `Too many connections: ${this.#handshakes} handshakes were under way for ${timeoutMs / 1000} s`;
    for (const entry of late) {
      this.#paces.refusals.add(entry, () => this.#refuse(entry, new ProxyError('handshake_not_begun', what)));
    }
  }

  #refuse(entry: Entry, error: ProxyError): void {
    if (this.#stopWaiting(entry)) entry.refuse(error);
  }
}
