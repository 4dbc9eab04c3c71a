import assert from 'node:assert/strict';
import { test } from 'node:test';
import { quickRows, withRounds } from '../../../bench/macro/row.js';
import { allRows } from '../../../bench/macro/rows.js';
import { inOrderOf } from '../../../bench/macro/run-row.js';
import { parseOptions } from '../../../bench/options.js';

const rows = allRows([{ version: '99.0.0', file: '/node' }]);

test('names tell rows and entries apart, and each row has its reference', () => {
  const ids = rows.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length, ids.join());
  for (const { id, entries, reference, seconds } of rows) {
    const names = entries.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length, id);
    assert.ok(names.includes(reference), `${id}: ${reference}`);
    assert.ok(Number.isInteger(seconds) && seconds >= 1, id);
    assert.equal(new Set(entries.map(({ workload }) => workload.unit)).size, 1, id);
  }
});

test('quick takes one short round of rows of every workload and server, and no other Node.js', () => {
  const quick = quickRows(rows);
  assert.ok(
    quick.every(({ rounds, seconds, entries }) => rounds === 1 && seconds === 1 && entries.length > 0),
  );
  const kinds = (of: typeof rows) => new Set(of.map(({ database }) => database));
  const units = (of: typeof rows) =>
    new Set(of.flatMap(({ entries }) => entries.map((e) => e.workload.unit)));
  assert.deepEqual(kinds(quick), kinds(rows));
  assert.deepEqual(units(quick), units(rows));
  assert.equal(
    quick.some(({ id }) => id.startsWith('node-')),
    false,
  );
  const peers = quick.flatMap(({ entries }) => entries.map(({ name }) => name));
  for (const peer of ['HAProxy, TCP', 'MySQL Router', 'MySQL Router, pool', 'relay in Node.js'])
    assert.ok(peers.includes(peer), peer);
});

test('rounds can be chosen', () => {
  assert.deepEqual(new Set(withRounds(rows, 40).map(({ rounds }) => rounds)), new Set([40]));
});

test('each entry runs once a round, and not always behind the same one', () => {
  const entries = ['a', 'b', 'c', 'd'];
  const before = new Map(entries.map((entry) => [entry, new Set<string>()]));
  for (let round = 0; round < 8; round++) {
    const order = inOrderOf(round, entries);
    assert.deepEqual([...order].sort(), entries);
    order.forEach((entry, n) => {
      const last = order[n - 1];
      if (last !== undefined) before.get(entry)?.add(last);
    });
  }
  for (const [entry, others] of before) assert.ok(others.size >= 2, `${entry} only behind ${[...others]}`);
  assert.deepEqual(inOrderOf(3, []), []);
});

test('options that do not fit are refused', () => {
  assert.deepEqual(parseOptions(['--rows', 'idle,connect', '--rounds', '7']).rows, ['idle', 'connect']);
  assert.equal(parseOptions(['--rounds', '7']).rounds, 7);
  assert.throws(() => parseOptions(['--write', '--quick']), /whole run/);
  assert.throws(() => parseOptions(['--write', '--rows', 'idle']), /whole run/);
  assert.throws(() => parseOptions(['--quick', '--rounds', '3']), /one round/);
  for (const rounds of ['0', '1.5', 'many', '-1'])
    assert.throws(() => parseOptions([`--rounds=${rounds}`]), /whole/);
  assert.throws(() => parseOptions(['--fast']), /--fast/);
});
