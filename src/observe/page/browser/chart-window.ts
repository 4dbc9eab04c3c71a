/** Which part of the history the charts show: a clock that is set back or a pause of the machine must not bend them. */
import type { HistoryPoint } from '../../state/state.js';

export const windowMs = 5 * 60 * 1000;

/** From where on a step is no step of the proxy any more, in steps. */
const pauseSteps = 3;

/** The last five minutes: nothing older, and nothing of before the clock was set back. */
export function pointsInWindow(history: readonly HistoryPoint[]): readonly HistoryPoint[] {
  const end = history.at(-1)?.at ?? 0;
  let first = history.length - 1;
  while (first > 0) {
    const [before, at] = [history[first - 1]?.at ?? 0, history[first]?.at ?? 0];
    if (before >= at || before < end - windowMs) break;
    first--;
  }
  return history.slice(Math.max(0, first));
}

export interface ValueAt {
  readonly point: HistoryPoint;
  readonly value: number;
}

/** A step without a value leaves a gap, and so does a pause. */
export function unbroken(
  points: readonly HistoryPoint[],
  read: (point: HistoryPoint) => number | null,
  stepSeconds: number,
): ValueAt[][] {
  const runs: ValueAt[][] = [];
  let run: ValueAt[] = [];
  let before = Number.NaN;
  for (const point of points) {
    const value = read(point);
    const isAfterPause = point.at - before > pauseSteps * stepSeconds * 1000;
    before = point.at;
    if ((value === null || isAfterPause) && run.length > 0) {
      runs.push(run);
      run = [];
    }
    if (value !== null) run.push({ point, value });
  }
  return run.length > 0 ? [...runs, run] : runs;
}

/** Of the point nearest to a place in the chart, 0 at its left edge and 1 at its right. */
export function indexAt(points: readonly HistoryPoint[], share: number): number {
  const wanted = (points.at(-1)?.at ?? 0) - windowMs * (1 - share);
  const distances = points.map(({ at }) => Math.abs(at - wanted));
  return distances.indexOf(Math.min(...distances));
}
