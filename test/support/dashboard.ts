/** config/grafana/mysql-tls-proxy.json: what is to be seen, row by row. Uses plain metrics: it works without any rules. */
import { aggregateMetrics, labelName, METRIC_PREFIX } from '../../src/observe/metrics/definitions.js';
import {
  barGauge,
  dataSource,
  gauge,
  layOut,
  type Override,
  type Query,
  type Row,
  type Step,
  stat,
  stateTimeline,
  table,
  thresholds,
  timeSeries,
} from './grafana.js';

type MetricName = keyof typeof aggregateMetrics;

export function dashboard(): object {
  return {
    uid: 'mysql-tls-proxy',
    title: 'mysql-tls-proxy',
    description:
      'MySQL clients and servers behind mysql-tls-proxy: the TLS of both legs, certificates, traffic, logins. Every metric is explained in docs/metrics.md, every reason in docs/errors.md.',
    tags: ['mysql', 'tls', 'mysql-tls-proxy'],
    schemaVersion: 39,
    version: 1,
    editable: true,
    // The same moment in all panels.
    graphTooltip: 1,
    time: { from: 'now-6h', to: 'now' },
    refresh: '30s',
    timezone: 'browser',
    annotations: { list: [] },
    links: [],
    templating: { list: variables() },
    panels: layOut(rows()),
  };
}

function variables(): object[] {
  const build = `${METRIC_PREFIX}build_info`;
  const connections = `${METRIC_PREFIX}connections_total`;
  return [
    {
      name: 'datasource',
      label: 'Data source',
      description: 'The Prometheus that scrapes the proxies.',
      type: 'datasource',
      query: 'prometheus',
      hide: 0,
      multi: false,
      includeAll: false,
      options: [],
      current: { selected: false, text: 'default', value: 'default' },
      regex: '',
      refresh: 1,
    },
    variable('job', 'Job', `label_values(${build}, job)`, 'The job of prometheus.yml that scrapes /metrics.'),
    variable(
      'instance',
      'Proxy',
      `label_values(${build}{job=~"$job"}, instance)`,
      'Address of --admin-listen.',
    ),
    variable(
      'route',
      'Route',
      `label_values(${connections}{job=~"$job", instance=~"$instance"}, route)`,
      'Metrics of the process as a whole, and its reloads, have no route.',
    ),
  ];
}

function variable(name: string, label: string, query: string, description: string): object {
  return {
    name,
    label,
    description,
    type: 'query',
    datasource: dataSource,
    query: { query, refId: `variable-${name}` },
    // Whenever another time is shown: proxies come and go.
    refresh: 2,
    sort: 1,
    multi: true,
    includeAll: true,
    options: [],
    current: { selected: true, text: ['All'], value: ['$__all'] },
    hide: 0,
    regex: '',
  };
}

/** A selector of the proxies and routes that are chosen, with `matchers` besides. */
function of(name: MetricName, matchers = '', part = ''): string {
  const labels = aggregateMetrics[name].labels.map(labelName);
  const chosen = labels.includes('route') ? `${theProxies}, route=~"$route"` : theProxies;
  return `${METRIC_PREFIX}${name}${part}{${chosen}${matchers === '' ? '' : `, ${matchers}`}}`;
}

const theProxies = 'job=~"$job", instance=~"$instance"';

function rate(selector: string): string {
  return `rate(${selector}[$__rate_interval])`;
}

/** Rare things by the minute, and only those that happened: most reasons never do. */
function eventsPerMinute(labels: string, selector: string): string {
  return `60 * sum by (${labels}) (${rate(selector)}) > 0`;
}

/** Of a histogram. Nothing, in place of NaN, where nothing was measured. */
function quantile(share: number, labels: string, name: MetricName): string {
  return `histogram_quantile(${share}, sum by (${labels}) (${rate(of(name, '', '_bucket'))})) >= 0`;
}

