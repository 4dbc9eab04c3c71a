import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ProxyError } from '../../../../src/errors.js';
import { CommandStatistics } from '../../../../src/observe/command-statistics.js';
import { HISTORY_STEP_SECONDS, History } from '../../../../src/observe/state/history.js';
import { LiveConnections } from '../../../../src/observe/state/live-connections.js';
import { connectionRecord, establish } from '../records.js';

function start(t: TestContext) {
  let milliseconds = 0;
  t.mock.timers.enable({ apis: ['setInterval'] });
  t.mock.method(performance, 'now', () => milliseconds);
  const live = new LiveConnections(['default']);
  const statistics = new CommandStatistics();
  const history = new History(live, [statistics]);
  t.after(() => history.close());
  const step = () => {
    milliseconds += HISTORY_STEP_SECONDS * 1000;
    t.mock.timers.tick(HISTORY_STEP_SECONDS * 1000);
    return history.points.at(-1) ?? assert.fail('no point');
  };
  return { live, statistics, history, step };
}

test('a point has the rates of its step', (t) => {
  const { live, statistics, history, step } = start(t);
  const first = connectionRecord();
  for (const observer of [live.observer, history.observer]) observer.opened?.(first);
  history.observer.opened?.(connectionRecord());
  history.observer.refused?.(connectionRecord(), 1045);
  history.observer.failed?.(connectionRecord(), new ProxyError('client_timeout', 'late'));
  Object.assign(first.clientBytes, { in: 100, out: 4000 });
  for (let n = 0; n < 10; n++) statistics.sent(3);
  for (let n = 0; n < 99; n++) statistics.answered(3, 0.0001);
  statistics.answered(3, 60);
  const { at: _at, ...point } = step();
  assert.deepEqual(point, {
    active: 1,
    connections_per_second: 1,
    rejected_per_second: 1,
    commands_per_second: 5,
    bytes_in_per_second: 50,
    bytes_out_per_second: 2000,
    p50_seconds: 0.0001 * (50 / 99),
    p99_seconds: 0.0001,
  });

  live.observer.closed?.(first, 'client_closed');
  const { at: _later, ...next } = step();
  assert.deepEqual(next, {
    active: 0,
    connections_per_second: 0,
    rejected_per_second: 0,
    commands_per_second: 0,
    bytes_in_per_second: 0,
    bytes_out_per_second: 0,
    p50_seconds: null,
    p99_seconds: null,
  });
  assert.deepEqual([history.opened, history.rejected, history.commands], [2, 2, 10]);
});

test('a session that fails is no connection that was rejected', (t) => {
  const { history } = start(t);
  const connection = connectionRecord();
  establish(history.observer, connection);
  history.observer.failed?.(connection, new ProxyError('client_timeout', 'late'), connection);
  history.observer.failed?.(connection, new ProxyError('unknown_exchange_refused', 'lost'));
  assert.equal(history.rejected, 0);
});

test('five minutes are kept, the oldest first', (t) => {
  const { history, step } = start(t);
  for (let n = 0; n < 200; n++) {
    history.observer.opened?.(connectionRecord());
    step();
  }
  assert.equal(history.points.length * HISTORY_STEP_SECONDS, 300);
  assert.equal(history.points[0]?.connections_per_second, 0.5);
});
