import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { RoutingStrategy } from '../../../src/config/model.js';
import { ProxyError } from '../../../src/errors.js';
import type { ServerHealth } from '../../../src/observe/events.js';
import { type ServerAttempt, ServerPool } from '../../../src/proxy/server-pool.js';

const refused = new ProxyError('server_port_closed', 'it can not be reached');

function poolOf(
  strategy: RoutingStrategy,
  { names = ['a', 'b', 'c'], isChecked = true, random = 0 } = {},
  before?: ServerPool,
) {
  const clock = { now: 0 };
  const told: ServerHealth[] = [];
  const pool = new ServerPool(
    {
      route: 'default',
      servers: names.map((host) => ({ kind: 'tcp', host, port: 1 })),
      strategy,
      isChecked,
      onHealth: (health) => void told.push(health),
      now: () => clock.now,
      random: () => random,
    },
    before,
  );
  /** A new connection's first attempt. */
  const choose = (): ServerAttempt => pool.choose([]) ?? assert.fail('no server');
  const failed = (server: string) => {
    const attempt = pool.attemptCheck(`${server}:1`);
    attempt.failed(refused);
  };
  const works = (server: string) => pool.attemptCheck(`${server}:1`).succeeded();
  return { pool, clock, told, choose, failed, works };
}

/** All that one connection would try, in order. */
function order(pool: ServerPool): string {
  const made: ServerAttempt[] = [];
  for (let attempt = pool.choose(made); attempt !== undefined; attempt = pool.choose(made))
    made.push(attempt);
  for (const attempt of made) attempt.closed();
  return made.map(({ name }) => name.charAt(0)).join('');
}

const first = ({ name }: ServerAttempt): string => name.charAt(0);

describe('first-available', () => {
  it('goes by the order of the configuration', () => {
    const { pool } = poolOf('first-available');
    assert.deepEqual([order(pool), order(pool)], ['abc', 'abc']);
  });

  it('tries those that are down last, the one whose failure is longest ago first', () => {
    const { pool, clock, failed } = poolOf('first-available');
    failed('b');
    clock.now = 1;
    failed('a');
    assert.equal(order(pool), 'cba');
  });

  it('takes the named server before the others, unless that is left out', () => {
    const { pool, failed } = poolOf('first-available');
    assert.equal(pool.choose([], 'b:1')?.name, 'b:1');
    failed('b');
    assert.equal(pool.choose([], 'b:1')?.name, 'a:1');
  });
});

describe('round-robin', () => {
  it('gives each its turn, and tries the others in turn, too', () => {
    const { pool, choose } = poolOf('round-robin');
    assert.equal(Array.from({ length: 7 }, () => first(choose())).join(''), 'abcabca');
    assert.equal(order(pool), 'bca');
  });

  it('divides evenly among those that are up, whichever these are', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 6 }),
        fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
        fc.integer({ min: 1, max: 40 }),
        (size, isDown, rounds) => {
          const names = 'uvwxyz'.slice(0, size).split('');
          const { choose, failed } = poolOf('round-robin', { names });
          const down = names.filter((_, index) => isDown[index]);
          for (const name of down) failed(name);
          const up = down.length === size ? names : names.filter((name) => !down.includes(name));
          if (down.length === size) return;
          const chosen = Array.from({ length: rounds * up.length }, () => first(choose()));
          for (const name of up) assert.equal(chosen.filter((one) => one === name).length, rounds);
        },
      ),
    );
  });

  it('a server that comes back gets its share and no more', () => {
    const { choose, failed, works } = poolOf('round-robin');
    failed('a');
    for (let i = 0; i < 10; i++) choose();
    works('a');
    const chosen = Array.from({ length: 30 }, () => first(choose())).join('');
    assert.equal(chosen.replaceAll(/[^a]/g, '').length, 10);
  });
});

describe('least-connections', () => {
  it('counts from the choice on, so that a burst is divided', () => {
    const { choose, pool } = poolOf('least-connections');
    const attempts = Array.from({ length: 9 }, choose);
    assert.deepEqual(
      pool.connections().map(({ count }) => count),
      [3, 3, 3],
    );
    for (const attempt of attempts.filter((one) => first(one) === 'b')) attempt.closed();
    assert.equal(Array.from({ length: 3 }, () => first(choose())).join(''), 'bbb');
  });

  it('counts exactly, whatever is opened, fails and ends, and always takes one of the least', () => {
    const step = fc.record({
      action: fc.constantFrom('open', 'open', 'fail', 'close', 'close', 'works'),
      pick: fc.nat(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const { pool, works, clock } = poolOf('least-connections');
        const open: ServerAttempt[] = [];
        const down = new Set<string>();
        for (const { action, pick } of steps) {
          clock.now += 1;
          const attempt = open.length === 0 ? undefined : open[pick % open.length];
          if (action === 'open') {
            const before = new Map(pool.connections().map(({ server, count }) => [server, count]));
            const chosen = pool.choose([]) ?? assert.fail();
            const up = [...before].filter(([name]) => !down.has(name));
            if (up.length > 0) {
              assert.equal(before.get(chosen.name), Math.min(...up.map(([, count]) => count)));
              assert.ok(!down.has(chosen.name));
            }
            open.push(chosen);
          } else if (action === 'works') {
            const name = 'abc'.charAt(pick % 3);
            works(name);
            down.delete(`${name}:1`);
          } else if (attempt !== undefined) {
            if (action === 'fail') {
              const check = pool.attemptCheck(attempt.name);
              check.failed(refused);
              down.add(attempt.name);
            }
            attempt.closed();
            attempt.closed();
            open.splice(open.indexOf(attempt), 1);
          }
          for (const { server, count } of pool.connections())
            assert.equal(count, open.filter(({ name }) => name === server).length);
        }
      }),
    );
  });
});

