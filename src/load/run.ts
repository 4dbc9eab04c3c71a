/** The load test from the first connection to the last: connect, warm up, measure in rounds, clean up. */
import { performance } from 'node:perf_hooks';
import { type Crew, closeCrews, makeTable, openCrew, openLanes } from './crew.js';
import { LoadError } from './load-error.js';
import { addToSum, type MeasuredSide, resultOf } from './measured.js';
import type { LoadPlan } from './plan.js';
import type { LoadResult } from './result.js';
import { orderOf, roundsFor } from './rounds.js';
import { nameOf, type Role, type Side } from './side.js';
import { runSlice, Slice } from './slice.js';

/** What is going on, for whoever watches. */
export interface LoadProgress {
  readonly phase: 'connecting' | 'filling the table' | 'warming up' | 'measuring' | 'cleaning up';
  readonly role: Role;
  /** Of the measuring, 0 to 1. */
  readonly done: number;
  /** Of all that was measured of this side. */
  readonly queriesPerSecond: number | undefined;
  readonly failures: number;
}

export interface LoadWatch {
  /** Ends the test early; what was measured is reported. */
  readonly signal: AbortSignal;
  /** Called several times a second. */
  readonly onProgress: (progress: LoadProgress) => void;
  /** With the statements that remove what was made, as soon as it is: for one who does not wait for the end. */
  readonly onMade: (statements: readonly string[]) => void;
}

const PROGRESS_INTERVAL_MS = 250;

/** Rejects with LoadError; what was made is removed by then, or named in the message. */
export async function runLoad(plan: LoadPlan, watch: LoadWatch): Promise<LoadResult> {
  const crews: Crew[] = [];
  let measured: readonly MeasuredSide[] = [];
  let failure: unknown;
  const busy = new BusyTime();
  try {
    for (const side of plan.sides) {
      tell(watch, 'connecting', side);
      crews.push(await openCrew(side, plan.mix, plan.connections));
    }
    await prepare(plan, crews, watch);
    measured = crews.map((crew) => ({ crew, rounds: [], all: new Slice() }));
    await measure(plan, measured, busy, watch);
  } catch (error) {
    failure = error;
  }
  const left = await cleanUp(crews, watch);
  if (failure instanceof LoadError && left.length > 0) {
    throw new LoadError(failure.stage, `${failure.message}\nStill there: run ${left.join('; ')}`);
  }
  if (failure !== undefined) throw failure;
  return resultOf(plan, measured, { busy: busy.share, left, interrupted: watch.signal.aborted });
}

async function prepare(plan: LoadPlan, crews: readonly Crew[], watch: LoadWatch): Promise<void> {
  watch.onMade(dropStatements(crews));
  for (const crew of crews) {
    if (watch.signal.aborted) return;
    if (crew.table !== undefined) tell(watch, 'filling the table', crew.side);
    await makeTable(crew);
    // With --reconnect each lane opens its own, again and again.
    if (!plan.reconnect) await openLanes(crew, watch.signal, () => tell(watch, 'connecting', crew.side));
  }
  for (const crew of crews) {
    if (watch.signal.aborted) return;
    const slice = new Slice();
    const stopTelling = keepTelling(watch, () => ({
      ...progressOf('warming up', crew.side),
      failures: slice.failures.total,
    }));
    await runSlice({
      crew,
      milliseconds: plan.warmUpMs,
      reconnects: plan.reconnect,
      signal: watch.signal,
      slice,
    }).finally(stopTelling);
    checkThatSomeSucceed(crew, slice);
  }
}

