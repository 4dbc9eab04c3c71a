/** Metrics in Prometheus' terms. The only importer of prom-client. */
import { getCiphers } from 'node:tls';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { errorCodes, errorTable, type Leg, serverRefusal } from '../../errors.js';
import {
  type ConnectionRecord,
  type LegBytes,
  type Observer,
  PASSED_THROUGH,
  PLAINTEXT,
  type TlsDescription,
} from '../events.js';
import { weaknessesOfLeg } from '../weak-tls.js';

export interface Metrics {
  readonly registry: Registry;
  readonly observer: Observer;
}

const PREFIX = 'mysql_tls_proxy_';

const legs = ['client', 'server'] as const;
type NetworkLeg = (typeof legs)[number];

const tlsVersions: ReadonlySet<string> = new Set([
  PLAINTEXT.version,
  PASSED_THROUGH.version,
  'TLSv1',
  'TLSv1.1',
  'TLSv1.2',
  'TLSv1.3',
]);
const ciphers: ReadonlySet<string> = new Set([PLAINTEXT.cipher, PASSED_THROUGH.cipher, ...getCiphers()]);

/** From a query of a script to a replica that stays for days. */
const CONNECTION_SECONDS = [0.01, 0.1, 1, 10, 60, 600, 3600, 21_600, 86_400];

/** From a resumption on the same machine to the handshake timeout. */
const HANDSHAKE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** @param routeNames each is a label value from the start, with 0, so that rates are right from the first event on. */
export function createMetrics(routeNames: readonly string[], version: string): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const buildInfo = new Gauge({
    name: `${PREFIX}build_info`,
    help: 'Always 1; the labels say what is running.',
    labelNames: ['version', 'node', 'openssl'],
    registers,
  });
  buildInfo.set({ version, node: process.versions.node, openssl: process.versions.openssl }, 1);

  const opened = new Counter({
    name: `${PREFIX}connections_total`,
    help: 'Connections accepted from clients.',
    labelNames: ['route'],
    registers,
  });
  const active = new Gauge({
    name: `${PREFIX}connections_active`,
    help: 'Connections of clients that are open now, those still logging in included.',
    labelNames: ['route'],
    registers,
  });
  const rejected = new Counter({
    name: `${PREFIX}connections_rejected_total`,
    help: 'Connections that ended before their login was accepted, by reason.',
    labelNames: ['route', 'reason'],
    registers,
  });
  const connectionSeconds = new Histogram({
    name: `${PREFIX}connection_duration_seconds`,
    help: 'From accepting a connection to its end.',
    labelNames: ['route'],
    buckets: CONNECTION_SECONDS,
    registers,
  });
  const handshakes = new Counter({
    name: `${PREFIX}tls_handshakes_total`,
    help: 'TLS handshakes that ended well, by what was negotiated.',
    labelNames: ['route', 'leg', 'version', 'cipher', 'resumed'],
    registers,
  });
  const handshakeFailures = new Counter({
    name: `${PREFIX}tls_handshake_failures_total`,
    help: 'TLS handshakes, and checks of certificates, that failed.',
    labelNames: ['route', 'leg', 'reason'],
    registers,
  });
  const handshakeSeconds = new Histogram({
    name: `${PREFIX}tls_handshake_duration_seconds`,
    help: 'Duration of the TLS handshakes that ended well.',
    labelNames: ['route', 'leg'],
    buckets: HANDSHAKE_SECONDS,
    registers,
  });
  const weak = new Counter({
    name: `${PREFIX}weak_tls_connections_total`,
    help: 'Connections whose TLS handshake ended well with something weak, by what it is; one connection may have several.',
    labelNames: ['route', 'leg', 'reason'],
    registers,
  });
  const sessions = new Gauge({
    name: `${PREFIX}tls_sessions_active`,
    help: 'Logged-in connections by TLS version and cipher of each leg; both are "none" on a plaintext leg.',
    labelNames: ['route', 'leg', 'version', 'cipher'],
    registers,
  });

  const traffic = new Traffic(routeNames);
  new Counter({
    name: `${PREFIX}bytes_total`,
    help: 'MySQL protocol bytes after login, live connections included; in and out as the proxy sees that leg.',
    labelNames: ['route', 'leg', 'direction'],
    registers,
    collect() {
      this.reset();
      for (const [route, total] of traffic.totals()) {
        for (const leg of legs) {
          this.inc({ route, leg, direction: 'in' }, total[leg].in);
          this.inc({ route, leg, direction: 'out' }, total[leg].out);
        }
      }
    },
  });

  for (const route of routeNames) {
    opened.inc({ route }, 0);
    active.set({ route }, 0);
    connectionSeconds.zero({ route });
    for (const reason of [...errorCodes, 'login_refused']) rejected.inc({ route, reason }, 0);
    for (const leg of legs) {
      handshakeSeconds.zero({ route, leg });
      sessions.set({ route, leg, ...tlsLabels(PLAINTEXT) }, 0);
      for (const reason of weaknessesOfLeg(leg)) weak.inc({ route, leg, reason }, 0);
      for (const reason of reasonsOf(leg)) handshakeFailures.inc({ route, leg, reason }, 0);
    }
  }

  /** Labels as they were counted up, so that counting down meets the same series whatever the record says by then. */
  const counted = new WeakMap<
    ConnectionRecord,
    readonly { leg: NetworkLeg; version: string; cipher: string }[]
  >();

  const observer: Observer = {
    opened: (connection) => {
      opened.inc({ route: connection.route });
      active.inc({ route: connection.route });
      traffic.opened(connection);
    },
    tlsEstablished: (connection, leg) => {
      const tls = tlsOf(connection, leg);
      handshakes.inc({ route: connection.route, leg, ...tlsLabels(tls), resumed: String(tls.resumed) });
      handshakeSeconds.observe({ route: connection.route, leg }, tls.handshakeSeconds);
      for (const reason of tls.weaknesses) weak.inc({ route: connection.route, leg, reason });
    },
    tlsFailed: ({ route }, leg, error) => handshakeFailures.inc({ route, leg, reason: error.code }),
    established: (connection) => {
      const labels = legs.map((leg) => ({ leg, ...tlsLabels(tlsOf(connection, leg)) }));
      counted.set(connection, labels);
      for (const label of labels) sessions.inc({ route: connection.route, ...label });
    },
    failed: (connection, error) => {
      // A session that ends at a COM_CHANGE_USER was let in before.
      if (!counted.has(connection)) rejected.inc({ route: connection.route, reason: error.code });
    },
    refused: ({ route }, errno) => rejected.inc({ route, reason: serverRefusal(errno) ?? 'login_refused' }),
    closed: (connection) => {
      const { route } = connection;
      active.dec({ route });
      connectionSeconds.observe({ route }, Math.max(0, Date.now() - connection.openedAt) / 1000);
      for (const label of counted.get(connection) ?? []) sessions.dec({ route, ...label });
      counted.delete(connection);
      traffic.closed(connection);
    },
  };
  return { registry, observer };
}

