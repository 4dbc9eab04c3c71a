/** The result in words: what the target costs against the baseline, and what to know before one believes it. */
import { printable } from '../printable.js';
import { countText, millisecondsText, spreadText } from './numbers.js';
import type { ComparedFigure, Comparison, LoadResult } from './result.js';
import { FEWEST_ROUNDS } from './spread.js';

interface Words {
  /** Of a sentence about the target. */
  readonly subject: string;
  readonly verb: string;
  readonly more: string;
  readonly less: string;
  readonly unit: string;
}

const WORDS: Readonly<Record<ComparedFigure, Words>> = {
  queryP50: { subject: 'a query (median)', verb: 'takes', more: 'longer', less: 'less', unit: 'ms' },
  queryP99: { subject: 'a slow query (p99)', verb: 'takes', more: 'longer', less: 'less', unit: 'ms' },
  queriesPerSecond: {
    subject: 'throughput',
    verb: 'is',
    more: 'higher',
    less: 'lower',
    unit: 'queries/s',
  },
  connectP50: { subject: 'a connect (median)', verb: 'takes', more: 'longer', less: 'less', unit: 'ms' },
  connectP99: { subject: 'a slow connect (p99)', verb: 'takes', more: 'longer', less: 'less', unit: 'ms' },
  connectionsPerSecond: {
    subject: 'the rate of connections',
    verb: 'is',
    more: 'higher',
    less: 'lower',
    unit: 'connections/s',
  },
};

/** Characters of the name that a server gives itself. */
const LONGEST_NAME = 60;

/** Sentences. */
export function verdictOf(result: LoadResult): readonly string[] {
  const { sides, rounds, interrupted, comparisons } = result;
  const stopped = interrupted ? ['Stopped early: this is what was measured until then.'] : [];
  if (sides.length < 2) return [...stopped, ...sides.flatMap(({ queries }) => alone(queries))];
  if (rounds < FEWEST_ROUNDS) {
    return [
      ...stopped,
      `No verdict: to compare takes ${FEWEST_ROUNDS} complete rounds or more, not ${rounds}.`,
    ];
  }
  return [...stopped, 'Through the target, compared with the baseline:', ...comparisons.map(comparisonText)];
}

function alone({ perSecond, p50, p99 }: LoadResult['sides'][number]['queries']): readonly string[] {
  if (perSecond === undefined || p50 === undefined || p99 === undefined) return [];
  return [
    `${countText(perSecond.median)} queries/s; a query takes ${millisecondsText(p50.median)} ms (median of the rounds; ` +
      `p99 ${millisecondsText(p99.median)} ms). --baseline shows what of it the target costs.`,
  ];
}

/** Two lines: the sentence, and the figures that it rests on. */
export function comparisonText({ figure, target, baseline, difference }: Comparison): string {
  const { subject, verb, more, less, unit } = WORDS[figure];
  const isTime = unit === 'ms';
  const text = isTime ? millisecondsText : countText;
  const figures = `    ${spreadText(target, text)} against ${spreadText(baseline, text)} ${unit}`;
  if (difference === undefined) return `- ${subject}: no difference shown\n${figures}`;
  const { absolute, percent } = difference;
  const share = `${Math.abs(percent).toFixed(Math.abs(percent) < 10 ? 1 : 0)} %`;
  const direction = absolute > 0 ? more : less;
  const size = isTime
    ? `${millisecondsText(Math.abs(absolute))} ms ${direction} (${share})`
    : `${share} ${direction}`;
  return `- ${subject} ${verb} ${size}\n${figures}`;
}

/** Share of the time; what is left is too little to wait without making queries wait. */
const BUSY = 0.9;

/** What puts the figures into doubt. */
export function notesOf({ sides, generatorBusy, leftBehind, interrupted }: LoadResult): readonly string[] {
  const notes: string[] = [];
  const [target, baseline] = sides;
  if (generatorBusy >= BUSY && !interrupted) {
    notes.push(
      `Note: this program itself was at work ${Math.round(generatorBusy * 100)} % of the time. It limits the throughput, and ` +
        'latencies contain the wait for it; with fewer --connections they are truer.',
    );
  }
  if (
    target?.server !== undefined &&
    baseline?.server !== undefined &&
    target.server.name !== baseline.server.name
  ) {
    notes.push(
      `Note: the target leads to ${printable(target.server.name, LONGEST_NAME)} and the baseline to ${printable(baseline.server.name, LONGEST_NAME)}. These are different ` +
        'servers, which may differ without any proxy.',
    );
  }
  for (const statement of leftBehind)
    notes.push(`The table of the mix could not be dropped. Run: ${statement}`);
  return notes;
}
