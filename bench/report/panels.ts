/** What of a run the chart shows. */
import { type Measure, type RowResult, valuesOf } from '../macro/sample.js';
import { spreadOf } from '../statistics.js';
import type { Panel } from './chart.js';
import { measureTitle } from './figures.js';

const shown: readonly [row: string, measure: Measure][] = [
  ['select-16', 'cpu'],
  ['select-128', 'cpu'],
  ['select-1000', 'cpu'],
  ['connect', 'cpu'],
  ['result', 'cpu'],
  ['idle', 'idleMemory'],
];

/** Without the rows that were not run, and the entries that were not measured or have nothing to measure. */
export function panelsOf(rows: readonly RowResult[]): Panel[] {
  return shown.flatMap(([id, measure]) => {
    const row = rows.find((each) => each.id === id);
    const bars = (row?.entries ?? []).flatMap((entry) => {
      const spread = spreadOf(valuesOf(entry, measure));
      return spread === undefined
        ? []
        : [{ name: entry.name, spread, standsOut: entry.name.startsWith('ours') }];
    });
    if (row === undefined || bars.length === 0) return [];
    return [{ title: `${row.title}: ${measureTitle(measure, row.unit)}`, bars }];
  });
}