describe('back-off', () => {
  it('is up to a quarter shorter, by chance', () => {
    const { pool, failed } = poolOf('first-available', { random: 1 });
    failed('a');
    assert.equal(pool.backOffLeft('a:1'), 750);
  });

  it('connections that were under way together fail once', () => {
    const { pool, choose } = poolOf('first-available');
    const burst = Array.from({ length: 50 }, choose);
    for (const attempt of burst) attempt.failed(refused);
    assert.equal(pool.backOffLeft('a:1'), 1000);
  });

  it('a success of before the failure does not bring the server back, one of after it does', () => {
    const { pool, choose, clock } = poolOf('first-available', { names: ['a'] });
    const [early, failing] = [choose(), choose()];
    clock.now = 10;
    failing.failed(refused);
    early.succeeded();
    assert.notEqual(pool.backOffLeft('a:1'), undefined);
    choose().succeeded();
    assert.equal(pool.backOffLeft('a:1'), undefined);
  });

  it('a failure of before the server came back does not take it away again', () => {
    const { pool, choose, clock, works } = poolOf('first-available');
    const [slow, quick] = [choose(), choose()];
    clock.now = 10;
    quick.failed(refused);
    clock.now = 20;
    works('a');
    slow.failed(refused);
    assert.equal(pool.backOffLeft('a:1'), undefined);
  });

  it('a greeting alone brings nobody back', () => {
    const { pool, choose } = poolOf('first-available', { names: ['a'] });
    choose().failed(refused);
    choose().greeted();
    assert.notEqual(pool.backOffLeft('a:1'), undefined);
  });

  it('connections that try a server for want of another do not make it stay out longer', () => {
    const { pool, choose, clock } = poolOf('first-available', { names: ['a'] });
    choose().failed(refused);
    for (; clock.now < 900; clock.now += 100) choose().failed(refused);
    assert.equal(pool.backOffLeft('a:1'), 100);
  });

  it('without checks, one connection tries the server when it is over, and only one', () => {
    const { choose, clock } = poolOf('first-available', { isChecked: false });
    choose().failed(refused);
    clock.now = 999;
    assert.equal(first(choose()), 'b');
    clock.now = 1000;
    const trial = choose();
    assert.equal(first(trial), 'a');
    assert.equal(first(choose()), 'b');
    trial.failed(refused);
    clock.now = 2999;
    assert.equal(first(choose()), 'b');
    clock.now = 3000;
    choose().succeeded();
    assert.equal(first(choose()), 'a');
  });

  it('with checks, no connection does', () => {
    const { choose, clock } = poolOf('first-available');
    choose().failed(refused);
    clock.now = 1e9;
    assert.equal(first(choose()), 'b');
  });
});

describe('a pool after a reload', () => {
  it('knows the open connections and the failures of servers that stay, and has them checked at once', () => {
    const before = poolOf('least-connections');
    const [ofA, ofB] = [before.choose(), before.choose()];
    before.failed('b');
    const { pool } = poolOf('least-connections', { names: ['b', 'a', 'd'] }, before.pool);
    assert.deepEqual(
      pool.connections().map(({ server, count }) => [server, count]),
      [
        ['b:1', 1],
        ['a:1', 1],
        ['d:1', 0],
      ],
    );
    assert.equal(pool.backOffLeft('b:1'), 0);
    assert.equal(order(pool), 'dab');
    ofA.closed();
    ofB.closed();
    assert.ok(pool.connections().every(({ count }) => count === 0));
  });
});

describe('what is told', () => {
  it('is each change once, and each failure', () => {
    const { choose, told, works } = poolOf('first-available', { names: ['a'] });
    choose().greeted();
    choose().succeeded();
    choose().failed(refused);
    choose().failed(refused);
    works('a');
    works('a');
    assert.deepEqual(
      told.map(({ error, changed, by, isOnly }) => [error?.code, changed, by, isOnly]),
      [
        [undefined, true, 'client', true],
        ['server_port_closed', true, 'client', true],
        ['server_port_closed', false, 'client', true],
        [undefined, true, 'check', true],
      ],
    );
  });
});

it('a server that is given twice counts once', () => {
  const { pool } = poolOf('round-robin', { names: ['a', 'a', 'b'] });
  assert.equal(order(pool), 'ab');
});
