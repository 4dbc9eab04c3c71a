/**
 * Who may connect: counts connections and handshakes by route and by source address, and lets in, has wait, or refuses.
 *
 * A handshake holds a connection of the server before anyone knows who the client is, so only so many are under way at
 * once. More wait here, where they cost next to nothing. Of those that wait, addresses with the fewest handshakes come
 * first, and of one address the newest: in a flood, whoever came first waits for nobody any more. And as long as someone
 * waits, handshakes whose client keeps silent are ended early.
 */
import type { ProxyConfig, Rate, RouteConfig } from '../config/model.js';
import { ProxyError } from '../errors.js';
import { type ClientEnd, sourceNetworkOf } from './client-address.js';
import { plainAddress } from './legs.js';
import { NetworkList } from './network-list.js';
import { Pace } from './pace.js';
import { TokenBucket } from './token-bucket.js';

/** How long a handshake may take although others wait, in milliseconds: several round trips to another continent. */
const PATIENCE_MS = 500;

/** How often is looked for handshakes to end, or to refuse, as long as someone waits, in milliseconds. */
const LOOK_MS = 100;

/**
 * As long as someone waits: from one handshake that is hurried to the next; from one slot to the next that is free because a
 * handshake came to nothing; from one refusal to the next; in milliseconds. Each costs as much as some twenty queries, and a flood
 * makes as many as there is time for: the sessions would wait for them. Slots of clients that have logged in are free at once.
 */
const HURRY_PACE_MS = 4;
const FAILURE_PACE_MS = 2;
const REFUSAL_PACE_MS = 2;

/** Addresses that are gone are forgotten when there are so many more than after the last time. */
const ADDRESSES_BETWEEN_SWEEPS = 10_000;

export type AdmissionConfig = Pick<ProxyConfig, 'maxConnections' | 'handshakeTimeout' | 'routes'>;

/** Of a connection that was let in. Each may be called again, without effect. */
export interface Permit {
  /** Its handshake is over: with a session, or because it came to nothing. */
  handshakeEnded(hasSession: boolean): void;
  /** Its connection is over. */
  ended(): void;
}

/** What connections of one source have together: those of a route, or those of an address in it. */
interface Source {
  connections: number;
  handshakes: number;
  /** Undefined where any number may come in any time. */
  bucket: TokenBucket | undefined;
}

interface RouteSource extends Source {
  config: RouteConfig;
  /** Undefined: clients from everywhere may connect. */
  allowedNetworks: NetworkList | undefined;
  readonly addresses: Map<string, AddressSource>;
  /** In the order in which they began. */
  readonly inHandshake: Set<Entry>;
  waiting: number;
  sweepAt: number;
}

interface AddressSource extends Source {
  readonly key: string;
  /** All that come through socket files are one source, for which the limits of an address do not hold. */
  readonly isUnix: boolean;
  /** The newest last. */
  readonly waiting: Entry[];
}

interface Entry {
  readonly route: RouteSource;
  readonly address: AddressSource;
  readonly begin: () => void;
  readonly refuse: (error: ProxyError) => void;
  readonly hurry: () => void;
  /** When it came, then when its handshake began. */
  since: number;
}

export class Admission {
  readonly #now: () => number;
  readonly #routes = new Map<string, RouteSource>();
  #config: AdmissionConfig;
  #connections = 0;
  #closedBy: ProxyError | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Handshakes to begin, one in a turn of the event loop: sessions have theirs in between. */
  readonly #beginnings: (() => void)[] = [];
  readonly #hurries = new Pace<Entry>(HURRY_PACE_MS);
  readonly #failures = new Pace<Entry>(FAILURE_PACE_MS);
  readonly #refusals = new Pace<Entry>(REFUSAL_PACE_MS);

  /** `now`: milliseconds on a clock that never goes back. */
  constructor(config: AdmissionConfig, now: () => number = () => performance.now()) {
    this.#config = config;
    this.#now = now;
    this.setConfig(config);
  }

  /** Those that are let in, and those that wait. */
  get connections(): number {
    return this.#connections;
  }

