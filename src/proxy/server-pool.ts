/** The servers of a route: which one a connection tries next, and how many connections may be open. */
import { performance } from 'node:perf_hooks';
import type { CancelSignal } from '../cancellation.js';
import { type Address, formatAddress, type RoutingStrategy } from '../config/model.js';
import { ProxyError } from '../errors.js';
import type { ServerConnections, ServerHealth } from '../observe/events.js';
import { type Attempt, PooledServer } from './pooled-server.js';
import { timeLimit } from './time-limit.js';

export interface ServerPoolOptions {
  readonly route: string;
  /** At least one; one that is given twice counts once. */
  readonly servers: readonly Address[];
  readonly strategy: RoutingStrategy;
  /** Health checks find out when a server is back; without them clients have to try. */
  readonly isChecked: boolean;
  /** Most open connections; undefined: any number. */
  readonly maxConnections?: number | undefined;
  readonly onHealth?: (health: ServerHealth) => void;
  /** Milliseconds that never go back. */
  readonly now?: () => number;
  /** From 0 to 1. */
  readonly random?: () => number;
}

/** How long to wait for a turn. */
export interface Turn {
  readonly patienceMs: number;
  readonly signal: CancelSignal;
  readonly onFull: () => void;
}

export class ServerPool {
  readonly #options: ServerPoolOptions;
  readonly #now: () => number;
  readonly #random: () => number;
  readonly #servers: readonly PooledServer[];
  /** Those that come when another connection may be opened, in their order. Outlives reloads. */
  readonly #queue: (() => void)[];
  #lastChosen: number;

  /** `before`: the pool that this one replaces. What it knows of servers that stay holds on; those that are down are due again. */
  constructor(options: ServerPoolOptions, before?: ServerPool) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#random = options.random ?? Math.random;
    const known = new Map(
      (before === undefined ? [] : before.#servers).map((server) => [server.name, server]),
    );
    const byName = new Map(options.servers.map((address) => [formatAddress(address), address]));
    this.#servers = [...byName].map(([name, address]) => known.get(name) ?? new PooledServer(address));
    for (const server of this.#servers) server.endBackOff(this.#now());
    this.#lastChosen = before === undefined ? 0 : before.#lastChosen;
    this.#queue = before === undefined ? [] : before.#queue;
  }

  get size(): number {
    return this.#servers.length;
  }

  get names(): readonly string[] {
    return this.#servers.map(({ name }) => name);
  }

  /** The server that the next connection would try first. */
  get nextName(): string | undefined {
    return this.#best([])?.name;
  }

  /** Clients wait for a connection to close. */
  get isWaitedFor(): boolean {
    return this.#queue.length > 0;
  }

  get #isFull(): boolean {
    const { maxConnections } = this.#options;
    if (maxConnections === undefined) return false;
    return this.#servers.reduce((sum, { connections }) => sum + connections, 0) >= maxConnections;
  }

