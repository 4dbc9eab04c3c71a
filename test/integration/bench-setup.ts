/** Servers with a proxy in front, and the load test as a user runs it against them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { LoadResult } from '../../src/load/result.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { CliProcess, type CliResult, runCli } from '../support/cli-process.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, type Row, startServer } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { stopServer } from './real-server.js';

export const folder = makeTemporaryFolder();
export const certificates = makeCertificates(folder);
export const { serverTls } = certificates;

export interface Stage {
  readonly server: RealServer;
  readonly account: Account;
  readonly proxy: CliProcess;
  /** Plaintext from clients, TLS to the server. */
  readonly throughProxy: string;
  readonly direct: string;
}

export async function setUp(kind: 'mysql9' | 'mariadb'): Promise<Stage | Unavailable> {
  const server = await startServer(kind, { tls: serverTls });
  if (isUnavailable(server)) return server;
  await server.sql('CREATE DATABASE shop; CREATE TABLE shop.kept (id INT); INSERT INTO shop.kept VALUES (7)');
  const account = await createAccount(server, 'bench', { grant: 'ALL ON shop.*' });
  writeFileSync(path.join(folder, `${kind}.txt`), `${account.password}\n`, { mode: 0o600 });
  const direct = `${server.host}:${server.port}`;
  const { proxy, address } = await startProxy(direct);
  return { server, account, proxy, throughProxy: address, direct };
}

export async function startProxy(
  server: string,
  ...words: readonly string[]
): Promise<{ proxy: CliProcess; address: string }> {
  const proxy = new CliProcess([
    ...['--listen', '127.0.0.1:0', '--admin-listen', 'off', '--log-format', 'json'],
    ...['--server', server, '--server-ssl-ca', serverTls.ca, ...words],
  ]);
  const { listen } = await proxy.line('ready');
  return { proxy, address: (listen as string[])[0] ?? '' };
}

const quick = { '--duration': '2s', '--warm-up': '200ms', '--connections': '4' };

/** Quick, unless the words say otherwise. */
export function withDefaults(words: readonly string[]): string[] {
  return [...Object.entries(quick).filter(([name]) => !words.includes(name)), words].flat();
}

export const benchWords = ({ server }: Stage, words: readonly string[]): string[] => [
  'bench',
  ...['--user', 'bench', '--password-file', path.join(folder, `${server.kind}.txt`)],
  ...withDefaults(words),
];

export async function measure(stage: Stage, ...words: readonly string[]): Promise<LoadResult> {
  const { code, stdout, stderr } = await runCli(benchWords(stage, [...words, '--json']));
  assert.equal(stderr, '');
  assert.equal(code, 0);
  const result = JSON.parse(stdout);
  assert.equal(result.exitCode, 0);
  return result;
}

export async function fail(stage: Stage, ...words: readonly string[]): Promise<CliResult> {
  const result = await runCli(benchWords(stage, [...words, '--json']));
  assert.equal(result.stdout, '');
  assert.doesNotMatch(result.stderr, new RegExp(stage.account.password));
  return result;
}

export async function tablesIn({ server }: Stage): Promise<string[]> {
  return (await server.sql('SHOW TABLES FROM shop')).map((row) => String(Object.values(row)[0]));
}

export function mixFile(name: string, text: string): string {
  const saved = path.join(folder, name);
  writeFileSync(saved, text);
  return saved;
}

export function startBench(up: Stage, ...words: readonly string[]): CliProcess {
  return new CliProcess(benchWords(up, ['--target', up.throughProxy, ...words]));
}

export async function untilItWrites({ child, ended }: CliProcess, expected: RegExp): Promise<void> {
  let text = '';
  const written = new Promise<void>((resolve) => {
    child.stderr?.on('data', (chunk) => {
      text += chunk;
      if (expected.test(text)) resolve();
    });
  });
  const over = ended.then(({ stderr }) => assert.match(stderr, expected));
  await Promise.race([written, over]);
}

/** Some may be gone by then. */
export async function killAll({ server }: Stage, list: readonly Row[]): Promise<void> {
  for (const row of list) await server.sql(`KILL ${Object.values(row)[0]}`).catch(() => []);
}

export async function untilConnections(
  { server }: Stage,
  enough: (count: number) => boolean,
): Promise<Row[]> {
  for (;;) {
    const rows = await server.sql("SELECT id FROM information_schema.processlist WHERE user = 'bench'");
    if (enough(rows.length)) return rows;
    await delay(20);
  }
}

export async function takeDown(stage: Stage | Unavailable): Promise<void> {
  if (isUnavailable(stage)) return;
  stage.proxy.signal('SIGTERM');
  await stage.proxy.ended;
  await stopServer(stage.server);
}
