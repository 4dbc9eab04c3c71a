/**
 * Those of one origin that wait, and who of them is next.
 *
 * In a flood whoever came first waits for nobody any more, and those that are turned away come again at once. So those come first that
 * came last: in turn the very last one, which gets in quickest, and the first of the few that came last, so that one that others
 * follow gets in as well.
 */

/** How many of those that came last take turns. All of them get in within a second where 100 do in the same time. */
const FRESH = 64;

export class WaitingLine<Entry> {
  /** Each in the order in which they came. */
  readonly #fresh = new Set<Entry>();
  /** More than a few came after them. */
  readonly #stale = new Set<Entry>();
  /** All others come first. */
  readonly #suspects = new Set<Entry>();
  /** As they are served, last first. */
  readonly #parts = [this.#suspects, this.#stale, this.#fresh];
  #takesNewest = false;

  get size(): number {
    return this.#parts.reduce((sum, { size }) => sum + size, 0);
  }

  has(entry: Entry): boolean {
    return this.#parts.some((part) => part.has(entry));
  }

  add(entry: Entry): void {
    this.#fresh.add(entry);
    if (this.#fresh.size <= FRESH) return;
    const oldest = firstOf(this.#fresh);
    this.#fresh.delete(oldest);
    this.#stale.add(oldest);
  }

  /** Lets all others come first. Does nothing to one that is not in the line. */
  suspect(entry: Entry): void {
    if (this.delete(entry)) this.#suspects.add(entry);
  }

  /** Returns whether it was in the line. */
  delete(entry: Entry): boolean {
    return this.#parts.some((part) => part.delete(entry));
  }

  /** Takes the next one out. The line must not be empty. */
  take(): Entry {
    const next = this.#next();
    this.delete(next);
    return next;
  }

  /** Those that came first, first; suspects before all. */
  *[Symbol.iterator](): Iterator<Entry> {
    for (const part of this.#parts) yield* part;
  }

  #next(): Entry {
    if (this.#fresh.size > 0) {
      this.#takesNewest = !this.#takesNewest;
      return this.#takesNewest ? lastOf(this.#fresh) : firstOf(this.#fresh);
    }
    return this.#stale.size > 0 ? lastOf(this.#stale) : firstOf(this.#suspects);
  }
}

function firstOf<Entry>(entries: Iterable<Entry>): Entry {
  for (const entry of entries) return entry;
  throw new Error('the next one of an empty line');
}

function lastOf<Entry>(entries: Iterable<Entry>): Entry {
  return firstOf([...entries].reverse());
}
