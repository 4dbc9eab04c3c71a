/**
 * What the proxy costs per query, with all of its metrics, with aggregates only and with none: point selects from MariaDB,
 * directly and through the proxy, in interleaved rounds. `npm run bench [-- --quick]`. Figures of a shared machine wander;
 * the ratios between rows of the same round hold better.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { type Connection, createConnection } from 'mysql2/promise';
import { makeCertificates } from '../test/support/certificates.js';
import { makeTemporaryFolder } from '../test/support/clean-up.js';
import { CliProcess } from '../test/support/cli-process.js';
import { isUnavailable } from '../test/support/programs.js';
import { startMariadb } from '../test/support/servers.js';

const quick = process.argv.includes('--quick');
const rounds = quick ? 3 : 40;
const queriesPerRound = quick ? 4_000 : 8_000;
const connectionCount = 16;

const requestsTimed = quick ? 20 : 200;

interface Variant {
  readonly name: string;
  connect(): Promise<Connection>;
  /** Undefined where there is no proxy in between. */
  readonly proxy: ProxyProcess | undefined;
  readonly throughput: number[];
  /** Microseconds. */
  readonly cpuPerQuery: number[];
}

interface ProxyProcess {
  readonly process: CliProcess;
  readonly port: number;
  /** What its admin listener is asked for in the end. */
  readonly paths: readonly URL[];
}

const certificates = makeCertificates(makeTemporaryFolder());
const server = await startMariadb({ tls: certificates.serverTls });
if (isUnavailable(server)) {
  process.stderr.write(`The bench needs MariaDB: ${server.unavailable}\n`);
  process.exit(1);
}
await server.sql(`
  CREATE DATABASE bench;
  CREATE TABLE bench.item (id INT PRIMARY KEY, name VARCHAR(40));
  INSERT INTO bench.item SELECT seq, CONCAT('item ', seq) FROM bench.seq_1_to_1000;
  CREATE USER bench@'%';
  GRANT SELECT ON bench.* TO bench@'%'`);
const ca = readFileSync(certificates.serverTls.ca);

const variant = (name: string, port: number, options: object, proxy?: ProxyProcess): Variant => ({
  name,
  connect: () => createConnection({ host: '127.0.0.1', port, user: 'bench', database: 'bench', ...options }),
  proxy,
  throughput: [],
  cpuPerQuery: [],
});
const target = `${server.host}:${server.port}`;
const proxies = {
  none: await startProxy(target, 'none', []),
  aggregates: await startProxy(target, 'aggregates', []),
  all: await startProxy(target, 'all', ['/metrics', '/metrics/connections', '/state']),
};
const variants = [
  variant('direct, plaintext', server.port, {}),
  variant('direct, TLS', server.port, { ssl: { ca } }),
  variant('proxy, no metrics', proxies.none.port, {}, proxies.none),
  variant('proxy, aggregates', proxies.aggregates.port, {}, proxies.aggregates),
  variant('proxy, all metrics', proxies.all.port, {}, proxies.all),
];

for (let round = 0; round <= rounds; round++) {
  process.stderr.write(round === 0 ? 'warming up\n' : `round ${round} of ${rounds}\n`);
  // Each comes behind each other one: what one leaves behind must not always fall on the same.
  for (let n = 0; n < variants.length; n++) {
    const each = variants[(round + n * (1 + (round % 2))) % variants.length];
    if (each !== undefined) await runRound(each, round > 0);
  }
}
report();
await reportRequests(proxies.all);
for (const { process: proxy } of Object.values(proxies)) {
  proxy.signal('SIGTERM');
  await proxy.ended;
}
await server.stop();

