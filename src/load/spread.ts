/** One figure over several rounds, and whether two such figures differ. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly rounds: number;
}

/** Undefined without a round. */
export function spreadOf(values: readonly number[]): Spread | undefined {
  const sorted = [...values].sort((one, other) => one - other);
  const [min, max] = [sorted[0], sorted.at(-1)];
  if (min === undefined || max === undefined) return undefined;
  const middle = sorted.slice((sorted.length - 1) >> 1, (sorted.length >> 1) + 1);
  const median = middle.reduce((sum, value) => sum + value, 0) / middle.length;
  return { median, min, max, rounds: sorted.length };
}

/** Fewer rounds than that lie apart by chance too often. */
export const FEWEST_ROUNDS = 3;

/** Whether every round of one side lies apart from every round of the other. */
export function isDifferent(one: Spread, other: Spread): boolean {
  if (Math.min(one.rounds, other.rounds) < FEWEST_ROUNDS) return false;
  return one.min > other.max || other.min > one.max;
}
