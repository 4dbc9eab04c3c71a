/** What /metrics serves: the totals of all connections. */
import { collectDefaultMetrics, Registry } from 'prom-client';
import { errorCodes, errorTable, type Leg, type ProxyError, serverRefusal } from '../../errors.js';
import { printable } from '../../printable.js';
import {
  type CertificateInUse,
  type CloseReason,
  type ConnectionRecord,
  type KeptCount,
  keptEnds,
  type LoginAttempt,
  type Observer,
  PLAINTEXT,
  type ServerCheck,
  type ServerConnections,
  type TlsDescription,
  type WorkerVitals,
} from '../events.js';
import type { Traffic } from '../state/live-connections.js';
import { type KnownServer, type RouteServers, serverKey } from '../state/servers.js';
import type { ReloadState } from '../state/state.js';
import { weaknessesOfLeg } from '../weak-tls.js';
import { commandCounts, commandDurations, type StatisticsByRoute } from './command-samples.js';
import { aggregateMetrics } from './definitions.js';
import { Instruments } from './instruments.js';
import { pluginLabel, tlsLabels } from './label-values.js';
import type { Sample } from './series.js';

/** What is known elsewhere, and asked for at each scrape. */
export interface MetricSources {
  connectionsLimit(): number;
  /** By route. */
  traffic(): ReadonlyMap<string, Traffic>;
  readonly commands: StatisticsByRoute;
  servers(): readonly KnownServer[];
  certificates(): readonly CertificateInUse[];
  keptServers(): readonly KeptCount[];
  /** By route. */
  waiting(): ReadonlyMap<string, number>;
  /** None where there is only one process. */
  workers(): readonly WorkerVitals[];
  serverConnections(): readonly ServerConnections[];
  reloads(): ReloadState;
}

export interface Metrics {
  readonly registry: Registry;
  readonly observer: Observer;
  /** After a reload: nothing is served any more of servers that are gone. */
  setRoutes(routes: readonly RouteServers[]): void;
}

/** Of prom-client's own metrics, those that would mislead. */
const removedDefaults = [
  // Sums, and gauges all the same: Prometheus keeps `_total` for counters, and so does its linter.
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
  // Takes the first of all the collections that Node tells of at once: seen to count 20 of 261.
  'nodejs_gc_duration_seconds',
];

/** Ends of a connection that are no error of the proxy's table. */
const ordinaryEnds = ['client_closed', 'server_closed', 'login_refused'] as const satisfies CloseReason[];

/** Servers choose theirs. */
const LONGEST_SUBJECT = 256;

const checkResults = ['success', 'failure', 'denied'] as const satisfies ServerCheck['result'][];

const legs = ['client', 'server'] as const;
type NetworkLeg = (typeof legs)[number];

