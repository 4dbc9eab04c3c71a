import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { type FailureKind, RepeatLimiter } from '../../../src/observe/repeats.js';

const kind = (fields: Partial<FailureKind> = {}): FailureKind => ({
  code: 'client_tls_required',
  route: 'default',
  client: '10.0.0.1',
  ...fields,
});

/** Told: client, count, seconds. */
function limiterAt(clock: { ms: number }) {
  const told: [string, number, number][] = [];
  const limiter = new RepeatLimiter(
    ({ client }, count, seconds) => void told.push([client, count, seconds]),
    () => clock.ms,
  );
  const admit = (times: number, fields?: Partial<FailureKind>) =>
    Array.from({ length: times }, () => limiter.admits(kind(fields))).filter(Boolean).length;
  return { limiter, told, admit };
}

describe('repeats of a failure', () => {
  let clock: { ms: number };
  const pass = (ms: number) => {
    clock.ms += ms;
    mock.timers.tick(ms);
  };
  beforeEach(() => {
    clock = { ms: 1_000_000 };
    mock.timers.enable({ apis: ['setTimeout'] });
  });
  afterEach(() => mock.timers.reset());

  it('the first five in a minute are let through, the others counted and told when it is over', () => {
    const { told, admit } = limiterAt(clock);
    assert.equal(admit(8), 5);
    pass(59_999);
    assert.deepEqual(told, []);
    assert.equal(admit(1), 0);
    pass(1);
    assert.deepEqual(told, [['10.0.0.1', 4, 60]]);
    assert.equal(admit(6), 5);
    pass(60_000);
    assert.deepEqual(told.slice(1), [['10.0.0.1', 1, 60]]);
  });

  it('nothing is told of what was let through', () => {
    const { limiter, told, admit } = limiterAt(clock);
    assert.equal(admit(5), 5);
    pass(60_000);
    assert.equal(admit(5), 5);
    limiter.flush();
    assert.deepEqual(told, []);
  });

  it('code, route and client are kept apart', () => {
    const { admit } = limiterAt(clock);
    assert.equal(admit(6), 5);
    assert.equal(admit(6, { code: 'login_refused' }), 5);
    assert.equal(admit(6, { route: 'other' }), 5);
    assert.equal(admit(6, { client: '10.0.0.2' }), 5);
    assert.equal(admit(6), 0);
  });

  it('each kind is told at the end of its own minute', () => {
    const { told, admit } = limiterAt(clock);
    admit(1, { client: 'early' });
    pass(20_000);
    admit(6, { client: 'late' });
    // Begins to be held back after the other, and its minute is over before.
    admit(6, { client: 'early' });
    pass(40_000);
    assert.deepEqual(told, [['early', 2, 60]]);
    pass(20_000);
    assert.deepEqual(told.slice(1), [['late', 1, 60]]);
  });

  it('what was held back is told at once when the log ends, with the time that it took', () => {
    const { limiter, told, admit } = limiterAt(clock);
    admit(7);
    admit(6, { client: '10.0.0.2' });
    pass(11_500);
    limiter.flush();
    assert.deepEqual(told, [
      ['10.0.0.1', 2, 12],
      ['10.0.0.2', 1, 12],
    ]);
    pass(60_000);
    limiter.flush();
    assert.equal(told.length, 2);
  });

  it('a timer that did not run, as in a suspended machine, loses nothing: the next failure tells', () => {
    const { told, admit } = limiterAt(clock);
    admit(7);
    clock.ms += 3_600_000;
    assert.equal(admit(1), 1);
    assert.deepEqual(told, [['10.0.0.1', 2, 60]]);
  });

  it('beyond a thousand kinds, those of one code and route are counted together', () => {
    const { limiter, told, admit } = limiterAt(clock);
    for (let host = 0; host < 1_000; host += 1) assert.equal(admit(1, { client: `known ${host}` }), 1);
    const strangers = Array.from({ length: 500 }, (_, host) => admit(1, { client: `stranger ${host}` }));
    assert.equal(strangers.filter((admitted) => admitted === 1).length, 5);
    assert.equal(admit(6, { client: 'stranger', route: 'other' }), 5);
    assert.equal(admit(6, { client: 'known 7' }), 4);
    limiter.flush();
    assert.deepEqual(told, [
      ['known 7', 2, 1],
      ['*', 495, 1],
      ['*', 1, 1],
    ]);
    assert.equal(admit(6, { client: 'stranger' }), 5);
  });
});

it('the timer keeps no process alive, and there is none without need', () => {
  const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const set = mock.method(globalThis, 'setTimeout');
  const { limiter, admit } = limiterAt({ ms: 0 });
  admit(5);
  assert.equal(set.mock.callCount(), 0);
  admit(1);
  assert.equal(set.mock.callCount(), 1);
  assert.equal(set.mock.calls[0]?.result?.hasRef(), false);
  assert.equal(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, before);
  limiter.flush();
  set.mock.restore();
});
