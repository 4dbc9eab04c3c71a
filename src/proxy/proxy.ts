/** The running proxy, all of it in this process: listeners, who gets in, and the sessions. */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Admission } from '../admission/admission.js';
import { ownRsaKey } from '../auth/rsa-key.js';
import type { ProxyConfig } from '../config/model.js';
import type { ListeningSockets } from '../listening-socket.js';
import type {
  CertificateInUse,
  KeptCount,
  Observer,
  ServerConnections,
  WorkerVitals,
} from '../observe/events.js';
import { combineObservers } from '../observe/observers.js';
import { createProxyCore } from './core.js';
import { type BoundAddress, openEntrance } from './entrance.js';
import { shutdown } from './session-set.js';

/** In milliseconds; 0 where left out. */
export interface CloseOptions {
  /** How long clients still get in while `ready` is false already. */
  readonly drainDelay?: number;
  /** How long connections have then to end by themselves, or between two commands outside of a transaction. */
  readonly drainTimeout?: number;
  /** Another process goes on listening on `sockets`. */
  readonly isHandedOver?: boolean;
}

export interface Closed {
  /** Connections that had not ended in time. */
  readonly cut: number;
}

export interface RunningProxy {
  readonly addresses: readonly BoundAddress[];
  /** Those that listen, for another process of the same configuration. */
  readonly sockets: ListeningSockets;
  /** Accepts connections; false from the moment `close` is called. */
  ready(): boolean;
  /** Connections that are open now, those that are in their handshake, wait for it or are being refused included. */
  connections(): number;
  /** Those in use for new connections, and those that servers showed last. */
  certificates(): readonly CertificateInUse[];
  /** Server connections that wait for a client, of each route that keeps some. */
  keptServers(): readonly KeptCount[];
  /** Open connections to each server of each route. */
  serverConnections(): readonly ServerConnections[];
  /**
   * Uses another configuration, and newly read certificate files, for connections accepted from now on. All or nothing:
   * rejects and changes nothing when a file is unusable. Routes and listen addresses must be those of before.
   */
  reload(config: ProxyConfig): Promise<void>;
  /** Where figures are not up to date by themselves, has them brought up to date. */
  refresh(): Promise<void>;
  /** By route: connections that wait for their handshake to begin. */
  waiting(): ReadonlyMap<string, number>;
  /** None where there is only this process. */
  workers(): readonly WorkerVitals[];
  /** Resolves when every socket is closed. */
  close(options?: CloseOptions): Promise<Closed>;
}

/** Rejects with an Error that says what to change when an address or a certificate can not be used. */
export async function startProxy(
  config: ProxyConfig,
  observers: readonly Observer[],
  inherited: ListeningSockets = new Map(),
): Promise<RunningProxy> {
  const admission = new Admission(config);
  const core = await createProxyCore(
    config,
    { ownKey: ownRsaKey(config.stateDirectory), ticketSecret: randomBytes(32) },
    combineObservers(observers),
  );
  let accepting = true;
  let lastId = 0;
  let connections = 0;
  const entrance = await openEntrance(
    config.routes,
    async (socket, client, route) => {
      lastId += 1;
      connections += 1;
      await core.serve({ id: lastId, route, client, socket }, admission);
      connections -= 1;
    },
    inherited,
  );

  return {
    addresses: entrance.addresses,
    sockets: entrance.sockets,
    ready: () => accepting,
    connections: () => connections,
    waiting: () => admission.waiting(),
    workers: () => [],
    refresh: () => Promise.resolve(),
    certificates: () => core.certificates(),
    keptServers: () => core.keptServers(),
    serverConnections: () => core.serverConnections(),
    reload: async (next) => {
      const use = await core.prepare(next);
      use();
      admission.setConfig(next);
    },
    close: async ({ drainDelay = 0, drainTimeout = 0, isHandedOver = false } = {}) => {
      accepting = false;
      if (drainDelay > 0) await delay(drainDelay);
      const closed = entrance.close(isHandedOver);
      admission.allAreHere();
      const cut = await core.end(drainTimeout);
      admission.close(shutdown());
      await closed;
      return { cut };
    },
  };
}
