/** The report as Markdown: a table for each group. */
import type { MicroReport, MicroRow } from './report.js';

/** Below that, a pass allocates something now and then, such as a number of the meter's, but not for each packet. */
const NOTHING_BYTES = 0.5;

export function toMarkdown({ node, server, rounds, rows }: MicroReport): string {
  const groups = [...new Set(rows.map(({ group }) => group))];
  return [
    `Node ${node}, traffic of ${server}; per second of CPU time, median of ${rounds} interleaved rounds (min–max).`,
    ...groups.map((group) => table(group, rows)),
  ].join('\n\n');
}

function table(group: string, all: readonly MicroRow[]): string {
  const rows = all.filter((row) => row.group === group);
  const lines = rows.map((row, index) => {
    const { traffic, name, variant, packetsPerSecond, bytesPerSecond, allocatedBytesPerPacket } = row;
    const { median, min, max } = packetsPerSecond;
    const cells = [
      rows[index - 1]?.traffic === traffic ? '' : traffic,
      name,
      variant,
      `${short(median)} (${short(min)}–${short(max)})`,
      bytesPerSecond.median === 0 ? '' : short(bytesPerSecond.median),
      allocatedBytesPerPacket < NOTHING_BYTES ? '0' : short(allocatedBytesPerPacket),
      shippingRatio(row, rows),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    `### ${group}`,
    '',
    '| traffic | | variant | packets/s | bytes/s | bytes allocated per packet | shipping is |',
    '|---|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}

/** How many times as fast the shipping function is. */
function shippingRatio(row: MicroRow, rows: readonly MicroRow[]): string {
  const shipping = rows.find(({ traffic, variant }) => traffic === row.traffic && variant === 'shipping');
  if (shipping === undefined || shipping === row) return '';
  return `${(shipping.packetsPerSecond.median / row.packetsPerSecond.median).toPrecision(3)} ×`;
}

/** With three digits, and a unit of thousands. */
export function short(value: number): string {
  const units = ['', ' k', ' M', ' G', ' T'];
  let unit = 0;
  let left = value;
  while (left >= 999.5 && unit < units.length - 1) {
    left /= 1000;
    unit++;
  }
  return `${left >= 99.95 ? left.toFixed(0) : left.toPrecision(3)}${units[unit]}`;
}
