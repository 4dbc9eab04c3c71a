/** In how many rounds a duration is cut, and in which order the sides come in each. */

/** Milliseconds. Long enough for the 99th percentile, short enough for what changes on the machine to fall on both sides. */
const SLICE_MS = 1000;
const FEWEST = 4;
const MOST = 20;

export interface Rounds {
  readonly count: number;
  readonly sliceMs: number;
}

/** An even count, so that each side is first equally often. */
export function roundsFor(durationMs: number, sides: number): Rounds {
  const fitting = Math.floor(durationMs / (sides * SLICE_MS));
  const count = Math.min(MOST, Math.max(FEWEST, fitting - (fitting % 2)));
  return { count, sliceMs: durationMs / (count * sides) };
}

/** A B, B A, A B …: what one side leaves behind must not always fall on the other. */
export function orderOf<Each>(sides: readonly Each[], round: number): readonly Each[] {
  return round % 2 === 0 ? sides : [...sides].reverse();
}
