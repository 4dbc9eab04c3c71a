/** States of a proxy as the page may get to see them. */
import type {
  ConnectionState,
  HistoryPoint,
  PlaintextReport,
  ProxyState,
  TlsCount,
} from '../../src/observe/state/state.js';
import { connectionExample } from './stub-admin.js';

/** Noon of a day: what is on the page is the same in every run. */
export const now = Date.UTC(2026, 2, 14, 12, 3, 44);
const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
const day = 24 * hour;

const noReport: PlaintextReport = { routes: [], since: now - 3 * day, clients: [], dropped: 0 };

export const emptyState: ProxyState = {
  version: '0.1.0',
  node: '20.20.2',
  openssl: '3.0.19',
  started_at: now - 3 * day - 4 * hour,
  at: now,
  unready_reason: '',
  routes: [
    {
      route: 'default',
      listen: ['127.0.0.1:3307'],
      servers: ['db.example.com:3306'],
      client_ssl_mode: 'PREFERRED',
      server_ssl_mode: 'VERIFY_IDENTITY',
      kept_server_connections: null,
    },
  ],
  connections: { active: 0, limit: 10_000, total: 0, rejected: 0, commands: 0 },
  tls: [],
  history: [],
  history_step_seconds: 2,
  servers: [
    {
      route: 'default',
      server: 'db.example.com:3306',
      up: null,
      connections: 0,
      since: null,
      tried_at: null,
      connect_seconds: null,
      server_version: '',
      code: '',
      cause: '',
      cure: '',
    },
  ],
  certificates: [],
  failures: [],
  plaintext: noReport,
  plaintext_outcomes: { refused: 0, unknown: 0, accepted: 0 },
  reloads: {
    succeeded: 0,
    failed: 0,
    last_success_at: now - 3 * day - 4 * hour,
    last_failure_at: null,
    last_failure: '',
  },
};

const gcm = 'TLS_AES_256_GCM_SHA384';
const shop = (leg: 'client' | 'server', version: string, cipher: string, connections: number): TlsCount => ({
  route: 'shop',
  leg,
  version,
  cipher,
  connections,
});

const busyTls: readonly TlsCount[] = [
  shop('server', 'TLSv1.3', gcm, 318),
  shop('client', 'TLSv1.3', gcm, 246),
  {
    route: 'reports',
    leg: 'server',
    version: 'TLSv1.2',
    cipher: 'ECDHE-RSA-AES256-GCM-SHA384',
    connections: 94,
  },
  shop('client', 'TLSv1.2', 'ECDHE-RSA-AES128-GCM-SHA256', 62),
  { route: 'reports', leg: 'client', version: 'TLSv1.3', cipher: gcm, connections: 62 },
  { route: 'reports', leg: 'client', version: 'none', cipher: 'none', connections: 27 },
  shop('client', 'none', 'none', 10),
  { route: 'reports', leg: 'client', version: 'TLSv1', cipher: 'AES256-SHA', connections: 5 },
];

/** Waves, with a pause in which no command was answered. */
const busyHistory: readonly HistoryPoint[] = Array.from({ length: 150 }, (_, index) => {
  const at = now - (149 - index) * 2 * second;
  const wave = 1 + 0.35 * Math.sin(index / 9) + 0.12 * Math.sin(index * 1.7);
  const isPause = index >= 60 && index < 66;
  return {
    at,
    active: Math.round(414 + 40 * Math.sin((149 - index) / 20) - (149 - index) / 5),
    connections_per_second: isPause ? 0 : 3.2 * wave,
    rejected_per_second: index > 120 ? 0.9 * wave : 0,
    commands_per_second: isPause ? 0 : 1240 * wave,
    bytes_in_per_second: isPause ? 0 : 410_000 * wave,
    bytes_out_per_second: isPause ? 0 : 2_900_000 * wave,
    p50_seconds: isPause ? null : 0.0011 * wave,
    p99_seconds: isPause ? null : 0.014 * wave + (index > 120 ? 0.03 : 0),
  };
});

