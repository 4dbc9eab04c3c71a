/**
 * Every PromQL expression that users get is one for a real Prometheus, and about metrics, labels and values that a real
 * proxy serves; the panels of the dashboard show something.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, createConnection } from 'mysql2/promise';
import { parse, stringify } from 'yaml';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { CliProcess } from '../support/cli-process.js';
import { type DashboardPanel, targetsOf } from '../support/dashboard-file.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RunningPrometheus, type Sample, startPrometheus } from '../support/prometheus.js';
import { freePort, startMariadb } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { asSent, expressions, panels, rules } from './expression-sources.js';
import { unknownNames, type Vocabulary, vocabularyOf, withRecorded } from './metric-vocabulary.js';
import { orSkip, stopServer } from './real-server.js';

const folder = makeTemporaryFolder();
const certificates = makeCertificates(folder);
const ca = certificates.ca.certificate;
const connectionsLimit = 40;

/** What Prometheus found for each query of each panel. */
type Results = ReadonlyMap<DashboardPanel, readonly (readonly Sample[])[]>;

interface Scene {
  readonly prometheus: RunningPrometheus;
  readonly vocabulary: Vocabulary;
  /** Before the first client. */
  readonly fresh: Results;
  /** While clients are logged in, and others were not let in. */
  readonly busy: Results;
}

const cleanUps: (() => Promise<unknown>)[] = [];

async function playScene(): Promise<Scene | Unavailable> {
  const mariadb = await startMariadb({ tls: certificates.serverTls });
  if (isUnavailable(mariadb)) return mariadb;
  cleanUps.push(() => stopServer(mariadb));
  const account = await createAccount(mariadb, 'app');

  const cli = new CliProcess(['--config', await writeConfig(`${mariadb.host}:${mariadb.port}`)]);
  cleanUps.push(async () => {
    cli.signal('SIGTERM');
    await cli.ended;
  });
  const { routes, admin } = await cli.line('ready');
  const target = String(admin);
  const prometheus = await startPrometheus(scrapeJobs(target), []);
  if (isUnavailable(prometheus)) return prometheus;
  cleanUps.push(() => prometheus.stop());

  // A rate needs two scrapes.
  await prometheus.scraped();
  await prometheus.scraped();
  const fresh = await resultsOf(prometheus);

  // What happened before the first scrape of a time series is in no rate.
  await useProxy(cli, routes as Routes, account);
  await scrapedWith(prometheus, 2);
  await useProxy(cli, routes as Routes, account);
  await scrapedWith(prometheus, 4);
  const busy = await resultsOf(prometheus);

  const scrapes = ['/metrics', '/metrics/connections'].map(async (page) =>
    (await fetch(`http://${target}${page}`)).text(),
  );
  const series = await prometheus.series('{__name__=~".+"}');
  const vocabulary = withRecorded(vocabularyOf(await Promise.all(scrapes), series), rules);
  return { prometheus, vocabulary, fresh, busy };
}

interface Routes {
  readonly main: readonly string[];
  readonly gone: readonly string[];
}

async function writeConfig(server: string): Promise<string> {
  const config = {
    'admin-listen': '127.0.0.1:0',
    'log-level': 'info',
    'max-connections': connectionsLimit,
    routes: [
      {
        name: 'main',
        listen: '127.0.0.1:0',
        servers: server,
        client: {
          'ssl-cert': certificates.server.certificateFile,
          'ssl-key': certificates.server.keyFile,
        },
        // Weak: nobody verifies the certificate.
        server: { 'ssl-mode': 'REQUIRED' },
      },
      {
        name: 'gone',
        listen: '127.0.0.1:0',
        servers: `127.0.0.1:${await freePort()}`,
        server: { 'ssl-mode': 'DISABLED' },
      },
    ],
  };
  const file = path.join(folder, 'proxy.yaml');
  writeFileSync(file, stringify(config));
  return file;
}

