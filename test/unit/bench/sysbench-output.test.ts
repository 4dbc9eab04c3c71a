import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { parseSysbench } from '../../../bench/macro/sysbench-output.js';
import { checkoutFolder } from '../../support/cache.js';

/** Recorded from sysbench 1.0.20. */
const recorded = readFileSync(path.join(checkoutFolder, 'test/fixtures/sysbench-inserts-tls.txt'), 'utf8');

test('what sysbench printed is read, and its own p95 is the one of the histogram', () => {
  const result = parseSysbench(recorded);
  assert.equal(result.events, 160);
  assert.equal(result.seconds, 1.0415);
  const [, ownP95] = /95th percentile:\s+([\d.]+)/.exec(recorded) ?? [];
  assert.equal(result.p95.toFixed(2), ownP95);
  assert.ok(result.p50 > 3.7 && result.p50 < result.p95, String(result.p50));
  assert.equal(result.p99, 223.344);
});

test('every bucket of the histogram counts, those without a bar too', () => {
  const histogram = [
    '       value  ------------- distribution ------------- count',
    '       0.042 |****************************************** 97',
    '       0.044 |                                         1',
    '       1.319 |                                         1',
    '     634.661 |                                         1',
  ];
  const output = [...histogram, '    total time:   2.0s', '    total number of events:   100'].join('\n');
  assert.deepEqual(parseSysbench(output), { events: 100, seconds: 2, p50: 0.042, p95: 0.042, p99: 1.319 });
});

test('a run that failed gives no figures', () => {
  const failed = 'FATAL: unable to connect to MySQL server on host 127.0.0.1, port 1, aborting...';
  assert.throws(() => parseSysbench(failed), /no latency histogram/);
  const cutOff = recorded.slice(0, recorded.indexOf('total time:'));
  assert.throws(() => parseSysbench(cutOff), /printed no "total/);
});
