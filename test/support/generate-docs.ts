/**
 * Writes the files that are generated from the tables of options, errors and metrics; with `--check` only says which of
 * them differ from what would be written, and exits with 1 then. To be run in the root folder of the project.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { commandLineOptions } from '../../src/config/command-line-options.js';
import { fileFaults } from '../../src/config/config-error.js';
import type { OptionDefinition, OptionScope } from '../../src/config/option-definition.js';
import { camelCase, environmentName, routeKey } from '../../src/config/option-names.js';
import { options } from '../../src/config/option-table.js';
import { fixedOptionNames } from '../../src/config/restart-needed.js';
import { configJsonSchema } from '../../src/config/schema.js';
import { doctorTable } from '../../src/doctor/findings.js';
import { type ErrorDefinition, errorTable } from '../../src/errors.js';
import { type WeaknessDefinition, weakTls } from '../../src/observe/weak-tls.js';
import { dashboard } from './dashboard.js';
import { metricsPage } from './metrics-page.js';

/** Contents by path, relative to the root folder of the project. */
export function generatedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/configuration.md', configurationPage()],
    ['docs/errors.md', errorsPage()],
    ['docs/metrics.md', metricsPage()],
    ['config/proxy.schema.json', `${JSON.stringify(configJsonSchema(), undefined, 2)}\n`],
    // As Grafana itself writes it.
    ['config/grafana/mysql-tls-proxy.json', `${JSON.stringify(dashboard(), undefined, 2)}\n`],
  ]);
}

const sections: readonly { scope: OptionScope; title: string; text: string }[] = [
  {
    scope: 'route',
    title: 'Route',
    text: 'Where clients connect, and which server they reach. In `routes:` the servers are listed under `servers`.',
  },
  {
    scope: 'client',
    title: 'Client leg',
    text: 'The connection from the application to the proxy. Inside a route these stand under `client:`, without the prefix.',
  },
  {
    scope: 'server',
    title: 'Server leg',
    text: 'The connection from the proxy to the MySQL server. Inside a route these stand under `server:`, without the prefix.',
  },
  { scope: 'process', title: 'Process', text: 'These hold for all routes.' },
];

function configurationPage(): string {
  return `${[introduction, commandLineSection(), ...sections.map(section), closing].join('\n\n')}\n`;
}

const introduction = `# Configuration

<!-- Generated from src/config/options/ by "npm run docs". Edit the files there instead. -->

Every option can be given in four places. The first that has it wins:

1. a flag: \`--server-ssl-ca ca.pem\`
2. an environment variable: \`MYSQL_TLS_PROXY_SERVER_SSL_CA=ca.pem\`; one that is empty counts as not given, and
   a list is separated by commas
3. a key of the file given with \`--config\`: \`server-ssl-ca: ca.pem\`, or \`serverSslCa\`
4. the default

The file is YAML or JSON. Either it has the options of a single route, by the names of the flags:

\`\`\`yaml
listen: 127.0.0.1:3307
server: db.example.com:3306
server-ssl-ca: ca.pem
\`\`\`

or a list of routes, in which each option stands with its leg:

\`\`\`yaml
routes:
  - name: orders
    listen: [127.0.0.1:3307, "unix:/run/mysqld/mysqld.sock"]
    servers: [db-1.example.com:3306, db-2.example.com:3306]
    server: { ssl-ca: ca.pem, ssl-cert: client-cert.pem, ssl-key: client-key.pem }
  - name: reports
    listen: 0.0.0.0:3308
    servers: reports.example.com
    client: { ssl-mode: REQUIRED, ssl-cert: proxy-cert.pem, ssl-key: proxy-key.pem }
    server: { ssl-ca: ca.pem }
\`\`\`

Flags, environment variables and options outside \`routes\` describe the route called \`default\`.
Relative paths start from the folder of the file, or, in flags and variables, from the current folder.
Modes and other words may be written in any case, and with \`-\` instead of \`_\`. Unknown keys, flags and variables are
errors. Durations have a unit (\`500ms\`, \`9s\`, \`1m\`); a bare number is seconds.

\`mysql-tls-proxy --check-config\` says all that is wrong at once, and \`--print-config\` shows what is in use and where each
value came from. [\`config/proxy.schema.json\`](../config/proxy.schema.json) is the JSON Schema for editors,
[\`config/proxy.example.yaml\`](../config/proxy.example.yaml) an example.

When the file, or one that an option names, changes, and on SIGHUP, everything is read again, for new connections. If anything is
wrong, the old configuration stays in use ([reloading](reload.md)). These options need a restart, and so do routes that come or go:
${fixedOptionNames.map((name) => `\`--${name}\``).join(', ')}. A reload changes all others.`;

function commandLineSection(): string {
  const rows = commandLineOptions.map(({ name, metavar, environment, description }) => {
    const variable = environment ? `\`${environmentName(name)}\`` : '–';
    return `| \`--${name}${metavar === '' ? '' : ` ${metavar}`}\` | ${variable} | ${cell(description)} |`;
  });
  return ['## Command line', '', '| Flag | Environment | |', '| --- | --- | --- |', ...rows].join('\n');
}