  /** By route: connections that wait for their handshake to begin. */
  waiting(): ReadonlyMap<string, number> {
    return new Map([...this.#routes].map(([name, { waiting }]) => [name, waiting]));
  }

  /** Limits hold for the connections that come from now on: nobody is cut because of a lower one. */
  setConfig(config: AdmissionConfig): void {
    this.#config = config;
    for (const next of config.routes) {
      const route = this.#routes.get(next.name);
      if (route === undefined) this.#routes.set(next.name, this.#newRoute(next));
      else this.#changeRoute(route, next);
    }
  }

  /**
   * Resolves when the handshake may begin. Rejects with the ProxyError that the client is to be told. `hurry` is called, maybe
   * several times, when others wait: a handshake that waits for its client should then end.
   */
  enter(routeName: string, client: ClientEnd, hurry: () => void): Promise<Permit> {
    return new Promise((resolve, reject) => {
      const route = this.#routes.get(routeName);
      if (route === undefined) throw new Error(`a connection to the unknown route ${routeName}`);
      if (this.#closedBy !== undefined) throw this.#closedBy;
      assertAllowed(route, client);
      const address = this.#addressOf(route, client);
      this.#assertPlace(route, address, client);
      const entry: Entry = {
        route,
        address,
        begin: () => resolve(this.#begin(entry)),
        refuse: reject,
        hurry,
        since: this.#now(),
      };
      this.#connections += 1;
      for (const source of [route, address]) source.connections += 1;
      if (hasSlot(route) && hasSlotInRoute(address, route)) entry.begin();
      else this.#wait(entry);
    });
  }

  /** Nobody is let in any more; those that wait are refused. */
  close(reason: ProxyError): void {
    this.#closedBy = reason;
    for (const { addresses } of this.#routes.values())
      for (const { waiting } of addresses.values())
        for (const entry of [...waiting]) this.#refuse(entry, reason);
  }

  #newRoute(config: RouteConfig): RouteSource {
    return {
      config,
      allowedNetworks: config.allowFrom && new NetworkList(config.allowFrom),
      connections: 0,
      handshakes: 0,
      bucket: this.#bucket(config.routeConnectionRate),
      addresses: new Map(),
      inHandshake: new Set(),
      waiting: 0,
      sweepAt: ADDRESSES_BETWEEN_SWEEPS,
    };
  }

  #changeRoute(route: RouteSource, next: RouteConfig): void {
    const before = route.config;
    route.config = next;
    route.allowedNetworks = next.allowFrom && new NetworkList(next.allowFrom);
    if (!isSameRate(before.routeConnectionRate, next.routeConnectionRate))
      route.bucket = this.#bucket(next.routeConnectionRate);
    if (!isSameRate(before.addressConnectionRate, next.addressConnectionRate)) {
      for (const address of route.addresses.values())
        address.bucket = this.#bucket(next.addressConnectionRate);
    }
    this.#beginNext(route);
  }

  #bucket(rate: Rate | undefined): TokenBucket | undefined {
    return rate && new TokenBucket(rate, this.#now());
  }

  #addressOf(route: RouteSource, { isUnix, remoteAddress }: ClientEnd): AddressSource {
    const key = isUnix ? 'unix' : sourceNetworkOf(remoteAddress);
    const known = route.addresses.get(key);
    if (known !== undefined) return known;
    if (route.addresses.size >= route.sweepAt) this.#sweep(route);
    const bucket = isUnix ? undefined : this.#bucket(route.config.addressConnectionRate);
    const address: AddressSource = { key, isUnix, connections: 0, handshakes: 0, bucket, waiting: [] };
    route.addresses.set(key, address);
    return address;
  }

  /** Forgets addresses that would be the same if they came anew. */
  #sweep(route: RouteSource): void {
    const now = this.#now();
    for (const { key, connections, bucket } of route.addresses.values())
      if (connections === 0 && bucket?.isFull(now) !== false) route.addresses.delete(key);
    route.sweepAt = route.addresses.size + ADDRESSES_BETWEEN_SWEEPS;
  }

  /** Uses up one connection of each rate. */
  #assertPlace(route: RouteSource, address: AddressSource, { remoteAddress }: ClientEnd): void {
    const { maxConnections } = this.#config;
    const { name, routeMaxConnections, routeConnectionRate, addressMaxConnections, addressConnectionRate } =
      route.config;
    if (this.#connections >= maxConnections) {
      throw new ProxyError('too_many_connections', `Too many connections: all ${maxConnections} are in use`);
    }
    if (isReached(routeMaxConnections, route.connections)) {
      throw new ProxyError(
        'route_full',
        `Too many connections: all ${routeMaxConnections} of the route ${name} are in use`,
      );
    }
    if (!address.isUnix && isReached(addressMaxConnections, address.connections)) {
      throw new ProxyError(
        'address_full',
        `Too many connections: ${remoteAddress} has all the ${addressMaxConnections} that one address may have`,
      );
    }
    const now = this.#now();
    if (route.bucket?.take(now) === false) {
      throw new ProxyError(
        'route_rate_exceeded',
        `Too many new connections: the route ${name} takes ${formatRate(routeConnectionRate)}`,
      );
    }
    if (address.bucket?.take(now) === false) {
      route.bucket?.giveBack();
      throw new ProxyError(
        'address_rate_exceeded',
        `Too many new connections from ${remoteAddress}: one address may make ${formatRate(addressConnectionRate)}`,
      );
    }
  }

