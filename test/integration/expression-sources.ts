/** Every PromQL expression that users get: of the dashboard, the rules, the alerts, the docs, and of texts that name metrics. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';
import { type DashboardPanel, panelsOf, readDashboard, targetsOf } from '../support/dashboard-file.js';

export interface Expression {
  readonly where: string;
  readonly text: string;
}

export interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly annotations?: Readonly<Record<string, string>>;
}

const dashboard = readDashboard('config/grafana/mysql-tls-proxy.json');
export const panels: readonly DashboardPanel[] = panelsOf(dashboard);
export const rules: readonly Rule[] = ['recording-rules.yml', 'alert-rules.yml'].flatMap((name) => {
  const file = parse(readFileSync(path.join('config/prometheus', name), 'utf8')) as {
    groups: { rules: Rule[] }[];
  };
  return file.groups.flatMap((group) => group.rules);
});

/** As Grafana sends an expression when everything is chosen and the last hour is shown. */
export function asSent(expression: string): string {
  return expression
    .replaceAll('$__rate_interval', '5m')
    .replaceAll('$__range', '1h')
    .replaceAll(/\$\w+/g, '.+');
}

const ofPanels = panels.flatMap((panel) =>
  targetsOf(panel).map(({ refId, expr }) => ({
    where: `panel ${panel.title}, ${refId}`,
    text: asSent(expr),
  })),
);

const ofVariables = dashboard.templating.list.flatMap(({ name, query }) => {
  if (typeof query === 'string') return [];
  const [, selector = '', label] = /^label_values\((.*), (\w+)\)$/.exec(query.query) ?? [];
  return [{ where: `variable ${name}`, text: `count by (${label}) (${asSent(selector)})` }];
});

const ofRules = rules.map(({ alert, record, expr }) => ({
  where: alert === undefined ? `rule ${record}` : `alert ${alert}`,
  text: expr,
}));

const ofPages = ['README.md', ...readdirSync('docs').map((name) => path.join('docs', name))]
  .filter((file) => file.endsWith('.md'))
  .flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/^```promql\n(.*?)^```/gms)].map(([, text = ''], index) => ({
      where: `${file}, query ${index + 1}`,
      text,
    })),
  );

/** As in: look at mysql_tls_proxy_connection_info{client_tls_version="none"}. */
const namedMetric = /mysql_tls_proxy_\w+(\{[^}]*\})?/g;

const ofTexts = [
  ...rules.flatMap(({ alert, annotations }) =>
    Object.values(annotations ?? {}).map((text) => ({ where: `text of ${alert}`, text })),
  ),
  ...panels.map(({ title, description = '' }) => ({ where: `text of ${title}`, text: description })),
].flatMap(({ where, text }) =>
  [...text.matchAll(namedMetric)].map(([name]) => ({ where: `${where}: ${name}`, text: name })),
);

export const expressions: readonly Expression[] = [
  ...ofPanels,
  ...ofVariables,
  ...ofRules,
  ...ofPages,
  ...ofTexts,
];
