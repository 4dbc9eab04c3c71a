import assert from 'node:assert/strict';
import { afterEach, describe, mock, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { Admission } from '../../../src/admission/admission.js';
import { sourceNetworkOf } from '../../../src/admission/client-address.js';
import type { Stay } from '../../../src/admission/handshake-queue.js';
import type { RouteConfig } from '../../../src/config/model.js';
import { toProxyError } from '../../../src/errors.js';
import { shutdown } from '../../../src/proxy/session-set.js';

type Limits = Partial<
  Pick<
    RouteConfig,
    | 'routeMaxConnections'
    | 'routeConnectionRate'
    | 'routeMaxHandshakes'
    | 'addressMaxConnections'
    | 'addressConnectionRate'
    | 'addressMaxHandshakes'
  >
>;

afterEach(() => mock.timers.reset());

interface Visit {
  /** `in`, `waiting`, `suspect`, `refused` where it was one, or the code of the refusal. */
  state: string;
  /** Undefined as long as it is not in. */
  permit: Stay | undefined;
  stay: Stay;
  hurried: number;
}

function door(limits: Limits = {}, maxConnections = 1000) {
  mock.timers.enable({ apis: ['setInterval'] });
  const clock = { now: 0 };
  const configOf = (given: Limits, names: readonly string[]) => ({
    maxConnections,
    handshakeTimeout: 9_000,
    routes: names.map((name) => ({ name, routeMaxHandshakes: 100, ...given }) as unknown as RouteConfig),
  });
  const admission = new Admission(configOf(limits, ['a', 'b']), () => clock.now);
  const settle = async () => {
    for (let turn = 0; turn < 5; turn++) await setImmediate();
  };
  return {
    admission,
    settle,
    change: (next: Limits) => admission.setConfig(configOf(next, ['a', 'b'])),
    pass: async (milliseconds: number) => {
      for (let passed = 0; passed < milliseconds; passed += 50) {
        clock.now += 50;
        mock.timers.tick(50);
        await settle();
      }
    },
    visit: async (remoteAddress = '192.0.2.1', route = 'a'): Promise<Visit> => {
      const client = { isUnix: remoteAddress === '', remoteAddress, remotePort: 1 };
      const onHurry = () => {
        visit.hurried += 1;
      };
      const stay = admission.enter(route, client, onHurry);
      const visit: Visit = { state: 'waiting', permit: undefined, stay, hurried: 0 };
      stay.mayBegin.then(
        () => Object.assign(visit, { state: 'in', permit: stay }),
        (error) => {
          visit.state = toProxyError(error).code;
          stay.ended();
        },
      );
      await settle();
      return visit;
    },
  };
}

/** It does not speak MySQL. */
function beSuspect(visit: Visit | undefined): void {
  if (visit === undefined || !['waiting', 'in'].includes(visit.state)) return;
  visit.state = 'suspect';
  void visit.stay.mayBeRefused().then(() => {
    visit.state = 'refused';
    visit.stay.ended();
  });
  visit.stay.handshakeEnded(true);
}

describe('connections', () => {
  test('no more at once than all together may be, over all routes', async () => {
    const { visit, admission } = door({}, 2);
    const first = await visit('192.0.2.1', 'a');
    const second = await visit('192.0.2.2', 'b');
    assert.equal((await visit()).state, 'too_many_connections');
    assert.equal(admission.connections, 2);
    first.permit?.ended();
    first.permit?.ended();
    assert.equal(admission.connections, 1);
    assert.equal((await visit()).state, 'in');
    assert.equal((await visit()).state, 'too_many_connections');
    second.permit?.ended();
    assert.equal(admission.connections, 1);
  });

  test('no more at once than a route may have; other routes have their own', async () => {
    const { visit } = door({ routeMaxConnections: 1 });
    const first = await visit();
    assert.equal((await visit('192.0.2.2')).state, 'route_full');
    assert.equal((await visit('192.0.2.2', 'b')).state, 'in');
    first.permit?.ended();
    assert.equal((await visit('192.0.2.2')).state, 'in');
  });

  test('no more at once than an address may have; clients on a socket file are no address', async () => {
    const { visit } = door({ addressMaxConnections: 1 });
    const first = await visit();
    assert.equal((await visit()).state, 'address_full');
    assert.equal((await visit('::ffff:192.0.2.1')).state, 'address_full');
    assert.equal((await visit('192.0.2.2')).state, 'in');
    assert.equal((await visit('')).state, 'in');
    assert.equal((await visit('')).state, 'in');
    first.permit?.ended();
    assert.equal((await visit()).state, 'in');
  });

  test('where all are in use, one that is no MySQL client makes room, then one with little hope to get in', async () => {
    const { visit, admission } = door({ routeMaxHandshakes: 1 }, 20);
    await visit();
    const suspect = await visit();
    beSuspect(suspect);
    const waiting: Visit[] = [];
    while (admission.connections < 20) waiting.push(await visit());
    assert.equal((await visit()).state, 'waiting');
    assert.equal(suspect.state, 'refused');
    assert.equal((await visit()).state, 'waiting');
    assert.deepEqual(
      waiting.slice(0, 3).map(({ state }) => state),
      ['handshake_not_begun', 'waiting', 'waiting'],
    );
    assert.equal(admission.connections, 20);
  });

  test('of an address none but its own makes room', async () => {
    const { visit } = door({ addressMaxConnections: 2, routeMaxHandshakes: 1 });
    await visit('192.0.2.1');
    const [own, others] = [await visit('192.0.2.1'), await visit('192.0.2.2')];
    for (const one of [own, others]) beSuspect(one);
    assert.equal((await visit('192.0.2.1')).state, 'waiting');
    assert.deepEqual([own.state, others.state], ['refused', 'suspect']);
    assert.equal((await visit('192.0.2.1')).state, 'address_full');
  });

  test('one that has made room counts no more, although it takes its time to leave', async () => {
    const { visit, admission } = door({ addressMaxConnections: 2, routeMaxHandshakes: 1 }, 3);
    await visit('192.0.2.1');
    const rude = await visit('192.0.2.1');
    const told = rude.stay.mayBeRefused();
    const next = await visit('192.0.2.1');
    await told;
    assert.deepEqual([next.state, admission.connections], ['waiting', 2]);
    assert.equal((await visit('192.0.2.1')).state, 'address_full');
    assert.equal((await visit('192.0.2.2')).state, 'waiting');
    await rude.stay.mayBeRefused();
    rude.stay.ended();
    assert.equal(admission.connections, 3);
  });

  test('an address whose only connection has made room is not forgotten', async () => {
    const { visit, admission } = door({ addressMaxConnections: 1, routeMaxHandshakes: 1 });
    await visit('192.0.2.9');
    void (await visit('192.0.2.1')).stay.mayBeRefused();
    assert.equal((await visit('192.0.2.1')).state, 'waiting');
    assert.equal((await visit('192.0.2.1')).state, 'address_full');
    assert.equal(admission.connections, 2);
  });

  test('nobody makes room for one that may not come in anyway', async () => {
    const { visit } = door(
      {
        routeMaxHandshakes: 1,
        addressMaxConnections: 1,
        routeConnectionRate: { count: 3, periodMs: 1000 },
      },
      2,
    );
    await visit('192.0.2.1');
    const suspect = await visit('192.0.2.2');
    beSuspect(suspect);
    assert.equal((await visit('192.0.2.1')).state, 'address_full');
    assert.equal(suspect.state, 'suspect');
    assert.equal((await visit('192.0.2.3')).state, 'waiting');
    assert.equal(suspect.state, 'refused');
    const other = await visit('192.0.2.4', 'b');
    assert.equal(other.state, 'too_many_connections');
    assert.equal((await visit('192.0.2.3')).state, 'route_rate_exceeded');
  });

  test('a refused one takes no place and no token', async () => {
    const { visit, admission } = door({
      routeConnectionRate: { count: 2, periodMs: 1000 },
      addressConnectionRate: { count: 1, periodMs: 1000 },
    });
    assert.equal((await visit()).state, 'in');
    assert.equal((await visit()).state, 'address_rate_exceeded');
    assert.equal((await visit()).state, 'address_rate_exceeded');
    assert.equal(admission.connections, 1);
    assert.equal((await visit('192.0.2.2')).state, 'in');
    assert.equal((await visit('192.0.2.3')).state, 'route_rate_exceeded');
  });
});

test('a rate is refilled by time, also for an address that was gone', async () => {
  const { visit, pass } = door({ addressConnectionRate: { count: 1, periodMs: 1000 } });
  (await visit()).permit?.ended();
  assert.equal((await visit()).state, 'address_rate_exceeded');
  await pass(1_000);
  assert.equal((await visit()).state, 'in');
});

describe('handshakes', () => {
  test('wait for a place, and get it when one is over or its client is gone', async () => {
    const { visit, admission, settle } = door({ routeMaxHandshakes: 2 });
    const [first, second] = [await visit(), await visit()];
    const [third, fourth] = [await visit('192.0.2.3'), await visit('192.0.2.4')];
    assert.deepEqual([third.state, fourth.state], ['waiting', 'waiting']);
    assert.equal(admission.waiting().get('a'), 2);
    first.permit?.handshakeEnded(false);
    first.permit?.handshakeEnded(false);
    await settle();
    second.permit?.ended();
    await settle();
    assert.deepEqual([third.state, fourth.state], ['in', 'in']);
    assert.equal(admission.connections, 3);
    assert.equal(admission.waiting().get('a'), 0);
  });

  test('those of the address with the fewest come first', async () => {
    const { visit, settle } = door({ routeMaxHandshakes: 2 });
    const first = await visit('192.0.2.1');
    await visit('192.0.2.1');
    const flood = [await visit('192.0.2.1'), await visit('192.0.2.1')];
    const good = await visit('192.0.2.9');
    first.permit?.handshakeEnded(false);
    await settle();
    assert.deepEqual(
      [good, ...flood].map(({ state }) => state),
      ['in', 'waiting', 'waiting'],
    );
  });

  test('where there are more addresses than slots, all have a turn', async () => {
    const { visit, settle } = door({ routeMaxHandshakes: 1 });
    const flood = [await visit('192.0.2.1'), await visit('192.0.2.1'), await visit('192.0.2.1')];
    const good = await visit('192.0.2.9');
    for (let turn = 0; turn < 2; turn++) {
      for (const { permit } of flood) permit?.handshakeEnded(false);
      await settle();
    }
    assert.equal(good.state, 'in');
  });

  test('one whose client has spoken before it was greeted gets no slot, and is told so in its turn', async () => {
    const { visit, pass, settle, admission } = door({ routeMaxHandshakes: 1 });
    const first = await visit();
    const suspects = await Promise.all(Array.from({ length: 5 }, () => visit()));
    for (const one of suspects) beSuspect(one);
    const refused = () => suspects.filter(({ state }) => state === 'refused').length;
    assert.deepEqual([refused(), admission.waiting().get('a')], [0, 5]);
    first.permit?.handshakeEnded(false);
    await settle();
    assert.equal(suspects.filter(({ state }) => state === 'in').length, 0);
    await pass(100);
    assert.equal(refused(), 2);
    await pass(200);
    assert.deepEqual([refused(), admission.waiting().get('a')], [5, 0]);
    assert.equal((await visit()).state, 'in');
  });

  test('one that does not speak MySQL is told so at once, but in a flood of them in its turn, and holds no slot meanwhile', async () => {
    const { visit, pass, settle, admission } = door({ routeMaxHandshakes: 8 });
    const [first, ...others] = await Promise.all(Array.from({ length: 8 }, () => visit()));
    beSuspect(first);
    await settle();
    assert.equal(first?.state, 'refused');
    for (const one of others) beSuspect(one);
    await settle();
    const refused = () => others.filter(({ state }) => state === 'refused').length;
    assert.deepEqual([refused(), admission.waiting().get('a')], [5, 2]);
    const next = await Promise.all(Array.from({ length: 8 }, () => visit()));
    await pass(100);
    assert.deepEqual(new Set(next.map(({ state }) => state)), new Set(['in']));
    assert.equal(refused(), 5);
    await pass(5_000);
    assert.deepEqual([refused(), admission.waiting().get('a')], [7, 0]);
  });

  test('that are not of MySQL clients end soon when nobody comes any more', async () => {
    const { visit, pass, admission } = door({ routeMaxHandshakes: 1 });
    await visit();
    const suspects = await Promise.all(Array.from({ length: 100 }, () => visit()));
    for (const one of suspects) beSuspect(one);
    await pass(400);
    assert.equal(admission.waiting().get('a'), 100);
    admission.allAreHere();
    await pass(200);
    assert.equal(admission.waiting().get('a'), 0);
  });

  test('that come to nothing free their slots slower where more wait than there are slots', async () => {
    const { visit, pass } = door({ routeMaxHandshakes: 40 });
    const first = await Promise.all(Array.from({ length: 40 }, () => visit()));
    const next = await Promise.all(Array.from({ length: 41 }, () => visit()));
    for (const { permit } of first) permit?.handshakeEnded(true);
    await pass(200);
    const inside = next.filter(({ state }) => state === 'in').length;
    assert.ok(inside > 5 && inside < 20, `${inside} are in`);
  });

  test('one that leaves while it waits takes no place any more', async () => {
    const { visit, admission, settle } = door({ routeMaxHandshakes: 1 });
    const first = await visit();
    const [left, stays] = [await visit(), await visit()];
    left.stay.ended();
    left.stay.ended();
    assert.deepEqual([admission.connections, admission.waiting().get('a')], [2, 1]);
    first.permit?.handshakeEnded(false);
    await settle();
    assert.deepEqual([left.state, stays.state], ['waiting', 'in']);
    stays.permit?.handshakeEnded(false);
    assert.equal((await visit()).state, 'in');
  });

  test('one that leaves just as its handshake begins gives its slot back', async () => {
    const { visit, admission, settle } = door({ routeMaxHandshakes: 1 });
    const first = await visit();
    const leaves = await visit();
    void leaves.stay.mayBegin.then(() => leaves.stay.ended());
    first.permit?.handshakeEnded(false);
    await settle();
    assert.equal((await visit()).state, 'in');
    assert.equal(admission.connections, 2);
  });

  test('that come to nothing for the client give their slots away one after the other, others at once', async () => {
    const { visit, settle, pass } = door({ routeMaxHandshakes: 4 });
    const first = [await visit(), await visit(), await visit(), await visit()];
    const next = [await visit(), await visit(), await visit(), await visit(), await visit()];
    const inside = () => next.filter(({ state }) => state === 'in').length;
    for (const { permit } of first.slice(0, 3)) permit?.handshakeEnded(true);
    await settle();
    assert.equal(inside(), 1);
    first[3]?.permit?.handshakeEnded(false);
    await settle();
    assert.equal(inside(), 2);
    await pass(100);
    assert.equal(inside(), 4);
  });

  test('of one address: the others go past those that wait for it', async () => {
    const { visit, settle } = door({ addressMaxHandshakes: 1 });
    const first = await visit('192.0.2.1');
    const second = await visit('192.0.2.1');
    assert.equal(second.state, 'waiting');
    assert.equal((await visit('192.0.2.2')).state, 'in');
    assert.deepEqual([(await visit('')).state, (await visit('')).state], ['in', 'in']);
    first.permit?.ended();
    await settle();
    assert.equal(second.state, 'in');
  });

  test('that may not begin because of their address cost nothing', async () => {
    const { visit, settle } = door({ addressMaxHandshakes: 1 });
    const other = await visit('192.0.2.2');
    await visit('192.0.2.1');
    assert.equal((await visit('192.0.2.1')).state, 'waiting');
    const turns = mock.method(globalThis, 'setImmediate');
    other.permit?.ended();
    await settle();
    assert.ok(turns.mock.callCount() <= 1, `${turns.mock.callCount()} turns of the event loop`);
    turns.mock.restore();
  });

  test('that take long are hurried only while others wait', async () => {
    const { visit, pass } = door({ routeMaxHandshakes: 2 });
    const [slow, later] = [await visit(), await visit()];
    await pass(1_000);
    assert.equal(slow.hurried, 0);
    slow.permit?.handshakeEnded(false);
    const quick = await visit();
    const waiting = await visit('192.0.2.2');
    await pass(400);
    assert.ok(later.hurried > 0);
    assert.equal(quick.hurried, 0);
    await pass(200);
    assert.ok(quick.hurried > 0);
    assert.equal(slow.hurried, 0);
    quick.permit?.ended();
    await pass(200);
    assert.equal(waiting.state, 'in');
    const before = later.hurried;
    await pass(1_000);
    assert.equal(later.hurried, before);
  });

  test('that take long are not hurried for those that wait for their own address', async () => {
    const { visit, pass } = door({ addressMaxHandshakes: 1 });
    const far = await visit('192.0.2.1');
    const [silent, next] = [await visit('192.0.2.2'), await visit('192.0.2.2')];
    await pass(1_000);
    assert.equal(next.state, 'waiting');
    assert.equal(far.hurried, 0);
    assert.ok(silent.hurried > 0);
  });

  test('that could not begin in time are refused', async () => {
    const { visit, pass, admission } = door({ routeMaxHandshakes: 1 });
    await visit();
    const late = await visit('192.0.2.2');
    await pass(5_000);
    const young = await visit('192.0.2.3');
    await pass(4_100);
    assert.deepEqual([late.state, young.state], ['handshake_not_begun', 'waiting']);
    assert.equal(admission.connections, 2);
  });
});

test('in a flood those that waited too long are refused a few at a time, the latest first; afterwards all', async () => {
  const { visit, pass } = door({ routeMaxHandshakes: 10 });
  const many = (count: number) => Promise.all(Array.from({ length: count }, () => visit('192.0.2.1')));
  const begun = await many(10);
  const early = await many(100);
  await pass(1_000);
  const late = await many(100);
  const comers: Visit[] = [];
  const flood = async (milliseconds: number) => {
    for (let passed = 0; passed < milliseconds; passed += 50) {
      const inside = [...begun, ...early, ...late, ...comers]
        .filter(({ state }) => state === 'in')
        .slice(0, 3);
      for (const one of inside) {
        one.state = 'ended';
        one.permit?.ended();
        comers.push(await visit('192.0.2.1'));
      }
      await pass(50);
    }
  };
  const refused = (visits: readonly Visit[]) =>
    visits.filter(({ state }) => state === 'handshake_not_begun').length;
  await flood(7_900);
  assert.equal(refused([...early, ...late, ...comers]), 0);
  await flood(2_100);
  const before = refused(early);
  await flood(5_000);
  assert.equal(refused(early), before, 'those that came with the flood have waited for long already');
  assert.ok(refused(late) > 1 && refused(late) <= 4, `${refused(late)} were refused`);
  await pass(4_000);
  assert.ok(refused([...early, ...late]) > 150);
});

test('a reload: new limits hold for those that come, and those that wait get in by a higher one', async () => {
  const { visit, change, settle } = door({ routeMaxHandshakes: 1, routeMaxConnections: 2 });
  await visit();
  const waiting = await visit();
  change({
    routeMaxHandshakes: 2,
    routeMaxConnections: 1,
    addressConnectionRate: { count: 1, periodMs: 1000 },
  });
  await settle();
  assert.equal(waiting.state, 'in');
  assert.equal((await visit()).state, 'route_full');
  change({ addressConnectionRate: { count: 1, periodMs: 1000 } });
  assert.equal((await visit()).state, 'in');
  assert.equal((await visit()).state, 'address_rate_exceeded');
});

test('closed: nobody gets in, and those that wait are refused', async () => {
  const { visit, admission, settle } = door({ routeMaxHandshakes: 1 });
  const first = await visit();
  const waiting = [await visit(), await visit('192.0.2.2')];
  admission.close(shutdown());
  await settle();
  assert.deepEqual(
    waiting.map(({ state }) => state),
    ['proxy_shutdown', 'proxy_shutdown'],
  );
  assert.equal((await visit()).state, 'proxy_shutdown');
  first.permit?.ended();
  assert.equal(admission.connections, 0);
});

test('many visits in any order leave nothing behind', async () => {
  const { visit, pass, admission } = door({
    routeMaxHandshakes: 3,
    addressMaxHandshakes: 2,
    addressMaxConnections: 6,
  });
  const visits: Visit[] = [];
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
    return seed % below;
  };
  for (let step = 0; step < 2_000; step++) {
    if (random(3) === 0) visits.push(await visit(`192.0.2.${random(5)}`));
    else if (random(4) === 0) await pass(50);
    else {
      const one = visits[random(Math.max(visits.length, 1))];
      const kind = random(4);
      if (kind === 0) beSuspect(one);
      else if (kind === 1) one?.permit?.handshakeEnded(random(2) === 0);
      else if (kind === 2) one?.permit?.ended();
      else if (one?.state === 'waiting') {
        one.state = 'left';
        one.stay.ended();
      }
    }
  }
  await pass(10_000);
  for (const { permit } of visits) permit?.ended();
  await pass(100);
  for (const { permit } of visits) permit?.ended();
  await pass(100);
  assert.equal(admission.connections, 0);
  assert.equal(admission.waiting().get('a'), 0);
  assert.equal(
    visits.some(({ state }) => state === 'waiting'),
    false,
  );
});

test('the network that counts as one source', () => {
  for (const [address, network] of [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
    ['2001:db8:1:2::9', '2001:db8:1:2'],
    ['2001:db8::9', '2001:db8:0:0'],
    ['::1', '0:0:0:0'],
    ['fe80::1%eth0', 'fe80:0:0:0'],
    ['1:2:3:4:5:6:7::', '1:2:3:4'],
    ['2001:db8:1::3:4:5:6', '2001:db8:1:0'],
  ] as const) {
    assert.equal(sourceNetworkOf(address), network, address);
  }
});
