/** Figures of a load test: spreads, percentiles, rounds, and when a difference counts as one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare } from '../../../src/load/comparison.js';
import { FailureCounts } from '../../../src/load/failure-counts.js';
import { Latencies } from '../../../src/load/latencies.js';
import { isOnThisMachine } from '../../../src/load/loopback.js';
import { orderOf, roundsFor } from '../../../src/load/rounds.js';
import { type Spread, spreadOf } from '../../../src/load/spread.js';
import { TlsCounts } from '../../../src/load/tls-counts.js';

function spread(...values: number[]): Spread {
  const found = spreadOf(values);
  assert.ok(found !== undefined);
  return found;
}

test('the median of an odd and an even number of rounds', () => {
  assert.deepEqual(spread(9, 1, 5), { median: 5, min: 1, max: 9, rounds: 3 });
  assert.deepEqual(spread(4, 1, 10, 2), { median: 3, min: 1, max: 10, rounds: 4 });
  assert.equal(spreadOf([]), undefined);
});

test('a difference is one only where the ranges lie apart, and there are rounds enough', () => {
  const difference = (target: Spread, baseline: Spread) => compare('queryP50', target, baseline).difference;
  assert.deepEqual(difference(spread(3, 4, 5), spread(1, 2, 2.5)), { absolute: 2, percent: 100 });
  assert.deepEqual(difference(spread(1, 1, 1), spread(2, 2, 2)), { absolute: -1, percent: -50 });
  assert.equal(difference(spread(3, 4, 5), spread(1, 2, 3)), undefined, 'they touch');
  assert.equal(difference(spread(1, 2, 9), spread(3, 4, 5)), undefined, 'one lies within the other');
  assert.equal(difference(spread(8, 9), spread(1, 2)), undefined, 'two rounds');
});

test('percentiles have three digits, and are those of everything recorded', () => {
  const [first, second] = [new Latencies(), new Latencies()];
  for (let n = 1; n <= 500; n++) first.record(n / 10);
  for (let n = 501; n <= 1000; n++) second.record(n / 10);
  first.add(second);
  const found = first.summary();
  assert.ok(found !== undefined);
  const near = (value: number, expected: number) =>
    assert.ok(Math.abs(value / expected - 1) <= 0.001, `${value} is not ${expected}`);
  assert.equal(found.count, 1000);
  near(found.mean, 50.05);
  near(found.p50, 50);
  near(found.p90, 90);
  near(found.p95, 95);
  near(found.p99, 99);
  near(found.p999, 99.9);
  near(found.max, 100);
});

test('from a microsecond to hours; nothing recorded is no summary', () => {
  const latencies = new Latencies();
  assert.equal(latencies.summary(), undefined);
  assert.deepEqual(latencies.buckets(), []);
  latencies.record(0);
  latencies.record(3_600_000);
  assert.equal(latencies.percentile(50), 0.001);
  assert.ok(Math.abs(latencies.percentile(100) / 3_600_000 - 1) <= 0.001);
});

test('buckets count everything once, with those that are empty in between', () => {
  const latencies = new Latencies();
  for (const value of [0.1, 0.15, 0.2, 0.21, 3, 1]) latencies.record(value);
  assert.deepEqual(latencies.buckets(), [
    { upTo: 0.1, count: 1 },
    { upTo: 0.2, count: 2 },
    { upTo: 0.5, count: 1 },
    { upTo: 1, count: 1 },
    { upTo: 2, count: 0 },
    { upTo: 5, count: 1 },
  ]);
});

test('rounds are even in number, share the duration, and begin with either side equally often', () => {
  for (const sides of [1, 2]) {
    for (const duration of [1000, 2000, 7000, 20_000, 3_600_000]) {
      const { count, sliceMs } = roundsFor(duration, sides);
      assert.equal(count % 2, 0);
      assert.ok(count >= 4 && count <= 20, `${count}`);
      assert.ok(Math.abs(count * sides * sliceMs - duration) < 0.01);
    }
  }
  const order = [0, 1, 2, 3].map((round) => orderOf(['A', 'B'], round).join(''));
  assert.deepEqual(order, ['AB', 'BA', 'AB', 'BA']);
});

test('errors are counted by number, else by code, with the first message of each', () => {
  const failures = new FailureCounts();
  const mysqlError = (errno: number, message: string) =>
    Object.assign(new Error(message), { errno, code: 'ER_X' });
  failures.add(Object.assign(new Error('reset'), { errno: -104, code: 'ECONNRESET' }));
  failures.add(mysqlError(1213, 'first \u001b[2J'));
  const others = new FailureCounts();
  others.add(mysqlError(1213, 'second'));
  others.add(mysqlError(1064, 'x'.repeat(1000)));
  failures.addAll(others);
  assert.equal(failures.total, 4);
  assert.deepEqual(
    failures.list().map(({ code, count, message }) => [code, count, message.length > 200 ? 'cut' : message]),
    [
      ['1213', 2, 'first \\u001b[2J'],
      ['ECONNRESET', 1, 'reset'],
      ['1064', 1, 'cut'],
    ],
  );
});

test('connections are counted by version, cipher and resumption', () => {
  const counts = new TlsCounts();
  const seen = { version: 'TLSv1.3', cipher: 'A', resumed: false };
  for (const each of [seen, { ...seen, resumed: true }, { ...seen, resumed: true }, { ...seen, cipher: 'B' }])
    counts.add(each);
  assert.deepEqual(counts.list(), [
    { ...seen, resumed: true, connections: 2 },
    { ...seen, connections: 1 },
    { ...seen, cipher: 'B', connections: 1 },
  ]);
});

test('this machine is loopback and socket files; a name that is not known is somewhere else', async () => {
  const tcp = (host: string) => isOnThisMachine({ kind: 'tcp', host, port: 3306 });
  assert.equal(await isOnThisMachine({ kind: 'unix', path: '/run/mysqld.sock' }), true);
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost', '::ffff:127.0.0.1'])
    assert.equal(await tcp(host), true, host);
  for (const host of ['192.0.2.1', '0.0.0.0', '::', '2001:db8::1', 'nobody.invalid'])
    assert.equal(await tcp(host), false, host);
});
