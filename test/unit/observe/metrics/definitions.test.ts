import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  aggregateMetrics,
  connectionMetrics,
  labelMeaning,
  labelMeanings,
  labelName,
  METRIC_PREFIX,
  type MetricDefinition,
} from '../../../../src/observe/metrics/definitions.js';
import { generatedFiles } from '../../../support/generate-docs.js';

const metrics = Object.entries<MetricDefinition>({ ...aggregateMetrics, ...connectionMetrics });
/** https://prometheus.io/docs/practices/naming/: seconds and bytes, nothing derived from them. */
const derivedUnits =
  /(milli|micro|nano|kilo|mega|giga)|_(ms|us|ns|minutes|hours|days|kb|mb|kib|mib|bits|percent)(_|$)/;

describe('the metrics', () => {
  it('are on one path each', () => {
    assert.equal(
      metrics.length,
      Object.keys(aggregateMetrics).length + Object.keys(connectionMetrics).length,
    );
  });

  for (const [name, { type, help, labels, buckets }] of metrics) {
    it(`${name} is named by the rules`, () => {
      assert.match(name, /^[a-z]+(_[a-z]+)*$/);
      assert.doesNotMatch(name, derivedUnits);
      assert.equal(name.endsWith('_total'), type === 'counter');
      if (type === 'histogram') assert.match(name, /_(seconds|bytes)$/);
      if (name.includes('timestamp')) assert.match(name, /_timestamp_seconds$/);
      if (name.includes('bytes')) assert.match(name, /(^|_)bytes(_total)?$/);
    });

    it(`${name} says in whole sentences what it is`, () => {
      assert.match(help, /^[A-Z].*\.$/);
      assert.doesNotMatch(help, /\n/);
    });

    it(`${name} has labels with a meaning, each once`, () => {
      const names = labels.map(labelName);
      assert.deepEqual(names, [...new Set(names)]);
      for (const label of labels) {
        // `le` belongs to histograms, `job` and `instance` to Prometheus.
        assert.doesNotMatch(labelName(label), /^(le|quantile|job|instance|__.*)$/);
        assert.match(labelName(label), /^[a-z]+(_[a-z]+)*$/);
        assert.ok(labelMeaning(label), labelName(label));
      }
    });

    it(`${name} has buckets only as a histogram, in ascending order`, () => {
      assert.equal(buckets !== undefined, type === 'histogram');
      assert.deepEqual(
        buckets,
        buckets?.toSorted((one, other) => one - other),
      );
    });
  }

  it('use every meaning that there is', () => {
    const used = metrics.flatMap(([, { labels }]) => labels.map(labelMeaning));
    for (const [name, meaning] of Object.entries(labelMeanings)) assert.ok(used.includes(meaning), name);
  });
});

describe('docs/metrics.md', () => {
  const page = generatedFiles().get('docs/metrics.md') ?? '';
  const sectionOf = (heading: string) => page.split(/\n(?=##+ )/).find((part) => part.startsWith(heading));

  for (const [name, { type, help, labels }] of metrics) {
    it(`has ${name} with its type, labels and meaning`, () => {
      const section = sectionOf(`### \`${METRIC_PREFIX}${name}\``) ?? '';
      assert.ok(section.includes(help));
      assert.match(section, new RegExp(`^- ${type} · `, 'm'));
      for (const label of labels) assert.ok(section.includes(`\`${labelName(label)}\``), labelName(label));
    });
  }

  it('has every label with its meaning', () => {
    const section = sectionOf('## Labels') ?? '';
    for (const label of metrics.flatMap(([, { labels }]) => labels)) {
      assert.ok(section.includes(`| \`${labelName(label)}\` | ${labelMeaning(label)} |`), labelName(label));
    }
  });
});
