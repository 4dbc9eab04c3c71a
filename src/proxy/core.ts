/** Serves clients that were accepted: the routes as they run, and the sessions in progress. Needs no listener of its own. */
import { setTimeout as delay } from 'node:timers/promises';
import type { ClientEnd } from '../admission/client-address.js';
import { type Stay, WATCH_PACE_MS } from '../admission/handshake-queue.js';
import { Pace } from '../admission/pace.js';
import type { RsaKeySource } from '../auth/rsa-key.js';
import { Cancellation } from '../cancellation.js';
import { mayNeedOwnRsaKey, type ProxyConfig } from '../config/model.js';
import { toProxyError } from '../errors.js';
import type { CertificateInUse, KeptCount, Observer, ServerConnections } from '../observe/events.js';
import { createRoute, type ProxySecrets } from './create-route.js';
import { ignoreErrors } from './legs.js';
import { noFilesLeft, openFiles } from './open-files.js';
import { readProxyHeader } from './proxy-header.js';
import { certificatesOf, isBalancer, type Route } from './route.js';
import { Session } from './session.js';
import { SessionSet, shutdown } from './session-set.js';
import { type Arrival, turnAway } from './turn-away.js';
import { unlessCancelled } from './unless-cancelled.js';

/**
 * In the first half of the time a session ends only if its client has sent no command for so long, in milliseconds: one that is
 * in the middle of its work, with another command to follow, gets to finish it.
 */
const QUIET_MS = 1_000;

/** Decides who gets in. */
export interface Door {
  /** As `Admission.enter`. */
  enter(route: string, client: ClientEnd, hurry: () => void): Stay;
}

export interface ProxyCore {
  /** Resolves when the connection is over and its sockets are closed; never rejects. */
  serve(arrival: Arrival, door: Door): Promise<void>;
  /** Those in use for new connections, and those that servers showed last. */
  certificates(): readonly CertificateInUse[];
  /** Server connections that wait for a client, of each route that keeps some. */
  keptServers(): readonly KeptCount[];
  /** Open connections to each server of each route. */
  serverConnections(): readonly ServerConnections[];
  /** Reads the files of another configuration. Returns what puts it to use for new connections; rejects where one is unusable. */
  prepare(config: ProxyConfig): Promise<() => void>;
  /**
   * Resolves when all connections have ended: by themselves, between two commands, or cut after `timeoutMs` milliseconds.
   * Returns how many were cut. No connection may come any more; called again with a shorter time, it ends them by that.
   */
  end(timeoutMs: number): Promise<number>;
}

