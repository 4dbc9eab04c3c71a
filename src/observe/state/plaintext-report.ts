/** Who would be left behind if TLS were enforced: the inventory behind `--report-plaintext`. */
import { offersTls, type RouteConfig } from '../../config/model.js';
import { printableName } from '../../printable.js';
import { clientHost } from '../client-host.js';
import type { ConnectionRecord, Observer } from '../events.js';
import { type PlaintextEntry, PlaintextTable } from './plaintext-table.js';
import type { PlaintextClient, PlaintextReport } from './state.js';

export interface PlaintextReporter {
  readonly observer: Observer;
  report(): PlaintextReport;
  /**
   * After a reload. What was gathered of routes that do not report any more is forgotten. `sessions` are those that are
   * open: of a route that has just begun to report they are in plaintext now, and would otherwise be seen only when they
   * come again.
   */
  setRoutes(routes: readonly RouteConfig[], sessions: Iterable<ConnectionRecord>): void;
}

/** Clients in the report; docs/plaintext-report.md names the number. */
const MOST_CLIENTS = 10_000;

/** Whoever reads the report wants to know of these first. */
const urgency: readonly PlaintextClient['under_required'][] = ['refused', 'unknown', 'accepted'];

/** Of `clientTls`: all that is less than TLS 1.2. What passes through unseen is not among it. */
const reportedVersions: ReadonlySet<string> = new Set(['none', 'TLSv1', 'TLSv1.1']);

export function plaintextReporter(
  initial: readonly RouteConfig[],
  { now = Date.now, capacity = MOST_CLIENTS }: { now?: () => number; capacity?: number } = {},
): PlaintextReporter {
  let table = new PlaintextTable(capacity);
  let reporting = reportingRoutes(initial);
  let offering = routesWithTls(initial);
  /** Connections that were offered TLS when they came, whatever a reload has changed since. */
  const offered = new WeakSet<ConnectionRecord>();
  let since = now();
  /** The entry in which an open connection is counted. */
  const entryOf = new WeakMap<ConnectionRecord, PlaintextEntry>();

  /** Undefined: nothing to report of it. */
  const routeToReport = ({ route, clientTls }: ConnectionRecord): RouteConfig | undefined =>
    reportedVersions.has(clientTls.version) ? reporting.get(route) : undefined;

  const login = (connection: ConnectionRecord) => {
    leave(connection);
    const route = routeToReport(connection);
    if (route === undefined) return;
    const entry = table.loggedIn(whoIs(connection), now());
    describe(entry, connection);
    entry.connections += 1;
    entry.active += 1;
    entryOf.set(connection, entry);
  };
  const leave = (connection: ConnectionRecord) => {
    const entry = entryOf.get(connection);
    if (entry === undefined) return;
    entryOf.delete(connection);
    entry.active -= 1;
    entry.lastSeen = now();
    table.touch(entry);
  };
  /** Pools change to the user that they are already, to get a clean session: that is no other connection. */
  const changeUser = (connection: ConnectionRecord) => {
    const entry = entryOf.get(connection);
    const isSame = entry !== undefined && table.has(entry) && entry.user === whoIs(connection).user;
    if (!isSame) login(connection);
  };
  const describe = (entry: PlaintextEntry, connection: ConnectionRecord) => {
    entry.lastSeen = now();
    entry.program = printableName(connection.clientProgram);
    entry.cipher = connection.clientTls.cipher;
    if (offered.has(connection)) entry.wasOfferedTls = true;
  };
  const refuse = (connection: ConnectionRecord) => {
    const route = routeToReport(connection);
    if (route === undefined) return;
    const entry = table.refused(whoIs(connection), now());
    if (entry === undefined) return;
    describe(entry, connection);
    entry.connections += 1;
    entry.refused += 1;
  };

  return {
    observer: {
      opened: (connection) => {
        if (offering.has(connection.route)) offered.add(connection);
      },
      established: login,
      userChanged: changeUser,
      failed: (connection, { code }) => {
        if (code === 'client_tls_required') refuse(connection);
      },
      closed: leave,
    },
    report: () => ({
      routes: [...reporting.keys()],
      since,
      clients: table
        .entries()
        .flatMap((entry) => clientState(entry, reporting.get(entry.route), now()))
        .sort(
          (a, b) =>
            urgency.indexOf(a.under_required) - urgency.indexOf(b.under_required) ||
            b.connections - a.connections ||
            b.last_seen - a.last_seen,
        ),
      dropped: table.dropped,
    }),
    setRoutes: (routes, sessions) => {
      const before = reporting;
      const next = reportingRoutes(routes);
      // The time since when all of them have been watched.
      if ([...next.keys()].some((name) => !reporting.has(name))) since = now();
      reporting = next;
      // Taken out on all routes and put in again, the report begins anew, with nobody dropped.
      if (next.size === 0) table = new PlaintextTable(capacity);
      else table.keepRoutes(new Set(next.keys()));
      for (const session of sessions) if (!before.has(session.route)) login(session);
      offering = routesWithTls(routes);
    },
  };
}