function section({ scope, title, text }: (typeof sections)[number]): string {
  const rows = options.filter((option) => option.scope === scope).map(optionEntry);
  return [`## ${title}`, '', text, '', rows.join('\n\n')].join('\n');
}

function optionEntry(option: OptionDefinition): string {
  const key = routeKey(option);
  const places = [`\`${environmentName(option.name)}\``, spellings(option.name)];
  if (option.scope !== 'process') {
    const leg = option.scope === 'route' ? '' : `${option.scope}: `;
    places.push(`in a route \`${leg}${key}\``);
  }
  const details = [
    `Default: ${defaultOf(option)}`,
    option.list === undefined ? undefined : 'Repeatable',
    `Changes take effect ${option.reloadable ? 'by a reload' : 'at start'}`,
    `Since ${option.since}`,
  ];
  return [
    `### \`--${option.name}${option.metavar === '' ? '' : ` ${option.metavar}`}\``,
    '',
    `${option.description}.`,
    '',
    `- ${places.join(' · ')}`,
    `- ${details.filter((detail) => detail !== undefined).join(' · ')}`,
  ].join('\n');
}

function spellings(name: string): string {
  const camel = camelCase(name);
  return camel === name ? `\`${name}\`` : `\`${name}\` or \`${camel}\``;
}

function defaultOf(option: OptionDefinition): string {
  if (option.defaultText !== undefined) return option.defaultText;
  if (option.default === undefined) return option.name === 'server' ? 'none, it must be given' : 'none';
  const values = typeof option.default === 'function' ? [] : [option.default].flat();
  return values.map((value) => `\`${value}\``).join(', ');
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}

const closing = `## Exit codes

| Code | Meaning |
| --- | --- |
| 0 | stopped by a signal; the configuration is valid |
| 1 | failed while starting or running: a port in use, or stopped by a second signal |
| 2 | wrong usage or configuration |`;

function errorsPage(): string {
  const errors = Object.entries<ErrorDefinition>(errorTable).map(
    ([code, { leg, errno, sqlState, logLevel, cure }]) =>
      `| \`${code}\` | ${leg === 'none' ? 'proxy' : leg} | ${errno} (${sqlState}) | ${logLevel} | ${cell(cure)} |`,
  );
  const weaknesses = Object.entries<WeaknessDefinition>(weakTls).map(
    ([reason, { what, cure }]) =>
      `| \`${reason}\` | ${cell(what)} | ${cell(cure.client ?? 'can not occur')} | ${cell(cure.server)} |`,
  );
  const faults = Object.entries(fileFaults).map(([code, what]) => `| \`${code}\` | ${cell(what)} |`);
  const findings = Object.entries(doctorTable).map(
    ([code, { severity, cure }]) => `| \`${code}\` | ${severity} | ${cell(cure)} |`,
  );
  return `${[
    errorsIntroduction,
    '',
    '| Code | Leg | ERR packet | Log level | Cure |',
    '| --- | --- | --- | --- | --- |',
    ...errors,
    '',
    weaknessesIntroduction,
    '',
    '| Reason | What is weak | Cure on the client leg | Cure on the server leg |',
    '| --- | --- | --- | --- |',
    ...weaknesses,
    '',
    faultsIntroduction,
    '',
    '| Code | What is wrong |',
    '| --- | --- |',
    ...faults,
    '',
    findingsIntroduction,
    '',
    '| Code | Severity | Cure |',
    '| --- | --- | --- |',
    ...findings,
  ].join('\n')}\n`;
}

const errorsIntroduction = `# Errors and their cures

<!-- Generated from src/errors.ts, src/observe/weak-tls.ts, src/config/config-error.ts and src/doctor/findings.ts by "npm run docs". Edit those instead. -->

Each way in which a connection can fail has a code that does not change: \`code\` in the log, the label \`reason\` in metrics, the
code of the finding of \`mysql-tls-proxy doctor\`. The client gets an ERR packet with the number below, whose text names the leg,
the cause and the cure; servers' own errors go through unchanged. MariaDB's client library shows numbers from 2000 to 2999 as
1105 after the login, and as 2027 before it.

The doctor calls errors of the client leg of a proxy \`client_leg_…\` in place of \`server_…\`, with the options of that leg.

## Errors`;

const weaknessesIntroduction = `## Weak TLS

Connections that work, but with something weak: counted in \`mysql_tls_proxy_weak_tls_connections_total{route,leg,reason}\`, logged
once for each route, leg and reason, and found by the doctor as \`weak_…\`.`;

const faultsIntroduction = `## Files

What is wrong with a file of certificates, keys or revocations. The proxy says it with the option, the path and the cure, at start, with
\`--check-config\` and by a reload, where the log has the codes; the doctor has them as findings.`;

const findingsIntroduction = `## Findings of the doctor alone`;

function main(check: boolean): void {
  for (const [path, contents] of generatedFiles()) {
    if (!check) {
      writeFileSync(path, contents);
      process.stdout.write(`wrote ${path}\n`);
    } else if (readIfThere(path) !== contents) {
      process.stderr.write(`${path} differs from what "npm run docs" would write\n`);
      process.exitCode = 1;
    }
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main(process.argv.includes('--check'));
