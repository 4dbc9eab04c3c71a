import assert from 'node:assert/strict';
import { test } from 'node:test';
import { progressText } from '../../../src/commands/bench-progress.js';
import { compareSides } from '../../../src/load/comparison.js';
import { loadReportText } from '../../../src/load/report-text.js';
import type { LoadResult, Measurement, SideResult } from '../../../src/load/result.js';

const measurement = (scale: number): Measurement => ({
  latency: {
    count: 12_345,
    mean: 0.5 * scale,
    p50: 0.4 * scale,
    p90: 0.9 * scale,
    p95: 1.2 * scale,
    p99: 12.34 * scale,
    p999: 123.4 * scale,
    max: 4321 * scale,
  },
  histogram: [
    { upTo: 0.5, count: 12_000 },
    { upTo: 1, count: 344 },
    { upTo: 5000, count: 1 },
  ],
  perSecond: { median: 10_000 / scale, min: 9_900 / scale, max: 10_100 / scale, rounds: 10 },
  p50: { median: 0.4 * scale, min: 0.35 * scale, max: 0.45 * scale, rounds: 10 },
  p99: { median: 12 * scale, min: 2, max: 40, rounds: 10 },
});

const sideOf = (role: 'target' | 'baseline', scale: number): SideResult => ({
  role,
  address: role === 'target' ? '127.0.0.1:3307' : '127.0.0.1:3306',
  sslMode: 'PREFERRED',
  server: { version: '9.7.4', name: 'db:3306' },
  tls: {
    client: [{ version: 'none', cipher: 'none', resumed: false, connections: 16 }],
    server: [
      { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', resumed: true, connections: 15 },
      { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', resumed: false, connections: 1 },
    ],
  },
  queries: measurement(scale),
  connects: undefined,
  failures: [],
});

function resultOf(changes: Partial<LoadResult> = {}): LoadResult {
  const sides = changes.sides ?? [sideOf('target', 2), sideOf('baseline', 1)];
  const [target, baseline] = sides;
  return {
    mix: 'ping',
    statementsPerPass: 1,
    connections: 16,
    reconnect: false,
    durationMs: 20_000,
    warmUpMs: 2000,
    sliceMs: 1000,
    rounds: 10,
    plannedRounds: 10,
    interrupted: false,
    generatorBusy: 0.5,
    comparisons: target === undefined || baseline === undefined ? [] : compareSides(target, baseline),
    leftBehind: [],
    ...changes,
    sides,
  };
}

test('two sides: TLS, throughput, latencies, histogram, verdict', () => {
  assert.deepEqual(loadReportText(resultOf()).split('\n'), EXPECTED);
});

const EXPECTED: readonly string[] = [
  'Mix ping, 16 connections to each side, 10 rounds of 1 s',
  'target    127.0.0.1:3307, server 9.7.4',
  'baseline  127.0.0.1:3306, server 9.7.4',
  '',
  'TLS of the connections',
  'target    from here      plaintext                                            16',
  'target    server sees    TLSv1.3  TLS_AES_256_GCM_SHA384         resumed      15',
  'target    server sees    TLSv1.3  TLS_AES_256_GCM_SHA384                       1',
  'baseline  from here      plaintext                                            16',
  'baseline  server sees    TLSv1.3  TLS_AES_256_GCM_SHA384         resumed      15',
  'baseline  server sees    TLSv1.3  TLS_AES_256_GCM_SHA384                       1',
  '',
  'queries per second, median of the rounds (lowest - highest)',
  'target    5,000 (4,950 - 5,050)',
  'baseline  10,000 (9,900 - 10,100)',
  '',
  'latency of a query in milliseconds',
  '              count      p50      p90      p95      p99    p99.9      max',
  'target       12,345    0.800    1.800    2.400     24.7      247    8,642',
  'baseline     12,345    0.400    0.900    1.200     12.3      123    4,321',
  '',
  '      up to ms target                           baseline',
  '           0.5 ######################## 97.21%  ######################## 97.21%',
  '             1 #                         2.79%  #                         2.79%',
  '          5000 .                         0.01%  .                         0.01%',
  '',
  'Through the target, compared with the baseline:',
  '- a query (median) takes 0.400 ms longer (100 %)',
  '    0.800 (0.700 - 0.900) against 0.400 (0.350 - 0.450) ms',
  '- a slow query (p99): no difference shown',
  '    24 (2 - 40) against 12 (2 - 40) ms',
  '- throughput is 50 % lower',
  '    5,000 (4,950 - 5,050) against 10,000 (9,900 - 10,100) queries/s',
  '',
];

test('no line is longer than a terminal is wide, whatever is in it', () => {
  const hostile = `\u001b[2J\n${'x'.repeat(500)}`;
  const side: SideResult = {
    ...sideOf('target', 1),
    address: `${'long-name.'.repeat(20)}:3306`,
    server: { version: hostile, name: hostile },
    connects: measurement(3),
    failures: [{ code: '1213', count: 123_456, message: hostile.slice(0, 200) }],
    tls: { client: [{ version: hostile, cipher: hostile, resumed: true, connections: 99_999 }], server: [] },
  };
  const text = loadReportText(
    resultOf({
      mix: hostile,
      reconnect: true,
      sides: [side, { ...side, role: 'baseline', server: { version: '1', name: 'other' } }],
      generatorBusy: 0.99,
      interrupted: true,
      leftBehind: ['DROP TABLE IF EXISTS `db`.`mysql_tls_proxy_bench_0123456789ab_target`'],
    }),
  );
  for (const line of text.split('\n')) assert.ok(line.length <= 80, line);
  assert.doesNotMatch(text.replaceAll('\n', ''), /\p{Cc}/u);
  assert.match(text, /^Stopped early/m);
  assert.match(text, /123,456 x 1213:/);
  assert.match(text.replace(/\s+/g, ' '), /Run: DROP TABLE IF EXISTS `db`/);
  assert.match(text.replace(/\s+/g, ' '), /These are different servers/);
});

test('one side: its figures alone, and how to compare', () => {
  const text = loadReportText(resultOf({ sides: [sideOf('target', 1)] }));
  assert.match(text, /^10,000 queries\/s; a query takes 0\.400 ms \(median of the rounds; p99 12 ms\)\./m);
  assert.match(text, /--baseline/);
  assert.doesNotMatch(text, /^baseline|compared/m);
});

test('too few rounds, a busy generator', () => {
  assert.match(
    loadReportText(resultOf({ rounds: 2 })),
    /^No verdict: to compare takes 3 complete rounds or more, not 2\.$/m,
  );
  assert.doesNotMatch(loadReportText(resultOf({ rounds: 2 })), /compared with/);
  assert.match(
    loadReportText(resultOf({ generatorBusy: 0.97 })),
    /^Note: this program itself was at work 97 %/m,
  );
  assert.doesNotMatch(loadReportText(resultOf()), /^Note/m);
});

test('nothing that succeeded is no figure', () => {
  const empty: Measurement = {
    latency: undefined,
    histogram: [],
    perSecond: undefined,
    p50: undefined,
    p99: undefined,
  };
  const text = loadReportText(
    resultOf({ sides: [{ ...sideOf('target', 1), queries: empty }], rounds: 0, interrupted: true }),
  );
  assert.match(text, /^target {4}-$/m);
  assert.doesNotMatch(text, /NaN|Infinity|undefined/);
});

test('the line of progress', () => {
  const progress = {
    phase: 'measuring',
    role: 'target',
    done: 0.5,
    queriesPerSecond: 12_345.6,
    failures: 3,
  } as const;
  assert.equal(progressText(progress), '[##########..........]  50 %  target    12,346 queries/s, 3 failed');
  assert.equal(progressText({ ...progress, phase: 'warming up' }), 'warming up: target');
});