function reportingRoutes(routes: readonly RouteConfig[]): ReadonlyMap<string, RouteConfig> {
  return new Map(routes.filter((route) => route.reportPlaintext).map((route) => [route.name, route]));
}

function routesWithTls(routes: readonly RouteConfig[]): ReadonlySet<string> {
  return new Set(routes.filter(offersTls).map(({ name }) => name));
}

/** Of one host and user a program may be on TLS 1.1 and another in plaintext, which is the one that would break. */
function whoIs({ route, clientAddress, user, clientTls }: ConnectionRecord) {
  return {
    route,
    clientHost: clientHost(clientAddress),
    user: printableName(user),
    version: clientTls.version,
  };
}

function clientState(
  entry: PlaintextEntry,
  route: RouteConfig | undefined,
  now: number,
): readonly PlaintextClient[] {
  // Not in the table any more, since the route does not report.
  if (route === undefined) return [];
  return [
    {
      route: entry.route,
      client_address: entry.clientHost,
      user: entry.user,
      client_program: entry.program,
      client_tls_version: entry.version,
      client_cipher: entry.cipher,
      first_seen: entry.firstSeen,
      last_seen: entry.active > 0 ? now : entry.lastSeen,
      connections: entry.connections,
      refused: entry.refused,
      active: entry.active,
      ...prospectOf(entry, route),
    },
  ];
}

type Prospect = Pick<PlaintextClient, 'under_required' | 'advice'>;

function prospectOf({ version, clientHost, wasOfferedTls }: PlaintextEntry, route: RouteConfig): Prospect {
  if (version !== 'none') {
    return {
      under_required: 'accepted',
      advice:
        `${version} is TLS, so REQUIRED lets it in, but only as long as --client-tls-profile is legacy: update its library ` +
        'before you set intermediate, which refuses it.',
    };
  }
  if (clientHost === 'unix') {
    return {
      under_required: 'accepted',
      advice:
        'It comes over a socket file and never leaves this machine: REQUIRED lets it in, nothing to do.',
    };
  }
  if (!offersTls(route)) {
    return {
      under_required: 'unknown',
      advice:
        'The route offers no TLS, so that nobody knows whether the client can use it: give the proxy --client-ssl-cert and ' +
        '--client-ssl-key, with --client-ssl-mode PREFERRED first, and see who stays in plaintext.',
    };
  }
  if (!wasOfferedTls) {
    return {
      under_required: 'unknown',
      advice:
        'It has not come in plaintext again since the route offers TLS: wait until its program has connected anew.',
    };
  }
  return {
    under_required: 'refused',
    advice:
      'It was offered TLS and did not use it: set its ssl-mode to REQUIRED (libraries before 5.7.3: ssl-ca), or update its ' +
      'library.',
  };
}