/** Rejects where a certificate or key is unusable. */
export async function createProxyCore(
  config: ProxyConfig,
  secrets: ProxySecrets,
  observer: Observer,
): Promise<ProxyCore> {
  const sessions = new SessionSet();
  const serving = new Set<Promise<void>>();
  const files = openFiles();
  const watches = new Pace<Stay>(WATCH_PACE_MS);
  /** Cancelled when connections that are no sessions yet are not to become some. */
  const stopped = new Cancellation();
  let routes = createRoutes(config, secrets, observer);
  await checkOwnKey(config, secrets.ownKey);
  startChecks(routes);
  /** Of the routes before the latest reload. */
  let closing: Promise<void> = Promise.resolve();

  const routeOf = (name: string): Route => {
    const route = routes.get(name);
    if (route === undefined) throw new Error(`a listener of the unknown route ${name} accepted a connection`);
    return route;
  };

  /** One that waits for its handshake is watched when it has its turn, or may begin. */
  const watchedInTurn = (stay: Stay) =>
    new Promise<void>((resolve) => {
      stay.mayBegin.then(resolve, resolve);
      watches.add(stay, () => {
        resolve();
        return stay.isWaiting;
      });
    });

  const serve = async (arrival: Arrival, door: Door) => {
    const { id, route: name, client: peer, socket } = arrival;
    ignoreErrors(socket);
    let client = peer;
    let session: Session | undefined;
    let stay: Stay | undefined;
    try {
      if (files !== undefined && serving.size >= files.connections) throw noFilesLeft(files);
      const route = routeOf(name);
      socket.setKeepAlive(route.config.tcpKeepAlive !== undefined, route.config.tcpKeepAlive);
      if (isBalancer(route, peer))
        client = await readProxyHeader(socket, peer, route.timeouts.handshakeTimeout, stopped);
      stay = door.enter(name, client, () => session?.hurry());
      if (stay.isWaiting) await unlessCancelled(watchedInTurn(stay), stopped);
      else await stay.mayBegin;
    } catch (error) {
      await turnAway({ ...arrival, client }, toProxyError(error), observer);
      stay?.ended();
      return;
    }
    const currentRoute = () => routeOf(name);
    session = new Session(socket, { id, currentRoute, observer, client, stay });
    sessions.add(session);
    await session.ended;
  };

  return {
    serve: (arrival, door) => {
      const served = serve(arrival, door);
      serving.add(served);
      void served.finally(() => serving.delete(served));
      return served;
    },
    certificates: () => [...routes.values()].flatMap(certificatesOf),
    keptServers: () =>
      [...routes.values()].flatMap(({ config: { name }, kept }) =>
        kept === undefined ? [] : [{ route: name, count: kept.size }],
      ),
    serverConnections: () => [...routes.values()].flatMap(({ pool }) => pool.connections()),
    prepare: async (next) => {
      const nextRoutes = createRoutes(next, secrets, observer, routes);
      await checkOwnKey(next, secrets.ownKey);
      return () => {
        // Nothing that was agreed on before the reload is given to anyone behind it.
        closing = endRoutes(routes, 'reload');
        routes = nextRoutes;
        startChecks(routes);
      };
    },
    end: async (timeoutMs) => {
      const unchecked = endChecks(routes);
      if (timeoutMs > 0) {
        for (const quietMs of [QUIET_MS, 0]) {
          sessions.drain(quietMs);
          await settledWithin(timeoutMs / 2, [...serving]);
        }
      }
      const cut = sessions.cut();
      stopped.cancel(shutdown());
      await Promise.all(serving);
      await Promise.all([closing, unchecked, endRoutes(routes, 'shutdown')]);
      return cut;
    },
  };
}

function createRoutes(
  { routes, users, ...timeouts }: ProxyConfig,
  secrets: ProxySecrets,
  observer: Observer,
  before?: ReadonlyMap<string, Route>,
): ReadonlyMap<string, Route> {
  const surroundings = { users, secrets, observer, timeouts };
  return new Map(
    routes.map((route) => [
      route.name,
      createRoute(route, { ...surroundings, before: before?.get(route.name) }),
    ]),
  );
}

function startChecks(routes: ReadonlyMap<string, Route>): void {
  for (const { checks } of routes.values()) checks?.start();
}

async function endChecks(routes: ReadonlyMap<string, Route>): Promise<void> {
  await Promise.all([...routes.values()].map(({ checks }) => checks?.close()));
}

/** Sessions that go on end their server's connection when they are over. */
async function endRoutes(routes: ReadonlyMap<string, Route>, reason: 'reload' | 'shutdown'): Promise<void> {
  const closed = [...routes.values()].map(({ kept }) => kept?.close(reason));
  await Promise.all([...closed, endChecks(routes)]);
}

/** What is wrong with the key that is kept should be known now, not when the first client needs it. */
async function checkOwnKey({ stateDirectory, routes }: ProxyConfig, ownKey: RsaKeySource): Promise<void> {
  if (stateDirectory !== undefined && routes.some(mayNeedOwnRsaKey)) await ownKey();
}

async function settledWithin(milliseconds: number, promises: readonly Promise<unknown>[]): Promise<void> {
  const settled = new AbortController();
  const { signal } = settled;
  const timeout = delay(milliseconds, undefined, { signal }).catch(() => {});
  await Promise.race([timeout, Promise.all(promises)]);
  settled.abort();
}
