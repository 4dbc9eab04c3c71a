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
  readonly #fresh: Entry[] = [];
  /** More than a few came after them. */
  readonly #stale = new Set<Entry>();
  #takesNewest = false;

  get size(): number {
    return this.#fresh.length + this.#stale.size;
  }

  /** The one with the least hope; undefined where only a few wait. */
  get oldestStale(): Entry | undefined {
    const [oldest] = this.#stale;
    return oldest;
  }

  has(entry: Entry): boolean {
    return this.#fresh.includes(entry) || this.#stale.has(entry);
  }

  add(entry: Entry): void {
    this.#fresh.push(entry);
    const [oldest] = this.#fresh;
    if (oldest === undefined || this.#fresh.length <= FRESH) return;
    this.#fresh.shift();
    this.#stale.add(oldest);
  }

  /** Takes out one that waits no more. One that it stood in the way of takes its place. Returns whether it was in the line. */
  delete(entry: Entry): boolean {
    if (this.#stale.delete(entry)) return true;
    if (!this.#fresh.includes(entry)) return false;
    this.#fresh.splice(this.#fresh.indexOf(entry), 1);
    const latestStale = lastOf(this.#stale);
    if (latestStale === undefined) return true;
    this.#stale.delete(latestStale);
    this.#fresh.unshift(latestStale);
    return true;
  }

  /** Takes the next one out. The line must not be empty. */
  take(): Entry {
    this.#takesNewest = !this.#takesNewest;
    const next = this.#takesNewest ? this.#fresh.pop() : this.#fresh.shift();
    if (next !== undefined) return next;
    const latestStale = lastOf(this.#stale);
    if (latestStale === undefined) throw new Error('the next one of an empty line');
    this.#stale.delete(latestStale);
    return latestStale;
  }

  /** Those that came first, first. */
  *[Symbol.iterator](): Iterator<Entry> {
    yield* this.#stale;
    yield* this.#fresh;
  }
}

function lastOf<Entry>(entries: Iterable<Entry>): Entry | undefined {
  return [...entries].at(-1);
}