function daysLeft(): string {
  return `(${of('certificate_not_after_timestamp_seconds')} - time()) / 86400`;
}

/** Those of the alerts. */
const daysLeftSteps: readonly Step[] = [
  { color: 'red' },
  { color: 'orange', from: 7 },
  { color: 'green', from: 21 },
];
const anyIsTooMany: readonly Step[] = [{ color: 'green' }, { color: 'orange', from: 1 }];

/** The same color for a version wherever it is; values of the label `version`. */
const versionColors: readonly Override[] = [
  { name: 'none', properties: { displayName: 'plaintext', color: fixed('red') } },
  { name: 'TLSv1', properties: { color: fixed('dark-orange') } },
  { name: 'TLSv1.1', properties: { color: fixed('yellow') } },
  { name: 'TLSv1.2', properties: { color: fixed('blue') } },
  { name: 'TLSv1.3', properties: { color: fixed('green') } },
  { name: 'passthrough', properties: { color: fixed('purple') } },
];

function fixed(color: string): object {
  return { mode: 'fixed', fixedColor: color };
}

const legs = [
  { leg: 'client', title: 'Client leg', between: 'from applications to the proxy' },
  { leg: 'server', title: 'Server leg', between: 'from the proxy to MySQL' },
] as const;

function rows(): readonly Row[] {
  return [
    { title: 'Overview', panels: [...overviewNumbers(), ...overviewNow()] },
    { title: 'TLS', panels: [...tlsOverTime(), ...tlsTrouble()] },
    { title: 'Certificates', panels: [certificates()] },
    { title: 'Traffic', panels: traffic() },
    { title: 'Servers', panels: servers() },
    { title: 'Logins', panels: logins() },
    { title: 'Reloads', panels: reloads() },
    { title: 'Process', panels: processPanels() },
    {
      title: 'Connections that are open now (needs a scrape of /metrics/connections)',
      collapsed: true,
      panels: [openConnections()],
    },
  ];
}

function overviewNumbers() {
  const size = { width: 4, height: 4 };
  const clients = of('tls_sessions_active', 'leg="client"');
  return [
    stat({
      ...size,
      title: 'Clients logged in',
      description:
        'Connections whose login was accepted and that are open now, over all chosen proxies and routes.',
      unit: 'short',
      decimals: 0,
      queries: [{ expr: `sum(${clients})` }],
    }),
    stat({
      ...size,
      title: 'Of them in plaintext',
      description:
        'Share of the clients that are logged in now without TLS. What they send can be read on the network, unless they are on the same machine. docs/plaintext-report.md tells how to find out who they are.',
      unit: 'percentunit',
      nothing: 'no clients',
      queries: [
        {
          expr: `sum(${of('tls_sessions_active', 'leg="client", version="none"')}) / (sum(${clients}) > 0)`,
        },
      ],
    }),
    gauge({
      ...size,
      title: 'Connections of the limit',
      description:
        'Of the proxy that is nearest to its --max-connections, logins that go on included, over the chosen routes. Above 100 % clients get error 1040 (too_many_connections).',
      unit: 'percentunit',
      max: 1,
      steps: [{ color: 'green' }, { color: 'orange', from: 0.8 }, { color: 'red', from: 0.95 }],
      queries: [
        {
          expr: `max(sum without (route) (${of('connections_active')}) / (${of('connections_limit')} > 0))`,
        },
      ],
    }),
    stat({
      ...size,
      title: 'First certificate expires in',
      description:
        'Of all certificates in use: those of the files, and those that servers showed. The row Certificates has them one by one.',
      unit: 'suffix: days',
      decimals: 0,
      nothing: 'no certificates',
      steps: daysLeftSteps,
      queries: [{ expr: `min(${daysLeft()})` }],
    }),
    stat({
      ...size,
      title: 'TLS handshakes failed',
      description:
        'In the time that is shown, on both legs, checks of certificates included. The row TLS has the reasons, docs/errors.md the cure of each.',
      unit: 'short',
      decimals: 0,
      steps: anyIsTooMany,
      queries: [{ expr: `sum(increase(${of('tls_handshake_failures_total')}[$__range]))` }],
    }),
    stat({
      ...size,
      title: 'Connections rejected',
      description:
        'Connections that ended before their login was accepted, in the time that is shown: wrong passwords, failures, and clients that only looked. The row Logins has the reasons.',
      unit: 'short',
      decimals: 0,
      queries: [{ expr: `sum(increase(${of('connections_rejected_total')}[$__range]))` }],
    }),
  ];
}

