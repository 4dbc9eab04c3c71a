/** In which bucket of a histogram a value is counted: the first whose upper bound holds it, or the one behind them all. */
export function bucketOf(bounds: readonly number[], value: number): number {
  let bucket = 0;
  while (bucket < bounds.length && value > (bounds[bucket] ?? 0)) bucket++;
  return bucket;
}
