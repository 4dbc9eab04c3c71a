/** What the proxy is to reach: limits on ratios to its peers, as data, and the verdicts on a run. */

import { type Measure, type RowResult, valuesOf } from './macro/sample.js';
import type { MicroRow } from './micro/report.js';
import { pairedDifferences, pairedRatios, type Spread, spreadOf } from './statistics.js';

/** Where a value is found: the name of an entry in a row. */
interface Place {
  readonly row: string;
  readonly entry: string;
}

export interface Target {
  readonly title: string;
  readonly measure: Measure;
  readonly of: Place;
  /** None: the value itself is what counts. */
  readonly against?: Place;
  /** Taken round by round: both values are of the same round. */
  readonly comparison: 'ratio' | 'difference';
  readonly atMost: number;
}

export interface Verdict {
  readonly title: string;
  /** Such as `<= 0.9 × MySQL Router`. */
  readonly wanted: string;
  readonly found: Spread | undefined;
  /** `not measured` has a reason. */
  readonly outcome: 'reached' | 'not reached' | 'not measured';
  readonly reason?: string;
}

const router = 'MySQL Router';
const haproxy = 'HAProxy, TCP';
const at = (row: string, entry = 'ours'): Place => ({ row, entry });

const cpu = (title: string, row: string, peer: string, atMost: number, entry = 'ours'): Target => ({
  title,
  measure: 'cpu',
  of: at(row, entry),
  against: at(row, peer),
  comparison: 'ratio',
  atMost,
});

export const targets: readonly Target[] = [
  cpu('CPU per point select, 16 connections', 'select-16', router, 0.9),
  cpu('CPU per point select, 16 connections', 'select-16', haproxy, 1.3),
  cpu('CPU per point select, 128 connections', 'select-128', router, 0.9),
  cpu('CPU per point select, 128 connections', 'select-128', haproxy, 1.3),
  cpu('CPU per connect, query, close; fresh server connection', 'connect', router, 1.2),
  cpu(
    'CPU per connect, query, close; server connections reused',
    'connect',
    `${router}, pool`,
    0.8,
    'ours, --reuse-server-connections',
  ),
  cpu('CPU per MB of result', 'result', router, 0.9),
  {
    title: 'Resident memory per idle connection',
    measure: 'idleMemory',
    of: at('idle'),
    against: at('idle', router),
    comparison: 'ratio',
    atMost: 0.8,
  },
  {
    // What a direct connection takes is the same in both, and so drops out of the difference.
    title: 'Added p99 latency, 16 connections, ms',
    measure: 'p99',
    of: at('select-16'),
    against: at('select-16', router),
    comparison: 'difference',
    atMost: 0,
  },
  cpu('CPU per point select, 1000 connections', 'select-1000', 'ours, 16 connections', 1.2),
  ...floodTargets('ours', ['silent', 'slow', 'garbage']),
  ...floodTargets('ours, 2 workers', ['silent', 'garbage']),
];

/** A flood must neither slow sessions down much nor keep clients out. */
function floodTargets(system: string, kinds: readonly string[]): Target[] {
  return kinds.flatMap((kind): Target[] => {
    const of = at('flood', `${system}: ${kind}`);
    const against = at('flood', `${system}: no flood`);
    return [
      {
        title: `p99 of a session in a flood, ${of.entry}`,
        measure: 'p99',
        of,
        against,
        comparison: 'ratio',
        atMost: 1.5,
      },
      {
        title: `Longest login in a flood, ms, ${of.entry}`,
        measure: 'longestLogin',
        of,
        comparison: 'difference',
        atMost: 1000,
      },
    ];
  });
}

export function verdictOn(target: Target, rows: readonly RowResult[]): Verdict {
  const { title, comparison, atMost, measure, against } = target;
  const sides = against === undefined ? [target.of] : [target.of, against];
  const wanted = `≤ ${limitText(target)}`;
  const reason = sides.map((place) => obstacleAt(place, measure, rows)).find((each) => each !== undefined);
  if (reason !== undefined) return { title, wanted, found: undefined, outcome: 'not measured', reason };
  const [own = [], others = []] = sides.map((place) => valuesOf(entryAt(place, rows), measure));
  const combine = comparison === 'ratio' ? pairedRatios : pairedDifferences;
  const found = spreadOf(against === undefined ? own : combine(own, others));
  return {
    title,
    wanted,
    found,
    outcome: found !== undefined && found.median <= atMost ? 'reached' : 'not reached',
  };
}

function limitText({ comparison, atMost, against }: Target): string {
  if (against === undefined) return String(atMost);
  return `${comparison === 'ratio' ? `${atMost} × ` : ''}${against.entry}`;
}

/** One for each traffic: what mysql2 does for a packet depends on whether it came in one piece. */
export function framingVerdicts(rows: readonly MicroRow[]): Verdict[] {
  const framing = rows.filter(({ group }) => group === 'packet framing');
  return framing
    .filter(({ variant }) => variant === 'shipping')
    .flatMap(({ traffic, packetsPerSecond: own }) => {
      const mysql2 = framing.find((row) => row.variant === 'mysql2' && row.traffic === traffic);
      if (mysql2 === undefined) return [];
      const { packetsPerSecond: theirs } = mysql2;
      const found = {
        median: own.median / theirs.median,
        min: own.min / theirs.max,
        max: own.max / theirs.min,
      };
      return {
        title: `Packet framing, ${traffic}`,
        wanted: `≥ ${FRAMING_AT_LEAST} × mysql2's packet parser`,
        found,
        outcome: found.median >= FRAMING_AT_LEAST ? ('reached' as const) : ('not reached' as const),
      };
    });
}

const FRAMING_AT_LEAST = 20;

function obstacleAt(place: Place, measure: Measure, rows: readonly RowResult[]): string | undefined {
  const entry = entryAt(place, rows);
  if (entry === undefined) return `${place.entry} is not part of this run`;
  if (entry.unavailable !== undefined) return `${place.entry}: ${entry.unavailable}`;
  return valuesOf(entry, measure).length === 0 ? `${place.entry} has no figures` : undefined;
}

const entryAt = (place: Place, rows: readonly RowResult[]) =>
  rows.find(({ id }) => id === place.row)?.entries.find(({ name }) => name === place.entry);