/** Named as in the configuration that users get, because the alerts name a job. */
function scrapeJobs(target: string) {
  const { scrape_configs: jobs } = parse(readFileSync('config/prometheus/prometheus.yml', 'utf8')) as {
    scrape_configs: { job_name: string; metrics_path: string }[];
  };
  return jobs.map(({ job_name: name, metrics_path }) => ({ name, target, path: metrics_path }));
}

/** One of everything that a panel counts. Those that were let in stay. */
async function useProxy(cli: CliProcess, routes: Routes, account: Account): Promise<void> {
  const to = ([address = '']: readonly string[]) => ({
    host: '127.0.0.1',
    port: Number(address.split(':').at(-1)),
    ...account,
  });
  for (const ssl of [undefined, { ca }]) {
    const client: Connection = await createConnection({ ...to(routes.main), ...(ssl && { ssl }) });
    cleanUps.push(async () => client.destroy());
    await client.query('SELECT 1');
  }
  const tooOld = { ca, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' };
  await assert.rejects(createConnection({ ...to(routes.main), ssl: tooOld }), /protocol version/);
  await assert.rejects(createConnection(to(routes.gone)), { errno: 2003 });

  const reloads = () => cli.lines.filter(({ msg }) => msg === 'configuration reloaded').length;
  const before = reloads();
  cli.signal('SIGHUP');
  while (reloads() === before) await delay(10);
}

/** Resolves when Prometheus knows that those are gone that were not let in. */
async function scrapedWith(prometheus: RunningPrometheus, connections: number): Promise<void> {
  for (;;) {
    await prometheus.scraped();
    const [open] = await prometheus.query('sum(mysql_tls_proxy_connections_active)');
    if (open?.value === connections) return;
  }
}

async function resultsOf(prometheus: RunningPrometheus): Promise<Results> {
  const results = new Map<DashboardPanel, readonly (readonly Sample[])[]>();
  for (const panel of panels) {
    // Nothing where Prometheus refuses the query: a test of its own says why.
    const found = targetsOf(panel).map(({ expr }) => prometheus.query(asSent(expr)).catch(() => []));
    results.set(panel, await Promise.all(found));
  }
  return results;
}

describe('expressions for Prometheus', () => {
  let scene: Scene | Unavailable;
  before(async () => {
    scene = await playScene();
  });
  after(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  });

  const check = (name: string, examine: (scene: Scene) => unknown) =>
    test(name, async (t: TestContext) => {
      const ready = orSkip(t, scene);
      if (ready !== undefined) await examine(ready);
    });

  test('are found in each place', () => {
    for (const place of ['panel ', 'variable ', 'rule ', 'alert ', 'docs/metrics.md', 'text of ']) {
      assert.ok(
        expressions.some(({ where }) => where.startsWith(place)),
        place,
      );
    }
  });

  for (const { where, text } of expressions) {
    check(
      `${where}: Prometheus understands it, and all it names exists`,
      async ({ prometheus, vocabulary }) => {
        await prometheus.query(text);
        assert.deepEqual(unknownNames(text, vocabulary), []);
      },
    );
  }

  for (const { alert, expr, annotations } of rules.filter((rule) => rule.alert !== undefined)) {
    check(`${alert}: its texts name labels that exist`, ({ vocabulary }) => {
      const labels = Object.values(annotations ?? {}).flatMap((text) =>
        [...text.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label),
      );
      // As if the expression grouped by them.
      assert.deepEqual(unknownNames(`sum by (${labels.join(', ')}) (${expr})`, vocabulary), []);
    });
  }

  for (const panel of panels) {
    check(`${panel.title}: shows something in a fresh installation, or says why not`, ({ fresh }) => {
      const samples = fresh.get(panel)?.flat() ?? [];
      if (samples.length === 0) assert.ok(panel.fieldConfig.defaults.noValue);
      // The timeline has a word for servers that nobody asked for.
      if (panel.type === 'state-timeline') return;
      for (const { value } of samples) assert.ok(!Number.isNaN(value), 'NaN');
    });

    check(`${panel.title}: shows what clients do, by labels that there are`, ({ busy }) => {
      for (const [index, { legendFormat }] of targetsOf(panel).entries()) {
        const samples = busy.get(panel)?.[index] ?? [];
        assert.ok(samples.length > 0, 'nothing is shown');
        const inLegend = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label = '']) => label);
        for (const { labels, value } of samples) {
          assert.ok(!Number.isNaN(value), 'NaN');
          for (const label of inLegend) assert.ok(label in labels, label);
        }
        for (const label of columnsOf(panel)) {
          assert.ok(
            samples.some(({ labels }) => label in labels),
            label,
          );
        }
      }
    });
  }

  check('the overview is right about two clients in plaintext and two with TLS', ({ busy }) => {
    const shown = (title: string) => {
      const [, queries] = [...busy].find(([panel]) => panel.title === title) ?? [];
      return queries?.flat().map(({ labels, value }) => [...Object.values(labels), value]);
    };
    assert.deepEqual(shown('Clients logged in'), [[4]]);
    assert.deepEqual(shown('Of them in plaintext'), [[0.5]]);
    assert.deepEqual(shown('Connections of the limit'), [[4 / connectionsLimit]]);
    assert.deepEqual(shown('Client leg: connections by TLS version now')?.sort(), [
      ['TLSv1.3', 2],
      ['none', 2],
    ]);
    assert.deepEqual(shown('Server leg: connections by TLS version now')?.sort(), [
      ['TLSv1.3', 4],
      ['none', 0],
    ]);
    assert.deepEqual(
      shown('Down')?.map(([, route]) => route),
      ['gone'],
    );
  });

  const wrong: readonly (readonly [text: string, ...unknown: string[]])[] = [
    ['mysql_tls_proxy_tls_session_active', 'metric mysql_tls_proxy_tls_session_active'],
    ['connections_total{route="main"}', 'metric connections_total'],
    ['up{legs="client"}', 'label legs of up'],
    ['sum by (leg, rout) (mysql_tls_proxy_bytes_total)', 'label rout'],
    ['mysql_tls_proxy_bytes_total{leg="clients"}', 'value clients of leg of mysql_tls_proxy_bytes_total'],
    ['mysql_tls_proxy_bytes_total{leg!="both"}', 'value both of leg of mysql_tls_proxy_bytes_total'],
    ['mysql_tls_proxy_bytes_total{leg=~"client|sever"}', 'value sever of leg of mysql_tls_proxy_bytes_total'],
    ['mysql_tls_proxy_bytes_total{leg=~"s.+t"}', 'value s.+t of leg of mysql_tls_proxy_bytes_total'],
    [
      'mysql_tls_proxy_tls_sessions_total{version="TLS1.0"}',
      'value TLS1.0 of version of mysql_tls_proxy_tls_sessions_total',
    ],
    ['up{job="mysql_tls_proxy"}', 'value mysql_tls_proxy of job of up'],
    // Of values that were not seen those count that are documented, and the names of routes.
    ['mysql_tls_proxy_tls_sessions_total{version="TLSv1", route="orders"}'],
    ['mysql_tls_proxy_connection_info{client_tls_version="TLSv1.1"}'],
    ['mysql_tls_proxy_command_duration_seconds_bucket{le="+Inf", command=~"COM_QUERY|other"}'],
  ];
  for (const [text, ...unknown] of wrong) {
    check(`of ${text} is unknown: ${unknown.join() || 'nothing'}`, ({ vocabulary }) =>
      assert.deepEqual(unknownNames(text, vocabulary), unknown),
    );
  }

  for (const text of ['sum by (leg (up)', 'rate(up)', 'up{leg=client}', 'up +']) {
    check(`Prometheus does not understand ${text}`, ({ prometheus }) =>
      assert.rejects(prometheus.query(text), /parse error|expected type/),
    );
  }
});

/** Labels that are columns of a table. */
function columnsOf({ transformations = [] }: DashboardPanel): readonly string[] {
  const columns = transformations.find(({ id }) => id === 'organize')?.options['renameByName'] ?? {};
  return Object.keys(columns).filter((name) => !name.startsWith('Value'));
}
