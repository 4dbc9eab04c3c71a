/** All that is kept of a running proxy for the admin listener: put together here, by what --metrics allows. */
import { formatAddress, type ProxyConfig } from '../config/model.js';
import { messageOf } from '../errors.js';
import { printable } from '../printable.js';
import type { Endpoint } from './admin-server.js';
import { type CommandChange, CommandStatistics } from './command-statistics.js';
import { EventStream } from './event-stream.js';
import type { Observer } from './events.js';
import { createMetrics } from './metrics/aggregates.js';
import { connectionMetricsText } from './metrics/connections.js';
import { loadPage } from './page/page.js';
import { FilterError, listConnections } from './state/connection-list.js';
import { recentFailures } from './state/failures.js';
import { HISTORY_STEP_SECONDS, History } from './state/history.js';
import { LiveConnections } from './state/live-connections.js';
import { plaintextReporter } from './state/plaintext-report.js';
import { type ProxyView, proxyState } from './state/proxy-state.js';
import { type RouteServers, Servers } from './state/servers.js';
import type { ReloadState } from './state/state.js';

export interface Monitor {
  readonly observers: readonly Observer[];
  /** For the admin listener, by path. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  readonly streams: ReadonlyMap<string, EventStream>;
  /** Of commands that the observers were not told of one by one. */
  countCommands(route: string, changes: readonly CommandChange[]): void;
  /** Another configuration is in use. */
  reloaded(config: ProxyConfig): void;
  /** The old configuration stays in use. */
  reloadFailed(error: unknown): void;
  close(): void;
}

/** Of a failed reload, in characters. */
const LONGEST_REASON = 1000;

const JSON_TYPE = 'application/json; charset=utf-8';

export function createMonitor(initial: ProxyConfig, version: string, proxy: ProxyView): Monitor {
  if (initial.metrics === 'none') return noMonitor();
  const startedAt = Date.now();
  let config = initial;
  let reloads: ReloadState = {
    succeeded: 0,
    failed: 0,
    last_success_at: startedAt,
    last_failure_at: null,
    last_failure: '',
  };
  const routeNames = config.routes.map(({ name }) => name);
  const live = new LiveConnections(routeNames);
  const servers = new Servers(serversOf(config));
  const commands = new Map(routeNames.map((route) => [route, new CommandStatistics()]));
  const metrics = createMetrics(serversOf(config), version, {
    connectionsLimit: () => config.maxConnections,
    traffic: () => live.traffic(),
    commands,
    servers: () => servers.all(),
    certificates: () => proxy.certificates(),
    keptServers: () => proxy.keptServers(),
    waiting: () => proxy.waiting(),
    workers: () => proxy.workers(),
    serverConnections: () => proxy.serverConnections(),
    reloads: () => reloads,
  });
  const history = new History(live, [...commands.values()]);
  const failures = recentFailures();
  const isAll = initial.metrics === 'all';
  const plaintext = plaintextReporter(isAll ? config.routes : []);
  const sources = { version, startedAt, proxy, live, servers, history, failures, plaintext };
  const state = () => JSON.stringify(proxyState({ ...sources, config, reloads }));
  const observers = [live.observer, servers.observer, metrics.observer, history.observer];
  // They hold users and addresses.
  const observersOfClients = [failures.observer, plaintext.observer];

  const endpoints = new Map<string, Endpoint>([
    ['/', pageEndpoint()],
    [
      '/metrics',
      upToDate(async () => ({
        status: 200,
        body: await metrics.registry.metrics(),
        contentType: metrics.registry.contentType,
      })),
    ],
    ['/state', upToDate(() => ({ status: 200, body: state(), contentType: JSON_TYPE }))],
    ['/connections', ifAll(upToDate((query) => connectionsReply(live, query)))],
    [
      '/plaintext',
      ifAll(() => ({ status: 200, body: JSON.stringify(plaintext.report()), contentType: JSON_TYPE })),
    ],
    [
      '/metrics/connections',
      ifAll(
        upToDate(async () => ({
          status: 200,
          body: await connectionMetricsText([...live.all()], config.connectionMetricsLimit),
          contentType: metrics.registry.contentType,
        })),
      ),
    ],
  ]);

  function upToDate(endpoint: Endpoint): Endpoint {
    return async (query) => {
      await proxy.refresh();
      return endpoint(query);
    };
  }

  function ifAll(endpoint: Endpoint): Endpoint {
    if (isAll) return endpoint;
    return () => ({
      status: 404,
      body: 'Nothing is kept about single connections: the proxy runs with --metrics aggregates.\n',
    });
  }

  return {
    observers: isAll ? [...observers, ...observersOfClients] : observers,
    endpoints,
    streams: new Map([['/events', new EventStream('state', HISTORY_STEP_SECONDS * 1000, state)]]),
    countCommands: (route, changes) => commands.get(route)?.add(changes),
    reloaded: (next) => {
      config = next;
      reloads = { ...reloads, succeeded: reloads.succeeded + 1, last_success_at: Date.now() };
      servers.setRoutes(serversOf(next));
      metrics.setRoutes(serversOf(next));
      if (isAll) plaintext.setRoutes(next.routes, live.sessions());
    },
    reloadFailed: (error) => {
      reloads = {
        ...reloads,
        failed: reloads.failed + 1,
        last_failure_at: Date.now(),
        // It may name users.
        last_failure: isAll ? reasonOf(error) : 'The log says why',
      };
    },
    close: () => history.close(),
  };
}

/** In one line: problems with the configuration come as a list. */
function reasonOf(error: unknown): string {
  const inOneLine = messageOf(error)
    .replace(/:\n\s*- /, ': ')
    .replaceAll(/\n\s*(- )?/g, '; ');
  return printable(inOneLine, LONGEST_REASON);
}

function noMonitor(): Monitor {
  return {
    observers: [],
    endpoints: new Map(),
    streams: new Map(),
    countCommands: () => {},
    reloaded: () => {},
    reloadFailed: () => {},
    close: () => {},
  };
}

function pageEndpoint(): Endpoint {
  const { html, contentSecurityPolicy } = loadPage();
  const reply = {
    status: 200,
    body: html,
    contentType: 'text/html; charset=utf-8',
    headers: { 'Content-Security-Policy': contentSecurityPolicy },
  };
  return () => reply;
}

function connectionsReply(live: LiveConnections, query: URLSearchParams) {
  try {
    return {
      status: 200,
      body: JSON.stringify(listConnections([...live.all()], query)),
      contentType: JSON_TYPE,
    };
  } catch (error) {
    if (error instanceof FilterError) return { status: 400, body: `${error.message}.\n` };
    throw error;
  }
}

function serversOf({ routes }: ProxyConfig): readonly RouteServers[] {
  return routes.map(({ name, servers }) => ({ route: name, servers: servers.map(formatAddress) }));
}
