/**
 * The proxy in several processes: this one accepts connections, decides who gets in, and hands each to the worker that has the
 * fewest. It looks into no connection, so there is little that can go wrong here when something does in a worker.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Admission } from '../admission/admission.js';
import { NetworkList } from '../admission/network-list.js';
import { exportRsaKey, ownRsaKey } from '../auth/rsa-key.js';
import { mayNeedOwnRsaKey, type ProxyConfig } from '../config/model.js';
import type { ListeningSockets } from '../listening-socket.js';
import type { CommandChange } from '../observe/command-statistics.js';
import type { Observer } from '../observe/events.js';
import { combineObservers } from '../observe/observers.js';
import { openEntrance } from '../proxy/entrance.js';
import type { RunningProxy } from '../proxy/proxy.js';
import { shutdown } from '../proxy/session-set.js';
import { HandOver } from './hand-over.js';
import { sendConfig } from './messages.js';
import { Place } from './place.js';
import { allCertificates, allKeptServers, allServerConnections } from './reports.js';
import type { WorkerProcess } from './worker-process.js';

/** How often workers are asked for what they count, in milliseconds. */
const REPORT_MS = 1_000;

/** How long somebody who looks at the figures waits for a worker that does not answer, in milliseconds. */
const REFRESH_MS = 500;

export interface CrewOptions {
  /** How many processes. */
  readonly count: number;
  /** Told of what was counted in workers. */
  readonly onCommands: (route: string, changes: readonly CommandChange[]) => void;
  readonly inherited: ListeningSockets;
}

/** As `startProxy`, with the connections in several processes. */
export async function startCrew(
  initial: ProxyConfig,
  observers: readonly Observer[],
  { count, onCommands, inherited }: CrewOptions,
): Promise<RunningProxy> {
  let config = initial;
  const observer = combineObservers(observers);
  const admission = new Admission(config);
  const ownKey = ownRsaKey(config.stateDirectory);
  const ticketSecret = randomBytes(32);
  const workers = (): readonly WorkerProcess[] => places.flatMap(({ worker }) => worker ?? []);
  let balancers = balancerNetworks(config);
  const handOver = new HandOver({
    admission,
    observer,
    readyWorkers: () => workers().filter(({ isReady }) => isReady),
    isBalancer: (route, client) => balancers.get(route)?.has(client.remoteAddress) === true,
  });
  const places: readonly Place[] = Array.from(
    { length: count },
    (_, index) =>
      new Place(index + 1, {
        observer,
        startMessage: async () => ({
          kind: 'start',
          config: sendConfig(shareOf(config, index, count)),
          rsaKey: config.routes.some(mayNeedOwnRsaKey) ? exportRsaKey(await ownKey()) : undefined,
          ticketSecret,
        }),
        onNews: (news) => handOver.onNews(news),
        onReady: () => handOver.assignWaiting(),
        onDied: (worker) => handOver.workerDied(worker),
        onCommands,
      }),
  );
  const endAll = async (timeoutMs: number): Promise<number> => {
    for (const place of places) place.close();
    const cut = await Promise.all(workers().map((worker) => worker.end(timeoutMs)));
    return cut.reduce((sum, each) => sum + each, 0);
  };
  const refresh = async () => {
    const all = Promise.all(places.map((place) => place.refresh()));
    await Promise.race([all, delay(REFRESH_MS, undefined, { ref: false })]);
  };
  const open = async () => {
    await Promise.all(places.map((place) => place.start()));
    return openEntrance(config.routes, (...accepted) => handOver.accept(...accepted), inherited);
  };
  const entrance = await open().catch(async (error: unknown) => {
    await endAll(0);
    throw error;
  });
  const timer = setInterval(() => void refresh(), REPORT_MS).unref();
  const reports = () => workers().flatMap(({ latestReport }) => latestReport ?? []);
  let accepting = true;

  return {
    addresses: entrance.addresses,
    sockets: entrance.sockets,
    ready: () => accepting,
    connections: () => handOver.size,
    waiting: () => admission.waiting(),
    certificates: () => allCertificates(reports()),
    keptServers: () => allKeptServers(reports()),
    serverConnections: () => allServerConnections(reports()),
    workers: () =>
      workers().flatMap(({ slot, connections, latestReport }) =>
        latestReport === undefined
          ? []
          : [
              {
                worker: slot,
                connections,
                residentBytes: latestReport.residentBytes,
                cpuSeconds: latestReport.cpuSeconds,
              },
            ],
      ),
    refresh,
    reload: async (next) => {
      assertEnoughForAll(next, count);
      // One that starts now would begin with the old configuration.
      await Promise.all(places.map(({ settled }) => settled));
      const all = workers();
      await Promise.all(
        all.map((worker) =>
          worker.prepare({ kind: 'prepare', config: sendConfig(shareOf(next, worker.slot - 1, count)) }),
        ),
      );
      for (const worker of all) worker.send({ kind: 'use' });
      config = next;
      balancers = balancerNetworks(next);
      admission.setConfig(next);
    },
    close: async ({ drainDelay = 0, drainTimeout = 0, isHandedOver = false } = {}) => {
      accepting = false;
      if (drainDelay > 0) await delay(drainDelay);
      const closed = entrance.close(isHandedOver);
      admission.allAreHere();
      // Those that wait for a worker come before the workers end.
      await Promise.race([handOver.assigned(), delay(drainTimeout / 2, undefined, { ref: false })]);
      const cut = await endAll(drainTimeout);
      admission.close(shutdown());
      await handOver.close(shutdown());
      clearInterval(timer);
      await closed;
      return { cut };
    },
  };
}

function assertEnoughForAll({ routes }: ProxyConfig, count: number): void {
  for (const { name, maxServerConnections } of routes) {
    if (maxServerConnections === undefined || maxServerConnections >= count) continue;
    throw new Error(
      `max-server-connections ${maxServerConnections} of the route ${name} is too few for the ${count} workers that run. Use ${count} or more, or restart`,
    );
  }
}

/**
 * What one worker may use of what is counted in workers. Connections are spread evenly, so that none is left over while another
 * worker lacks it.
 */
function shareOf(config: ProxyConfig, index: number, count: number): ProxyConfig {
  const routes = config.routes.map((route) => {
    const { maxServerConnections: all } = route;
    if (all === undefined) return route;
    return { ...route, maxServerConnections: Math.floor(all / count) + (index < all % count ? 1 : 0) };
  });
  return { ...config, routes };
}

/** By route, of those that have any: to look up an address costs nearly as much as to hand over a socket. */
function balancerNetworks({ routes }: ProxyConfig): ReadonlyMap<string, NetworkList> {
  return new Map(
    routes.flatMap(({ name, proxyProtocolFrom }) =>
      proxyProtocolFrom === undefined ? [] : [[name, new NetworkList(proxyProtocolFrom)] as const],
    ),
  );
}
