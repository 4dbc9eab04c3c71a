/** Figures as people read them. */
import type { Measure } from '../macro/sample.js';
import type { Spread } from '../statistics.js';

/** Three significant digits, at most three behind the point, and thousands kept apart: 12,300; 45.6; 0.789. */
export function figure(value: number): string {
  const rounded = Number(value.toPrecision(3));
  if (rounded === 0) return '0';
  const digits = 2 - Math.floor(Math.log10(Math.abs(rounded)));
  return digits > 0 ? rounded.toFixed(Math.min(digits, 3)) : rounded.toLocaleString('en');
}

/** Median (min–max); of a single value that alone. */
export function spreadText({ median, min, max }: Spread): string {
  if (min === max) return figure(median);
  return `${figure(median)} (${figure(min)}–${figure(max)})`;
}

/** Heading of a column or a panel; `unit` is that of the row. */
export function measureTitle(measure: Measure, unit: string): string {
  const titles: Record<Measure, string> = {
    throughput: `${pluralOf(unit)}/s`,
    cpu: `CPU per ${unit}, µs`,
    p50: 'p50, ms',
    p95: 'p95, ms',
    p99: 'p99, ms',
    longestLogin: 'longest login, ms',
    memory: 'resident, MB',
    idleMemory: `memory per ${unit}, KB`,
  };
  return titles[measure];
}

function pluralOf(unit: string): string {
  if (unit === 'MB') return unit;
  return unit === 'query' ? 'queries' : `${unit}s`;
}
