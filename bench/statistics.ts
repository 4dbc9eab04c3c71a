/** Medians, ranges and what may be said of two of them. */

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** Undefined for no values. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const min = sorted[0];
  const max = sorted.at(-1);
  if (min === undefined || max === undefined) return undefined;
  return { median: middleOf(sorted), min, max };
}

/** Each value divided by that of the same round, so that what slowed a whole round down weighs on both. */
export function pairedRatios(values: readonly number[], others: readonly number[]): number[] {
  return paired(values, others, (value, other) => value / other);
}

export function pairedDifferences(values: readonly number[], others: readonly number[]): number[] {
  return paired(values, others, (value, other) => value - other);
}

/** Ranges that touch show no difference: another run might have them the other way round. */
export function overlaps(one: Spread, other: Spread): boolean {
  return one.min <= other.max && other.min <= one.max;
}

function paired(
  values: readonly number[],
  others: readonly number[],
  combine: (value: number, other: number) => number,
): number[] {
  return values.flatMap((value, round) => {
    const other = others[round];
    return other === undefined ? [] : [combine(value, other)];
  });
}

function middleOf(sorted: readonly number[]): number {
  const above = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  const below = sorted[Math.ceil(sorted.length / 2) - 1] ?? Number.NaN;
  return (above + below) / 2;
}
