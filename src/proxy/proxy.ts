/** The running proxy: its listeners, its routes and the sessions in progress. */
import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { ownRsaKey, type RsaKeySource } from '../auth/rsa-key.js';
import {
  type Address,
  formatAddress,
  mayNeedOwnRsaKey,
  type ProxyConfig,
  type RouteConfig,
} from '../config/model.js';
import { ProxyError, toProxyError } from '../errors.js';
import type { CertificateInUse, KeptCount, Observer } from '../observe/events.js';
import { combineObservers } from '../observe/observers.js';
import { Admission, type Permit } from './admission.js';
import { type ClientEnd, clientEndOf } from './client-address.js';
import { ignoreErrors, plainAddress } from './legs.js';
import { type Listener, listen } from './listener.js';
import { certificatesOf, createRoute, type Route } from './route.js';
import { Session } from './session.js';
import { SessionSet, shutdown } from './session-set.js';

export interface BoundAddress {
  readonly route: string;
  /** `HOST:PORT` with the real port, or `unix:PATH`. */
  readonly address: string;
}

/** In milliseconds; 0 where left out. */
export interface CloseOptions {
  /** How long clients still get in while `ready` is false already. */
  readonly drainDelay?: number;
  /** How long connections have then to end by themselves, or between two commands outside of a transaction. */
  readonly drainTimeout?: number;
}

export interface Closed {
  /** Connections that had not ended in time. */
  readonly cut: number;
}

export interface RunningProxy {
  readonly addresses: readonly BoundAddress[];
  /** Accepts connections; false from the moment `close` is called. */
  ready(): boolean;
  /** Connections that are open now, those that are in their handshake, wait for it or are being refused included. */
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
  /** By route: connections that wait for their handshake to begin. */
  waiting(): ReadonlyMap<string, number>;
  /** Resolves when every socket is closed. */
  close(options?: CloseOptions): Promise<Closed>;
}

/** Rejects with an Error that says what to change when an address or a certificate can not be used. */
export async function startProxy(
  initial: ProxyConfig,
  observers: readonly Observer[],
): Promise<RunningProxy> {
  const observer = combineObservers(observers);
  const sessions = new SessionSet();
  let config = initial;
  const admission = new Admission(config);
  const ownKey = ownRsaKey(config.stateDirectory);
  let routes = createRoutes(config, ownKey, observer);
  await checkOwnKey(config, ownKey);
  let accepting = true;
  /** Of the routes before the latest reload. */
  let closing: Promise<void> = Promise.resolve();
  let lastId = 0;
  let connections = 0;

  const routeOf = (name: string): Route => {
    const route = routes.get(name);
    if (route === undefined) throw new Error(`a listener of the unknown route ${name} accepted a connection`);
    return route;
  };

  const accept = async (routeName: string, isUnix: boolean, socket: Socket) => {
    ignoreErrors(socket);
    connections += 1;
    const client = clientEndOf(socket, isUnix);
    let session: Session | undefined;
    let permit: Permit | undefined;
    let refusal: ProxyError | undefined;
    try {
      assertAllowed(routeOf(routeName), client);
      permit = await admission.enter(routeName, client, () => session?.hurry());
    } catch (error) {
      refusal = toProxyError(error);
    }
    lastId += 1;
    // A reload may have come while it waited.
    const route = routeOf(routeName);
    const { connectTimeout, handshakeTimeout } = config;
    session = new Session(socket, {
      id: lastId,
      route,
      currentRoute: () => routes.get(routeName) ?? route,
      observer,
      connectTimeout,
      handshakeTimeout,
      refusal,
      client,
      onHandshakeEnded: () => permit?.handshakeEnded(),
    });
    sessions.add(session);
    await session.ended;
    permit?.ended();
    connections -= 1;
  };

  const listeners: Listener[] = [];
  const addresses: BoundAddress[] = [];
  try {
    for (const { name, listen: wanted, listenMode } of config.routes) {
      for (const address of wanted) {
        const isUnix = address.kind === 'unix';
        const listener = await listen(address, listenMode, (socket) => void accept(name, isUnix, socket));
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
    connections: () => connections,
    waiting: () => admission.waiting(),
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
      admission.setConfig(next);
    },
    close: async ({ drainDelay = 0, drainTimeout = 0 } = {}) => {
      accepting = false;
      if (drainDelay > 0) await delay(drainDelay);
      const closed = listeners.map((listener) => listener.close());
      admission.close(shutdown());
      const cut = await sessions.end(drainTimeout);
      await Promise.all([...closed, closing, closeKept(routes, 'shutdown')]);
      return { cut };
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

/** Throws ProxyError `client_address_denied`. */
function assertAllowed({ allowedNetworks, config }: Route, client: ClientEnd): void {
  if (client.isUnix || allowedNetworks === undefined || allowedNetworks.has(client.remoteAddress)) return;
  throw new ProxyError(
    'client_address_denied',
    `Host '${plainAddress(client)}' is not allowed to connect to the route ${config.name}`,
  );
}