/** From plaintext to TLS, as most use it. */
async function startProxy(target: string, metrics: string, paths: readonly string[]): Promise<ProxyProcess> {
  const proxy = new CliProcess([
    ...['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--metrics', metrics],
    ...['--log-format', 'json', '--log-level', 'info'],
    ...['--server', target, '--server-ssl-ca', certificates.serverTls.ca],
  ]);
  const { listen, admin } = await proxy.line('ready');
  const [address = ''] = listen as string[];
  return {
    process: proxy,
    port: Number(address.split(':')[1]),
    paths: paths.map((path) => new URL(path, `http://${admin}`)),
  };
}

async function runRound(each: Variant, counts: boolean): Promise<void> {
  const connections = await Promise.all(Array.from({ length: connectionCount }, () => each.connect()));
  const proxy = each.proxy?.process;
  const cpu = () => (proxy === undefined ? 0 : cpuOf(proxy.child.pid ?? 0));
  const cpuBefore = cpu();
  const started = performance.now();
  await Promise.all(
    connections.map(async (connection) => {
      for (let n = 0; n < queriesPerRound / connectionCount; n++) {
        await connection.query('SELECT name FROM item WHERE id = ?', [1 + (n % 1000)]);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const cpuUsed = cpu() - cpuBefore;
  await Promise.all(connections.map((connection) => connection.end()));
  if (!counts) return;
  each.throughput.push(queriesPerRound / seconds);
  if (proxy !== undefined) each.cpuPerQuery.push(cpuUsed / queriesPerRound);
}

/** Microseconds on a CPU, of all threads that still run: the scheduler counts nanoseconds, /proc/PID/stat only ticks of 10 ms. */
function cpuOf(pid: number): number {
  const tasks = path.join('/proc', String(pid), 'task');
  const nanoseconds = readdirSync(tasks).map((task) =>
    Number(readFileSync(path.join(tasks, task, 'schedstat'), 'utf8').split(' ')[0]),
  );
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1000;
}

function report(): void {
  process.stdout.write(
    `\nNode ${process.versions.node}, ${connectionCount} connections, ${rounds} rounds of ${queriesPerRound} point selects; median (quartiles)\n\n`,
  );
  process.stdout.write(
    '| variant | queries/s | proxy CPU per query | against no metrics |\n|---|---|---|---|\n',
  );
  const none = variants.find(({ proxy }) => proxy === proxies.none)?.cpuPerQuery ?? [];
  for (const { name, throughput, cpuPerQuery } of variants) {
    const cpu = cpuPerQuery.length === 0 ? '' : `${spread(cpuPerQuery, 1)} µs`;
    const ratios = cpuPerQuery.map((value, round) => value / (none[round] ?? Number.NaN));
    const ratio = ratios.length === 0 ? '' : spread(ratios, 3);
    process.stdout.write(`| ${name} | ${spread(throughput, 0)} | ${cpu} | ${ratio} |\n`);
  }
}

/** What one request for each path costs the proxy, while as many connections are open. */
async function reportRequests({ process: proxy, port, paths }: ProxyProcess): Promise<void> {
  const options = { host: '127.0.0.1', port, user: 'bench', database: 'bench' };
  const open = await Promise.all(Array.from({ length: connectionCount }, () => createConnection(options)));
  process.stdout.write('\n| path | bytes | proxy CPU per request |\n|---|---|---|\n');
  for (const url of paths) {
    const cpuBefore = cpuOf(proxy.child.pid ?? 0);
    let bytes = 0;
    for (let n = 0; n < requestsTimed; n++) bytes = (await (await fetch(url)).arrayBuffer()).byteLength;
    const milliseconds = (cpuOf(proxy.child.pid ?? 0) - cpuBefore) / requestsTimed / 1000;
    process.stdout.write(`| ${url.pathname} | ${bytes} | ${milliseconds.toFixed(2)} ms |\n`);
  }
  await Promise.all(open.map((connection) => connection.end()));
}

function spread(values: readonly number[], digits: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor(sorted.length * share)] ?? Number.NaN).toFixed(digits);
  return `${at(0.5)} (${at(0.25)}–${at(0.75)})`;
}