function overviewNow() {
  const size = { width: 8, height: 7 };
  return [
    ...legs.map(({ leg, title, between }) =>
      barGauge({
        ...size,
        title: `${title}: connections by TLS version now`,
        description: `Logged-in connections by the TLS version of their leg ${between}. "passthrough": client and server negotiate without the proxy.`,
        unit: 'short',
        decimals: 0,
        overrides: versionColors,
        queries: [
          {
            expr: `sum by (version) (${of('tls_sessions_active', `leg="${leg}"`)})`,
            legend: '{{version}}',
          },
        ],
      }),
    ),
    table({
      ...size,
      title: 'Down',
      description:
        'Proxies that do not answer Prometheus, and servers that failed when the proxy last used or checked them. Where --server names several, the others are used. mysql-tls-proxy doctor --server HOST:PORT looks closer.',
      unit: 'none',
      nothing: 'Nothing is down',
      queries: [
        {
          expr: `max by (instance, route, server) (${of('server_up')} == 0 or up{${theProxies}} == 0)`,
        },
      ],
      columns: { instance: 'Proxy', route: 'Route', server: 'Server' },
    }),
  ];
}

function tlsOverTime() {
  const size = { width: 12, height: 8 };
  return [
    ...legs.map(({ leg, title, between }) =>
      timeSeries({
        ...size,
        title: `${title}: TLS versions`,
        description: `Logged-in connections that were open, by the TLS version of their leg ${between}.`,
        unit: 'short',
        style: 'stacked',
        overrides: versionColors,
        queries: [
          {
            expr: `sum by (version) (${of('tls_sessions_active', `leg="${leg}"`)})`,
            legend: '{{version}}',
          },
        ],
      }),
    ),
    ...legs.map(({ leg, title, between }) =>
      timeSeries({
        ...size,
        title: `${title}: ciphers`,
        description: `Logged-in connections that were open, by TLS version and cipher of their leg ${between}; "none" is plaintext.`,
        unit: 'short',
        style: 'stacked',
        withLast: true,
        queries: [
          {
            expr: `sum by (version, cipher) (${of('tls_sessions_active', `leg="${leg}"`)})`,
            legend: '{{version}} {{cipher}}',
          },
        ],
      }),
    ),
  ];
}

