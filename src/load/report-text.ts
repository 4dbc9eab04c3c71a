/** The result for a person, in 80 columns; what is said of it in words comes last. */
import { printable } from '../printable.js';
import type { LatencyBucket } from './latencies.js';
import { countText, millisecondsText, spreadText } from './numbers.js';
import type { LoadResult, Measurement, SideResult } from './result.js';
import type { TlsCount } from './tls-counts.js';
import { notesOf, verdictOf } from './verdict.js';

const WIDTH = 80;
const LABEL_WIDTH = 10;
/** Characters, of what is then wrapped. */
const LONGEST_LINE = 500;

/** Lines, the last one ended, too. What peers choose is made printable. */
export function loadReportText(result: LoadResult): string {
  const { sides } = result;
  const connects = sides.flatMap(({ role, connects: one }) => (one === undefined ? [] : [{ role, ...one }]));
  const queries = sides.map(({ role, queries: one }) => ({ role, ...one }));
  const sections = [
    [planLine(result), ...sides.map(addressLine)],
    ['TLS of the connections', ...sides.flatMap(tlsLines)],
    ...(connects.length === 0 ? [] : measurementSections('connect', 'connections', connects)),
    ...measurementSections('query', 'queries', queries),
    failureLines(sides),
    [...verdictOf(result), ...notesOf(result)].flatMap((text) => text.split('\n')),
  ];
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.flatMap((line) => wrapped(printable(line, LONGEST_LINE))).join('\n'))
    .join('\n\n')}\n`;
}

function planLine({ mix, connections, reconnect, sides, rounds, sliceMs }: LoadResult): string {
  const each = sides.length > 1 ? ' to each side' : '';
  const way = reconnect ? ', each anew for one pass of the mix' : '';
  return `Mix ${shown(mix, 30)}, ${connections} connections${each}${way}, ${rounds} ${rounds === 1 ? 'round' : 'rounds'} of ${Number((sliceMs / 1000).toFixed(2))} s`;
}

function addressLine({ role, address, server }: SideResult): string {
  const version = server === undefined ? '' : `, server ${shown(server.version, 30)}`;
  return `${label(role)}${shown(address, 40)}${version}`;
}

/** What this program sees, and what the server sees, which behind a proxy is another connection. */
function tlsLines({ role, tls }: SideResult): readonly string[] {
  const lines = (where: string, counts: readonly TlsCount[]) =>
    counts.map((count) => `${label(role)}${where.padEnd(15)}${tlsText(count)}`);
  const unknown = [`${label(role)}${'server sees'.padEnd(15)}not told`];
  const byServer = lines('server sees', tls.server);
  return [...lines('from here', tls.client), ...(byServer.length === 0 ? unknown : byServer)];
}

function tlsText({ version, cipher, resumed, connections }: TlsCount): string {
  const how = version === 'none' ? 'plaintext' : `${shown(version, 10).padEnd(8)} ${shown(cipher, 30)}`;
  const again = resumed === true ? 'resumed' : '';
  return `${how.padEnd(39)} ${again.padEnd(7)} ${countText(connections).padStart(7)}`;
}

type NamedMeasurement = Measurement & { readonly role: string };

function measurementSections(
  one: string,
  many: string,
  measurements: readonly NamedMeasurement[],
): readonly (readonly string[])[] {
  return [
    [
      `${many} per second, median of the rounds (lowest - highest)`,
      ...measurements.map(({ role, perSecond }) => `${label(role)}${spreadText(perSecond, countText)}`),
    ],
    latencyTable(one, measurements),
    histogramLines(measurements),
  ];
}

function latencyTable(one: string, measurements: readonly NamedMeasurement[]): readonly string[] {
  const titles = ['count', 'p50', 'p90', 'p95', 'p99', 'p99.9', 'max'];
  const row = (name: string, cells: readonly string[]) =>
    label(name) + cells.map((cell) => cell.padStart(9)).join('');
  return [
    `latency of a ${one} in milliseconds`,
    row('', titles),
    ...measurements.map(({ role, latency }) => {
      if (latency === undefined) return row(role, ['0']);
      const { count, p50, p90, p95, p99, p999, max } = latency;
      return row(role, [countText(count), ...[p50, p90, p95, p99, p999, max].map(millisecondsText)]);
    }),
  ];
}

/** Characters of a full bar, and of the share behind it. */
const SHARE_WIDTH = 7;
const RANGE_WIDTH = 14;

function histogramLines(measurements: readonly NamedMeasurement[]): readonly string[] {
  const bounds = [
    ...new Set(measurements.flatMap(({ histogram }) => histogram.map(({ upTo }) => upTo))),
  ].sort((one, other) => one - other);
  if (bounds.length === 0) return [];
  const cellWidth = Math.min(40, Math.floor((WIDTH - RANGE_WIDTH) / measurements.length) - 1);
  const barWidth = cellWidth - SHARE_WIDTH - 1;
  const shares = measurements.map(({ histogram }) => sharesIn(histogram));
  const largest = Math.max(...shares.flatMap((each) => [...each.values()]));
  const cell = (share: number) => {
    const length = Math.round((share / largest) * barWidth);
    const bar = share > 0 && length === 0 ? '.' : '#'.repeat(length);
    return ` ${bar.padEnd(barWidth)}${share === 0 ? '' : `${(share * 100).toFixed(2)}%`.padStart(SHARE_WIDTH)}`;
  };
  const line = (range: string, cells: readonly string[]) =>
    `${range.padStart(RANGE_WIDTH)}${cells.map((each) => each.padEnd(cellWidth)).join(' ')}`.trimEnd();
  return [
    line(
      'up to ms',
      measurements.map(({ role }) => ` ${role}`),
    ),
    ...bounds.map((upTo) =>
      line(
        String(upTo),
        shares.map((each) => cell(each.get(upTo) ?? 0)),
      ),
    ),
  ];
}

function sharesIn(histogram: readonly LatencyBucket[]): ReadonlyMap<number, number> {
  const all = histogram.reduce((sum, { count }) => sum + count, 0);
  return new Map(histogram.map(({ upTo, count }) => [upTo, count / all] as const));
}

function failureLines(sides: readonly SideResult[]): readonly string[] {
  const lines = sides.flatMap(({ role, failures }) =>
    failures.map(({ code, count, message }) => `${label(role)}${countText(count)} x ${code}: ${message}`),
  );
  return lines.length === 0 ? [] : ['Failed, by error, with the message of the first', ...lines];
}

function label(text: string): string {
  return text.padEnd(LABEL_WIDTH);
}

function shown(text: string, longest: number): string {
  return printable(text, longest);
}

/** Lines that fit; those that follow are indented. */
function wrapped(text: string): readonly string[] {
  const lines: string[] = [];
  let rest = text;
  while (rest.length > WIDTH) {
    const space = rest.lastIndexOf(' ', WIDTH);
    const end = space > LABEL_WIDTH ? space : WIDTH;
    lines.push(rest.slice(0, end));
    rest = `  ${rest.slice(end).trimStart()}`;
  }
  return [...lines, rest];
}
