/** The entries of the plaintext report, of which there is a bounded number. */

export interface PlaintextEntry {
  readonly route: string;
  readonly clientHost: string;
  readonly user: string;
  /** Of TLS: `none`, `TLSv1` or `TLSv1.1`. */
  readonly version: string;
  readonly firstSeen: number;
  lastSeen: number;
  /** Of the latest connection, as is the cipher. */
  program: string;
  cipher: string;
  /** Once at least, and did not use it. */
  wasOfferedTls: boolean;
  connections: number;
  refused: number;
  /** Open now. */
  active: number;
}

type Who = Pick<PlaintextEntry, 'route' | 'clientHost' | 'user' | 'version'>;

/**
 * Anyone can be refused, under any name; to log in takes an account. So that a flood of made-up names pushes nobody out who
 * really works here, the two are kept apart, and who was only refused goes first.
 */
export class PlaintextTable {
  /** How often a client was left out or forgotten, because the table was full. */
  dropped = 0;
  readonly #capacity: number;
  /** Both have the one that was seen least recently first. */
  readonly #loggedIn = new Map<string, PlaintextEntry>();
  readonly #onlyRefused = new Map<string, PlaintextEntry>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** The entry of a client whose login was accepted. */
  loggedIn(who: Who, now: number): PlaintextEntry {
    const key = keyOf(who);
    const known = this.#loggedIn.get(key) ?? this.#onlyRefused.get(key);
    this.#onlyRefused.delete(key);
    if (known === undefined && this.#isFull()) this.#dropOne();
    return putLast(this.#loggedIn, key, known ?? newEntry(who, now));
  }

  /** The entry of a client that was refused; undefined where there is no room for it. */
  refused(who: Who, now: number): PlaintextEntry | undefined {
    const key = keyOf(who);
    const worker = this.#loggedIn.get(key);
    if (worker !== undefined) return putLast(this.#loggedIn, key, worker);
    const known = this.#onlyRefused.get(key);
    if (known === undefined && this.#isFull()) {
      if (this.#onlyRefused.size === 0) {
        this.dropped += 1;
        return undefined;
      }
      this.#dropOne();
    }
    return putLast(this.#onlyRefused, key, known ?? newEntry(who, now));
  }

  /** It is that of a client that logged in, and has not been forgotten. */
  has(entry: PlaintextEntry): boolean {
    return this.#loggedIn.get(keyOf(entry)) === entry;
  }

  /** It was just seen again, unless it has been forgotten. */
  touch(entry: PlaintextEntry): void {
    if (this.has(entry)) putLast(this.#loggedIn, keyOf(entry), entry);
  }

  /** Forgets those of all other routes. */
  keepRoutes(names: ReadonlySet<string>): void {
    for (const entries of [this.#loggedIn, this.#onlyRefused]) {
      for (const [key, { route }] of entries) if (!names.has(route)) entries.delete(key);
    }
  }

  entries(): readonly PlaintextEntry[] {
    return [...this.#loggedIn.values(), ...this.#onlyRefused.values()];
  }

  #isFull(): boolean {
    return this.#loggedIn.size + this.#onlyRefused.size >= this.#capacity;
  }

  #dropOne(): void {
    this.dropped += 1;
    const [stranger] = this.#onlyRefused.keys();
    if (stranger !== undefined) this.#onlyRefused.delete(stranger);
    else this.#loggedIn.delete(leastRecentlySeen(this.#loggedIn));
  }
}

/** Who is connected is being seen right now. */
function leastRecentlySeen(entries: ReadonlyMap<string, PlaintextEntry>): string {
  for (const [key, { active }] of entries) if (active === 0) return key;
  const [first = ''] = entries.keys();
  return first;
}

function putLast(entries: Map<string, PlaintextEntry>, key: string, entry: PlaintextEntry): PlaintextEntry {
  entries.delete(key);
  entries.set(key, entry);
  return entry;
}

function newEntry(who: Who, now: number): PlaintextEntry {
  return {
    ...who,
    firstSeen: now,
    lastSeen: now,
    program: '',
    cipher: '',
    wasOfferedTls: false,
    connections: 0,
    refused: 0,
    active: 0,
  };
}

function keyOf({ route, clientHost, user, version }: Who): string {
  return JSON.stringify([route, clientHost, user, version]);
}
