/** Every metric of the proxy, once: what is served, and what docs/metrics.md says. Names and labels are a promise. */

import { COMMAND_SECONDS } from '../command-statistics.js';

export const METRIC_PREFIX = 'mysql_tls_proxy_';

/** From a query of a script to a replica that stays for days. */
const CONNECTION_SECONDS = [0.01, 0.1, 1, 10, 60, 600, 3600, 21_600, 86_400] as const;

/** From a resumption on the same machine to the handshake timeout. */
const HANDSHAKE_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

/** What a label says, and what values it can have. */
export const labelMeanings = {
  route: 'name of the route; `default` where none is named',
  leg: '`client` (application to proxy) or `server` (proxy to MySQL)',
  reason:
    'code of an error in [errors.md](errors.md), the kind of weakness, or `client_closed`, `server_closed`, `login_refused` where a connection ended by itself',
  version:
    'TLS version as OpenSSL names it: `TLSv1`, `TLSv1.1`, `TLSv1.2`, `TLSv1.3`; `none` in plaintext, `passthrough` where client and server negotiate unseen, else `other`',
  cipher: 'cipher as OpenSSL names it; `none`, `passthrough` and `other` as for the version',
  resumed: '`true` where an earlier TLS session was resumed, else `false`',
  role: '`own` (the certificate of the proxy on this leg), `ca` (peers are verified with it) or `peer` (as the server showed it last)',
  subject: 'subject of the certificate, `CN=…,O=…`',
  result: '`success` or `failure`',
  client_plugin:
    'authentication plugin that the client named in its login, or that it takes for granted where it names none; those that nobody knows are `other`',
  server_plugin:
    'authentication plugin that the server asked for or confirmed last; `none` where it decided at once, else `other`',
  path: '`relayed` (as it was), `translated` (the password put into the form of the other leg), `bridged` (the proxy got the password from the client) or `credentials` (both sides are in the file of --credentials)',
  auth_result:
    '`accepted`, `refused` (by the server, or by the credentials file) or `failed` (it came to no decision)',
  check_result:
    '`success`, `failure` (the server is left out) or `denied` (the server works, and refuses --health-check-user)',
  direction: '`in` or `out`, as the proxy sees that leg',
  command: 'as the protocol names it: `COM_QUERY`, `COM_STMT_EXECUTE`, …; else `other`',
  worker: 'number of the worker process, from 1 on; one that takes the place of another has its number',
  server: '`HOST:PORT` of the server, as configured',
  node: 'version of Node.js',
  openssl: 'version of OpenSSL in it',
  build_version: 'version of the proxy',
  id: 'number of the connection, as in the log; counts from 1 in each process',
  client: 'address of the client with its port; `unix` for a socket file',
  client_program:
    'program and library as the client says in its connection attributes; empty where it says none',
  user: 'user name of the latest login; a change of user in a compressed session can not be seen',
  server_user:
    'user that the proxy logged in as, with the credentials file; empty where the client did itself',
  server_version: 'version as the server calls itself',
  server_thread_id: 'thread id at the server, the one that KILL takes',
  client_tls_version: 'as `version`, of the client leg',
  client_cipher: 'as `cipher`, of the client leg',
  client_tls_resumed: 'as `resumed`, of the client leg',
  client_certificate_subject: 'subject of the certificate that the client showed; empty where it showed none',
  server_tls_version: 'as `version`, of the server leg',
  server_cipher: 'as `cipher`, of the server leg',
  server_tls_resumed: 'as `resumed`, of the server leg',
  server_certificate_subject: 'subject of the certificate that the server showed; empty in plaintext',
  state: '`login` until the login is accepted, then `session`',
  server_connection:
    '`fresh` (made for this client) or `reused` (kept from an earlier one, by --reuse-server-connections)',
  kept_end:
    '`idle_timeout`, `server_closed`, `not_emptied` (the server did not empty the session), `user_limited` (its user has a limit of connections, of which a waiting one would be one), `pool_full` (--reuse-max), `server_full` (the server had no place for a new connection), `reload`, `shutdown`, `unsafe` (the server can not be trusted with it), `client_differs` (the client it was meant for has other flags or another certificate), `worn_out` (an hour old, or after a thousand clients) or `probed` (used up to find out whether it is safe)',
} as const;

export type Meaning = keyof typeof labelMeanings;

/** A label has its own name's meaning unless another is given. */
export type LabelDefinition = Meaning | { readonly name: string; readonly meaning: Meaning };

