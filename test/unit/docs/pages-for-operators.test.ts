/** docs/operations.md and docs/security.md are read when something is broken: what they name must exist. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { benchCommand } from '../../../src/commands/bench.js';
import { certsCommands } from '../../../src/commands/certs.js';
import { doctorCommand } from '../../../src/commands/doctor.js';
import { reportCommand } from '../../../src/commands/report.js';
import { startCommand } from '../../../src/commands/start.js';
import { type ErrorCode, errorCodes, errorTable } from '../../../src/errors.js';
import {
  aggregateMetrics,
  connectionMetrics,
  METRIC_PREFIX,
  type MetricDefinition,
} from '../../../src/observe/metrics/definitions.js';

const operations = readFileSync('docs/operations.md', 'utf8');
const security = readFileSync('docs/security.md', 'utf8');
const pages = { 'docs/operations.md': operations, 'docs/security.md': security };

const sources = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(path.join('src', name), 'utf8'))
  .join('\n')
  // Texts that are put together of several, or of values.
  .replaceAll(/['`]\s*\+\s*['`]/g, '')
  .replaceAll(/\$\{[^}]*\}/g, '…');

const commands = [startCommand, doctorCommand, reportCommand, benchCommand, ...certsCommands.commands];
/** Of systemctl, journalctl, ps and pgrep, and of every command of ours. */
const otherFlags = [
  'unit',
  'output',
  'since',
  'property',
  'value',
  'dmesg',
  'grep',
  'ppid',
  'parent',
  'version',
  'kill-whom',
  'signal',
];
const flags = new Set([...commands.flatMap(({ flags }) => Object.keys(flags)), ...otherFlags]);

const metrics = new Set(
  Object.entries<MetricDefinition>({ ...aggregateMetrics, ...connectionMetrics }).flatMap(
    ([name, { type }]) => (type === 'histogram' ? [name, `${name}_bucket`] : [name]),
  ),
);
const alerts = (
  parse(readFileSync('config/prometheus/alert-rules.yml', 'utf8')) as {
    groups: { rules: { alert: string }[] }[];
  }
).groups.flatMap(({ rules }) => rules.map(({ alert }) => alert));

for (const [name, page] of Object.entries(pages)) {
  describe(name, () => {
    it('names flags that there are', () => {
      const named = [...page.matchAll(/(?<![\w-])--([a-z][a-z-]*[a-z])/g)].map(([, flag = '']) => flag);
      assert.ok(named.length > 20);
      assert.deepEqual(
        named.filter((flag) => !flags.has(flag)),
        [],
      );
    });

    it('names metrics that there are', () => {
      const named = [...page.matchAll(/mysql_tls_proxy_(\w+)/g)].map(([, metric = '']) => metric);
      assert.deepEqual(
        named.filter((metric) => !metrics.has(metric)),
        [],
        METRIC_PREFIX,
      );
    });

    it('names codes that there are', () => {
      const named = [...page.matchAll(/`((?:client|server|proxy|key|account)_[a-z_0-9]+)`/g)].map(
        ([, code = '']) => code,
      );
      // The doctor puts client_leg_ in front of what it finds there.
      const isKnown = (code: string): boolean =>
        [code, code.replace('client_leg_', 'server_')].some((one) => sources.includes(one));
      assert.deepEqual(
        named.filter((code) => !isKnown(code) && code !== 'server_' && code !== 'proxy_protocol_networks'),
        [],
      );
    });

    it('asks for paths that there are', () => {
      const named = [...page.matchAll(/127\.0\.0\.1:9307(\/[a-z]+)/g)].map(([, one = '']) => one);
      assert.deepEqual(
        named.filter((one) => !sources.includes(`'${one}'`)),
        [],
      );
    });

    it('has links that lead somewhere', () => {
      for (const [, target = ''] of page.matchAll(/\]\(([^)]+)\)/g)) {
        const [file = '', anchor] = target.split('#');
        const linked = file === '' ? name : path.join('docs', file);
        assert.ok(existsSync(linked), target);
        if (anchor !== undefined) assert.ok(anchorsOf(readFileSync(linked, 'utf8')).includes(anchor), target);
      }
    });
  });
}

describe('docs/operations.md', () => {
  const table = operations.split('## Clients can not connect')[1]?.split('\n## ')[0] ?? '';
  const rows = table.split('\n').flatMap((line) => {
    const [, numbers = '', codes = ''] = line.split(/(?<!\\)\|/);
    const named = [...codes.matchAll(/`(\w+)`/g)].map(([, code = '']) => code as ErrorCode);
    return named.map((code) => ({ numbers, code }));
  });

  it('has each code that a client can be told, once', () => {
    assert.deepEqual(rows.map(({ code }) => code).sort(), [...errorCodes].sort());
  });

  for (const { numbers, code } of rows) {
    it(`has ${code} with its number`, () => {
      assert.ok(numbers.match(/\d{4}/g)?.includes(String(errorTable[code].errno)), numbers);
    });
  }

  it('tells what to do about each alert', () => {
    for (const alert of alerts) assert.ok(operations.includes(`\`${alert}\``), alert);
    for (const [name] of operations.matchAll(/MysqlTlsProxy\w+/g)) assert.ok(alerts.includes(name), name);
  });

  it('quotes what the proxy writes', () => {
    const quoted = messagesIn(operations);
    assert.ok(quoted.length > 25, `${quoted.length}`);
    const parts = quoted.flatMap((message) => message.split(/…|\d+/)).map((text) => text.trim());
    assert.deepEqual(
      parts.map((part) => part.replace(/^: |:$/g, '')).filter((part) => !sources.includes(part)),
      [],
    );
  });
});

/** Texts in the first column of tables, and at the start of paragraphs, that are sentences and no commands. */
function messagesIn(page: string): string[] {
  const firstColumns = [...page.matchAll(/^(?:\| )?(.*?)(?: \| |$)/gm)].map(([, column = '']) => column);
  return firstColumns
    .filter((column) => !/^(curl|log|mysql-tls-proxy|for|ps) /.test(column))
    .flatMap((column) => [...column.matchAll(/`([^`]+)`/g)].map(([, text = '']) => text))
    .filter(
      (text) =>
        / /.test(text) &&
        !/^(systemctl|kill|curl|mysql-tls-proxy|ps|log|journalctl|ALTER|TRUNCATE) ?/.test(text),
    )
    .filter((text) => !text.startsWith('--'))
    .map((text) => text.replace('not ready: the proxy is stopping', 'the proxy is stopping'));
}

function anchorsOf(page: string): string[] {
  return [...page.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  );
}