  #begin(entry: Entry): Permit {
    const { route, address } = entry;
    entry.since = this.#now();
    route.inHandshake.add(entry);
    for (const source of [route, address]) source.handshakes += 1;
    let isOver = false;
    const freeSlot = () => {
      for (const source of [route, address]) source.handshakes -= 1;
      this.#beginNext(route);
    };
    const handshakeEnded = (hasSession: boolean) => {
      if (!route.inHandshake.delete(entry)) return;
      if (hasSession || route.waiting === 0) freeSlot();
      else this.#failures.add(entry, freeSlot);
    };
    const ended = () => {
      handshakeEnded(false);
      if (!isOver) this.#leave(entry);
      isOver = true;
    };
    return { handshakeEnded, ended };
  }

  #leave({ route, address }: Entry): void {
    this.#connections -= 1;
    for (const source of [route, address]) source.connections -= 1;
    // One with a rate is remembered until its bucket is full again.
    if (address.connections === 0 && address.bucket === undefined) route.addresses.delete(address.key);
  }

  #wait(entry: Entry): void {
    entry.route.waiting += 1;
    entry.address.waiting.push(entry);
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  #stopWaiting(entry: Entry): void {
    const { route, address } = entry;
    route.waiting -= 1;
    address.waiting.splice(address.waiting.lastIndexOf(entry), 1);
  }

  /** As many as there are slots. */
  #beginNext(route: RouteSource): void {
    if (route.waiting > 0 && hasSlot(route)) this.#beginSoon(() => this.#beginOne(route));
  }

  #beginOne(route: RouteSource): void {
    if (!hasSlot(route)) return;
    let first: AddressSource | undefined;
    for (const address of route.addresses.values()) {
      if (address.waiting.length === 0 || !hasSlotInRoute(address, route)) continue;
      if (first === undefined || address.handshakes < first.handshakes) first = address;
    }
    const entry = first?.waiting.at(-1);
    if (entry === undefined) return;
    this.#stopWaiting(entry);
    entry.begin();
    this.#beginNext(route);
  }

  #beginSoon(work: () => void): void {
    this.#beginnings.push(work);
    if (this.#beginnings.length === 1) setImmediate(this.#beginFirst);
  }

  readonly #beginFirst = (): void => {
    this.#beginnings.shift()?.();
    if (this.#beginnings.length > 0) setImmediate(this.#beginFirst);
  };

  /** For those that wait. */
  #look(): void {
    const now = this.#now();
    let waiting = 0;
    for (const route of this.#routes.values()) {
      this.#refuseLate(route, now - this.#config.handshakeTimeout);
      waiting += route.waiting;
      if (route.waiting > 0) this.#hurrySilent(route, now - PATIENCE_MS);
    }
    if (waiting > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #hurrySilent(route: RouteSource, beganBefore: number): void {
    for (const entry of route.inHandshake) {
      if (entry.since > beganBefore) return;
      this.#hurries.add(entry, () => {
        if (route.inHandshake.has(entry) && route.waiting > 0) entry.hurry();
      });
    }
  }

  #refuseLate(route: RouteSource, cameBefore: number): void {
    if (route.waiting === 0) return;
    const seconds = this.#config.handshakeTimeout / 1000;
    for (const { waiting } of route.addresses.values()) {
      for (const entry of waiting.filter(({ since }) => since <= cameBefore)) {
        const what = `Too many connections: ${route.handshakes} handshakes were under way for ${seconds} s`;
        this.#refusals.add(entry, () => {
          if (entry.address.waiting.includes(entry))
            this.#refuse(entry, new ProxyError('handshake_not_begun', what));
        });
      }
    }
  }

  #refuse(entry: Entry, error: ProxyError): void {
    this.#stopWaiting(entry);
    this.#leave(entry);
    entry.refuse(error);
  }
}

function assertAllowed({ config, allowedNetworks }: RouteSource, client: ClientEnd): void {
  if (client.isUnix || allowedNetworks === undefined || allowedNetworks.has(client.remoteAddress)) return;
  throw new ProxyError(
    'client_address_denied',
    `Host '${plainAddress(client)}' is not allowed to connect to the route ${config.name}`,
  );
}

function hasSlot({ handshakes, config }: RouteSource): boolean {
  return handshakes < config.routeMaxHandshakes;
}

function hasSlotInRoute({ handshakes, isUnix }: AddressSource, { config }: RouteSource): boolean {
  return isUnix || !isReached(config.addressMaxHandshakes, handshakes);
}

function isReached(limit: number | undefined, count: number): boolean {
  return limit !== undefined && count >= limit;
}

function isSameRate(one: Rate | undefined, other: Rate | undefined): boolean {
  return one?.count === other?.count && one?.periodMs === other?.periodMs;
}

function formatRate(rate: Rate | undefined): string {
  return rate === undefined ? 'any number' : `${rate.count} in ${rate.periodMs / 1000} s`;
}