export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** One sentence or more; each ends with a full stop. */
  readonly help: string;
  readonly labels: readonly LabelDefinition[];
  /** Upper bounds, of a histogram. */
  readonly buckets?: readonly number[];
}

const handshakeLabels = ['route', 'leg', 'version', 'cipher', 'resumed'] as const;
const sessionLabels = ['route', 'leg', 'version', 'cipher'] as const;

/** Of /metrics. Keys are names without the prefix. */
export const aggregateMetrics = {
  build_info: {
    type: 'gauge',
    help: 'Always 1; the labels say what is running.',
    labels: [{ name: 'version', meaning: 'build_version' }, 'node', 'openssl'],
  },
  connections_total: {
    type: 'counter',
    help: 'Connections accepted from clients.',
    labels: ['route'],
  },
  connections_active: {
    type: 'gauge',
    help: 'Connections of clients that are open now, those still logging in included.',
    labels: ['route'],
  },
  connections_limit: {
    type: 'gauge',
    help: 'How many clients may be connected at once, over all routes (--max-connections).',
    labels: [],
  },
  connections_rejected_total: {
    type: 'counter',
    help: 'Connections that ended before their login was accepted, by reason; login_refused is a no of the server.',
    labels: ['route', 'reason'],
  },
  connections_closed_total: {
    type: 'counter',
    help: 'Connections that ended, by reason: client_closed, server_closed, login_refused, or the code of an error.',
    labels: ['route', 'reason'],
  },
  connection_duration_seconds: {
    type: 'histogram',
    help: 'From accepting a connection to its end.',
    labels: ['route'],
    buckets: CONNECTION_SECONDS,
  },
  tls_handshakes_total: {
    type: 'counter',
    help: 'TLS handshakes that ended well, by what was negotiated.',
    labels: handshakeLabels,
  },
  tls_handshake_failures_total: {
    type: 'counter',
    help: 'TLS handshakes, and checks of certificates, that failed.',
    labels: ['route', 'leg', 'reason'],
  },
  tls_handshake_duration_seconds: {
    type: 'histogram',
    help: 'Duration of the TLS handshakes that ended well.',
    labels: ['route', 'leg'],
    buckets: HANDSHAKE_SECONDS,
  },
  tls_sessions_total: {
    type: 'counter',
    help: 'Logins that were accepted, by TLS version and cipher of each leg; both are "none" on a plaintext leg.',
    labels: sessionLabels,
  },
  tls_sessions_active: {
    type: 'gauge',
    help: 'Logged-in connections that are open now, by TLS version and cipher of each leg; both are "none" on a plaintext leg.',
    labels: sessionLabels,
  },
  weak_tls_connections_total: {
    type: 'counter',
    help: 'Connections whose TLS handshake ended well with something weak, by what it is; one connection may have several.',
    labels: ['route', 'leg', 'reason'],
  },
  certificate_not_after_timestamp_seconds: {
    type: 'gauge',
    help: 'When a certificate in use expires, as Unix time: those of the files, and the one that a server showed last. Of several with the same labels the earliest.',
    labels: ['route', 'leg', 'role', 'subject'],
  },
  tls_reloads_total: {
    type: 'counter',
    help: 'Reloads of the configuration with its certificates, keys and passwords. A failure leaves the old ones in use.',
    labels: ['result'],
  },
  tls_last_reload_success_timestamp_seconds: {
    type: 'gauge',
    help: 'When certificates and keys were last read with success, as Unix time: by a reload, or at the start.',
    labels: [],
  },
  auth_total: {
    type: 'counter',
    help: 'Logins and changes of user, by plugins, path and result. Not those that the proxy refuses before the server is asked (client_tls_required), nor what it can not see: changes of user in compressed sessions, logins that are passed through.',
    labels: ['route', 'client_plugin', 'server_plugin', 'path', { name: 'result', meaning: 'auth_result' }],
  },
  bytes_total: {
    type: 'counter',
    help: 'MySQL protocol bytes (inside TLS, without the records around it), live connections included; until the login is over, of packets that came whole. What client and server encrypt between themselves is counted as it passes.',
    labels: ['route', 'leg', 'direction'],
  },
  commands_total: {
    type: 'counter',
    help: 'Commands of clients after their login. Those of compressed and of passed-through sessions can not be seen.',
    labels: ['route', 'command'],
  },
  command_duration_seconds: {
    type: 'histogram',
    help: "From a command's last byte to its reply's first, as the proxy sees them. Commands that are not answered are not in it, nor COM_CHANGE_USER, which is another login.",
    labels: ['route', 'command'],
    buckets: COMMAND_SECONDS,
  },
  server_up: {
    type: 'gauge',
    help: 'Whether the server can be used, by the latest attempt to connect or health check: 1, or 0 where that failed or was refused in place of a greeting (such as with 1040), and the server is left out; NaN before the first.',
    labels: ['route', 'server'],
  },
  server_health_checks_total: {
    type: 'counter',
    help: 'Health checks (--health-check-interval).',
    labels: ['route', 'server', { name: 'result', meaning: 'check_result' }],
  },
  server_connect_failures_total: {
    type: 'counter',
    help: 'Attempts to connect for a client that failed before a greeting: another server was tried then, or the client got an error.',
    labels: ['route', 'server'],
  },
  server_connections_active: {
    type: 'gauge',
    help: 'Connections to the server that are open now: those being made, those of clients, and those that wait for another client.',
    labels: ['route', 'server'],
  },
  server_connections_total: {
    type: 'counter',
    help: 'Logins that were accepted, by whether the connection to the server was made for them or kept from an earlier client (--reuse-server-connections).',
    labels: ['route', 'server', { name: 'connection', meaning: 'server_connection' }],
  },
  handshakes_waiting: {
    type: 'gauge',
    help: 'Connections that wait for their handshake to begin, because as many are under way as --route-max-handshakes or --address-max-handshakes allow; in a flood also those that do not speak MySQL, until they are told so.',
    labels: ['route'],
  },
  worker_connections: {
    type: 'gauge',
    help: 'Connections that each worker process has. Only where there are several workers.',
    labels: ['worker'],
  },
  worker_cpu_seconds_total: {
    type: 'counter',
    help: 'CPU time that each worker process has used, which the metrics of the main process do not hold. Only where there are several workers.',
    labels: ['worker'],
  },
  worker_resident_memory_bytes: {
    type: 'gauge',
    help: 'Resident memory of each worker process. Only where there are several workers.',
    labels: ['worker'],
  },
  worker_restarts_total: {
    type: 'counter',
    help: 'Worker processes that ended unasked, and were followed by another one; the connections of each were lost.',
    labels: [],
  },
  kept_server_connections: {
    type: 'gauge',
    help: 'Connections to servers that wait for another client. Only routes with --reuse-server-connections have it.',
    labels: ['route'],
  },
  kept_server_connections_ended_total: {
    type: 'counter',
    help: 'Connections to servers that ended between two clients, instead of serving another one.',
    labels: ['route', { name: 'reason', meaning: 'kept_end' }],
  },
  server_connect_duration_seconds: {
    type: 'histogram',
    help: "From the beginning of an attempt to connect, name lookup included, to the server's greeting or the error in its place.",
    labels: ['route', 'server'],
    buckets: HANDSHAKE_SECONDS,
  },
} as const satisfies Record<string, MetricDefinition>;