  /**
   * As `choose`, as soon as another connection may be opened. Rejects with ProxyError `server_connections_exhausted` after
   * `patienceMs` milliseconds, or with the signal's reason. `onFull` is called when it has to wait.
   */
  async chooseInTurn(
    made: readonly ServerAttempt[],
    name: string | undefined,
    { patienceMs, signal, onFull }: Turn,
  ): Promise<ServerAttempt | undefined> {
    if (!this.#isFull && this.#queue.length === 0) return this.choose(made, name);
    onFull();
    const limit = timeLimit(patienceMs, () => this.#exhausted(patienceMs), signal);
    try {
      return await new Promise((resolve, reject) => {
        const next = () => resolve(this.choose(made, name));
        this.#queue.push(next);
        limit.signal.onCancel(() => {
          const at = this.#queue.indexOf(next);
          if (at !== -1) this.#queue.splice(at, 1);
          reject(limit.signal.reason);
        });
      });
    } finally {
      limit.clear();
    }
  }

  #exhausted(patienceMs: number): ProxyError {
    const { route, maxConnections } = this.#options;
    return new ProxyError(
      'server_connections_exhausted',
      `Too many connections: all ${maxConnections} server connections of the route ${route} in this process were in use for ${patienceMs / 1000} s`,
    );
  }

  /**
   * The attempt to make next, for a connection that has made those in `made`; undefined where it has tried every server. It
   * counts as a connection from now on, so `closed` has to be called on it. `name`: goes before the others, if it is not left out.
   */
  choose(made: readonly ServerAttempt[], name?: string): ServerAttempt | undefined {
    const server = this.#best(
      made.map((attempt) => attempt.name),
      name,
    );
    if (server === undefined) return undefined;
    this.#markChosen(server);
    server.connections += 1;
    const isTrial = server.isDown && this.#isCandidate(server);
    // While one connection tries it, others do not.
    if (isTrial) server.backOff(this.#now(), this.#random());
    return new ServerAttempt(this, server, isTrial ? 'trial' : 'client', this.#now());
  }

  /** A connection to this server that was kept is used: it was its turn. */
  useKept(name: string): void {
    const server = this.#find(name);
    if (server !== undefined) this.#markChosen(server);
  }

  /** An attempt that counts as no connection: `closed` need not be called on it. */
  attemptCheck(name: string): ServerAttempt {
    const server = this.#find(name);
    if (server === undefined) throw new Error(`the pool has no server ${name}`);
    return new ServerAttempt(this, server, 'check', this.#now());
  }

  /** Milliseconds until the server, which is down, is to be tried again; undefined where it is not down. */
  backOffLeft(name: string): number | undefined {
    return this.#find(name)?.backOffLeft(this.#now());
  }

  /** Open connections of each server. */
  connections(): readonly ServerConnections[] {
    const { route } = this.#options;
    return this.#servers.map(({ name, connections }) => ({ route, server: name, count: connections }));
  }

  /** @internal Called by attempts. */
  closed(): void {
    if (!this.#isFull) this.#queue.shift()?.();
  }

  /** @internal Called by attempts. */
  greeted({ server }: ServerAttempt): void {
    if (server.greeted(this.#now())) this.#tell(server, { changed: true, by: 'client' });
  }

  /** @internal Called by attempts. */
  succeeded(attempt: ServerAttempt): void {
    const { server, by } = attempt;
    if (server.succeeded(attempt, this.#now())) this.#tell(server, { changed: true, by });
  }

  /** @internal Called by attempts. */
  failed(attempt: ServerAttempt, error: ProxyError): void {
    const { server, by } = attempt;
    const changed = server.failed(attempt, this.#now(), this.#random());
    if (changed !== undefined) this.#tell(server, { changed, by, error });
  }

  /** The best of those that were not tried: one that is not left out, else the one whose failure is longest ago. */
  #best(tried: readonly string[], name?: string): PooledServer | undefined {
    const untried = this.#servers.filter((server) => !tried.includes(server.name));
    const candidates = untried.filter((server) => this.#isCandidate(server));
    const named = candidates.find((server) => server.name === name);
    return named ?? first(candidates, this.#precedence) ?? first(untried, (a, b) => a.failedAt - b.failedAt);
  }

  /** Negative: `a` comes first. Equal ones come as configured. */
  readonly #precedence = (a: PooledServer, b: PooledServer): number => {
    const { strategy } = this.#options;
    if (strategy === 'first-available') return 0;
    const turn = a.chosen - b.chosen;
    if (strategy === 'round-robin') return turn;
    return a.connections - b.connections || turn;
  };

  #isCandidate(server: PooledServer): boolean {
    return !server.isDown || (!this.#options.isChecked && server.backOffLeft(this.#now()) === 0);
  }

  #markChosen(server: PooledServer): void {
    this.#lastChosen += 1;
    server.chosen = this.#lastChosen;
  }

  #tell({ name }: PooledServer, health: Pick<ServerHealth, 'changed' | 'by' | 'error'>): void {
    const { route, onHealth } = this.#options;
    onHealth?.({ route, server: name, isOnly: this.size === 1, ...health });
  }

  #find(name: string): PooledServer | undefined {
    return this.#servers.find((server) => server.name === name);
  }
}

/** One attempt to reach a server, and the connection that it leads to. */
export class ServerAttempt implements Attempt {
  /** @internal */
  readonly server: PooledServer;
  readonly kind: Attempt['kind'];
  readonly startedAt: number;
  readonly #pool: ServerPool;
  #isOpen = true;

  constructor(pool: ServerPool, server: PooledServer, kind: Attempt['kind'], startedAt: number) {
    this.#pool = pool;
    this.server = server;
    this.kind = kind;
    this.startedAt = startedAt;
  }

  get address(): Address {
    return this.server.address;
  }

  get name(): string {
    return this.server.name;
  }

  /** Who makes it, for observers. */
  get by(): ServerHealth['by'] {
    return this.kind === 'check' ? 'check' : 'client';
  }

  /** What comes after the greeting may still fail, so it does not bring a server back that was left out. */
  greeted(): void {
    this.#pool.greeted(this);
  }

  /** The server can be used. */
  succeeded(): void {
    this.#pool.succeeded(this);
  }

  failed(error: ProxyError): void {
    this.#pool.failed(this, error);
  }

  /** The connection's socket is closed. */
  readonly closed = (): void => {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.server.connections -= 1;
    this.#pool.closed();
  };
}

/** The first one of those that no other goes before. */
function first<T>(all: readonly T[], precedence: (a: T, b: T) => number): T | undefined {
  return all.reduce<T | undefined>(
    (best, one) => (best === undefined || precedence(one, best) < 0 ? one : best),
    undefined,
  );
}
