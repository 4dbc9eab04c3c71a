/** docs/metrics.md, from the definitions of the metrics and their labels. */
import {
  aggregateMetrics,
  connectionMetrics,
  labelMeaning,
  labelName,
  METRIC_PREFIX,
  type MetricDefinition,
} from '../../src/observe/metrics/definitions.js';

export function metricsPage(): string {
  return `${[
    introduction,
    '## /metrics',
    ...Object.entries<MetricDefinition>(aggregateMetrics).map(metricEntry),
    connectionsIntroduction,
    ...Object.entries<MetricDefinition>(connectionMetrics).map(metricEntry),
    labelsIntroduction,
    labelRows(),
    examples,
  ].join('\n\n')}\n`;
}

function metricEntry([name, { type, help, labels, buckets }]: [string, MetricDefinition]): string {
  const details = [
    type,
    labels.length === 0
      ? 'no labels'
      : `labels ${labels.map((label) => `\`${labelName(label)}\``).join(', ')}`,
    ...(buckets === undefined ? [] : [`buckets ${buckets.join(', ')}`]),
  ];
  return `### \`${METRIC_PREFIX}${name}\`\n\n${help}\n\n- ${details.join(' · ')}`;
}

/** One row for each label and meaning: `version` means something else in build_info than elsewhere. */
function labelRows(): string {
  const metricsOf = new Map<string, string[]>();
  for (const [metric, { labels }] of Object.entries<MetricDefinition>({
    ...aggregateMetrics,
    ...connectionMetrics,
  })) {
    for (const label of labels) {
      const row = `| \`${labelName(label)}\` | ${labelMeaning(label)} |`;
      metricsOf.set(row, [...(metricsOf.get(row) ?? []), `\`${metric}\``]);
    }
  }
  const rows = [...metricsOf].map(([row, metrics]) => `${row} ${shortList(metrics)} |`);
  return ['| Label | Meaning and values | Of |', '| --- | --- | --- |', ...rows].join('\n');
}

function shortList(metrics: readonly string[]): string {
  return metrics.length > 3 ? `${metrics.length} metrics` : metrics.join(', ');
}

const introduction = `# Metrics

<!-- Generated from src/observe/metrics/definitions.ts and test/support/metrics-page.ts by "npm run docs". Edit those instead. -->

The proxy serves metrics for Prometheus on \`--admin-listen\` (\`127.0.0.1:9307\` by default), on two paths:

| path | what | time series |
| --- | --- | --- |
| \`/metrics\` | sums over all connections of a route | as many as there are routes, servers, certificates and kinds of TLS, however many clients come |
| \`/metrics/connections\` | each connection that is open now | 7 for each connection, other ones with each new connection |

There are two so that whoever runs Prometheus chooses: every connection on \`/metrics/connections\` is a new set of time series, which costs
memory there. \`--connection-metrics-limit\` bounds how many connections it shows at once. \`--metrics aggregates\` serves \`/metrics\` alone, and
keeps nothing about single connections and users; \`--metrics none\` serves neither path.

In [config/prometheus](../config/prometheus) are a scrape configuration, recording rules and alert rules, in
[config/grafana](../config/grafana) a dashboard. Try a scrape by hand:

\`\`\`sh
curl http://127.0.0.1:9307/metrics
\`\`\`

Counters begin with 0 when the proxy starts, for every value of a label that is known by then, so that \`rate\` and \`increase\` count the first
event, too. Names and labels below stay as they are; new ones may come. \`/metrics\` also has what prom-client tells of every Node.js process:
\`process_cpu_seconds_total\`, \`process_resident_memory_bytes\`, \`process_open_fds\`, \`nodejs_eventloop_lag_p99_seconds\`,
\`nodejs_heap_size_used_bytes\` and others with these prefixes.`;

const connectionsIntroduction = `## /metrics/connections

What is shown here ends with the connection: a \`rate\` over it leaves out whatever happened after the last scrape. Of more connections than
\`--connection-metrics-limit\` the busiest are shown.`;

const labelsIntroduction = `## Labels`;

const examples = `## Queries

Who talks plaintext to the proxy now, as logged-in connections by route:

\`\`\`promql
sum by (instance, route) (mysql_tls_proxy_tls_sessions_active{leg="client", version="none"})
\`\`\`

And who are they (needs \`/metrics/connections\`):

\`\`\`promql
count by (user, client_program, client) (mysql_tls_proxy_connection_info{client_tls_version="none", state="session"})
\`\`\`

The share of TLS 1.0 among the logins of the last day:

\`\`\`promql
sum(increase(mysql_tls_proxy_tls_sessions_total{leg="client", version="TLSv1"}[1d]))
  / (sum(increase(mysql_tls_proxy_tls_sessions_total{leg="client"}[1d])) > 0)
\`\`\`

What is weak about the TLS of clients and servers, in the last week:

\`\`\`promql
sum by (route, leg, reason) (increase(mysql_tls_proxy_weak_tls_connections_total[7d])) > 0
\`\`\`

Why TLS handshakes fail; [errors.md](errors.md) has the cure for each reason:

\`\`\`promql
sum by (route, leg, reason) (increase(mysql_tls_proxy_tls_handshake_failures_total[1h])) > 0
\`\`\`

How many TLS handshakes are resumptions, which cost a fraction of a full one:

\`\`\`promql
1 - sum by (route, leg) (rate(mysql_tls_proxy_tls_handshakes_total{resumed="false"}[5m]))
  / (sum by (route, leg) (rate(mysql_tls_proxy_tls_handshakes_total[5m])) > 0)
\`\`\`

Days until each certificate expires, soonest first:

\`\`\`promql
sort((mysql_tls_proxy_certificate_not_after_timestamp_seconds - time()) / 86400)
\`\`\`

Within what time 99 of 100 commands are answered, by command:

\`\`\`promql
histogram_quantile(0.99, sum by (route, command, le) (rate(mysql_tls_proxy_command_duration_seconds_bucket[5m])))
\`\`\`

The share of connections in use:

\`\`\`promql
sum without (route) (mysql_tls_proxy_connections_active) / (mysql_tls_proxy_connections_limit > 0)
\`\`\`

Why connections end before their login is accepted:

\`\`\`promql
sum by (route, reason) (increase(mysql_tls_proxy_connections_rejected_total[1h])) > 0
\`\`\`

Logins that only go through because the proxy takes part in them, by the plugins of client and server:

\`\`\`promql
sum by (route, client_plugin, server_plugin, path) (increase(mysql_tls_proxy_auth_total{result="accepted", path!="relayed"}[1d])) > 0
\`\`\`

Servers that are left out:

\`\`\`promql
mysql_tls_proxy_server_up == 0
\`\`\`

How clients are divided among the servers of a route:

\`\`\`promql
sum by (route, server) (mysql_tls_proxy_server_connections_active)
\`\`\`

Attempts to connect that failed, so that clients were sent to another server or got an error:

\`\`\`promql
sum by (route, server) (increase(mysql_tls_proxy_server_connect_failures_total[1h])) > 0
\`\`\`

Health checks that were refused their login:

\`\`\`promql
sum by (route, server) (increase(mysql_tls_proxy_server_health_checks_total{result="denied"}[1h])) > 0
\`\`\``;