function tlsTrouble() {
  const size = { width: 12, height: 8 };
  const handshakes = of('tls_handshakes_total');
  return [
    timeSeries({
      ...size,
      title: 'Weak TLS, by reason',
      description:
        'New connections in each minute whose TLS works, but with something weak: an old version, no forward secrecy, a short key, a certificate that nobody verifies. One connection may have several reasons. docs/errors.md, section Weak TLS, has the cure of each.',
      unit: 'short',
      style: 'bars',
      nothing: 'No weak TLS in this time',
      queries: [
        {
          expr: eventsPerMinute('leg, reason', of('weak_tls_connections_total')),
          legend: '{{leg}}: {{reason}}',
        },
      ],
    }),
    timeSeries({
      ...size,
      title: 'TLS handshakes that failed, by reason',
      description:
        'In each minute, checks of certificates included. docs/errors.md has the cure of each reason; mysql-tls-proxy doctor --server HOST:PORT, or --proxy HOST:PORT for the client leg, looks closer.',
      unit: 'short',
      style: 'bars',
      nothing: 'No TLS handshake failed in this time',
      queries: [
        {
          expr: eventsPerMinute('leg, reason', of('tls_handshake_failures_total')),
          legend: '{{leg}}: {{reason}}',
        },
      ],
    }),
    timeSeries({
      ...size,
      title: 'TLS handshakes that resumed a session',
      description:
        'Share of the handshakes of each leg. A resumption costs a fraction of a full handshake; many old clients and servers can not do it.',
      unit: 'percentunit',
      max: 1,
      nothing: 'No TLS handshake in this time',
      queries: [
        {
          // The other way round there would be nothing to see where none is ever resumed.
          expr: `1 - sum by (leg) (${rate(of('tls_handshakes_total', 'resumed="false"'))}) / (sum by (leg) (${rate(handshakes)}) > 0)`,
          legend: '{{leg}} leg',
        },
      ],
    }),
    timeSeries({
      ...size,
      title: 'Duration of TLS handshakes',
      description:
        'Within what time half of the handshakes of each leg ended well (p50), and 99 of 100 (p99). The time of the other side and of the network is in it.',
      unit: 's',
      nothing: 'No TLS handshake in this time',
      queries: [0.5, 0.99].map((share) => ({
        expr: quantile(share, 'leg, le', 'tls_handshake_duration_seconds'),
        legend: `{{leg}} leg, p${share * 100}`,
      })),
    }),
  ];
}

function certificates() {
  const labels = 'instance, route, leg, role, subject';
  return table({
    width: 24,
    height: 8,
    title: 'Certificates, soonest to expire first',
    description:
      'own: the certificate that the proxy shows on this leg. ca: it verifies the other side with it. peer: what the server showed last. Own and ca: replace the file (mysql-tls-proxy certs renew, for those of certs create), which the proxy takes into use by itself, or on SIGHUP. Peer: replace it in the server.',
    unit: 'none',
    nothing: 'No certificates: none is configured, and no server showed one yet',
    queries: [
      { expr: `min by (${labels}) (${daysLeft()})` },
      { expr: `min by (${labels}) (${of('certificate_not_after_timestamp_seconds')}) * 1000` },
    ],
    columns: {
      'Value #A': 'Days left',
      'Value #B': 'Expires at',
      subject: 'Subject',
      role: 'Role',
      leg: 'Leg',
      route: 'Route',
      instance: 'Proxy',
    },
    sortBy: { title: 'Days left', descending: false },
    overrides: [
      {
        name: 'Days left',
        properties: {
          unit: 'suffix: days',
          decimals: 1,
          color: { mode: 'thresholds' },
          thresholds: thresholds(daysLeftSteps),
          'custom.cellOptions': { type: 'color-background', mode: 'basic' },
          'custom.width': 120,
        },
      },
      { name: 'Expires at', properties: { unit: 'dateTimeAsIso', 'custom.width': 180 } },
    ],
  });
}

