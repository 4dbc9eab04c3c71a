/** Who may connect: counts connections and handshakes by route and by source address, and lets in, has wait, or refuses. */
import { handshakeTimeoutOf, type ProxyConfig, type Rate, type RouteConfig } from '../config/model.js';
import { ProxyError } from '../errors.js';
import { type ClientEnd, plainAddress, sourceNetworkOf } from './client-address.js';
import { HandshakeQueue, type Origin, type QueueLimits, type Stay } from './handshake-queue.js';
import { NetworkList } from './network-list.js';
import { Pace } from './pace.js';
import { TokenBucket } from './token-bucket.js';

/**
 * From one handshake that is hurried to the next; from one slot to the next that is free because a client came to nothing; from one
 * refusal to the next; in milliseconds. Each costs as much as some twenty queries, and a flood makes as many as there is time
 * for: the sessions would wait for them.
 */
const HURRY_PACE_MS = 64;
const FAILURE_PACE_MS = 4;
const FAILURE_IN_FLOOD_PACE_MS = 16;
const REFUSAL_PACE_MS = 2;

/** Addresses that are gone are forgotten when there are so many more than after the last time. */
const ADDRESSES_BETWEEN_SWEEPS = 10_000;

export type AdmissionConfig = Pick<ProxyConfig, 'maxConnections' | 'handshakeTimeout' | 'routes'>;

/** What connections of one source have together: those of a route, or those of an address in it. */
interface Source {
  connections: number;
  /** Undefined where any number may come in any time. */
  bucket: TokenBucket | undefined;
}

interface RouteSource extends Source {
  config: RouteConfig;
  /** Undefined: clients from everywhere may connect. */
  allowedNetworks: NetworkList | undefined;
  readonly addresses: Map<string, AddressSource>;
  readonly handshakes: HandshakeQueue;
  sweepAt: number;
}

interface AddressSource extends Source {
  readonly origin: Origin;
}

