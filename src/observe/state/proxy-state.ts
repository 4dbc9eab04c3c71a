/** Puts together what `/state` says. */
import { formatAddress, type ProxyConfig } from '../../config/model.js';
import { printable } from '../../printable.js';
import type { CertificateInUse, KeptCount, ServerConnections, WorkerVitals } from '../events.js';
import type { RecentFailures } from './failures.js';
import { HISTORY_STEP_SECONDS, type History } from './history.js';
import type { LiveConnections } from './live-connections.js';
import type { PlaintextReporter } from './plaintext-report.js';
import { type Servers, serverKey } from './servers.js';
import type {
  CertificateState,
  PlaintextReport,
  ProxyState,
  ReloadState,
  RouteState,
  ServerState,
  TlsCount,
} from './state.js';

/** What is asked of the proxy itself. */
export interface ProxyView {
  /** Where clients connect, with real ports. */
  addresses(): readonly { readonly route: string; readonly address: string }[];
  certificates(): readonly CertificateInUse[];
  /** Routes that keep server connections for other clients. */
  keptServers(): readonly KeptCount[];
  /** By route: connections that wait for their handshake to begin. */
  waiting(): ReadonlyMap<string, number>;
  workers(): readonly WorkerVitals[];
  /** Has figures that are not up to date by themselves brought up to date. */
  refresh(): Promise<void>;
  serverConnections(): readonly ServerConnections[];
  /** Undefined when the proxy can serve clients, else why not. */
  unreadyReason(): string | undefined;
}

export interface StateSources {
  readonly config: ProxyConfig;
  readonly version: string;
  readonly startedAt: number;
  readonly reloads: ReloadState;
  readonly proxy: ProxyView;
  readonly live: LiveConnections;
  readonly servers: Servers;
  readonly history: History;
  readonly failures: RecentFailures;
  readonly plaintext: PlaintextReporter;
}

/** This is sent every few seconds. */
const MOST_PLAINTEXT_CLIENTS = 100;

export function proxyState(sources: StateSources): ProxyState {
  const { config, version, startedAt, reloads, proxy, live, servers, history, failures, plaintext } = sources;
  const { node, openssl } = process.versions;
  const report = plaintext.report();
  return {
    version,
    node,
    openssl,
    started_at: startedAt,
    at: Date.now(),
    unready_reason: proxy.unreadyReason() ?? '',
    routes: routeStates(config, proxy),
    connections: {
      active: live.size,
      limit: config.maxConnections,
      total: history.opened,
      rejected: history.rejected,
      commands: history.commands,
    },
    tls: tlsCounts(live),
    history: history.points,
    history_step_seconds: HISTORY_STEP_SECONDS,
    servers: serverStates(servers, proxy),
    certificates: certificateStates(proxy),
    failures: failures.list(),
    plaintext: { ...report, clients: report.clients.slice(0, MOST_PLAINTEXT_CLIENTS) },
    plaintext_outcomes: outcomesOf(report),
    reloads,
  };
}

function routeStates({ routes }: ProxyConfig, proxy: ProxyView): RouteState[] {
  const addresses = proxy.addresses();
  const kept = new Map(proxy.keptServers().map(({ route, count }) => [route, count]));
  return routes.map(({ name, servers, client, server }) => ({
    route: name,
    listen: addresses.filter(({ route }) => route === name).map(({ address }) => address),
    servers: servers.map(formatAddress),
    client_ssl_mode: client.sslMode,
    server_ssl_mode: server.sslMode,
    kept_server_connections: kept.get(name) ?? null,
  }));
}

function serverStates(servers: Servers, proxy: ProxyView): ServerState[] {
  const counts = new Map(
    proxy.serverConnections().map(({ route, server, count }) => [serverKey(route, server), count]),
  );
  return servers
    .all()
    .map((server) => ({ ...server, connections: counts.get(serverKey(server.route, server.server)) ?? 0 }));
}

function tlsCounts(live: LiveConnections): TlsCount[] {
  const counts = new Map<string, TlsCount>();
  for (const { route, clientTls, serverTls } of live.sessions()) {
    for (const leg of ['client', 'server'] as const) {
      const { version, cipher } = leg === 'client' ? clientTls : serverTls;
      const key = [route, leg, version, cipher].join('\0');
      const connections = (counts.get(key)?.connections ?? 0) + 1;
      counts.set(key, { route, leg, version, cipher, connections });
    }
  }
  return [...counts.values()].toSorted((a, b) => b.connections - a.connections);
}

function certificateStates(proxy: ProxyView): CertificateState[] {
  return proxy
    .certificates()
    .map(({ route, leg, role, subject, notBefore, notAfter, source, option }) => ({
      route,
      leg,
      role,
      subject: printable(subject, 256),
      not_before: readable(notBefore),
      not_after: readable(notAfter),
      source,
      option,
    }))
    .toSorted((a, b) => (a.not_after ?? 0) - (b.not_after ?? 0));
}

/** JSON has no NaN. */
function readable(time: number): number | null {
  return Number.isNaN(time) ? null : time;
}

function outcomesOf({ clients }: PlaintextReport): ProxyState['plaintext_outcomes'] {
  const counts = { refused: 0, unknown: 0, accepted: 0 };
  for (const { under_required } of clients) counts[under_required] += 1;
  return counts;
}