function traffic() {
  const size = { width: 12, height: 8 };
  return [
    timeSeries({
      ...size,
      title: 'Commands per second, by command',
      description:
        'As the MySQL protocol names them: COM_QUERY is a statement as text, COM_STMT_EXECUTE a prepared one. Those of compressed and of passed-through sessions can not be seen.',
      unit: 'ops',
      style: 'stacked',
      nothing: 'No commands in this time',
      queries: [{ expr: `sum by (command) (${rate(of('commands_total'))}) > 0`, legend: '{{command}}' }],
    }),
    timeSeries({
      ...size,
      title: 'Until commands are answered',
      description:
        "From a command's last byte to its reply's first, the server's time included: within what time half of all commands are answered (p50), 95 (p95) and 99 of 100 (p99).",
      unit: 's',
      nothing: 'No command was answered in this time',
      queries: [0.5, 0.95, 0.99].map((share) => ({
        expr: quantile(share, 'le', 'command_duration_seconds'),
        legend: `p${share * 100}`,
      })),
    }),
    timeSeries({
      ...size,
      title: 'Until commands are answered, p99 by command',
      description:
        'Within what time 99 of 100 are answered. A replica waits for changes in COM_BINLOG_DUMP: a long time is no trouble there.',
      unit: 's',
      nothing: 'No command was answered in this time',
      queries: [{ expr: quantile(0.99, 'command, le', 'command_duration_seconds'), legend: '{{command}}' }],
    }),
    timeSeries({
      ...size,
      title: 'Bytes per second, by leg and direction',
      description:
        'MySQL protocol, without what TLS adds. "in" and "out" as the proxy sees a leg: what comes in on the client leg goes out on the server leg.',
      unit: 'Bps',
      queries: [
        {
          expr: `sum by (leg, direction) (${rate(of('bytes_total'))})`,
          legend: '{{leg}} leg, {{direction}}',
        },
      ],
    }),
  ];
}

function servers() {
  const size = { width: 12, height: 8 };
  return [
    stateTimeline({
      ...size,
      title: 'Servers, up or down',
      description:
        'Whether a server could be used when the proxy last tried or checked it, by route; of several proxies the worst. Without health checks, a server that nobody asked for keeps its last state.',
      unit: 'none',
      states: {
        0: { text: 'down', color: 'red' },
        1: { text: 'up', color: 'green' },
        NaN: { text: 'not tried yet', color: 'text' },
      },
      queries: [{ expr: `min by (route, server) (${of('server_up')})`, legend: '{{route}}: {{server}}' }],
    }),
    timeSeries({
      ...size,
      title: 'Until servers greet, p99',
      description:
        'Within what time 99 of 100 attempts to connect are greeted, the look-up of the name included. A second or more is often a slow name server, or a server that looks up the name of the proxy (skip_name_resolve).',
      unit: 's',
      nothing: 'No connection to a server in this time',
      queries: [
        {
          expr: quantile(0.99, 'route, server, le', 'server_connect_duration_seconds'),
          legend: '{{route}}: {{server}}',
        },
      ],
    }),
  ];
}

function logins() {
  const size = { width: 12, height: 8 };
  return [
    timeSeries({
      ...size,
      title: 'Logins, by result',
      description:
        'In each minute, changes of user included. refused: by the server, or by the file of --credentials. failed: it came to no decision; see the connections that were rejected.',
      unit: 'short',
      style: 'bars',
      nothing: 'No logins in this time',
      queries: [{ expr: eventsPerMinute('result', of('auth_total')), legend: '{{result}}' }],
      overrides: [
        { name: 'accepted', properties: { color: fixed('green') } },
        { name: 'refused', properties: { color: fixed('orange') } },
        { name: 'failed', properties: { color: fixed('red') } },
      ],
    }),
    timeSeries({
      ...size,
      title: 'Connections rejected, by reason',
      description:
        'Connections in each minute that ended before their login was accepted. login_refused is a no of the server; client_gone are port scans and health checks, too. docs/errors.md has the cure of each reason.',
      unit: 'short',
      style: 'bars',
      nothing: 'No connection was rejected in this time',
      queries: [{ expr: eventsPerMinute('reason', of('connections_rejected_total')), legend: '{{reason}}' }],
    }),
    table({
      width: 24,
      height: 7,
      title: 'Logins since the proxies started, by plugins, path and result',
      description:
        'relayed: the proxy passed on what client and server said. translated: it put the password into the form of the other leg. bridged: it asked the client for the password (--auth-bridge). credentials: it logged in with those of the file of --credentials. docs/authentication.md explains each.',
      unit: 'short',
      nothing: 'No logins since the start',
      queries: [{ expr: `sum by (client_plugin, server_plugin, path, result) (${of('auth_total')})` }],
      columns: {
        client_plugin: 'Plugin of the client',
        server_plugin: 'Plugin of the server',
        path: 'Path',
        result: 'Result',
        Value: 'Logins',
      },
      sortBy: { title: 'Logins', descending: true },
      overrides: [{ name: 'Logins', properties: { decimals: 0 } }],
    }),
  ];
}