export class Admission {
  readonly #now: () => number;
  readonly #routes = new Map<string, RouteSource>();
  #config: AdmissionConfig;
  #connections = 0;
  #closedBy: ProxyError | undefined;
  readonly #paces = {
    hurries: new Pace<object>(HURRY_PACE_MS),
    failures: new Pace<object>(FAILURE_PACE_MS),
    failuresInFlood: new Pace<object>(FAILURE_IN_FLOOD_PACE_MS),
    refusals: new Pace<object>(REFUSAL_PACE_MS),
  };

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
    return new Map([...this.#routes].map(([name, { handshakes }]) => [name, handshakes.waiting]));
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

  /** `hurry`: see `HandshakeQueue.enter`. */
  enter(routeName: string, client: ClientEnd, hurry: () => void): Stay {
    const route = this.#routes.get(routeName);
    if (route === undefined) throw new Error(`a connection to the unknown route ${routeName}`);
    const address = this.#addressOf(route, client);
    try {
      if (this.#closedBy !== undefined) throw this.#closedBy;
      assertAllowed(route, client);
      this.#assertPlace(route, address, client);
    } catch (error) {
      this.#forgetIfGone(route, address);
      return refusedStay(error);
    }
    // It is forgotten where its only connection has made room.
    route.addresses.set(address.origin.key, address);
    this.#connections += 1;
    for (const source of [route, address]) source.connections += 1;
    return route.handshakes.enter(address.origin, hurry, () => {
      this.#connections -= 1;
      for (const source of [route, address]) source.connections -= 1;
      this.#forgetIfGone(route, address);
    });
  }

  /** The listeners are closed: see `HandshakeQueue.allAreHere`. */
  allAreHere(): void {
    for (const { handshakes } of this.#routes.values()) handshakes.allAreHere();
  }

  /** Nobody is let in any more; those that wait are refused. */
  close(reason: ProxyError): void {
    this.#closedBy = reason;
    for (const { handshakes } of this.#routes.values()) handshakes.refuseAll(reason);
  }

  #newRoute(config: RouteConfig): RouteSource {
    const route: RouteSource = {
      config,
      allowedNetworks: config.allowFrom && new NetworkList(config.allowFrom),
      connections: 0,
      bucket: this.#bucket(config.routeConnectionRate),
      addresses: new Map(),
      handshakes: new HandshakeQueue(() => this.#limitsOf(route), this.#paces, this.#now),
      sweepAt: ADDRESSES_BETWEEN_SWEEPS,
    };
    return route;
  }

  #limitsOf({ config }: RouteSource): QueueLimits {
    const { routeMaxHandshakes, addressMaxHandshakes } = config;
    return {
      ofRoute: routeMaxHandshakes,
      ofAddress: addressMaxHandshakes,
      timeoutMs: handshakeTimeoutOf(config, this.#config),
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
    route.handshakes.beginNext();
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
    const address: AddressSource = { origin: { key, isAddress: !isUnix }, connections: 0, bucket };
    route.addresses.set(key, address);
    return address;
  }

  /** Forgets addresses that would be the same if they came anew. */
  #sweep(route: RouteSource): void {
    const now = this.#now();
    for (const [key, { connections, bucket }] of route.addresses)
      if (connections === 0 && bucket?.isFull(now) !== false) route.addresses.delete(key);
    route.sweepAt = route.addresses.size + ADDRESSES_BETWEEN_SWEEPS;
  }

  #makeRoom(): boolean {
    return [...this.#routes.values()].some(({ handshakes }) => handshakes.makeRoom());
  }

  /** Uses up one connection of each rate. Where all are in use, someone who has little hope to get in makes room. */
  #assertPlace(route: RouteSource, address: AddressSource, client: ClientEnd): void {
    this.#takeFromRates(route, address, client);
    try {
      this.#assertRoom(route, address, client);
    } catch (error) {
      for (const { bucket } of [route, address]) bucket?.giveBack();
      throw error;
    }
  }

  #takeFromRates(route: RouteSource, address: AddressSource, { remoteAddress }: ClientEnd): void {
    const { name, routeConnectionRate, addressConnectionRate } = route.config;
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

  /** The narrowest limit first: room made for it is room for the others too. Whoever is refused here has put nobody out. */
  #assertRoom(
    { config, connections, handshakes }: RouteSource,
    address: AddressSource,
    client: ClientEnd,
  ): void {
    const { name, routeMaxConnections, addressMaxConnections } = config;
    const { maxConnections } = this.#config;
    const { origin } = address;
    if (origin.isAddress && isReached(addressMaxConnections, address.connections)) {
      if (handshakes.makeRoom(origin)) return;
      throw new ProxyError(
        'address_full',
        `Too many connections: ${client.remoteAddress} has all the ${addressMaxConnections} that one address may have`,
      );
    }
    if (isReached(routeMaxConnections, connections)) {
      if (handshakes.makeRoom()) return;
      throw new ProxyError(
        'route_full',
        `Too many connections: all ${routeMaxConnections} of the route ${name} are in use`,
      );
    }
    if (this.#connections < maxConnections || this.#makeRoom()) return;
    throw new ProxyError('too_many_connections', `Too many connections: all ${maxConnections} are in use`);
  }

  /** One with a rate is remembered until its bucket is full again. */
  #forgetIfGone({ addresses }: RouteSource, { origin, connections, bucket }: AddressSource): void {
    if (connections === 0 && bucket === undefined) addresses.delete(origin.key);
  }
}

function refusedStay(error: unknown): Stay {
  return {
    isWaiting: false,
    mayBegin: Promise.reject(error),
    mayBeRefused: () => Promise.resolve(),
    handshakeEnded: () => {},
    ended: () => {},
  };
}

function assertAllowed({ config, allowedNetworks }: RouteSource, client: ClientEnd): void {
  if (client.isUnix || allowedNetworks === undefined || allowedNetworks.has(client.remoteAddress)) return;
  throw new ProxyError(
    'client_address_denied',
    `Host '${plainAddress(client)}' is not allowed to connect to the route ${config.name}`,
  );
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
