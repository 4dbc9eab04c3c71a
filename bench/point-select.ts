/**
 * What the proxy costs per query: point selects from MariaDB, directly and through the proxy, in interleaved rounds.
 * `npm run bench [-- --quick]`. Figures of a shared machine wander; the ratios between rows hold better.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { type Connection, createConnection } from 'mysql2/promise';
import { makeCertificates } from '../test/support/certificates.js';
import { makeTemporaryFolder } from '../test/support/clean-up.js';
import { CliProcess } from '../test/support/cli-process.js';
import { isUnavailable } from '../test/support/programs.js';
import { startMariadb } from '../test/support/servers.js';

const quick = process.argv.includes('--quick');
const rounds = quick ? 3 : 7;
const queriesPerRound = quick ? 4_000 : 20_000;
const connectionCount = 16;

interface Variant {
  readonly name: string;
  connect(): Promise<Connection>;
  /** Microseconds of CPU used so far by the process in between; undefined where there is none. */
  readonly cpu: (() => number) | undefined;
  readonly throughput: number[];
  readonly cpuPerQuery: number[];
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
const proxy = new CliProcess([
  ...[
    '--listen',
    '127.0.0.1:0',
    '--admin-listen',
    '127.0.0.1:0',
    '--log-format',
    'json',
    '--log-level',
    'info',
  ],
  ...['--server', `${server.host}:${server.port}`, '--server-ssl-ca', certificates.serverTls.ca],
]);
const [address = ''] = (await proxy.line('ready'))['listen'] as string[];
const proxyPort = Number(address.split(':')[1]);
const ca = readFileSync(certificates.serverTls.ca);

const variant = (name: string, port: number, options: object, cpu?: () => number): Variant => ({
  name,
  connect: () => createConnection({ host: '127.0.0.1', port, user: 'bench', database: 'bench', ...options }),
  cpu,
  throughput: [],
  cpuPerQuery: [],
});
const variants = [
  variant('direct, plaintext', server.port, {}),
  variant('direct, TLS', server.port, { ssl: { ca } }),
  variant('proxy, plaintext → TLS', proxyPort, {}, () => cpuOf(proxy.child.pid ?? 0)),
];

for (let round = 0; round <= rounds; round++) {
  process.stderr.write(round === 0 ? 'warming up\n' : `round ${round} of ${rounds}\n`);
  for (const each of variants) await runRound(each, round > 0);
}
report();
proxy.signal('SIGTERM');
await proxy.ended;
await server.stop();

async function runRound(each: Variant, counts: boolean): Promise<void> {
  const connections = await Promise.all(Array.from({ length: connectionCount }, () => each.connect()));
  const cpuBefore = each.cpu?.() ?? 0;
  const started = performance.now();
  await Promise.all(
    connections.map(async (connection) => {
      for (let n = 0; n < queriesPerRound / connectionCount; n++) {
        await connection.query('SELECT name FROM item WHERE id = ?', [1 + (n % 1000)]);
      }
    }),
  );
  const seconds = (performance.now() - started) / 1000;
  const cpuUsed = (each.cpu?.() ?? 0) - cpuBefore;
  await Promise.all(connections.map((connection) => connection.end()));
  if (!counts) return;
  each.throughput.push(queriesPerRound / seconds);
  if (each.cpu !== undefined) each.cpuPerQuery.push(cpuUsed / queriesPerRound);
}

/** User and system time, fields 14 and 15 of /proc/PID/stat, in ticks of 10 ms. */
function cpuOf(pid: number): number {
  const fields =
    readFileSync(path.join('/proc', String(pid), 'stat'), 'utf8')
      .split(') ')
      .at(-1)
      ?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

function report(): void {
  process.stdout.write(
    `\nNode ${process.versions.node}, ${connectionCount} connections, ${rounds} rounds of ${queriesPerRound} point selects; median (min–max)\n\n`,
  );
  process.stdout.write('| variant | queries/s | proxy CPU per query |\n|---|---|---|\n');
  for (const { name, throughput, cpuPerQuery } of variants) {
    const cpu = cpuPerQuery.length === 0 ? '' : `${spread(cpuPerQuery, 1)} µs`;
    process.stdout.write(`| ${name} | ${spread(throughput, 0)} | ${cpu} |\n`);
  }
}

function spread(values: readonly number[], digits: number): string {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number) => (sorted[index] ?? Number.NaN).toFixed(digits);
  return `${at(Math.floor(sorted.length / 2))} (${at(0)}–${at(sorted.length - 1)})`;
}