export const busyState: ProxyState = {
  ...emptyState,
  routes: [
    {
      route: 'shop',
      listen: ['127.0.0.1:3307', 'unix:/run/mysqld/mysqld.sock'],
      servers: ['db-1.example.com:3306', 'db-2.example.com:3306'],
      client_ssl_mode: 'PREFERRED',
      server_ssl_mode: 'VERIFY_IDENTITY',
      kept_server_connections: null,
    },
    {
      route: 'reports',
      listen: ['0.0.0.0:3308'],
      servers: ['reports.example.com:3306'],
      client_ssl_mode: 'PREFERRED',
      server_ssl_mode: 'VERIFY_CA',
      kept_server_connections: null,
    },
  ],
  connections: { active: 414, limit: 10_000, total: 18_204, rejected: 131, commands: 212_480_112 },
  tls: busyTls,
  history: busyHistory,
  servers: [
    {
      route: 'shop',
      server: 'db-1.example.com:3306',
      up: false,
      connections: 0,
      since: now - 4 * minute,
      tried_at: now - 3 * second,
      connect_seconds: null,
      server_version: '9.7.4',
      code: 'server_port_closed',
      cause: 'connect to db-1.example.com:3306: connection refused',
      cure: 'Check that the server runs, and that --server names its host and port.',
    },
    {
      route: 'shop',
      server: 'db-2.example.com:3306',
      up: true,
      connections: 318,
      since: now - 3 * day,
      tried_at: now - second,
      connect_seconds: 0.0012,
      server_version: '9.7.4',
      code: '',
      cause: '',
      cure: '',
    },
    {
      route: 'reports',
      server: 'reports.example.com:3306',
      up: true,
      connections: 99,
      since: now - 3 * day,
      tried_at: now - 40 * second,
      connect_seconds: 0.0081,
      server_version: '11.8.9-MariaDB',
      code: '',
      cause: '',
      cure: '',
    },
  ],
  certificates: [
    {
      route: 'reports',
      leg: 'server',
      role: 'peer',
      subject: 'CN=reports.example.com',
      not_before: now - 360 * day,
      not_after: now + 5 * day + hour,
      source: 'reports.example.com:3306',
      option: '',
    },
    {
      route: 'shop',
      leg: 'client',
      role: 'own',
      subject: 'CN=proxy.example.com',
      not_before: now - 60 * day,
      not_after: now + 305 * day,
      source: '/etc/mysql-tls-proxy/proxy-cert.pem',
      option: 'client-ssl-cert',
    },
    {
      route: 'shop',
      leg: 'server',
      role: 'ca',
      subject: 'CN=Example database CA',
      not_before: now - 400 * day,
      not_after: now + 3250 * day,
      source: '/etc/mysql-tls-proxy/ca.pem',
      option: 'server-ssl-ca',
    },
  ],
  failures: [
    {
      first_at: now - 4 * minute,
      last_at: now - 3 * second,
      count: 38,
      code: 'server_port_closed',
      leg: 'server',
      route: 'shop',
      client_address: '10.0.3.17',
      user: '',
      server: 'db-1.example.com:3306',
      cause: 'connect to db-1.example.com:3306: connection refused',
      cure: 'Check that the server runs, and that --server names its host and port.',
    },
    {
      first_at: now - 2 * hour,
      last_at: now - 11 * minute,
      count: 4,
      code: 'client_tls_version_mismatch',
      leg: 'client',
      route: 'shop',
      client_address: '10.0.9.4',
      user: '',
      server: '',
      cause: 'the client offers TLSv1 at most, this route TLSv1.2 at least',
      cure: 'Set --client-tls-profile legacy if the client is old (MySQL 5.5 to 5.7, Java 7), else compare its versions with --client-tls-version.',
    },
    {
      first_at: now - day,
      last_at: now - day,
      count: 1,
      code: 'login_refused',
      leg: 'server',
      route: 'reports',
      client_address: '10.0.7.80',
      user: 'report',
      server: 'reports.example.com:3306',
      cause: "error 1045 of the server: Access denied for user 'report'@'10.0.0.5' (using password: YES)",
      cure: '',
    },
  ],
  plaintext: {
    routes: ['shop', 'reports'],
    since: now - 3 * day - 4 * hour,
    dropped: 0,
    clients: [
      {
        route: 'reports',
        client_address: '10.0.7.80',
        user: 'report',
        client_program: 'nightly-report',
        client_tls_version: 'none',
        client_cipher: 'none',
        first_seen: now - 3 * day,
        last_seen: now - minute,
        connections: 4_120,
        refused: 0,
        active: 27,
        under_required: 'refused',
        advice: 'It asks for no TLS: set ssl-mode=REQUIRED in the program, or update its client library.',
      },
      {
        route: 'shop',
        client_address: '10.0.3.21',
        user: 'shop_app',
        client_program: 'php 5.6',
        client_tls_version: 'none',
        client_cipher: 'none',
        first_seen: now - 2 * day,
        last_seen: now - 20 * second,
        connections: 812,
        refused: 3,
        active: 10,
        under_required: 'unknown',
        advice:
          'It can TLS, but was not asked for it: try one of these machines with ssl-mode=REQUIRED first.',
      },
      {
        route: 'reports',
        client_address: '10.0.9.4',
        user: 'etl',
        client_program: 'mysql',
        client_tls_version: 'TLSv1',
        client_cipher: 'AES256-SHA',
        first_seen: now - day,
        last_seen: now - 4 * minute,
        connections: 64,
        refused: 0,
        active: 5,
        under_required: 'accepted',
        advice: 'TLS 1.0 passes REQUIRED, but not --client-tls-profile intermediate: update MySQL 5.6.',
      },
    ],
  },
  plaintext_outcomes: { refused: 1, unknown: 1, accepted: 1 },
  reloads: {
    succeeded: 2,
    failed: 0,
    last_success_at: now - 5 * hour,
    last_failure_at: null,
    last_failure: '',
  },
};

