/**
 * The server connections of a route that wait for another client, and what is known of the servers and clients that decides
 * who gets one. docs/reuse.md says what is safe about it, and why.
 */

import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { Cancellation } from '../cancellation.js';
import type { KeptEnd, Observer } from '../observe/events.js';
import { versionForPeople } from '../wire/greeting.js';
import { KeptConnection, type LossReason } from './kept-connection.js';
import { quitServer } from './leave-server.js';
import { PacketPort } from './packet-port.js';
import { Reservation } from './reservation.js';
import type { ServerOrigin } from './server-origin.js';
import { probeServer } from './server-probe.js';

export interface KeptServersOptions {
  readonly route: string;
  /** Most that are kept at once. */
  readonly max: number;
  /** Milliseconds that one waits for a client at most. */
  readonly idleTimeout: number;
  /** Clients wait until the route may open another server connection: none is kept. */
  readonly isRoomWanted: () => boolean;
  readonly observer: Pick<Observer, 'keptServerEnded' | 'reuseJudged'>;
}

/**
 * A connection is as old as a TLS session may be, in milliseconds: without an end the certificate of a busy server would
 * never be looked at again.
 */
const MAX_AGE_MS = 3_600_000;

/** Nonces and the memory of the server grow with each. */
const MAX_CLIENTS = 1_000;

/** Client addresses that are remembered, with each server the latest. */
const MAX_CLIENT_HOSTS = 4_096;

/** That broke off; a server that can not be probed is not to be bothered for ever. */
const MAX_PROBES = 5;

const LOSSES: Readonly<Record<LossReason, KeptEnd>> = {
  closed: 'server_closed',
  'not emptied': 'not_emptied',
  'reset unknown': 'not_emptied',
  'user limited': 'user_limited',
};

interface Judgement {
  state: 'unknown' | 'probing' | 'safe' | 'unsafe';
  /** To be named by the next probe; undefined: the one of the greeting. */
  plugin: string | undefined;
  probes: number;
  readonly nonces: Set<string>;
}

