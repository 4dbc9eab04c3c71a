import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WaitingLine } from '../../../src/admission/waiting-line.js';

function lineOf(...entries: readonly string[]): WaitingLine<string> {
  const line = new WaitingLine<string>();
  for (const entry of entries) line.add(entry);
  return line;
}

function flood(count: number, name = 'flood'): string[] {
  return Array.from({ length: count }, (_, index) => `${name} ${index}`);
}

function takeAll(line: WaitingLine<string>): string[] {
  const taken: string[] = [];
  while (line.size > 0) taken.push(line.take());
  return taken;
}

test('the last and the first take turns', () => {
  assert.deepEqual(takeAll(lineOf('a', 'b', 'c', 'd')), ['d', 'a', 'c', 'b']);
});

test('one that comes behind a thousand others is next', () => {
  const line = lineOf(...flood(1_000), 'good');
  assert.equal(line.take(), 'good');
});

test('one that is followed by as many as get in gets in, too', () => {
  const line = lineOf(...flood(1_000), 'good');
  line.add('comes again');
  let turns = 0;
  for (; line.has('good'); turns++) {
    line.take();
    line.add(`comes again ${turns}`);
  }
  assert.ok(turns <= 2 * 4, `${turns} turns`);
});

test('those that too many came after come when the others are in, the last of them first', () => {
  const line = lineOf('old', 'older than 4', ...flood(4));
  const taken = takeAll(line);
  assert.deepEqual(taken.slice(-2), ['older than 4', 'old']);
  assert.equal(taken.length, 6);
});

test('one that waits behind others comes before those that follow when these are gone', () => {
  const line = lineOf('old', 'good', ...flood(4));
  for (const entry of flood(2)) line.delete(entry);
  line.add('newest');
  assert.deepEqual(
    [line.take(), line.take(), line.take(), line.take()],
    ['newest', 'good', 'flood 3', 'flood 2'],
  );
});

test('what is deleted is not taken', () => {
  const line = lineOf('old', ...flood(4), 'fresh');
  for (const entry of ['old', 'fresh']) assert.equal(line.delete(entry), true, entry);
  assert.equal(line.delete('old'), false);
  assert.equal(line.has('fresh'), false);
  assert.deepEqual(takeAll(line).sort(), flood(4).sort());
});