/** Of /metrics/connections. */
export const connectionMetrics = {
  connection_info: {
    type: 'gauge',
    help: 'Always 1; the labels say what is known of a connection that is open now.',
    labels: [
      'id',
      'route',
      'state',
      'client',
      'client_program',
      'user',
      'server_user',
      'server',
      'server_version',
      'server_thread_id',
      'server_connection',
      'client_tls_version',
      'client_cipher',
      'client_tls_resumed',
      'client_certificate_subject',
      'server_tls_version',
      'server_cipher',
      'server_tls_resumed',
      'server_certificate_subject',
      'client_plugin',
      'server_plugin',
      'path',
    ],
  },
  connection_bytes_total: {
    type: 'counter',
    help: 'MySQL protocol bytes of a connection that is open now.',
    labels: ['id', 'route', 'leg', 'direction'],
  },
  connection_commands_total: {
    type: 'counter',
    help: 'Commands of a connection that is open now.',
    labels: ['id', 'route'],
  },
  connection_opened_timestamp_seconds: {
    type: 'gauge',
    help: 'When a connection that is open now was accepted, as Unix time.',
    labels: ['id', 'route'],
  },
  connections_omitted: {
    type: 'gauge',
    help: 'Open connections that are left out here, because there are more than --connection-metrics-limit; the busiest are shown.',
    labels: [],
  },
} as const satisfies Record<string, MetricDefinition>;

export function labelName(label: LabelDefinition): string {
  return typeof label === 'string' ? label : label.name;
}

export function labelMeaning(label: LabelDefinition): string {
  return labelMeanings[typeof label === 'string' ? label : label.meaning];
}