export class KeptServers {
  readonly #options: KeptServersOptions;
  /** Ready ones, the longest kept first. */
  readonly #waiting: KeptConnection[] = [];
  readonly #beingReset = new Set<KeptConnection>();
  /** By server and version. */
  readonly #judgements = new Map<string, Judgement>();
  /** What the latest client of an address had on a server: by this the next is greeted before it has said anything. */
  readonly #fits = new Map<string, string>();
  /** Addresses with a client that can not be asked anew. */
  readonly #unableHosts = new Set<string>();
  readonly #leaving = new Set<Promise<unknown>>();
  readonly #hurry = new Cancellation();
  #closedBy: KeptEnd | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: KeptServersOptions) {
    this.#options = options;
  }

  /** Those that wait for a client. */
  get size(): number {
    return this.#waiting.length;
  }

  /** Whether a connection of this kind is worth to be offered. */
  wants(origin: ServerOrigin): boolean {
    return this.#closedBy === undefined && this.#judgement(origin).state !== 'unsafe' && !isWornOut(origin);
  }

  /** One to this server that a client from this address is to be greeted for; undefined: it needs a new one. */
  take(host: string, server: string): Reservation | undefined {
    if (this.#waiting.length === 0 || this.#unableHosts.has(host)) return undefined;
    const fit = this.#fits.get(fitKey(host, server));
    // The one kept last: its session is still in the caches of the server.
    const at = this.#waiting.findLastIndex(({ origin }) => origin.name === server && origin.fit === fit);
    const [found] = at === -1 ? [] : this.#waiting.splice(at, 1);
    return found && new Reservation(this, found, host);
  }

  /** A client has been let in. */
  learn(host: string, { name, fit }: ServerOrigin): void {
    const key = fitKey(host, name);
    if (this.#fits.get(key) === fit) return;
    const [oldest] = this.#fits.keys();
    if (this.#fits.size >= MAX_CLIENT_HOSTS && oldest !== undefined) this.#fits.delete(oldest);
    this.#fits.set(key, fit);
  }

  /** A client of this address can not be served by a kept connection: all of them get new ones. */
  neverServe(host: string): void {
    if (this.#unableHosts.size < MAX_CLIENT_HOSTS) this.#unableHosts.add(host);
  }

  /** Takes over the connection of a session that is over, and waits for a command. The socket has no other listeners. */
  offer(socket: Socket, origin: ServerOrigin): void {
    const objection = this.#objectionTo(origin);
    if (objection !== undefined) {
      this.#end(socket, origin, objection);
      return;
    }
    this.#beingReset.add(new KeptConnection(socket, origin, this.#events));
    this.#arm();
  }

  /** It was reserved, and nothing was said on it. */
  giveBack(kept: KeptConnection): void {
    if (!kept.isReady) return;
    // Meanwhile others may have come to wait, or the server may have shown what it does.
    const objection = this.#objectionTo(kept.origin);
    if (objection !== undefined) {
      this.discard(kept, objection);
      return;
    }
    const before = this.#waiting.findLastIndex(({ keptAt }) => keptAt <= kept.keptAt);
    this.#waiting.splice(before + 1, 0, kept);
    this.#arm();
  }

  discard(kept: KeptConnection, reason: KeptEnd): void {
    const socket = kept.release();
    if (socket !== undefined) this.#end(socket, kept.origin, reason);
  }

  /** A server does what makes reuse unsafe. `because`: a clause that begins with it. */
  distrust(origin: ServerOrigin, because: string): void {
    const judgement = this.#judgement(origin);
    if (judgement.state === 'unsafe') return;
    judgement.state = 'unsafe';
    this.#tell(origin, because);
    const key = judgementKey(origin);
    for (const kept of [...this.#waiting])
      if (judgementKey(kept.origin) === key) this.#remove(kept, 'unsafe');
  }

  /** The server has no place for another connection: those of it that wait end. */
  makeRoom(server: string): void {
    for (const kept of [...this.#waiting]) if (kept.origin.name === server) this.#remove(kept, 'server_full');
  }

  /** The route may have no other server connection: the one that has waited longest makes room. */
  endOldest(): void {
    const [oldest] = this.#waiting;
    if (oldest !== undefined) this.#remove(oldest, 'server_full');
  }

  /** Ends all that wait, and from now on each that is offered. Resolves when they are closed. */
  async close(reason: 'reload' | 'shutdown'): Promise<void> {
    this.#closedBy ??= reason;
    clearTimeout(this.#timer);
    this.#hurry.cancel(new Error(`kept connections end: ${reason}`));
    for (const kept of [...this.#waiting, ...this.#beingReset]) this.#remove(kept, reason);
    await Promise.all(this.#leaving);
  }

  readonly #events = {
    onReady: (kept: KeptConnection) => this.#onReady(kept),
    onLost: (kept: KeptConnection, reason: LossReason) => this.#onLost(kept, reason),
  };

  #onReady(kept: KeptConnection): void {
    this.#beingReset.delete(kept);
    const judgement = this.#judgement(kept.origin);
    if (judgement.state === 'safe' && this.#options.isRoomWanted()) {
      this.discard(kept, 'server_full');
    } else if (judgement.state === 'safe') {
      this.#waiting.push(kept);
      this.#arm();
    } else if (judgement.state === 'unknown') {
      this.#probe(kept, judgement);
    } else {
      this.discard(kept, judgement.state === 'unsafe' ? 'unsafe' : 'probed');
    }
  }

  #onLost(kept: KeptConnection, reason: LossReason): void {
    this.#forget(kept);
    this.#end(kept.socket, kept.origin, LOSSES[reason]);
    if (reason === 'reset unknown')
      this.distrust(kept.origin, 'it does not empty sessions with COM_RESET_CONNECTION');
  }

  #probe(kept: KeptConnection, judgement: Judgement): void {
    const { origin } = kept;
    const socket = kept.release();
    if (socket === undefined) return;
    judgement.state = 'probing';
    for (const nonce of origin.nonces) judgement.nonces.add(nonce);
    const port = new PacketPort(socket, { leg: 'server', peer: origin.name });
    const { address, name, greeting } = origin;
    const server = {
      port,
      address,
      name,
      firstPacket: greeting.payload,
      stage: 'idle' as const,
      sslRequest: undefined,
    };
    const plugin = judgement.plugin ?? greeting.authPlugin;
    const probing = probeServer(server, origin, plugin, judgement.nonces, this.#hurry).then((result) => {
      this.#options.observer.keptServerEnded?.(this.#options.route, name, 'probed');
      judgement.state = 'unknown';
      if (result.verdict === 'unsafe') return this.distrust(origin, result.because);
      judgement.probes += 1;
      if (result.verdict === 'safe') {
        judgement.state = 'safe';
        judgement.nonces.clear();
        this.#tell(origin, undefined);
      } else if (result.verdict === 'ask again') judgement.plugin = result.plugin;
      if (judgement.state === 'unknown' && judgement.probes >= MAX_PROBES)
        this.distrust(origin, 'it could not be probed');
    });
    this.#track(probing);
  }

  /** Why this one can not wait for a client now. */
  #objectionTo(origin: ServerOrigin): KeptEnd | undefined {
    if (this.#closedBy !== undefined) return this.#closedBy;
    if (this.#judgement(origin).state === 'unsafe') return 'unsafe';
    if (isWornOut(origin)) return 'worn_out';
    if (this.#options.isRoomWanted()) return 'server_full';
    const isFull = this.#waiting.length + this.#beingReset.size >= this.#options.max;
    return isFull ? 'pool_full' : undefined;
  }

  #tell(origin: ServerOrigin, because: string | undefined): void {
    const { route, observer } = this.#options;
    observer.reuseJudged?.({
      route,
      server: origin.name,
      serverVersion: versionForPeople(origin.greeting),
      because,
    });
  }

  #judgement(origin: ServerOrigin): Judgement {
    const key = judgementKey(origin);
    const known = this.#judgements.get(key);
    if (known !== undefined) return known;
    const judgement: Judgement = { state: 'unknown', plugin: undefined, probes: 0, nonces: new Set() };
    this.#judgements.set(key, judgement);
    return judgement;
  }

  #remove(kept: KeptConnection, reason: KeptEnd): void {
    this.#forget(kept);
    this.discard(kept, reason);
  }

  #forget(kept: KeptConnection): void {
    this.#beingReset.delete(kept);
    const at = this.#waiting.indexOf(kept);
    if (at !== -1) this.#waiting.splice(at, 1);
  }

  #end(socket: Socket, { name }: ServerOrigin, reason: KeptEnd): void {
    this.#options.observer.keptServerEnded?.(this.#options.route, name, reason);
    this.#track(quitServer(socket));
  }

  #track(leaving: Promise<unknown>): void {
    this.#leaving.add(leaving);
    void leaving.finally(() => this.#leaving.delete(leaving));
  }

  /** One timer for all, for the one that has been there longest: a server may also never answer the reset. */
  #arm(): void {
    if (this.#timer !== undefined) return;
    const [reset] = this.#beingReset;
    const oldest = Math.min(this.#waiting[0]?.keptAt ?? Infinity, reset?.keptAt ?? Infinity);
    if (oldest === Infinity) return;
    const left = oldest + this.#options.idleTimeout - performance.now();
    this.#timer = setTimeout(() => this.#endIdle(), Math.max(left, 1)).unref();
  }

  #endIdle(): void {
    this.#timer = undefined;
    const limit = performance.now() - this.#options.idleTimeout;
    for (const kept of this.#waiting.filter(({ keptAt }) => keptAt <= limit))
      this.#remove(kept, 'idle_timeout');
    for (const kept of [...this.#beingReset].filter(({ keptAt }) => keptAt <= limit))
      this.#remove(kept, 'not_emptied');
    this.#arm();
  }
}

function isWornOut({ openedAt, clients }: ServerOrigin): boolean {
  return clients >= MAX_CLIENTS || performance.now() - openedAt >= MAX_AGE_MS;
}

function judgementKey({ name, greeting }: ServerOrigin): string {
  return `${name} ${greeting.serverVersion}`;
}

function fitKey(host: string, server: string): string {
  return `${host} ${server}`;
}
