import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Durations, Tally } from '../../../../src/observe/metrics/series.js';

test('a tally counts by label values, in the order in which they came', () => {
  const tally = new Tally(['route', 'leg']);
  tally.inc({ route: 'b', leg: 'client' }, 0);
  tally.inc({ leg: 'server', route: 'a' });
  tally.inc({ route: 'a', leg: 'server' }, 2);
  tally.inc({ route: 'a', leg: 'client' });
  tally.dec({ route: 'a', leg: 'client' });
  assert.deepEqual(tally.samples(), [
    { labels: { route: 'b', leg: 'client' }, value: 0 },
    { labels: { leg: 'server', route: 'a' }, value: 3 },
    { labels: { route: 'a', leg: 'client' }, value: 0 },
  ]);
});

test('label values that begin alike, or hold the same text in other places, are apart', () => {
  const tally = new Tally(['user', 'server']);
  const labels = [
    ['a', 'bc'],
    ['ab', 'c'],
    ['', 'abc'],
    ['a,server:b', 'c'],
    ['__proto__', 'constructor'],
  ].map(([user = '', server = '']) => ({ user, server }));
  for (const each of labels) tally.inc(each);
  assert.deepEqual(
    tally.samples(),
    labels.map((each) => ({ labels: each, value: 1 })),
  );
});

test('what is removed is served no more, and begins anew', () => {
  const tally = new Tally(['server']);
  for (const server of ['old', 'new']) tally.inc({ server }, 5);
  tally.remove({ server: 'old' });
  tally.remove({ server: 'never seen' });
  assert.deepEqual(tally.samples(), [{ labels: { server: 'new' }, value: 5 }]);
  tally.inc({ server: 'old' });
  assert.deepEqual(tally.samples().at(-1), { labels: { server: 'old' }, value: 1 });
});

test('a label that is missing is a mistake of the program', () => {
  const tally = new Tally(['route', 'leg']);
  assert.throws(() => tally.inc({ route: 'a' }), /the label leg is missing/);
  assert.throws(() => new Durations(['route'], [1]).observe({}, 1), /the label route is missing/);
});

test('durations are in each bucket whose bound holds them, the bound among them', () => {
  const durations = new Durations(['route'], [0.1, 1]);
  for (const seconds of [0.05, 0.1, 0.5, 7]) durations.observe({ route: 'a' }, seconds);
  durations.zero({ route: 'b' });
  const samples = durations.samples('took');
  assert.deepEqual(
    samples.map(({ name, labels, value }) => [name, labels['route'], labels['le'], value]),
    [
      ['took_bucket', 'a', 0.1, 2],
      ['took_bucket', 'a', 1, 3],
      ['took_bucket', 'a', '+Inf', 4],
      ['took_sum', 'a', undefined, 7.65],
      ['took_count', 'a', undefined, 4],
      ['took_bucket', 'b', 0.1, 0],
      ['took_bucket', 'b', 1, 0],
      ['took_bucket', 'b', '+Inf', 0],
      ['took_sum', 'b', undefined, 0],
      ['took_count', 'b', undefined, 0],
    ],
  );
  durations.remove({ route: 'a' });
  assert.equal(durations.samples('took').length, 5);
});