type TrafficTotal = Record<NetworkLeg, LegBytes>;

/** Bytes of the connections that ended, and of the open ones as they are when asked. */
class Traffic {
  readonly #ended: ReadonlyMap<string, TrafficTotal>;
  readonly #open = new Set<ConnectionRecord>();

  constructor(routeNames: readonly string[]) {
    this.#ended = new Map(routeNames.map((route) => [route, noTraffic()]));
  }

  opened(connection: ConnectionRecord): void {
    this.#open.add(connection);
  }

  closed(connection: ConnectionRecord): void {
    if (this.#open.delete(connection)) add(this.#ended.get(connection.route), connection);
  }

  totals(): ReadonlyMap<string, TrafficTotal> {
    const totals = new Map([...this.#ended].map(([route, total]) => [route, structuredClone(total)]));
    for (const connection of this.#open) add(totals.get(connection.route), connection);
    return totals;
  }
}

function noTraffic(): TrafficTotal {
  return { client: { in: 0, out: 0 }, server: { in: 0, out: 0 } };
}

function add(total: TrafficTotal | undefined, { clientBytes, serverBytes }: ConnectionRecord): void {
  if (total === undefined) return;
  total.client.in += clientBytes.in;
  total.client.out += clientBytes.out;
  total.server.in += serverBytes.in;
  total.server.out += serverBytes.out;
}

function tlsOf(connection: ConnectionRecord, leg: NetworkLeg): TlsDescription {
  return leg === 'client' ? connection.clientTls : connection.serverTls;
}

/** A peer must not be able to make up label values. */
function tlsLabels({ version, cipher }: TlsDescription): { version: string; cipher: string } {
  return {
    version: tlsVersions.has(version) ? version : 'other',
    cipher: ciphers.has(cipher.toLowerCase()) ? cipher : 'other',
  };
}

/** Errors that a TLS handshake can fail with: those of the leg, whose names all begin with it. */
function reasonsOf(leg: Leg): readonly string[] {
  return errorCodes.filter((code) => errorTable[code].leg === leg);
}
