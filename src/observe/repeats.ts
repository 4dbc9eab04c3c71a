/**
 * Keeps repeats of a failure from filling the log. Of each kind the first few in a minute are let through; the others are
 * counted, and the count is told when the minute is over, or earlier where the log ends.
 */
import type { FailureCode } from './failure-code.js';

/** Failures that are told together. */
export interface FailureKind {
  readonly code: FailureCode;
  readonly route: string;
  /** Without the port; `*` for those of many clients, of which there were too many to tell apart. */
  readonly client: string;
}

/** `count` failures were held back in the last so many seconds. */
export type Summarize = (kind: FailureKind, count: number, seconds: number) => void;

const ADMITTED_PER_MINUTE = 5;
const MINUTE_MS = 60_000;

/** Kinds that are counted one by one; beyond that, one count for each code and route. */
const MOST_KINDS = 1_000;

interface Minute {
  readonly kind: FailureKind;
  readonly startedAt: number;
  seen: number;
}

export class RepeatLimiter {
  readonly #summarize: Summarize;
  /** Milliseconds that never go back. */
  readonly #now: () => number;
  /** The one that began first comes first. */
  readonly #minutes = new Map<string, Minute>();
  #timer: NodeJS.Timeout | undefined;

  constructor(summarize: Summarize, now: () => number = () => performance.now()) {
    this.#summarize = summarize;
    this.#now = now;
  }

  /** Counts a failure, and says whether it is to be logged. */
  admits(kind: FailureKind): boolean {
    this.#endMinutes();
    const minute = this.#minuteOf(kind);
    minute.seen += 1;
    if (minute.seen <= ADMITTED_PER_MINUTE) return true;
    if (minute.seen === ADMITTED_PER_MINUTE + 1) this.#setTimer();
    return false;
  }

  /** Tells at once what was held back. */
  flush(): void {
    for (const minute of this.#minutes.values()) this.#tell(minute);
    this.#minutes.clear();
    this.#setTimer();
  }

  #minuteOf(kind: FailureKind): Minute {
    const own = this.#minutes.get(keyOf(kind));
    if (own !== undefined) return own;
    const counted = this.#minutes.size < MOST_KINDS ? kind : { ...kind, client: '*' };
    const found = this.#minutes.get(keyOf(counted));
    if (found !== undefined) return found;
    const minute = { kind: counted, startedAt: this.#now(), seen: 0 };
    this.#minutes.set(keyOf(counted), minute);
    return minute;
  }

  #endMinutes(): void {
    for (const [key, minute] of this.#minutes) {
      if (this.#now() - minute.startedAt < MINUTE_MS) break;
      this.#tell(minute);
      this.#minutes.delete(key);
    }
  }

  #tell({ kind, seen, startedAt }: Minute): void {
    const count = seen - ADMITTED_PER_MINUTE;
    const seconds = Math.ceil((this.#now() - startedAt) / 1000);
    // A minute that ends late has nothing of what came after it.
    if (count > 0) this.#summarize(kind, count, Math.min(60, Math.max(1, seconds)));
  }

  /** For the minute that is over first among those of which something was held back; none where there is none. */
  #setTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const first = [...this.#minutes.values()].find(({ seen }) => seen > ADMITTED_PER_MINUTE);
    if (first === undefined) return;
    const left = first.startedAt + MINUTE_MS - this.#now();
    this.#timer = setTimeout(() => {
      this.#endMinutes();
      this.#setTimer();
    }, left).unref();
  }
}

function keyOf({ code, route, client }: FailureKind): string {
  return `${code} ${route} ${client}`;
}
