/** The report of a run as Markdown. */
import type { AdminRequestCost } from '../macro/admin-requests.js';
import { type EntryResult, type Measure, type RowResult, valuesOf } from '../macro/sample.js';
import { overlaps, pairedRatios, spreadOf } from '../statistics.js';
import type { Verdict } from '../targets.js';
import { figure, measureTitle, spreadText } from './figures.js';
import type { Machine } from './machine.js';

export interface Report {
  readonly machine: Machine;
  readonly rows: readonly RowResult[];
  readonly verdicts: readonly Verdict[];
  readonly adminRequests: readonly AdminRequestCost[];
  /** Markdown of the micro benches. */
  readonly micro?: string;
}

/** In the order of the columns: what holds on a busy machine comes first. */
const measures: readonly Measure[] = [
  'cpu',
  'idleMemory',
  'throughput',
  'p50',
  'p95',
  'p99',
  'longestLogin',
  'memory',
];
/** Those with a column beside them that compares with the row's reference. */
const compared: ReadonlySet<Measure> = new Set(['cpu', 'idleMemory', 'throughput']);

/** Headings begin at `###`: the text goes below a section of a page. */
export function markdownOf({ machine, rows, verdicts, adminRequests, micro }: Report): string {
  return [
    machineText(machine),
    `### Targets\n\n${verdictTable(verdicts)}`,
    ...rows.map((row) => `### ${row.title}\n\n${rowTable(row)}`),
    ...(adminRequests.length === 0
      ? []
      : [`### Requests to the admin listener\n\n${requestTable(adminRequests)}`]),
    ...(micro === undefined ? [] : [`### Micro benches\n\n${micro}`]),
  ].join('\n\n');
}

function machineText({ date, commit, cpu, cores, memory, kernel, node, openssl, programs }: Machine): string {
  return (
    `${date}, commit ${commit}: ${cores} cores of ${cpu}, ${memory} GB, ${kernel}; ` +
    `Node.js ${node} with OpenSSL ${openssl}; ${programs.join(', ')}.`
  );
}

export function verdictTable(verdicts: readonly Verdict[]): string {
  return table(
    ['target', 'wanted', 'measured', 'outcome'],
    verdicts.map(({ title, wanted, found, outcome, reason }) => [
      title,
      wanted,
      found === undefined ? '' : spreadText(found),
      reason === undefined ? outcome : `${outcome}: ${reason}`,
    ]),
  );
}

/** A column for each measure that at least one entry has. */
export function rowTable(row: RowResult): string {
  const shown = measures.filter((measure) =>
    row.entries.some((entry) => valuesOf(entry, measure).length > 0),
  );
  const reference = row.entries.find(({ name }) => name === row.reference);
  const hasComparison = (measure: Measure): boolean =>
    compared.has(measure) && valuesOf(reference, measure).length > 0;
  const head = shown.flatMap((measure) => {
    const title = measureTitle(measure, row.unit);
    return hasComparison(measure) ? [title, `against ${row.reference}`] : [title];
  });
  const lines = row.entries.map((entry) => {
    if (entry.unavailable !== undefined) return [entry.name, `not measured: ${entry.unavailable}`];
    const cells = shown.flatMap((measure) => {
      const text = spreadTextOf(entry, measure);
      return hasComparison(measure) ? [text, comparedText(entry, reference, measure)] : [text];
    });
    return [entry.name, ...cells];
  });
  return table(['', ...head], lines);
}

/** Ratios are taken round by round. */
export function comparedText(
  entry: EntryResult,
  reference: EntryResult | undefined,
  measure: Measure,
): string {
  const [values, others] = [valuesOf(entry, measure), valuesOf(reference, measure)];
  const [spread, otherSpread, ratio] = [values, others, pairedRatios(values, others)].map(spreadOf);
  if (entry === reference || spread === undefined || otherSpread === undefined || ratio === undefined)
    return '';
  return overlaps(spread, otherSpread) ? 'no difference shown' : `${spreadText(ratio)} ×`;
}

function requestTable(costs: readonly AdminRequestCost[]): string {
  return table(
    ['path', 'bytes', 'CPU per request, ms'],
    costs.map(({ path, bytes, milliseconds }) => [path, String(bytes), figure(milliseconds)]),
  );
}

function spreadTextOf(entry: EntryResult, measure: Measure): string {
  const spread = spreadOf(valuesOf(entry, measure));
  return spread === undefined ? '' : spreadText(spread);
}

/** Lines that are too short are filled up. */
function table(head: readonly string[], lines: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => {
    const filled = head.map((_, n) => (cells[n] ?? '').replaceAll('|', '\\|').replaceAll('\n', ' '));
    return `| ${filled.join(' | ')} |`;
  };
  return [
    line(head),
    `|${head.map((_, n) => (n === 0 ? '---|' : '--:|')).join('')}`,
    ...lines.map(line),
  ].join('\n');
}
