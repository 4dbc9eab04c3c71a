/**
 * `npm run bench`: the micro benches, then the rows with real servers, clients and peers, and a report of both.
 * Its exit code says whether the bench could run, and nothing about a figure.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { haproxyProgram, routerProgram, sysbenchProgram } from '../test/support/bench-programs.js';
import { checkoutFolder } from '../test/support/cache.js';
import { type NodeVersion, newestNode } from '../test/support/node-versions.js';
import { isUnavailable, type Unavailable } from '../test/support/programs.js';
import { runMacro } from './macro/macro.js';
import { takeProfiles } from './macro/profile.js';
import { quickRows, withRounds } from './macro/row.js';
import { allRows } from './macro/rows.js';
import { runMicro } from './micro/micro.js';
import { toMarkdown } from './micro/report-text.js';
import { type BenchOptions, parseOptions, usage } from './options.js';
import { chart } from './report/chart.js';
import { flameGraph } from './report/flame-graph.js';
import { thisMachine } from './report/machine.js';
import { markdownOf, type Report, verdictTable } from './report/markdown.js';
import { withFigures } from './report/page.js';
import { panelsOf } from './report/panels.js';
import { framingVerdicts, targets, verdictOn } from './targets.js';

/** The rows of a full run stop here, so that all of it ends within twenty minutes: what did not begin is left out. */
const rowsEndAfterMs = 17.5 * 60 * 1000;
const newerNodes = [22, 24, 26];
/** Of each load; the profiles of longer ones have the same shape. */
const PROFILE_SECONDS = 8;

const started = Date.now();
const options = optionsOrUsage();
const sysbench = await sysbenchProgram();
if (isUnavailable(sysbench)) stopWith(`The bench needs sysbench: ${sysbench.unavailable}`);
const programs = { sysbench, HAProxy: await haproxyProgram(), 'MySQL Router': await routerProgram() };
if (options.profile) {
  await drawProfiles(options);
  process.exit();
}
const nodes = wantsOtherNodes(options) ? await availableNodes() : [];

const micro = options.rows.length === 0 ? await runMicro({ quick: options.quick }) : undefined;
const rows = wantedRows(options, nodes);
// Whoever chooses the number of rounds has chosen the time, too.
const deadline = options.rounds === undefined ? started + rowsEndAfterMs : Number.POSITIVE_INFINITY;
const macro = await runMacro({ rows, quick: options.quick, deadline });

const report: Report = {
  machine: thisMachine([...macro.databases, ...versionsOf(programs)]),
  rows: macro.rows,
  verdicts: [
    ...targets.map((target) => verdictOn(target, macro.rows)),
    ...framingVerdicts(micro?.rows ?? []),
  ],
  adminRequests: macro.adminRequests,
  ...(micro === undefined ? {} : { micro: toMarkdown(micro) }),
};
const seconds = Math.round((Date.now() - started) / 1000);
writeReport(report, options);
process.stdout.write(
  `\n${verdictTable(report.verdicts)}\n\n${seconds} s; the whole report is in ${options.folder}\n`,
);
reportFailures();

function optionsOrUsage(): BenchOptions {
  try {
    return parseOptions(process.argv.slice(2));
  } catch (error) {
    return stopWith(`${error instanceof Error ? error.message : error}\n${usage}`);
  }
}

/** In the folder of the run, or in docs/. */
async function drawProfiles({ folder, write }: BenchOptions): Promise<void> {
  const target = write ? path.join(checkoutFolder, 'docs', 'performance') : folder;
  mkdirSync(target, { recursive: true });
  for (const { name, title, profile } of await takeProfiles(PROFILE_SECONDS)) {
    const file = path.join(target, `flame-${name}.svg`);
    writeFileSync(file, flameGraph(title, profile));
    process.stdout.write(`${file}\n`);
  }
}

function wantsOtherNodes({ quick, rows }: BenchOptions): boolean {
  return !quick && (rows.length === 0 || rows.some((name) => name.startsWith('node-')));
}

async function availableNodes(): Promise<NodeVersion[]> {
  const found = await Promise.all(newerNodes.map(newestNode));
  return found.flatMap((node) => {
    if (!isUnavailable(node)) return [node];
    process.stderr.write(`    left out: ${node.unavailable}\n`);
    return [];
  });
}

function wantedRows({ quick, rows, rounds }: BenchOptions, available: readonly NodeVersion[]) {
  const all = allRows(available);
  const unknown = rows.filter((name) => !all.some(({ id }) => id === name));
  if (unknown.length > 0)
    stopWith(`no such row: ${unknown.join()}; there are ${all.map(({ id }) => id).join()}`);
  const wanted = rows.length === 0 ? all : all.filter(({ id }) => rows.includes(id));
  if (quick) return quickRows(wanted);
  return rounds === undefined ? wanted : withRounds(wanted, rounds);
}

function versionsOf(found: Record<string, { version: string } | Unavailable>): string[] {
  return Object.entries(found).map(
    ([name, program]) =>
      `${name} ${isUnavailable(program) ? `not available (${program.unavailable})` : program.version}`,
  );
}

function writeReport(report: Report, { folder, write, quick }: BenchOptions): void {
  const picture = chart('What the proxy costs beside its peers', panelsOf(report.rows));
  const text = markdownOf(report);
  const note = quick ? 'A quick run: that everything runs is all that it shows.\n\n' : '';
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, 'report.json'), `${JSON.stringify(report, undefined, 2)}\n`);
  writeFileSync(path.join(folder, 'report.md'), `${note}![chart](chart.svg)\n\n${text}\n`);
  writeFileSync(path.join(folder, 'chart.svg'), picture);
  if (!write) return;
  const docs = path.join(checkoutFolder, 'docs');
  const page = path.join(docs, 'performance.md');
  mkdirSync(path.join(docs, 'performance'), { recursive: true });
  writeFileSync(path.join(docs, 'performance', 'cost.svg'), picture);
  const shown = `![CPU and memory beside the peers](performance/cost.svg)\n\n${text}`;
  writeFileSync(page, withFigures(readFileSync(page, 'utf8'), shown));
}

/** A bench that can't run any more must not go unnoticed; what is not available on a machine is not a failure. */
function reportFailures(): void {
  for (const { title, entries } of report.rows) {
    for (const { name, unavailable } of entries.filter(({ failed }) => failed === true)) {
      process.stderr.write(`${title}: ${name} failed: ${unavailable}\n`);
      process.exitCode = 1;
    }
  }
}

function stopWith(text: string): never {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}
