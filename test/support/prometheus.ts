/** A real Prometheus, and its promtool, as this machine's own Debian release has them. */
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasEnded, makeTemporaryFolder, removeTemporaryFolder, startChild, stopChild } from './clean-up.js';
import { unpackedPackages, unpackedProgram } from './debian-packages.js';
import { isUnavailable, type Program, type Unavailable, versionLine, withArgs } from './programs.js';
import { type RunResult, run } from './run.js';
import { freePort } from './servers.js';

export interface PrometheusPrograms {
  readonly prometheus: Program;
  readonly promtool: Program;
  readonly version: string;
}

/** Needs the C library and nothing else: what the package depends on is for its old web pages. */
const packages = { release: 'own', packages: ['libc6'], withoutDependencies: ['prometheus'] };

export async function prometheusPrograms(): Promise<PrometheusPrograms | Unavailable> {
  const unpacked = await unpackedPackages(packages);
  if (isUnavailable(unpacked)) return unpacked;
  const prometheus = unpackedProgram(unpacked.folder, 'usr/bin/prometheus');
  const promtool = unpackedProgram(unpacked.folder, 'usr/bin/promtool');
  const line = await versionLine(promtool);
  if (typeof line !== 'string') return line;
  return { prometheus, promtool, version: /version (\S+)/.exec(line)?.[1] ?? line };
}

export async function promtool(
  args: readonly string[],
  options: { input?: string } = {},
): Promise<RunResult | Unavailable> {
  const programs = await prometheusPrograms();
  if (isUnavailable(programs)) return programs;
  const program = withArgs(programs.promtool, ...args);
  return run(program.file, program.args, { env: program.env, ...options });
}

export interface ScrapeJob {
  readonly name: string;
  /** `HOST:PORT`. */
  readonly target: string;
  readonly path: string;
}

export interface Sample {
  /** Without `__name__`. */
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface RunningPrometheus {
  /** The result of an instant query; rejects with the error that Prometheus has for it. */
  query(expression: string): Promise<readonly Sample[]>;
  /** The labels of all time series of a metric that there ever were. */
  series(metric: string): Promise<readonly Readonly<Record<string, string>>[]>;
  /** Resolves when every job has been scraped, from its beginning, after now; rejects when a scrape failed, unless it was late. */
  scraped(): Promise<void>;
  stop(): Promise<void>;
}

const scrapeInterval = '500ms';

/** `ruleFiles`: as a user gives them, and evaluated after each scrape. */
export async function startPrometheus(
  jobs: readonly ScrapeJob[],
  ruleFiles: readonly string[],
): Promise<RunningPrometheus | Unavailable> {
  const programs = await prometheusPrograms();
  if (isUnavailable(programs)) return programs;
  const folder = makeTemporaryFolder();
  const configFile = path.join(folder, 'prometheus.json');
  // JSON is YAML, too.
  writeFileSync(configFile, JSON.stringify(configuration(jobs, ruleFiles)));
  const address = `127.0.0.1:${await freePort()}`;
  const logFile = path.join(folder, 'prometheus.log');
  const output = openSync(logFile, 'w');
  const child = startChild(
    programs.prometheus,
    [
      `--config.file=${configFile}`,
      `--storage.tsdb.path=${path.join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      '--log.level=warn',
    ],
    output,
  );
  closeSync(output);

  const query = async (expression: string): Promise<readonly Sample[]> => {
    const body = new URLSearchParams({ query: expression });
    const response = await fetch(`http://${address}/api/v1/query`, { method: 'POST', body });
    const answer = (await response.json()) as { status: string; data: InstantVector; error?: string };
    if (answer.status !== 'success') throw new Error(`${expression}: ${answer.error}`);
    return samplesOf(answer.data);
  };
  const targets = async () => {
    const response = await fetch(`http://${address}/api/v1/targets`);
    const { data } = (await response.json()) as { data: { activeTargets: { lastError: string }[] } };
    return data.activeTargets;
  };

  while (!(await isReady(address))) {
    if (hasEnded(child)) throw new Error(`Prometheus did not start:\n${readFileSync(logFile, 'utf8')}`);
    await delay(50);
  }
  return {
    query,
    series: async (metric) => {
      const match = new URLSearchParams({ 'match[]': metric });
      const response = await fetch(`http://${address}/api/v1/series?${match}`);
      return ((await response.json()) as { data: Record<string, string>[] }).data;
    },
    scraped: async () => {
      const now = Date.now() / 1000;
      for (;;) {
        const scrapes = await query('timestamp(up)');
        if (scrapes.length === jobs.length && scrapes.every(({ value }) => value > now)) {
          if ((await query('up == 0')).length === 0) return;
          const faults = (await targets()).map(({ lastError }) => lastError).filter((error) => error !== '');
          // A busy machine is late now and then: the next scrape is as good.
          if (!faults.every((fault) => fault.includes('context deadline exceeded')))
            throw new Error(faults.join('; '));
        }
        await delay(50);
      }
    },
    stop: async () => {
      await stopChild(child);
      removeTemporaryFolder(folder);
    },
  };
}

function configuration(jobs: readonly ScrapeJob[], ruleFiles: readonly string[]): object {
  return {
    global: { scrape_interval: scrapeInterval, evaluation_interval: scrapeInterval },
    rule_files: ruleFiles.map((file) => path.resolve(file)),
    scrape_configs: jobs.map(({ name, target, path: metricsPath }) => ({
      job_name: name,
      metrics_path: metricsPath,
      scrape_timeout: scrapeInterval,
      static_configs: [{ targets: [target] }],
    })),
  };
}

async function isReady(address: string): Promise<boolean> {
  const response = await fetch(`http://${address}/-/ready`).catch(() => undefined);
  return response?.status === 200;
}

interface InstantVector {
  readonly result: readonly { metric: Record<string, string>; value: [number, string] }[];
}

function samplesOf({ result }: InstantVector): readonly Sample[] {
  return result.map(({ metric, value }) => {
    const { __name__, ...labels } = metric;
    return { labels, value: numberOf(value[1]) };
  });
}

/** Prometheus writes `+Inf`, `-Inf` and `NaN`. */
function numberOf(text: string): number {
  return Number(text.replace('Inf', 'Infinity'));
}
