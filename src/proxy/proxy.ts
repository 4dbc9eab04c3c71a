/** The running proxy: its listeners, its routes and the sessions in progress. */
import type { Socket } from 'node:net';
import { ownRsaKey, type RsaKeySource } from '../auth/rsa-key.js';
import {
  type Address,
  formatAddress,
  mayNeedOwnRsaKey,
  type ProxyConfig,
  type RouteConfig,
} from '../config/model.js';
import { ProxyError } from '../errors.js';
import type { CertificateInUse, KeptCount, Observer } from '../observe/events.js';
import { combineObservers } from '../observe/observers.js';
import { clientEndOf } from './client-address.js';
import { type Listener, listen } from './listener.js';
import { certificatesOf, createRoute, type Route } from './route.js';
import { Session } from './session.js';

export interface BoundAddress {
  readonly route: string;
  /** `HOST:PORT` with the real port, or `unix:PATH`. */
  readonly address: string;
}

export interface RunningProxy {
  readonly addresses: readonly BoundAddress[];
  /** Accepts connections; false from the moment `close` is called. */
  ready(): boolean;
  /** Connections that are open now, those in their handshake included. */
  connections(): number;
  /** Those in use for new connections, and those that servers showed last. */
  certificates(): readonly CertificateInUse[];
  /** Server connections that wait for a client, of each route that keeps some. */
  keptServers(): readonly KeptCount[];
  /**
   * Uses another configuration, and newly read certificate files, for connections accepted from now on. All or nothing:
   * rejects and changes nothing when a file is unusable, or when routes or listen addresses differ.
   */
  reload(config: ProxyConfig): Promise<void>;
  /**
   * Stops listening, gives connections `graceMs` milliseconds (default 0) to end by themselves, cuts the rest and
   * resolves when every socket is closed.
   */
  close(options?: { graceMs?: number }): Promise<void>;
}

/** Rejects with an Error that says what to change when an address or a certificate can not be used. */
export async function startProxy(
  initial: ProxyConfig,
  observers: readonly Observer[],
): Promise<RunningProxy> {
  const observer = combineObservers(observers);
  const sessions = new Set<Session>();
  /** Those of them that were let in: who is being refused takes no one's place. */
  const admitted = new Set<Session>();
  let config = initial;
  const ownKey = ownRsaKey(config.stateDirectory);
  let routes = createRoutes(config, ownKey, observer);
  await checkOwnKey(config, ownKey);
  let accepting = true;
  /** Of the routes before the latest reload. */
  let closing: Promise<void> = Promise.resolve();
  let lastId = 0;

  const accept = (routeName: string, isUnix: boolean, socket: Socket) => {
    const route = routes.get(routeName);
    if (route === undefined)
      throw new Error(`a listener of the unknown route ${routeName} accepted a connection`);
    lastId += 1;
    const { connectTimeout, handshakeTimeout, maxConnections } = config;
    const refusal =
      admitted.size >= maxConnections
        ? new ProxyError('too_many_connections', `Too many connections: all ${maxConnections} are in use`)
        : undefined;
    const session = new Session(socket, {
      id: lastId,
      route,
      currentRoute: () => routes.get(routeName) ?? route,
      observer,
      connectTimeout,
      handshakeTimeout,
      refusal,
      client: clientEndOf(socket, isUnix),
    });
    sessions.add(session);
    if (refusal === undefined) admitted.add(session);
    void session.ended.finally(() => {
      sessions.delete(session);
      admitted.delete(session);
    });
  };

  const listeners: Listener[] = [];
  const addresses: BoundAddress[] = [];
  try {
    for (const { name, listen: wanted, listenMode } of config.routes) {
      for (const address of wanted) {
        const isUnix = address.kind === 'unix';
        const listener = await listen(address, listenMode, (socket) => accept(name, isUnix, socket));
        listeners.push(listener);
        addresses.push({ route: name, address: formatAddress(listener.address) });
      }
    }
  } catch (error) {
    await Promise.all(listeners.map((listener) => listener.close()));
    throw error;
  }

  return {
    addresses,
    ready: () => accepting,
    connections: () => sessions.size,
    certificates: () => [...routes.values()].flatMap(certificatesOf),
    keptServers: () =>
      [...routes.values()].flatMap(({ config: { name }, kept }) =>
        kept === undefined ? [] : [{ route: name, count: kept.size }],
      ),
    reload: async (next) => {
      assertSameListeners(config.routes, next.routes);
      const nextRoutes = createRoutes(next, ownKey, observer, routes);
      await checkOwnKey(next, ownKey);
      // Nothing that was agreed on before the reload is given to anyone behind it.
      closing = closeKept(routes, 'reload');
      routes = nextRoutes;
      config = next;
    },
    close: async ({ graceMs = 0 } = {}) => {
      accepting = false;
      const closed = listeners.map((listener) => listener.close());
      if (graceMs > 0) await settledWithin(graceMs, sessions);
      for (const session of sessions)
        session.stop(new ProxyError('proxy_shutdown', 'Server shutdown in progress'));
      await Promise.all([...closed, ...[...sessions].map((session) => session.ended)]);
      await Promise.all([closing, closeKept(routes, 'shutdown')]);
    },
  };
}

function createRoutes(
  { routes, users }: ProxyConfig,
  ownKey: RsaKeySource,
  observer: Observer,
  before?: ReadonlyMap<string, Route>,
): ReadonlyMap<string, Route> {
  return new Map(
    routes.map((route) => [route.name, createRoute(route, users, ownKey, observer, before?.get(route.name))]),
  );
}

/** Sessions that go on end their server's connection when they are over. */
async function closeKept(routes: ReadonlyMap<string, Route>, reason: 'reload' | 'shutdown'): Promise<void> {
  await Promise.all([...routes.values()].map(({ kept }) => kept?.close(reason)));
}

/** What is wrong with the key that is kept should be known now, not when the first client needs it. */
async function checkOwnKey({ stateDirectory, routes }: ProxyConfig, ownKey: RsaKeySource): Promise<void> {
  if (stateDirectory !== undefined && routes.some(mayNeedOwnRsaKey)) await ownKey();
}

function assertSameListeners(current: readonly RouteConfig[], next: readonly RouteConfig[]): void {
  const describe = (routes: readonly RouteConfig[]) =>
    routes
      .map(
        ({ name, listen }) =>
          `${name}: ${listen.map((address: Address) => formatAddress(address)).join(' ')}`,
      )
      .join('; ');
  if (describe(current) === describe(next)) return;
  throw new Error(
    `routes and listen addresses can not change while the proxy runs (${describe(current)} → ${describe(next)}). Restart it.`,
  );
}

async function settledWithin(milliseconds: number, sessions: ReadonlySet<Session>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, milliseconds);
  });
  await Promise.race([timeout, Promise.all([...sessions].map((session) => session.ended))]);
  clearTimeout(timer);
}
