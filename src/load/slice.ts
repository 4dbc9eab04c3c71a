/**
 * Loads one side for a while. A closed loop: each lane sends its next query when the last one is answered. A pass is
 * always finished, so that no transaction stays open, with its locks, while the other side is loaded.
 */
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import { breakOff, type ClientError, hangUp, tlsOf } from './connector.js';
import { askServerAboutTls, type Crew, type Lane } from './crew.js';
import { FailureCounts } from './failure-counts.js';
import { Latencies } from './latencies.js';
import { LoadError } from './load-error.js';
import { drawStatement } from './mix.js';
import { nameOf } from './side.js';

/** Milliseconds: a lane that can't connect must not do nothing else but try. */
const RETRY_DELAY_MS = 100;
/** Milliseconds without any connection, after which no more are tried. */
const HOPELESS_AFTER_MS = 5000;
/** Milliseconds that statements may take beyond the end of a slice. */
const PATIENCE_MS = 60_000;
/** The same when someone has asked for an end. */
const PATIENCE_WHEN_STOPPED_MS = 2000;

/** What of one kind of thing was measured: of queries, or of connections. */
export class Measured {
  readonly latencies = new Latencies();
  /** Those that ended before the slice did: what is still under way then would count for the wrong time. */
  inTime = 0;
}

export class Slice {
  readonly queries = new Measured();
  /** With `--reconnect` alone. */
  readonly connects = new Measured();
  readonly failures = new FailureCounts();
  /** By performance.now(): of a query or a connect. */
  lastSuccess = 0;
  /** Ended early, because no connection came about any more. */
  isHopeless = false;
  /** That it was to take, and that it took. */
  milliseconds = 0;
  elapsed = 0;

  perSecond(measured: Measured): number {
    // With queries longer than the slice none ends in time.
    return measured.inTime > 0
      ? (measured.inTime * 1000) / this.milliseconds
      : (measured.latencies.count * 1000) / Math.max(1, this.elapsed);
  }
}

export interface SliceRequest {
  readonly crew: Crew;
  readonly milliseconds: number;
  readonly reconnects: boolean;
  readonly signal: AbortSignal;
  /** Is filled while the slice runs. */
  readonly slice: Slice;
}

/** Rejects with LoadError where the side does not answer any more. */
export async function runSlice({
  crew,
  milliseconds,
  reconnects,
  signal,
  slice,
}: SliceRequest): Promise<void> {
  const started = performance.now();
  const run: Run = { crew, slice, endsAt: started + milliseconds, signal };
  slice.milliseconds = milliseconds;
  slice.lastSuccess = started;
  const lanes = Promise.all(
    crew.lanes.map((lane) => (reconnects ? reconnectUntilEnd(run, lane) : queryUntilEnd(run, lane))),
  );
  const answered = await inTime(lanes, milliseconds + PATIENCE_MS, signal);
  slice.elapsed = performance.now() - started;
  if (answered) return;
  for (const { connection } of crew.lanes) if (connection !== undefined) breakOff(connection);
  // The lanes end with the queries that fail by it.
  await lanes;
  if (!signal.aborted) {
    throw new LoadError(
      'running',
      `${nameOf(crew.side)} has not answered for ${PATIENCE_MS / 1000} s. Look at its log and at SHOW PROCESSLIST.`,
    );
  }
}

interface Run {
  readonly crew: Crew;
  readonly slice: Slice;
  /** By performance.now(). */
  readonly endsAt: number;
  readonly signal: AbortSignal;
}

function isOver({ crew, slice, endsAt, signal }: Run): boolean {
  const now = performance.now();
  slice.isHopeless ||=
    now - slice.lastSuccess > HOPELESS_AFTER_MS &&
    slice.failures.total > 0 &&
    crew.lanes.every(({ connection }) => connection === undefined);
  return signal.aborted || now >= endsAt || slice.isHopeless;
}

async function queryUntilEnd(run: Run, lane: Lane): Promise<void> {
  while (!isOver(run)) {
    lane.connection ??= await open(run);
    if (lane.connection === undefined) await delay(RETRY_DELAY_MS);
    else await passOnce(run, lane, lane.connection);
  }
}

async function reconnectUntilEnd(run: Run, lane: Lane): Promise<void> {
  let isFirst = true;
  while (!isOver(run)) {
    const started = performance.now();
    lane.connection = await open(run);
    if (lane.connection === undefined) {
      await delay(RETRY_DELAY_MS);
      continue;
    }
    record(run, run.slice.connects, started);
    const { connection } = lane;
    await passOnce(run, lane, connection);
    if (lane.connection === undefined) continue;
    if (isFirst) await askServerAboutTls(run.crew, connection);
    isFirst = false;
    lane.connection = undefined;
    await hangUp(connection);
  }
}

/** Undefined, and counted, where no connection came about. */
async function open({ crew, slice }: Run): Promise<Connection | undefined> {
  try {
    const connection = await crew.connector.open();
    crew.clientTls.add(tlsOf(connection));
    return connection;
  } catch (error) {
    slice.failures.add(error as ClientError);
    return undefined;
  }
}

/** Takes the connection away from the lane when it breaks. */
async function passOnce(run: Run, lane: Lane, connection: Connection): Promise<void> {
  for (const statement of run.crew.pass) {
    if (run.signal.aborted) return;
    const started = performance.now();
    try {
      await connection.query(drawStatement(statement));
      record(run, run.slice.queries, started);
    } catch (thrown) {
      const error = thrown as ClientError;
      // Queries that we broke off ourselves did not fail.
      if (!run.signal.aborted) run.slice.failures.add(error);
      if (error.fatal !== true) continue;
      lane.connection = undefined;
      breakOff(connection);
      return;
    }
  }
}

function record(run: Run, measured: Measured, started: number): void {
  const now = performance.now();
  measured.latencies.record(now - started);
  run.slice.lastSuccess = now;
  if (now <= run.endsAt) measured.inTime += 1;
}

/** Whether it ends within so many milliseconds, or soon after the signal. */
async function inTime(work: Promise<unknown>, milliseconds: number, signal: AbortSignal): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  let onAbort = () => {};
  const late = new Promise<false>((resolve) => {
    const wait = (patience: number) => {
      clearTimeout(timer);
      timer = setTimeout(resolve, patience, false);
    };
    onAbort = () => wait(PATIENCE_WHEN_STOPPED_MS);
    wait(signal.aborted ? PATIENCE_WHEN_STOPPED_MS : milliseconds);
  });
  signal.addEventListener('abort', onAbort);
  const answered = await Promise.race([work.then(() => true), late]);
  signal.removeEventListener('abort', onAbort);
  clearTimeout(timer);
  return answered;
}
