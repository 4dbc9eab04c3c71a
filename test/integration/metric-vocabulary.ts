/** Which metrics, labels and values there are, as a running proxy and a Prometheus that scrapes it have them. */
import {
  labelMeanings,
  METRIC_PREFIX,
  type MetricDefinition,
} from '../../src/observe/metrics/definitions.js';
import { type Matcher, scanPromql } from '../support/promql.js';
import type { Rule } from './expression-sources.js';
import { definitions } from './prometheus-tally.js';

/** The values of each label of each metric. */
export type Vocabulary = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

/** Whoever runs a proxy chooses these: an expression may name one that is nowhere here. */
const chosenByUsers = new Set(['route']);

/**
 * @param scrapes texts in the format of Prometheus; unlike the series that it makes of them, with labels that are empty.
 * @param series what Prometheus has, with the labels that it adds.
 */
export function vocabularyOf(
  scrapes: readonly string[],
  series: readonly Readonly<Record<string, string>>[],
): Vocabulary {
  const vocabulary = new Map<string, Map<string, Set<string>>>();
  const add = (metric: string, labels: readonly (readonly [name: string, value: string])[]) => {
    const ofMetric = vocabulary.get(metric) ?? new Map<string, Set<string>>();
    vocabulary.set(metric, ofMetric);
    for (const [name, value] of labels) ofMetric.set(name, (ofMetric.get(name) ?? new Set()).add(value));
  };
  for (const line of scrapes.join('\n').split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    // What stands before the value is PromQL, too.
    const [sample] = scanPromql(line.slice(0, line.lastIndexOf(' '))).selectors;
    if (sample === undefined) throw new Error(`not a line of a scrape: ${line}`);
    const labels = sample.matchers.map(({ label, value }) => [label, value] as const);
    add(sample.metric, labels);
  }
  for (const { __name__ = '', ...labels } of series) add(__name__, Object.entries(labels));
  return vocabulary;
}

/** With the metrics that the rules record, which have labels of those that they are made of. */
export function withRecorded(vocabulary: Vocabulary, rules: readonly Rule[]): Vocabulary {
  const extended = new Map(vocabulary);
  for (const { record, expr } of rules) {
    if (record === undefined) continue;
    const sources = scanPromql(expr).selectors.flatMap(({ metric }) => [...(extended.get(metric) ?? [])]);
    extended.set(record, new Map(sources));
  }
  return extended;
}

/** All that the expression names and that does not exist. */
export function unknownNames(expression: string, vocabulary: Vocabulary): string[] {
  const { selectors, groupingLabels } = scanPromql(expression);
  const unknown: string[] = [];
  const usable = new Set<string>();
  for (const { metric, matchers } of selectors) {
    const labels = vocabulary.get(metric);
    if (labels === undefined) {
      unknown.push(`metric ${metric}`);
      continue;
    }
    for (const label of labels.keys()) usable.add(label);
    for (const matcher of matchers) {
      const values = labels.get(matcher.label);
      if (values === undefined) unknown.push(`label ${matcher.label} of ${metric}`);
      else unknown.push(...unknownValues(metric, matcher, values));
    }
  }
  for (const label of groupingLabels) if (!usable.has(label)) unknown.push(`label ${label}`);
  return unknown;
}

function unknownValues(
  metric: string,
  { label, operator, value }: Matcher,
  found: ReadonlySet<string>,
): string[] {
  if (chosenByUsers.has(label)) return [];
  const known = [...found, ...documentedValues(metric, label)];
  const said = (unknown: string) => `value ${unknown} of ${label} of ${metric}`;
  if (operator === '=' || operator === '!=') return known.includes(value) ? [] : [said(value)];
  // Of a|b both are to exist; of other patterns something that they match.
  const isChoice = /^[\w|-]+$/.test(value);
  if (isChoice) {
    return value
      .split('|')
      .filter((one) => !known.includes(one))
      .map(said);
  }
  const pattern = new RegExp(`^(?:${value})$`);
  return known.some((one) => pattern.test(one)) ? [] : [said(value)];
}

/** Those that the meaning of the label has in backticks. */
function documentedValues(metric: string, label: string): string[] {
  const name = metric.replace(METRIC_PREFIX, '').replace(/_(bucket|sum|count)$/, '');
  const definition: MetricDefinition | undefined = definitions[name];
  const found = definition?.labels.find((one) => (typeof one === 'string' ? one : one.name) === label);
  if (found === undefined) return [];
  return valuesIn(labelMeanings[typeof found === 'string' ? found : found.meaning]);
}

function valuesIn(meaning: string): string[] {
  const words = [...meaning.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
  // "as `version`, of the client leg"
  const [, other] = /^as `(\w+)`/.exec(meaning) ?? [];
  return other === undefined ? words : valuesIn(labelMeanings[other as keyof typeof labelMeanings]);
}
