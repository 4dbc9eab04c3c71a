/**
 * Those of one origin that wait, and who of them is next.
 *
 * In a flood whoever came first waits for nobody any more, and those that are turned away come again at once. So those come first that
 * came last: in turn the very last one, which gets in quickest, and the first of the few that came last, so that one that others
 * follow gets in as well.
 */

/** How many of those that came last take turns. All of them get in within half a second where 16 do in a second. */
const FRESH = 4;

export class WaitingLine<Entry> {
  /** Each in the order in which they came. */
  readonly #fresh = new Set<Entry>();
  /** More than a few came after them. */
  readonly #stale = new Set<Entry>();
  #takesNewest = false;

  get size(): number {
    return this.#fresh.size + this.#stale.size;
  }

  /** The one with the least hope; undefined where only a few wait. */
  get oldestStale(): Entry | undefined {
    const [oldest] = this.#stale;
    return oldest;
  }

  has(entry: Entry): boolean {
    return this.#fresh.has(entry) || this.#stale.has(entry);
  }

  add(entry: Entry): void {
    this.#fresh.add(entry);
    if (this.#fresh.size <= FRESH) return;
    const oldest = firstOf(this.#fresh);
    this.#fresh.delete(oldest);
    this.#stale.add(oldest);
  }

  /** Returns whether it was in the line. */
  delete(entry: Entry): boolean {
    return this.#fresh.delete(entry) || this.#stale.delete(entry);
  }

  /** Takes the next one out. The line must not be empty. */
  take(): Entry {
    const next = this.#next();
    this.delete(next);
    return next;
  }

  /** Those that came first, first. */
  *[Symbol.iterator](): Iterator<Entry> {
    yield* this.#stale;
    yield* this.#fresh;
  }

  #next(): Entry {
    if (this.#fresh.size === 0) return lastOf(this.#stale);
    this.#takesNewest = !this.#takesNewest;
    return this.#takesNewest ? lastOf(this.#fresh) : firstOf(this.#fresh);
  }
}

function firstOf<Entry>(entries: Iterable<Entry>): Entry {
  for (const entry of entries) return entry;
  throw new Error('the next one of an empty line');
}

function lastOf<Entry>(entries: Iterable<Entry>): Entry {
  return firstOf([...entries].reverse());
}
