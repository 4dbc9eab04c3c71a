import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allRows } from '../../../bench/macro/rows.js';
import type { RowResult, Sample } from '../../../bench/macro/sample.js';
import type { MicroRow } from '../../../bench/micro/report.js';
import { framingVerdicts, type Target, targets, verdictOn } from '../../../bench/targets.js';

const target: Target = {
  title: 'CPU',
  measure: 'cpu',
  of: { row: 'select', entry: 'ours' },
  against: { row: 'select', entry: 'peer' },
  comparison: 'ratio',
  atMost: 0.9,
};

const row = (entries: Record<string, readonly Sample[]>): RowResult => ({
  id: 'select',
  title: 'Select',
  unit: 'query',
  rounds: 3,
  reference: 'peer',
  entries: Object.entries(entries).map(([name, samples]) => ({ name, samples })),
});

const cpu = (...values: number[]): Sample[] => values.map((value) => ({ cpu: value }));

test('the median of the ratios of each round decides', () => {
  // The second round was slow for both: only the ratios within the rounds show that ours took less.
  const rows = [row({ ours: cpu(7, 80, 9), peer: cpu(10, 100, 10) })];
  const verdict = verdictOn(target, rows);
  assert.deepEqual(verdict, {
    title: 'CPU',
    wanted: '≤ 0.9 × peer',
    found: { median: 0.8, min: 0.7, max: 0.9 },
    outcome: 'reached',
  });
  assert.equal(verdictOn({ ...target, atMost: 0.8 }, rows).outcome, 'reached');
  assert.equal(verdictOn({ ...target, atMost: 0.79 }, rows).outcome, 'not reached');
});

test('a difference is taken round by round, too', () => {
  const p99 = (...values: number[]): Sample[] => values.map((value) => ({ p99: value }));
  const added: Target = { ...target, measure: 'p99', comparison: 'difference', atMost: 0 };
  const rows = [row({ ours: p99(1, 5, 2), peer: p99(2, 6, 1) })];
  assert.deepEqual(verdictOn(added, rows).found, { median: -1, min: -1, max: 1 });
  assert.equal(verdictOn(added, rows).outcome, 'reached');
  assert.equal(verdictOn(added, rows).wanted, '≤ peer');
});

test('without another entry the value itself must not be above the limit', () => {
  const { against: _, ...alone } = target;
  const rows = [row({ ours: cpu(7, 80, 9) })];
  const verdict = verdictOn({ ...alone, atMost: 9 }, rows);
  assert.deepEqual(verdict.found, { median: 9, min: 7, max: 80 });
  assert.deepEqual([verdict.wanted, verdict.outcome], ['≤ 9', 'reached']);
  assert.equal(verdictOn({ ...alone, atMost: 8 }, rows).outcome, 'not reached');
  assert.equal(verdictOn({ ...alone, atMost: 9 }, []).reason, 'ours is not part of this run');
});

test('what was not measured is neither reached nor missed, and has its reason', () => {
  const reasonWith = (rows: RowResult[]) => {
    const { outcome, reason } = verdictOn(target, rows);
    assert.equal(outcome, 'not measured');
    return reason;
  };
  assert.equal(reasonWith([]), 'ours is not part of this run');
  assert.equal(reasonWith([row({ ours: cpu(1) })]), 'peer is not part of this run');
  assert.equal(reasonWith([row({ ours: [{ throughput: 1 }], peer: cpu(1) })]), 'ours has no figures');
  const unavailable = { name: 'peer', samples: [], unavailable: 'needs Linux' };
  const withoutPeer = row({ ours: cpu(1) });
  const entries = [...withoutPeer.entries, unavailable];
  assert.equal(reasonWith([{ ...withoutPeer, entries }]), 'peer: needs Linux');
});

test('framing is compared with mysql2 on the same traffic, and must be twenty times as fast on each', () => {
  const micro = (traffic: string, variant: 'shipping' | 'mysql2' | 'rejected', median: number): MicroRow => ({
    group: 'packet framing',
    traffic,
    name: variant,
    variant,
    packetsPerSecond: { median, min: median / 2, max: median * 2 },
    bytesPerSecond: { median: 1, min: 1, max: 1 },
    allocatedBytesPerPacket: 0,
  });
  const rows = [
    micro('small', 'shipping', 38),
    micro('small', 'rejected', 1),
    micro('small', 'mysql2', 2),
    micro('large', 'shipping', 40),
    micro('large', 'mysql2', 2),
    micro('of no peer', 'shipping', 40),
  ];
  const found = framingVerdicts(rows).map(({ title, found: spread, outcome }) => [
    title,
    spread?.median,
    outcome,
  ]);
  assert.deepEqual(found, [
    ['Packet framing, small', 19, 'not reached'],
    ['Packet framing, large', 20, 'reached'],
  ]);
  assert.deepEqual(framingVerdicts(rows)[0]?.found, { median: 19, min: 19 / 4, max: 76 });
});

test('every target names rows and entries that there are, with rounds enough', () => {
  const rows = allRows([]);
  for (const { title, of, against } of targets) {
    for (const place of against === undefined ? [of] : [of, against]) {
      const found = rows.find(({ id }) => id === place.row);
      const names = found?.entries.map(({ name }) => name) ?? [];
      assert.ok(names.includes(place.entry), `${title}: ${place.row}, ${place.entry}`);
      assert.ok((found?.rounds ?? 0) >= 5, title);
    }
  }
});
