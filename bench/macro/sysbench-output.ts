/** Reads what sysbench 1.0 prints at its end. */

export interface SysbenchResult {
  /** Events of all threads. */
  readonly events: number;
  readonly seconds: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

interface Bucket {
  readonly milliseconds: number;
  readonly count: number;
}

/** `output`: of a run with `--histogram=on`. Throws Error when a part is missing, which is so when sysbench failed. */
export function parseSysbench(output: string): SysbenchResult {
  const buckets = [...output.matchAll(/^\s+([\d.]+) \|[*\s]*\s(\d+)$/gm)].map(
    ([, milliseconds, count]): Bucket => ({ milliseconds: Number(milliseconds), count: Number(count) }),
  );
  if (buckets.length === 0) throw new Error('sysbench printed no latency histogram');
  return {
    events: numberBehind('total number of events:', output),
    seconds: numberBehind('total time:', output),
    p50: percentile(buckets, 0.5),
    p95: percentile(buckets, 0.95),
    p99: percentile(buckets, 0.99),
  };
}

function numberBehind(label: string, output: string): number {
  const [, rest] = output.split(label);
  const value = Number.parseFloat(rest ?? '');
  if (Number.isNaN(value)) throw new Error(`sysbench printed no "${label}"`);
  return value;
}

/** The bucket in which the given share of all events is reached. */
function percentile(buckets: readonly Bucket[], share: number): number {
  const total = buckets.reduce((sum, { count }) => sum + count, 0);
  let counted = 0;
  const found = buckets.find(({ count }) => {
    counted += count;
    return counted >= total * share;
  });
  return found?.milliseconds ?? Number.NaN;
}
