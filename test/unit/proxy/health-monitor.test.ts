/** When servers are checked. What a check does is tried between scripted peers. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ProxyError } from '../../../src/errors.js';
import type { CheckOutcome } from '../../../src/proxy/health-check.js';
import { HealthMonitor } from '../../../src/proxy/health-monitor.js';
import { ServerPool } from '../../../src/proxy/server-pool.js';

const works: CheckOutcome = {
  result: 'success',
  error: undefined,
  greetedAfter: 0.1,
  isCounted: false,
  late: undefined,
};
const fails: CheckOutcome = {
  ...works,
  result: 'failure',
  error: new ProxyError('server_tls_version_mismatch', 'no version in common'),
};

/** In the middle of every jitter. */
const random = () => 0.5;

function startMonitor(t: TestContext, interval: number) {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const state = { outcome: works };
  const pool = new ServerPool({
    route: 'default',
    servers: [{ kind: 'tcp', host: 'a', port: 1 }],
    strategy: 'first-available',
    isChecked: true,
    now: Date.now,
    random: () => 0,
  });
  const checkedAt: number[] = [];
  const monitor = new HealthMonitor({
    route: 'default',
    pool,
    interval,
    observer: {},
    check: async () => {
      checkedAt.push(Date.now());
      return state.outcome;
    },
    random,
  });
  t.after(() => monitor.close());
  monitor.start();
  /** Lets so many milliseconds pass, in steps. */
  const pass = async (milliseconds: number, step: number) => {
    for (let passed = 0; passed < milliseconds; passed += step) {
      t.mock.timers.tick(step);
      await turn();
    }
  };
  const gaps = () => checkedAt.slice(1).map((at, index) => at - (checkedAt[index] ?? 0));
  return { state, pool, monitor, checkedAt, pass, gaps };
}

test('the first check comes soon, the others by the interval', async (t) => {
  const { checkedAt, pass } = startMonitor(t, 10_000);
  await pass(31_000, 100);
  assert.deepEqual(checkedAt, [500, 10_500, 20_500, 30_500]);
});

test('a server that is down is checked when its back-off is over, at the latest after the interval', async (t) => {
  const { state, pass, gaps } = startMonitor(t, 5_000);
  state.outcome = fails;
  await pass(25_000, 100);
  assert.deepEqual(gaps(), [1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
});

test('checks that the server counts get rarer, once an hour in the end, until one goes well', async (t) => {
  const { state, pass, gaps } = startMonitor(t, 10_000);
  state.outcome = { ...fails, isCounted: true };
  await pass(6 * 3_600_000, 500);
  const seconds = gaps().map((gap) => gap / 1_000);
  assert.deepEqual(seconds.slice(0, 12), [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048]);
  assert.ok(seconds.slice(12).every((gap) => gap === 3_600));
  state.outcome = works;
  await pass(3_700_000, 500);
  assert.equal(gaps().at(-1), 10_000);
});

test('nothing is checked after the end', async (t) => {
  const { monitor, checkedAt, pass } = startMonitor(t, 1_000);
  await pass(2_000, 100);
  const count = checkedAt.length;
  assert.ok(count > 0);
  await monitor.close();
  await pass(5_000, 100);
  assert.equal(checkedAt.length, count);
});
