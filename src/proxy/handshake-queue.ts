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

/**
 * From one connection that waits to the next that is watched meanwhile, in milliseconds: a session for it, and its way to a worker, cost
 * as much as a few queries each. In a flood they come by the hundred.
 */
export const WATCH_PACE_MS = 2;

/** How often is looked for handshakes to end, or to refuse, as long as someone waits, in milliseconds. */
const LOOK_MS = 100;

/**
 * How many are refused at a look: of those that waited too long, and of those that are no MySQL clients. When the slots are held by
 * clients that come to nothing, it is one of each at every fifth look: they come again at once, and would leave no slot to others.
 */
const LATE_PER_LOOK = 50;
const SUSPECTS_PER_LOOK = 2;
const LOOKS_IN_FLOOD = 5;

/** Clients that came to nothing in about the last second: what is more is a flood. */
const FRUITLESS_IN_FLOOD = 5;
/** What of their number is left at the next look. */
const FRUITLESS_LEFT = 0.9;

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
  readonly refusals: Pace<object>;
}

/** Of one connection. */
export interface Ticket {
  readonly isWaiting: boolean;
  /** Resolves when its handshake may begin. Rejects with the ProxyError that the client is to be told. Pending where it ended before. */
  readonly mayBegin: Promise<void>;
  /** The client has sent something before it was greeted, which no MySQL client does: it is refused as soon as there is time for it. */
  spoke(refusal: ProxyError): void;
  /** Its handshake is over, or does not begin any more: see `Stay.handshakeEnded`. May be called again, without effect. */
  ended(isClientsFault: boolean): void;
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
  /** No MySQL clients, with what they are told. */
  readonly #suspects = new Map<Entry, ProxyError>();
  #handshakes = 0;
  /** How many wait in lines. */
  #waiting = 0;
  /** Clients that came to nothing, the less the longer ago. */
  #fruitless = 0;
  #looks = 0;
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
    return this.#waiting + this.#suspects.size;
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
      spoke: (refusal) => {
        if (this.#stopWaiting(entry)) this.#suspects.set(entry, refusal);
      },
      ended: (isClientsFault) => {
        this.#stopWaiting(entry);
        this.#suspects.delete(entry);
        this.#end(entry, isClientsFault);
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

  /**
   * Refuses someone who waits for nothing, or with little hope, for the sake of one that comes: of that origin only, where one is
   * given. Returns whether there was one.
   */
  makeRoom(origin?: Origin): boolean {
    for (const [entry, refusal] of this.#suspects) {
      if (origin !== undefined && entry.line.origin.key !== origin.key) continue;
      this.#refuse(entry, refusal);
      return true;
    }
    const lines = origin === undefined ? this.#lines.values() : [this.#lines.get(origin.key)];
    for (const line of lines) {
      const entry = line?.waiting.oldestStale;
      if (entry === undefined) continue;
      this.#refuse(entry, this.#notBegun('and others came after'));
      return true;
    }
    return false;
  }

  refuseAll(error: ProxyError): void {
    const waiting = [...this.#lines.values()].flatMap((line) => [...line.waiting]);
    for (const entry of [...waiting, ...this.#suspects.keys()]) this.#refuse(entry, error);
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

  #end(entry: Entry, isClientsFault: boolean): void {
    if (!this.#inHandshake.delete(entry)) return;
    const freeSlot = () => {
      this.#handshakes -= 1;
      entry.line.handshakes -= 1;
      this.#forgetIfEmpty(entry.line);
      this.beginNext();
    };
    if (isClientsFault) {
      this.#fruitless += 1;
      this.#paces.failures.add(entry, () => {
        freeSlot();
        return true;
      });
    } else freeSlot();
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

  /** For those that wait. */
  #look(): void {
    const now = this.#now();
    const isFlood = this.#fruitless > FRUITLESS_IN_FLOOD;
    this.#fruitless *= FRUITLESS_LEFT;
    this.#looks += 1;
    if (!isFlood) this.#refuseSome(now, LATE_PER_LOOK, SUSPECTS_PER_LOOK);
    else if (this.#looks % LOOKS_IN_FLOOD === 0) this.#refuseSome(now, 1, 1);
    if (this.#waiting > 0) this.#hurrySilent(now - PATIENCE_MS);
    if (this.waiting > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #hurrySilent(beganBefore: number): void {
    for (const entry of this.#inHandshake) {
      if (entry.since > beganBefore) return;
      this.#paces.hurries.add(entry, () => {
        if (!this.#inHandshake.has(entry) || this.#waiting === 0) return false;
        entry.hurry();
        return true;
      });
    }
  }

  #refuseSome(now: number, late: number, suspects: number): void {
    const { timeoutMs } = this.#limits();
    for (const entry of this.#late(now - timeoutMs, late)) {
      this.#paces.refusals.add(entry, () => this.#refuse(entry, this.#notBegun(`for ${timeoutMs / 1000} s`)));
    }
    for (const [entry, refusal] of [...this.#suspects].slice(0, suspects)) this.#refuse(entry, refusal);
  }

  #notBegun(what: string): ProxyError {
    return new ProxyError(
      'handshake_not_begun',
      `Too many connections: ${this.#handshakes} handshakes were under way ${what}`,
    );
  }

  #late(cameBefore: number, most: number): readonly Entry[] {
    const late: Entry[] = [];
    for (const { waiting } of this.#lines.values()) {
      for (const entry of waiting) {
        if (entry.since > cameBefore) break;
        if (late.length === most) return late;
        late.push(entry);
      }
    }
    return late;
  }

  /** Returns whether it was waiting. */
  #refuse(entry: Entry, error: ProxyError): boolean {
    if (!this.#stopWaiting(entry) && !this.#suspects.delete(entry)) return false;
    entry.refuse(error);
    return true;
  }
}