/** The connections that `busyState` counts, the busiest first. */
export const busyConnections: readonly ConnectionState[] = busyTls
  .filter(({ leg }) => leg === 'client')
  .flatMap(({ route, version, cipher, connections }) =>
    Array.from({ length: connections }, (_, index) => ({ route, version, cipher, index })),
  )
  .map(({ route, version, cipher, index }, place) => ({
    ...connectionExample,
    id: place + 1,
    route,
    client: `10.0.${version === 'none' ? 7 : 3}.${17 + (index % 60)}:${40_000 + place * 13}`,
    client_program: programOf(route, version),
    user: userOf(route, version),
    server: route === 'shop' ? 'db-2.example.com:3306' : 'reports.example.com:3306',
    server_version: route === 'shop' ? '9.7.4' : '11.8.9-MariaDB',
    server_thread_id: 10_000 + place,
    client_tls_version: version,
    client_cipher: cipher,
    server_tls_version: route === 'shop' ? 'TLSv1.3' : 'TLSv1.2',
    server_cipher: route === 'shop' ? gcm : 'ECDHE-RSA-AES256-GCM-SHA384',
    opened_at: now - (index + 1) * 97 * second,
    client_bytes_in: 9_100 * (index + 3),
    client_bytes_out: 71_000 * (index + 2),
    server_bytes_in: 9_400 * (index + 3),
    server_bytes_out: 71_300 * (index + 2),
    commands: 41 * (index + 2),
  }))
  .sort((left, right) => right.client_bytes_out - left.client_bytes_out);

function programOf(route: string, version: string): string {
  if (version === 'none') return route === 'shop' ? 'php 5.6' : 'nightly-report';
  if (version === 'TLSv1') return 'mysql';
  return version === 'TLSv1.2' ? 'stock-keeper' : 'checkout';
}

function userOf(route: string, version: string): string {
  if (version === 'TLSv1') return 'etl';
  return route === 'shop' ? 'shop_app' : 'report';
}

/** What clients, certificates and servers may call themselves, to break the page or to lie with it. */
export const hostileTexts: readonly string[] = [
  '<img src=x onerror="document.title=\'taken\'">',
  '<script>document.title="taken"</script>',
  '"><svg onload=alert(1)>',
  'javascript:alert(1)',
  '\u202Eevil\u202C reversed',
  'مستخدم قاعدة البيانات',
  `${'long_name_'.repeat(20)}`,
  '👩‍💻🔥 emoji \u0000\u0007 control',
  '{"data-filters":"x"}',
];

export const hostileConnections: readonly ConnectionState[] = hostileTexts.map((text, index) => ({
  ...connectionExample,
  id: index + 1,
  client_program: text,
  user: text,
  server_user: text,
  client_certificate_subject: text,
  server_version: text,
  opened_at: now - minute,
}));

export const hostileState: ProxyState = {
  ...busyState,
  unready_reason: hostileTexts[0] ?? '',
  tls: hostileTexts.map((text) => shop('client', 'TLSv1.2', text, 3)),
  servers: busyState.servers.map((server) => ({
    ...server,
    cause: hostileTexts[0] ?? '',
    cure: hostileTexts[1] ?? '',
  })),
  certificates: hostileTexts.map((text) => ({
    route: 'shop',
    leg: 'server',
    role: 'peer',
    subject: text,
    not_before: now - day,
    not_after: now + 100 * day,
    source: text,
    option: '',
  })),
  failures: hostileTexts.map((text) => ({
    first_at: now,
    last_at: now,
    count: 1,
    code: 'client_tls_failed',
    leg: 'client',
    route: 'shop',
    client_address: '10.0.0.1',
    user: text,
    server: '',
    cause: text,
    cure: text,
  })),
  plaintext_outcomes: { refused: 0, unknown: hostileTexts.length, accepted: 0 },
  plaintext: {
    routes: ['shop'],
    since: now - day,
    dropped: 0,
    clients: hostileTexts.map((text) => ({
      route: 'shop',
      client_address: '10.0.0.1',
      user: text,
      client_program: text,
      client_tls_version: 'none',
      client_cipher: 'none',
      first_seen: now,
      last_seen: now,
      connections: 1,
      refused: 0,
      active: 1,
      under_required: 'unknown',
      advice: text,
    })),
  },
};