async function measure(
  plan: LoadPlan,
  sides: readonly MeasuredSide[],
  busy: BusyTime,
  watch: LoadWatch,
): Promise<void> {
  const { count, sliceMs } = roundsFor(plan.durationMs, sides.length);
  const total = count * sides.length;
  let slicesDone = 0;
  for (let round = 0; round < count && !watch.signal.aborted; round++) {
    const slices: [MeasuredSide, Slice][] = [];
    for (const side of orderOf(sides, round)) {
      if (watch.signal.aborted) return;
      const slice = new Slice();
      const started = performance.now();
      const stopTelling = keepTelling(watch, () => {
        const elapsed = performance.now() - started;
        const queries = side.all.queries.latencies.count + slice.queries.latencies.count;
        return {
          ...progressOf('measuring', side.crew.side),
          done: (slicesDone + Math.min(1, elapsed / sliceMs)) / total,
          queriesPerSecond: queries === 0 ? undefined : (queries * 1000) / (side.all.elapsed + elapsed),
          failures: side.all.failures.total + slice.failures.total,
        };
      });
      const { crew } = side;
      await busy
        .during(
          runSlice({
            crew,
            milliseconds: sliceMs,
            reconnects: plan.reconnect,
            signal: watch.signal,
            slice,
          }),
        )
        .finally(stopTelling);
      addToSum(side.all, slice);
      checkThatSomeSucceed(crew, slice);
      slices.push([side, slice]);
      slicesDone += 1;
    }
    if (!watch.signal.aborted) for (const [side, slice] of slices) side.rounds.push(slice);
  }
}

/** @throws LoadError where nothing did: more of the same would tell nothing. */
function checkThatSomeSucceed({ side }: Crew, { queries, failures, isHopeless }: Slice): void {
  const found = failures.list();
  const someSucceed = queries.latencies.count > 0;
  if (found.length === 0 || (someSucceed && !isHopeless)) return;
  const what = someSucceed ? 'nothing succeeds any more' : 'every statement fails';
  const errors = found.map(
    ({ code, count, message }) => `${message.replace(/\.$/, '')} (${code}, ${count} times)`,
  );
  // Servers number their errors.
  const comesFromServer = found.every(({ code }) => /^\d+$/.test(code));
  const cure = comesFromServer
    ? 'Correct the mix, the rights of the user, or --database.'
    : 'Check that it still runs, and look at its log.';
  throw new LoadError('running', `through ${nameOf(side)} ${what}: ${errors.join('; ')}. ${cure}`);
}

/** How much of the time this program did something: near 1 it is what limits the load. */
class BusyTime {
  #active = 0;
  #all = 0;

  async during<Value>(work: Promise<Value>): Promise<Value> {
    const before = performance.eventLoopUtilization();
    const value = await work;
    const { active, idle } = performance.eventLoopUtilization(before);
    this.#active += active;
    this.#all += active + idle;
    return value;
  }

  get share(): number {
    return this.#all === 0 ? 0 : this.#active / this.#all;
  }
}

/** Statements for what is still there. */
async function cleanUp(crews: readonly Crew[], watch: LoadWatch): Promise<readonly string[]> {
  const [first] = crews;
  if (first !== undefined) tell(watch, 'cleaning up', first.side);
  return (await closeCrews(crews)).map(dropStatement);
}

function dropStatements(crews: readonly Crew[]): readonly string[] {
  return crews.flatMap(({ table }) => (table === undefined ? [] : [dropStatement(table)]));
}

const dropStatement = (table: string): string => `DROP TABLE IF EXISTS ${table}`;

function progressOf(phase: LoadProgress['phase'], { role }: Side): LoadProgress {
  return { phase, role, done: 0, queriesPerSecond: undefined, failures: 0 };
}

function tell({ onProgress }: LoadWatch, phase: LoadProgress['phase'], side: Side): void {
  onProgress(progressOf(phase, side));
}

/** Until the function that it returns is called. */
function keepTelling({ onProgress }: LoadWatch, progress: () => LoadProgress): () => void {
  onProgress(progress());
  const timer = setInterval(() => onProgress(progress()), PROGRESS_INTERVAL_MS);
  return () => clearInterval(timer);
}
