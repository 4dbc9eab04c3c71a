/** As in the rows of the macro benches, of rounds that are known to be there. */
import { type Spread, spreadOf as spreadOfAny } from '../statistics.js';

export type { Spread } from '../statistics.js';

/** Throws a RangeError where there are no values. */
export function spreadOf(values: readonly number[]): Spread {
  const spread = spreadOfAny(values);
  if (spread === undefined) throw new RangeError('a spread of no values');
  return spread;
}