/** @param routes each is a label value from the start, with 0, so that rates are right from the first event on. */
export function createMetrics(
  routes: readonly RouteServers[],
  version: string,
  sources: MetricSources,
): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of removedDefaults) registry.removeSingleMetric(name);
  const instruments = new Instruments(aggregateMetrics, registry);

  const { node, openssl } = process.versions;
  instruments.gauge('build_info').inc({ version, node, openssl });
  const opened = instruments.counter('connections_total');
  const active = instruments.gauge('connections_active');
  instruments.collected('connections_limit', () => [{ labels: {}, value: sources.connectionsLimit() }]);
  const rejected = instruments.counter('connections_rejected_total');
  const closed = instruments.counter('connections_closed_total');
  const connectionSeconds = instruments.histogram('connection_duration_seconds');
  const handshakes = instruments.counter('tls_handshakes_total');
  const handshakeFailures = instruments.counter('tls_handshake_failures_total');
  const handshakeSeconds = instruments.histogram('tls_handshake_duration_seconds');
  const sessions = instruments.counter('tls_sessions_total');
  const activeSessions = instruments.gauge('tls_sessions_active');
  const weak = instruments.counter('weak_tls_connections_total');
  instruments.collected('certificate_not_after_timestamp_seconds', () =>
    certificateSamples(sources.certificates()),
  );
  instruments.collected('tls_reloads_total', () => reloadSamples(sources.reloads()));
  instruments.collected('tls_last_reload_success_timestamp_seconds', () => [
    { labels: {}, value: sources.reloads().last_success_at / 1000 },
  ]);
  const auth = instruments.counter('auth_total');
  instruments.collected('bytes_total', () => byteSamples(sources.traffic()));
  instruments.collected('commands_total', () => commandCounts(sources.commands));
  instruments.collected('command_duration_seconds', () => commandDurations(sources.commands));
  instruments.collected('server_up', () => serverSamples(sources.servers()));
  const checks = instruments.counter('server_health_checks_total');
  const connectFailures = instruments.counter('server_connect_failures_total');
  instruments.collected('server_connections_active', () =>
    sources
      .serverConnections()
      .map(({ route, server, count }) => ({ labels: { route, server }, value: count })),
  );
  const serverConnections = instruments.counter('server_connections_total');
  instruments.collected('handshakes_waiting', () =>
    [...sources.waiting()].map(([route, value]) => ({ labels: { route }, value })),
  );
  const ofWorkers = (value: (vitals: WorkerVitals) => number) => () =>
    sources.workers().map((vitals) => ({ labels: { worker: String(vitals.worker) }, value: value(vitals) }));
  instruments.collected(
    'worker_connections',
    ofWorkers(({ connections }) => connections),
  );
  instruments.collected(
    'worker_cpu_seconds_total',
    ofWorkers(({ cpuSeconds }) => cpuSeconds),
  );
  instruments.collected(
    'worker_resident_memory_bytes',
    ofWorkers(({ residentBytes }) => residentBytes),
  );
  const workerRestarts = instruments.counter('worker_restarts_total');
  workerRestarts.inc({}, 0);
  instruments.collected('kept_server_connections', () =>
    sources.keptServers().map(({ route, count }) => ({ labels: { route }, value: count })),
  );
  const keptEnded = instruments.counter('kept_server_connections_ended_total');
  const serverSeconds = instruments.histogram('server_connect_duration_seconds');

  for (const { route } of routes) {
    opened.inc({ route }, 0);
    active.inc({ route }, 0);
    connectionSeconds.zero({ route });
    for (const reason of [...errorCodes, 'login_refused']) rejected.inc({ route, reason }, 0);
    for (const reason of [...errorCodes, ...ordinaryEnds]) closed.inc({ route, reason }, 0);
    for (const reason of keptEnds) keptEnded.inc({ route, reason }, 0);
    for (const leg of legs) {
      handshakeSeconds.zero({ route, leg });
      sessions.inc({ route, leg, ...tlsLabels(PLAINTEXT) }, 0);
      activeSessions.inc({ route, leg, ...tlsLabels(PLAINTEXT) }, 0);
      for (const reason of weaknessesOfLeg(leg)) weak.inc({ route, leg, reason }, 0);
      for (const reason of reasonsOf(leg)) handshakeFailures.inc({ route, leg, reason }, 0);
    }
  }
  let servers = serverLabels(routes);
  const zeroServer = (labels: { route: string; server: string }) => {
    serverSeconds.zero(labels);
    connectFailures.inc(labels, 0);
    for (const result of checkResults) checks.inc({ ...labels, result }, 0);
    for (const connection of ['fresh', 'reused']) serverConnections.inc({ ...labels, connection }, 0);
  };
  const removeServer = (labels: { route: string; server: string }) => {
    serverSeconds.remove(labels);
    connectFailures.remove(labels);
    for (const result of checkResults) checks.remove({ ...labels, result });
    for (const connection of ['fresh', 'reused']) serverConnections.remove({ ...labels, connection });
  };
  for (const labels of servers.values()) zeroServer(labels);

  const countLogin = (
    route: string,
    { clientPlugin, serverPlugin, authentication }: LoginAttempt,
    result: 'accepted' | 'refused' | 'failed',
  ) => {
    auth.inc({
      route,
      client_plugin: pluginLabel(clientPlugin),
      server_plugin: pluginLabel(serverPlugin),
      path: authentication,
      result,
    });
  };

  const observer: Observer = {
    opened: ({ route }) => {
      opened.inc({ route });
      active.inc({ route });
    },
    serverReached: ({ route }, server, seconds) => {
      const labels = servers.get(serverKey(route, server));
      if (labels !== undefined) serverSeconds.observe(labels, seconds);
    },
    serverUnreachable: ({ route }, server) => {
      const labels = servers.get(serverKey(route, server));
      if (labels !== undefined) connectFailures.inc(labels);
    },
    serverChecked: ({ route, server, result }) => {
      const labels = servers.get(serverKey(route, server));
      if (labels !== undefined) checks.inc({ ...labels, result });
    },
    tlsEstablished: (connection, leg) => {
      const tls = tlsOf(connection, leg);
      handshakes.inc({ route: connection.route, leg, ...tlsLabels(tls), resumed: String(tls.resumed) });
      handshakeSeconds.observe({ route: connection.route, leg }, tls.handshakeSeconds);
      for (const reason of tls.weaknesses) weak.inc({ route: connection.route, leg, reason });
    },
    tlsFailed: ({ route }, leg, error) => handshakeFailures.inc({ route, leg, reason: error.code }),
    established: (connection) => {
      const { route, serverAddress, serverConnection } = connection;
      const server = servers.get(serverKey(route, serverAddress));
      if (server !== undefined) serverConnections.inc({ ...server, connection: serverConnection });
      for (const leg of legs) {
        const labels = { route, leg, ...tlsLabels(tlsOf(connection, leg)) };
        sessions.inc(labels);
        activeSessions.inc(labels);
      }
      // Of a login that was passed through nothing is known.
      if (connection.clientPlugin !== '') countLogin(route, connection, 'accepted');
    },
    commandSent: ({ route }, command) => sources.commands.get(route)?.sent(command),
    commandAnswered: ({ route }, command, seconds) => sources.commands.get(route)?.answered(command, seconds),
    userChanged: (connection) => countLogin(connection.route, connection, 'accepted'),
    userChangeRefused: ({ route }, _errno, attempt) => countLogin(route, attempt, 'refused'),
    failed: (connection, error, attempt) => {
      const { route } = connection;
      // A session that ends at a COM_CHANGE_USER was let in before.
      if (!connection.isSession) rejected.inc({ route, reason: error.code });
      const login = attempt ?? (connection.isSession ? undefined : connection);
      if (login !== undefined && login.clientPlugin !== '') countLogin(route, login, resultOf(error));
    },
    refused: (connection, errno) => {
      const { route } = connection;
      rejected.inc({ route, reason: serverRefusal(errno) ?? 'login_refused' });
      if (connection.clientPlugin !== '') countLogin(route, connection, 'refused');
    },
    workerLost: () => workerRestarts.inc({}),
    keptServerEnded: (route, _server, reason) => keptEnded.inc({ route, reason }),
    closed: (connection, reason) => {
      const { route } = connection;
      active.dec({ route });
      closed.inc({ route, reason });
      connectionSeconds.observe({ route }, Math.max(0, Date.now() - connection.openedAt) / 1000);
      if (!connection.isSession) return;
      for (const leg of legs) activeSessions.dec({ route, leg, ...tlsLabels(tlsOf(connection, leg)) });
    },
  };

  const setRoutes = (next: readonly RouteServers[]) => {
    const nextServers = serverLabels(next);
    for (const [key, labels] of servers) if (!nextServers.has(key)) removeServer(labels);
    for (const [key, labels] of nextServers) if (!servers.has(key)) zeroServer(labels);
    servers = nextServers;
  };
  return { registry, observer, setRoutes };
}

