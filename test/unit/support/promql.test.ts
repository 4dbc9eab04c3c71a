import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ScannedExpression, scanPromql } from '../../support/promql.js';

const bare = (...metrics: string[]) => metrics.map((metric) => ({ metric, matchers: [] }));

const cases: readonly (readonly [expression: string, ...Partial<ScannedExpression>[]])[] = [
  ['a', { selectors: bare('a') }],
  ['a:b_c:rate5m + on () d', { selectors: bare('a:b_c:rate5m', 'd') }],
  ['  a {} ', { selectors: bare('a') }],
  ['time() - 1.5e3 + 0x1f + .5 + Inf + NaN', { selectors: [] }],
  ['vector(0) or absent(up)', { selectors: bare('up') }],
  ['rate(a[5m]) offset 1h > bool 0', { selectors: bare('a') }],
  ['max_over_time((a and b)[1d:30s] @ 1609746000) unless c', { selectors: bare('a', 'b', 'c') }],
  [
    'a{x="1", y!="2",z=~"3|4" , u!~"5",}',
    {
      selectors: [
        {
          metric: 'a',
          matchers: [
            { label: 'x', operator: '=', value: '1' },
            { label: 'y', operator: '!=', value: '2' },
            { label: 'z', operator: '=~', value: '3|4' },
            { label: 'u', operator: '!~', value: '5' },
          ],
        },
      ],
    },
  ],
  [
    `a{x="say \\"} + b{\\"", y='"', z=\`\\d+\`} # + c{x="1"}\n - d`,
    {
      selectors: [
        {
          metric: 'a',
          matchers: [
            { label: 'x', operator: '=', value: 'say "} + b{"' },
            { label: 'y', operator: '=', value: '"' },
            { label: 'z', operator: '=', value: '\\d+' },
          ],
        },
        ...bare('d'),
      ],
    },
  ],
  [
    '{__name__="a", x="1"} / {y="2"}',
    {
      selectors: [
        { metric: 'a', matchers: [{ label: 'x', operator: '=', value: '1' }] },
        { metric: '', matchers: [{ label: 'y', operator: '=', value: '2' }] },
      ],
    },
  ],
  ['sum by (x, y) (a)', { selectors: bare('a'), groupingLabels: ['x', 'y'] }],
  ['sum(a) without(x)', { selectors: bare('a'), groupingLabels: ['x'] }],
  ['topk by (x) (3, a)', { selectors: bare('a'), groupingLabels: ['x'] }],
  ['SUM BY (x) (a)', { selectors: bare('a'), groupingLabels: ['x'] }],
  [
    'a * on (x, y) group_left (z) b / ignoring (u) group_right () c',
    { selectors: bare('a', 'b', 'c'), groupingLabels: ['x', 'y', 'z', 'u'] },
  ],
  // A metric may have the name of an aggregation.
  ['count + sum(group)', { selectors: bare('count', 'group') }],
  ['', { selectors: [] }],
];

describe('what a PromQL expression is about', () => {
  for (const [expression, expected] of cases) {
    it(expression === '' ? 'nothing' : expression, () =>
      assert.deepEqual(scanPromql(expression), { selectors: [], groupingLabels: [], ...expected }),
    );
  }

  for (const expression of ['a{x=$y}', 'a + "open', 'a ? b']) {
    it(`not PromQL: ${expression}`, () => assert.throws(() => scanPromql(expression), /not PromQL from/));
  }
});