function reloads() {
  return [
    stat({
      width: 8,
      height: 6,
      title: 'Certificates and keys were last read',
      description:
        'By a reload that succeeded, or at the start. A certificate that was renewed after that is not in use yet.',
      unit: 'dateTimeFromNow',
      queries: [
        {
          expr: `${of('tls_last_reload_success_timestamp_seconds')} * 1000`,
          legend: '{{instance}}',
        },
      ],
    }),
    timeSeries({
      width: 16,
      height: 6,
      title: 'Reloads, by result',
      description:
        'In each minute. After a failure the old configuration and certificates stay in use; the log says what is wrong, and so does mysql-tls-proxy --config FILE --check-config.',
      unit: 'short',
      style: 'bars',
      nothing: 'No reload in this time',
      queries: [
        {
          expr: eventsPerMinute('instance, result', of('tls_reloads_total')),
          legend: '{{instance}}: {{result}}',
        },
      ],
    }),
  ];
}

function processPanels() {
  const size = { width: 8, height: 7 };
  const perProxy = (expr: string): readonly Query[] => [{ expr, legend: '{{instance}}' }];
  return [
    timeSeries({
      ...size,
      title: 'CPU',
      description:
        '100 % is one core. Full TLS handshakes cost the most; those that resume a session cost little.',
      unit: 'percentunit',
      queries: perProxy(rate(`process_cpu_seconds_total{${theProxies}}`)),
    }),
    timeSeries({
      ...size,
      title: 'Memory',
      description: 'Resident set of the process.',
      unit: 'bytes',
      queries: perProxy(`process_resident_memory_bytes{${theProxies}}`),
    }),
    timeSeries({
      ...size,
      title: 'Event loop lag, p99',
      description:
        'How late the process comes to its work, and so what it can add to a command. At rest it is 0.01 s: that is how often it is measured. Where it stays above 0.1 s, there is more to do than one core can.',
      unit: 's',
      queries: perProxy(`nodejs_eventloop_lag_p99_seconds{${theProxies}}`),
    }),
    table({
      width: 24,
      height: 5,
      title: 'Versions',
      description: 'What is running. OpenSSL is the one inside Node.js.',
      unit: 'none',
      queries: [{ expr: `max by (instance, version, node, openssl) (${of('build_info')})` }],
      columns: { instance: 'Proxy', version: 'mysql-tls-proxy', node: 'Node.js', openssl: 'OpenSSL' },
    }),
  ];
}

/** Comes by another job: `$job` is that of /metrics. */
function openConnections() {
  const columns = {
    user: 'User',
    client: 'Client',
    client_program: 'Program',
    client_tls_version: 'TLS of client',
    client_cipher: 'Cipher of client',
    server_tls_version: 'TLS of server',
    server_cipher: 'Cipher of server',
    server: 'Server',
    path: 'Path of login',
    state: 'State',
    route: 'Route',
    id: 'Number in the log',
    instance: 'Proxy',
  };
  const info = `${METRIC_PREFIX}connection_info{instance=~"$instance", route=~"$route"}`;
  return table({
    width: 24,
    height: 12,
    title: 'Connections',
    description:
      'Each with the TLS of both legs, at most --connection-metrics-limit of each proxy. "none" is plaintext. KILL in the server needs the label server_thread_id of mysql_tls_proxy_connection_info.',
    unit: 'none',
    nothing: 'No connections, or Prometheus does not scrape /metrics/connections',
    queries: [{ expr: `max by (${Object.keys(columns).join(', ')}) (${info})` }],
    columns,
    sortBy: { title: 'TLS of client', descending: true },
  });
}
