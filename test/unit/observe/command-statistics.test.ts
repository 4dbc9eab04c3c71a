import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { COMMAND_SECONDS, CommandStatistics, quantile } from '../../../src/observe/command-statistics.js';

const QUERY = 0x03;

function ofCommand(statistics: CommandStatistics, name: string) {
  return statistics.commands().find(({ command }) => command === name) ?? assert.fail(name);
}

describe('statistics of commands', () => {
  it('begin with 0 for every command that there is, each once', () => {
    const commands = new CommandStatistics().commands();
    assert.equal(new Set(commands.map(({ command }) => command)).size, commands.length);
    for (const { count, seconds, buckets } of commands) {
      assert.deepEqual([count, seconds, Math.max(...buckets)], [0, 0, 0]);
      assert.equal(buckets.length, COMMAND_SECONDS.length + 1);
    }
  });

  it('count each by its first byte, and what is not known as other', () => {
    const statistics = new CommandStatistics();
    for (let byte = 0; byte < 256; byte++) statistics.sent(byte);
    for (const { command, count } of statistics.commands())
      assert.equal(count, command === 'other' ? 256 - (statistics.commands().length - 1) : 1, command);
    statistics.sent(QUERY);
    assert.equal(ofCommand(statistics, 'COM_QUERY').count, 2);
    assert.equal(ofCommand(statistics, 'COM_PING').count, 1);
  });

  it('put a time into the bucket of the first bound that it does not exceed', () => {
    const statistics = new CommandStatistics();
    for (const bound of COMMAND_SECONDS) statistics.answered(QUERY, bound);
    statistics.answered(QUERY, 61);
    statistics.answered(QUERY, 0);
    const { buckets, seconds } = ofCommand(statistics, 'COM_QUERY');
    assert.deepEqual([...buckets], [2, ...COMMAND_SECONDS.slice(1).map(() => 1), 1]);
    assert.ok(Math.abs(seconds - COMMAND_SECONDS.reduce((sum, bound) => sum + bound, 61)) < 1e-9);
    assert.equal(Math.max(...ofCommand(statistics, 'COM_PING').buckets), 0);
  });
});

describe('a quantile', () => {
  const buckets = (counts: Record<number, number>) =>
    Array.from({ length: COMMAND_SECONDS.length + 1 }, (_, index) => counts[index] ?? 0);

  it('is null where nothing was answered', () => assert.equal(quantile(buckets({}), 0.5), null));

  it('lies between the bounds of its bucket', () => {
    // 0.0005 to 0.001 seconds.
    assert.equal(quantile(buckets({ 3: 10 }), 0.5), 0.00075);
    assert.equal(quantile(buckets({ 3: 10 }), 1), 0.001);
    assert.equal(quantile(buckets({ 0: 4 }), 0.5), 0.00005);
    assert.equal(quantile(buckets({ 0: 50, 5: 50 }), 0.5), 0.0001);
    assert.equal(quantile(buckets({ 0: 50, 5: 50 }), 0.75), 0.0025 + 0.0025 / 2);
  });

  it('is the last bound for what is above it', () => {
    assert.equal(quantile(buckets({ [COMMAND_SECONDS.length]: 3 }), 0.5), 60);
    assert.equal(quantile(buckets({ 0: 1, [COMMAND_SECONDS.length]: 3 }), 0.99), 60);
  });
});
