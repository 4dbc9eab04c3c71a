/** What is in config/prometheus, judged by Prometheus' own tool. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { promtool } from '../support/prometheus.js';
import { orSkip } from './real-server.js';

const folder = 'config/prometheus';
const ruleFiles = ['recording-rules.yml', 'alert-rules.yml'].map((name) => path.join(folder, name));
const testFiles = readdirSync(path.join(folder, 'tests')).map((name) => path.join(folder, 'tests', name));

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

interface RuleTest {
  readonly promql_expr_test: readonly { readonly expr: string; readonly exp_samples: readonly object[] }[];
}

const rules = ruleFiles.flatMap((file) =>
  (parse(readFileSync(file, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
    (group) => group.rules,
  ),
);
const alerts = rules.filter(({ alert }) => alert !== undefined);
const cases = testFiles.flatMap((file) =>
  (parse(readFileSync(file, 'utf8')) as { tests: RuleTest[] }).tests.flatMap((one) => one.promql_expr_test),
);

async function accepts(t: TestContext, ...args: readonly string[]): Promise<void> {
  const result = orSkip(t, await promtool(args));
  if (result === undefined) return;
  assert.equal(result.code, 0, `${result.stdout}${result.stderr}`);
  assert.match(result.stdout, /SUCCESS/);
}

describe('config/prometheus', () => {
  test('prometheus.yml is a valid configuration', (t) =>
    accepts(t, 'check', 'config', path.join(folder, 'prometheus.yml')));

  test('the rules are valid', (t) => accepts(t, 'check', 'rules', '--lint-fatal', ...ruleFiles));

  test('the rules do what their tests say', (t) => accepts(t, 'test', 'rules', ...testFiles));

  for (const { alert = '', labels, annotations } of alerts) {
    test(`${alert} has a severity, and says the cause and a cure`, () => {
      assert.match(labels?.['severity'] ?? '', /^(critical|warning|info)$/);
      assert.ok(annotations?.['summary']);
      assert.match(annotations?.['description'] ?? '', /\.$/);
    });

    test(`${alert} has a case in which it fires, and one in which it does not`, () => {
      const its = cases.filter(({ expr }) => expr.includes(`alertname="${alert}", alertstate="firing"`));
      assert.ok(its.some(({ exp_samples }) => exp_samples.length > 0));
      const quiet = cases.filter(
        ({ expr, exp_samples }) => exp_samples.length === 0 && alertPattern(expr)?.test(alert),
      );
      assert.ok(quiet.length > 0);
    });
  }

  for (const { record = '' } of rules.filter((rule) => rule.record !== undefined)) {
    test(`${record} is used by an alert or has a case`, () => {
      assert.ok([...alerts, ...cases].some(({ expr }) => expr.includes(record)));
    });
  }
});

/** The names that a selector of ALERTS is for. */
function alertPattern(expr: string): RegExp | undefined {
  const [, pattern] = /alertname=~?"([^"]+)"/.exec(expr) ?? [];
  return pattern === undefined ? undefined : new RegExp(`^(${pattern})$`);
}
