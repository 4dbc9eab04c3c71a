/** Metrics as the monitor makes them, with everything that is asked for elsewhere at hand. */
import { CommandStatistics } from '../../../../src/observe/command-statistics.js';
import type { CertificateInUse, KeptCount, ServerConnections } from '../../../../src/observe/events.js';
import { createMetrics, type Metrics } from '../../../../src/observe/metrics/aggregates.js';
import { combineObservers } from '../../../../src/observe/observers.js';
import { LiveConnections } from '../../../../src/observe/state/live-connections.js';
import { Servers } from '../../../../src/observe/state/servers.js';
import type { ReloadState } from '../../../../src/observe/state/state.js';

export const SERVER = 'db:3306';

export interface MetricsUnderTest extends Metrics {
  readonly servers: Servers;
  readonly certificates: CertificateInUse[];
  serverConnections: readonly ServerConnections[];
  keptServers: readonly KeptCount[];
  reloads: ReloadState;
}

export function metricsOf(routeNames: readonly string[], version = '1.2.3'): MetricsUnderTest {
  const routes = routeNames.map((route) => ({ route, servers: [SERVER] }));
  const live = new LiveConnections(routeNames);
  const servers = new Servers(routes);
  const certificates: CertificateInUse[] = [];
  const metrics = createMetrics(routes, version, {
    connectionsLimit: () => 4096,
    traffic: () => live.traffic(),
    commands: new Map(routeNames.map((route) => [route, new CommandStatistics()])),
    servers: () => servers.all(),
    certificates: () => certificates,
    keptServers: () => underTest.keptServers,
    waiting: () => new Map(routeNames.map((route) => [route, 0])),
    workers: () => [],
    serverConnections: () => underTest.serverConnections,
    reloads: () => underTest.reloads,
  });
  const underTest: MetricsUnderTest = {
    ...metrics,
    observer: combineObservers([live.observer, servers.observer, metrics.observer]),
    servers,
    certificates,
    keptServers: [],
    serverConnections: [],
    reloads: {
      succeeded: 0,
      failed: 0,
      last_success_at: 1_700_000_000_500,
      last_failure_at: null,
      last_failure: '',
    },
  };
  return underTest;
}
