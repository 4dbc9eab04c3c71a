/** Load from sysbench, with short Lua scripts of our own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sysbenchProgram } from '../../test/support/bench-programs.js';
import { makeTemporaryFolder } from '../../test/support/clean-up.js';
import { isUnavailable } from '../../test/support/programs.js';
import { account } from './database.js';
import { cpuMicroseconds, residentKilobytes } from './process-usage.js';
import type { Sample } from './sample.js';
import { parseSysbench, type SysbenchResult } from './sysbench-output.js';
import type { Target } from './workload.js';

export interface SysbenchLoad {
  /** Text of a Lua script. */
  readonly script: string;
  readonly threads: number;
}

export interface SteadyLoad extends SysbenchLoad {
  /** The server's status counter that grows by one with each event. */
  readonly counter: string;
  /** How many units an event is. */
  readonly unitsPerEvent: number;
}

/** Of each round, before anything is counted: caches and just-in-time compilers get warm. */
const warmUpMs = 400;
/** Between the end of what is counted and the end of sysbench, so that no closing of connections is counted. */
const marginMs = 200;
const startMarker = 'Threads started!';

/**
 * Connections that stay open: what it takes to connect is not counted. `seconds` is how long sysbench runs, of which
 * warm-up and margin are not counted; at least 1, and whole, because sysbench knows nothing else.
 */
export async function measureSteadily(target: Target, load: SteadyLoad, seconds: number): Promise<Sample> {
  const running = await startSysbench(target, load, seconds);
  await running.threadsStarted;
  await delay(warmUpMs);
  const before = await reading(target, load.counter);
  await delay(seconds * 1000 - warmUpMs - marginMs);
  const after = await reading(target, load.counter);
  const pids = target.pids();
  const memory = pids.length === 0 ? undefined : residentKilobytes(pids) / 1000;
  const { p50, p95, p99 } = await running.result;
  const units = (after.count - before.count) * load.unitsPerEvent;
  return {
    throughput: units / ((after.at - before.at) / 1000),
    cpu: pids.length === 0 ? undefined : (after.cpu - before.cpu) / units,
    p50,
    p95,
    p99,
    memory,
  };
}

/** Each event is a connection: everything that happens is counted, from the start of sysbench to its end. */
export async function measureFromStartToEnd(
  target: Target,
  load: SysbenchLoad,
  seconds: number,
): Promise<Sample> {
  const pids = target.pids();
  const cpuBefore = cpuMicroseconds(pids);
  const running = await startSysbench(target, load, seconds);
  const { events, seconds: taken, p50, p95, p99 } = await running.result;
  const cpu = cpuMicroseconds(pids) - cpuBefore;
  return {
    throughput: events / taken,
    cpu: pids.length === 0 ? undefined : cpu / events,
    p50,
    p95,
    p99,
    memory: pids.length === 0 ? undefined : residentKilobytes(pids) / 1000,
  };
}

interface RunningSysbench {
  /** Rejects when sysbench ends before. */
  readonly threadsStarted: Promise<void>;
  readonly result: Promise<SysbenchResult>;
}

async function startSysbench(target: Target, load: SysbenchLoad, seconds: number): Promise<RunningSysbench> {
  const sysbench = await sysbenchProgram();
  if (isUnavailable(sysbench)) throw new Error(`sysbench: ${sysbench.unavailable}`);
  const { program } = sysbench;
  const folder = folderWithCertificates(target);
  const script = path.join(folder, 'load.lua');
  writeFileSync(script, load.script);
  const child = spawn(
    program.file,
    [...program.args, script, ...sysbenchArgs(target, load, seconds), 'run'],
    {
      cwd: folder,
      env: { ...process.env, ...program.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  return watch(child);
}

/** It looks for a client's certificate and key, and the CA, under these names in the folder where it runs, and nowhere else. */
function folderWithCertificates({ certificates: { ca, client } }: Target): string {
  const folder = temporaryFolder();
  copyFileSync(ca.certificateFile, path.join(folder, 'cacert.pem'));
  copyFileSync(client.certificateFile, path.join(folder, 'client-cert.pem'));
  copyFileSync(client.keyFile, path.join(folder, 'client-key.pem'));
  return folder;
}

let sharedFolder: string | undefined;
function temporaryFolder(): string {
  sharedFolder ??= makeTemporaryFolder();
  return sharedFolder;
}

function sysbenchArgs({ port, clientTls }: Target, { threads }: SysbenchLoad, seconds: number): string[] {
  return [
    '--db-driver=mysql',
    `--mysql-host=${account.host}`,
    `--mysql-port=${port}`,
    `--mysql-user=${account.user}`,
    `--mysql-password=${account.password}`,
    `--mysql-db=${account.database}`,
    `--mysql-ssl=${clientTls ? 'on' : 'off'}`,
    `--threads=${threads}`,
    `--time=${seconds}`,
    '--thread-init-timeout=60',
    '--histogram=on',
  ];
}

function watch(child: ChildProcess): RunningSysbench {
  let output = '';
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`sysbench: ${reasonIn(output)}`)),
    );
  });
  const threadsStarted = new Promise<void>((resolve) => {
    const take = (text: string): void => {
      output += text;
      if (output.includes(startMarker)) resolve();
    };
    child.stdout?.setEncoding('utf8').on('data', take);
    child.stderr?.setEncoding('utf8').on('data', take);
  });
  const result = ended.then(() => parseSysbench(output));
  // Whoever waits for the start learns of the failure; it must not count as unhandled meanwhile.
  result.catch(() => {});
  return { threadsStarted: Promise.race([threadsStarted, ended]), result };
}

/** The error of the server or of the client library, or else the first complaint of sysbench itself. */
function reasonIn(output: string): string {
  const complaints = output.split('\n').filter((line) => line.startsWith('FATAL'));
  return complaints.find((line) => /error \d+/.test(line)) ?? complaints[0] ?? 'ended without a word';
}

async function reading(
  { database, pids }: Target,
  counter: string,
): Promise<{ count: number; cpu: number; at: number }> {
  const count = await database.count(counter);
  return { count, cpu: cpuMicroseconds(pids()), at: performance.now() };
}
