import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { EntryResult, RowResult } from '../../../bench/macro/sample.js';
import { chart } from '../../../bench/report/chart.js';
import { figure, spreadText } from '../../../bench/report/figures.js';
import { comparedText, rowTable, verdictTable } from '../../../bench/report/markdown.js';
import { beginMarker, endMarker, withFigures } from '../../../bench/report/page.js';
import { panelsOf } from '../../../bench/report/panels.js';
import { checkoutFolder } from '../../support/cache.js';

const entry = (name: string, ...cpu: number[]): EntryResult => ({
  name,
  samples: cpu.map((value) => ({ cpu: value, throughput: 1000 / value })),
});

const row: RowResult = {
  id: 'select-16',
  title: 'Point select, 16 connections',
  unit: 'query',
  rounds: 3,
  reference: 'MySQL Router',
  entries: [
    { name: 'direct, TLS', samples: [{ throughput: 100 }, { throughput: 110 }, { throughput: 105 }] },
    entry('MySQL Router', 30, 31, 32),
    entry('ours', 24, 25, 26),
    entry('alike', 29, 31, 40),
    { name: 'absent', samples: [], unavailable: 'needs | a pipe\nand a line' },
  ],
};

test('figures have three significant digits', () => {
  assert.deepEqual([0, 0.0654, 0.789, 1.6, 45.64, 456.4, 12_345, 1_234_567, -2.345].map(figure), [
    '0',
    '0.065',
    '0.789',
    '1.60',
    '45.6',
    '456',
    '12,300',
    '1,230,000',
    '-2.35',
  ]);
  assert.equal(figure(99.96), '100');
  assert.equal(spreadText({ median: 2, min: 1, max: 3 }), '2.00 (1.00–3.00)');
  assert.equal(spreadText({ median: 2, min: 2, max: 2 }), '2.00');
});

test('a row becomes a table with a comparison', () => {
  assert.equal(
    rowTable(row),
    [
      '|  | CPU per query, µs | against MySQL Router | queries/s | against MySQL Router |',
      '|---|--:|--:|--:|--:|',
      '| direct, TLS |  |  | 105 (100–110) | 3.36 (3.00–3.41) × |',
      '| MySQL Router | 31.0 (30.0–32.0) |  | 32.3 (31.3–33.3) |  |',
      '| ours | 25.0 (24.0–26.0) | 0.806 (0.800–0.813) × | 40.0 (38.5–41.7) | 1.24 (1.23–1.25) × |',
      '| alike | 31.0 (29.0–40.0) | no difference shown | 32.3 (25.0–34.5) | no difference shown |',
      '| absent | not measured: needs \\| a pipe and a line |  |  |  |',
    ].join('\n'),
  );
});

test('ranges that overlap show no difference, whatever the medians say', () => {
  const reference = entry('reference', 10, 20, 30);
  assert.equal(comparedText(entry('a', 30, 40, 50), reference, 'cpu'), 'no difference shown');
  assert.equal(comparedText(entry('a', 31, 40, 60), reference, 'cpu'), '2.00 (2.00–3.10) ×');
  assert.equal(comparedText(reference, reference, 'cpu'), '');
  assert.equal(comparedText(entry('a', 1), undefined, 'cpu'), '');
  assert.equal(comparedText({ name: 'a', samples: [] }, reference, 'cpu'), '');
});

test('verdicts become a table', () => {
  const text = verdictTable([
    { title: 'CPU', wanted: '≤ 0.9 × peer', found: { median: 0.8, min: 0.7, max: 0.95 }, outcome: 'reached' },
    { title: 'Memory', wanted: '≤ peer', found: undefined, outcome: 'not measured', reason: 'no peer' },
  ]);
  assert.deepEqual(text.split('\n').slice(2), [
    '| CPU | ≤ 0.9 × peer | 0.800 (0.700–0.950) | reached |',
    '| Memory | ≤ peer |  | not measured: no peer |',
  ]);
});

test('the chart draws bars and ranges to scale', () => {
  const bar = (name: string, median: number, min: number, max: number) => ({
    name,
    spread: { median, min, max },
  });
  const ours = { ...bar('ours', 25, 20, 50), standsOut: true };
  const svg = chart('Cost & <all>', [{ title: 'CPU', bars: [ours, bar('peer', 50, 50, 100)] }]);
  assert.match(svg, /<title>Cost &amp; &lt;all&gt;<\/title>/);
  const widths = [...svg.matchAll(/<rect class="([^"]+)" .*? width="([\d.]+)"/g)].map(([, kind, width]) => ({
    kind,
    width: Number(width),
  }));
  assert.deepEqual(
    widths.map(({ kind }) => kind),
    ['bar ours', 'bar'],
  );
  const [first, second] = widths;
  const near = (one: number | undefined, other: number): boolean => Math.abs((one ?? 0) - other) < 0.3;
  const length = first?.width ?? 0;
  assert.ok(length > 50 && near(second?.width, 2 * length), JSON.stringify(widths));
  const ranges = [...svg.matchAll(/<line class="range" x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="\2"/g)];
  const left = 235;
  const lengths = ranges.map(([, from, , to]) => [Number(from) - left, Number(to) - left]);
  const [from, to] = lengths[0] ?? [];
  assert.ok(near(from, length * 0.8) && near(to, length * 2), JSON.stringify(lengths));
  assert.match(svg, /prefers-color-scheme: dark/);
});

test('the chart takes the entries that were measured, of the rows that were run', () => {
  const panels = panelsOf([row]);
  assert.deepEqual(
    panels.map(({ title }) => title),
    ['Point select, 16 connections: CPU per query, µs'],
  );
  assert.deepEqual(
    panels[0]?.bars.map(({ name, standsOut }) => [name, standsOut]),
    [
      ['MySQL Router', false],
      ['ours', true],
      ['alike', false],
    ],
  );
  assert.match(chart('Nothing', panelsOf([])), /<\/svg>/);
});

test('figures go between the markers of the page, and nothing else changes', () => {
  const page = `before\n${beginMarker}\nold\n${endMarker}\nafter\n`;
  const written = withFigures(page, 'new');
  assert.equal(written, `before\n${beginMarker}\n\nnew\n\n${endMarker}\nafter\n`);
  assert.equal(withFigures(written, 'new'), written);
  assert.throws(() => withFigures(`${endMarker}${beginMarker}`, 'new'), /must hold/);
  assert.throws(() => withFigures('no markers', 'new'), /must hold/);
});

test('the page in docs/ has its markers', () => {
  const page = readFileSync(path.join(checkoutFolder, 'docs/performance.md'), 'utf8');
  assert.ok(withFigures(page, 'figures').includes('figures'));
});