/** The proxy itself says no where it checks the password. */
function resultOf({ code }: ProxyError): 'refused' | 'failed' {
  return code === 'access_denied' ? 'refused' : 'failed';
}

function byteSamples(traffic: ReadonlyMap<string, Traffic>): Sample[] {
  return [...traffic].flatMap(([route, total]) =>
    legs.flatMap((leg) => [
      { labels: { route, leg, direction: 'in' }, value: total[leg].in },
      { labels: { route, leg, direction: 'out' }, value: total[leg].out },
    ]),
  );
}

/** Of several with the same labels, the one that expires first. */
function certificateSamples(certificates: readonly CertificateInUse[]): Sample[] {
  const samples = new Map<string, Sample>();
  for (const { route, leg, role, subject, notAfter } of certificates) {
    const labels = { route, leg, role, subject: printable(subject, LONGEST_SUBJECT) };
    const key = Object.values(labels).join('\0');
    const value = notAfter / 1000;
    if (Number.isNaN(value) || value >= (samples.get(key)?.value ?? Number.POSITIVE_INFINITY)) continue;
    samples.set(key, { labels, value });
  }
  return [...samples.values()];
}

function reloadSamples({ succeeded, failed }: ReloadState): Sample[] {
  return [
    { labels: { result: 'success' }, value: succeeded },
    { labels: { result: 'failure' }, value: failed },
  ];
}

function serverSamples(servers: readonly KnownServer[]): Sample[] {
  return servers.map(({ route, server, up }) => ({
    labels: { route, server },
    value: up === null ? Number.NaN : Number(up),
  }));
}

function serverLabels(
  routes: readonly RouteServers[],
): ReadonlyMap<string, { route: string; server: string }> {
  return new Map(
    routes.flatMap(({ route, servers }) =>
      servers.map((server) => [serverKey(route, server), { route, server }] as const),
    ),
  );
}

function tlsOf(connection: ConnectionRecord, leg: NetworkLeg): TlsDescription {
  return leg === 'client' ? connection.clientTls : connection.serverTls;
}

/** Errors that a TLS handshake can fail with: those of the leg, whose names all begin with it. */
function reasonsOf(leg: Leg): readonly string[] {
  return errorCodes.filter((code) => errorTable[code].leg === leg);
}
