/** From what was measured in slices to the result. */
import { formatAddress } from '../config/model.js';
import { compareSides } from './comparison.js';
import type { Crew } from './crew.js';
import type { LoadPlan } from './plan.js';
import type { LoadResult, Measurement, SideResult } from './result.js';
import { roundsFor } from './rounds.js';
import type { Measured, Slice } from './slice.js';
import { spreadOf } from './spread.js';

export interface MeasuredSide {
  readonly crew: Crew;
  /** Of the rounds that ran to their end. */
  readonly rounds: Slice[];
  /** Everything, with what was measured until an early end. */
  readonly all: Slice;
}

export function addToSum(sum: Slice, slice: Slice): void {
  for (const kind of ['queries', 'connects'] as const) {
    sum[kind].latencies.add(slice[kind].latencies);
    sum[kind].inTime += slice[kind].inTime;
  }
  sum.failures.addAll(slice.failures);
  sum.milliseconds += slice.milliseconds;
  sum.elapsed += slice.elapsed;
}

/** In the form in which it is printed. */
export function resultOf(
  plan: LoadPlan,
  measured: readonly MeasuredSide[],
  end: { readonly busy: number; readonly left: readonly string[]; readonly interrupted: boolean },
): LoadResult {
  const sides = measured.map((side) => sideResult(plan, side));
  const [target, baseline] = sides;
  const { count, sliceMs } = roundsFor(plan.durationMs, plan.sides.length);
  return {
    mix: plan.mix.name,
    statementsPerPass: measured[0]?.crew.pass.length ?? 0,
    connections: plan.connections,
    reconnect: plan.reconnect,
    durationMs: plan.durationMs,
    warmUpMs: plan.warmUpMs,
    sliceMs,
    rounds: measured[0]?.rounds.length ?? 0,
    plannedRounds: count,
    interrupted: end.interrupted,
    generatorBusy: end.busy,
    sides,
    comparisons: target === undefined || baseline === undefined ? [] : compareSides(target, baseline),
    leftBehind: end.left,
  };
}

function sideResult(plan: LoadPlan, { crew, rounds, all }: MeasuredSide): SideResult {
  const { side, server, clientTls, serverTls } = crew;
  return {
    role: side.role,
    address: formatAddress(side.address),
    sslMode: side.tls.sslMode,
    server,
    tls: { client: clientTls.list(), server: serverTls.list() },
    queries: measurement(all, rounds, ({ queries }) => queries),
    connects: plan.reconnect ? measurement(all, rounds, ({ connects }) => connects) : undefined,
    failures: all.failures.list(),
  };
}

function measurement(all: Slice, rounds: readonly Slice[], kindOf: (slice: Slice) => Measured): Measurement {
  const percentile = (percent: number) =>
    spreadOf(
      rounds
        .map((slice) => kindOf(slice).latencies)
        .flatMap((one) => (one.count === 0 ? [] : [one.percentile(percent)])),
    );
  return {
    latency: kindOf(all).latencies.summary(),
    histogram: kindOf(all).latencies.buckets(),
    perSecond: spreadOf(rounds.map((slice) => slice.perSecond(kindOf(slice)))),
    p50: percentile(50),
    p99: percentile(99),
  };
}
