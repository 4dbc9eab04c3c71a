import assert from 'node:assert/strict';
import { test } from 'node:test';
import { indexAt, pointsInWindow, unbroken } from '../../../../src/observe/page/browser/chart-window.js';
import type { HistoryPoint } from '../../../../src/observe/state/state.js';
import { busyState, now } from '../../../browser/states.js';

const [example] = busyState.history;
/** Seconds before now. */
const points = (...ages: number[]): HistoryPoint[] =>
  ages.map((age) => ({ ...(example as HistoryPoint), at: now - age * 1000, active: age }));
const agesOf = (history: readonly HistoryPoint[]): number[] => history.map(({ active }) => active);

test('points of before the window are dropped, as after a pause of the machine', () => {
  assert.deepEqual(agesOf(pointsInWindow(points(9000, 8998, 301, 300, 2, 0))), [300, 2, 0]);
  assert.deepEqual(pointsInWindow([]), []);
});

test('points of before the clock was set back are dropped', () => {
  assert.deepEqual(agesOf(pointsInWindow(points(-3600, -3602, 4, 2, 0))), [4, 2, 0]);
  assert.deepEqual(agesOf(pointsInWindow(points(60, 58, 62, 2, 0))), [62, 2, 0]);
});

test('a line breaks where the step is a pause, and where there is no value', () => {
  const read = ({ active }: HistoryPoint): number | null => (active === 20 ? null : active);
  const runs = unbroken(points(100, 98, 92, 85, 22, 20, 18), read, 2);
  assert.deepEqual(
    runs.map((run) => run.map(({ value }) => value)),
    [[100, 98, 92], [85], [22], [18]],
  );
});

test('a place in the chart is the point nearest to it', () => {
  const history = points(300, 150, 0);
  assert.deepEqual(
    [0, 0.4, 0.8, 1].map((share) => indexAt(history, share)),
    [0, 1, 2, 2],
  );
});
