import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Database } from '../../../bench/macro/database.js';
import type { Entry, Row } from '../../../bench/macro/row.js';
import { runRow } from '../../../bench/macro/run-row.js';
import type { Sample } from '../../../bench/macro/sample.js';
import type { Workload } from '../../../bench/macro/workload.js';

const database = {} as Database;

/** Entries that write down what happens to them, and give the number of their run as CPU. */
function scene(settings: { needsFreshProgram?: boolean; failsAt?: number; unavailable?: string } = {}) {
  const events: string[] = [];
  const entry = (name: string, fails: boolean): Entry => {
    let runs = 0;
    const workload: Workload = {
      unit: 'query',
      needsFreshProgram: settings.needsFreshProgram ?? false,
      run: async (_target, seconds): Promise<Sample> => {
        runs++;
        events.push(`${name} ${seconds} s`);
        if (fails && runs === settings.failsAt) throw new Error('it broke');
        return { cpu: runs };
      },
    };
    const start = async () => {
      if (fails && settings.unavailable !== undefined) return { unavailable: settings.unavailable };
      events.push(`${name} starts`);
      const stop = async () => void events.push(`${name} stops`);
      return { port: 1, clientTls: false, pids: () => [], stop };
    };
    return { name, workload, system: { name, start } };
  };
  const row: Row = {
    id: 'row',
    title: 'Row',
    database: 'mysql9',
    legs: { client: 'plaintext', server: 'TLS' },
    entries: [entry('a', true), entry('b', false)],
    reference: 'b',
    rounds: 2,
    seconds: 3,
    warmsUp: false,
    quick: 'all',
  };
  return { row, events };
}

test('a short warm-up does not count, each entry has its turn in each round, and all are stopped', async () => {
  const { row, events } = scene();
  const { entries, reference } = await runRow({ ...row, warmsUp: true }, database);
  assert.equal(reference, 'b');
  const cpu = entries.map(({ samples }) => samples.map((sample) => sample.cpu));
  assert.deepEqual(cpu, [
    [2, 3],
    [2, 3],
  ]);
  assert.deepEqual(events.slice(0, 4), ['a starts', 'a 1 s', 'b starts', 'b 1 s']);
  assert.deepEqual(events.slice(4, 8).sort(), ['a 3 s', 'a 3 s', 'b 3 s', 'b 3 s']);
  assert.deepEqual(events.slice(8), ['a stops', 'b stops']);
});

test('without a warm-up the first round counts', async () => {
  const { row } = scene();
  const { entries } = await runRow(row, database);
  assert.deepEqual(entries[0]?.samples, [{ cpu: 1 }, { cpu: 2 }]);
});

test('what fails once has no figures and is not run again, and the others go on', async () => {
  const { row, events } = scene({ failsAt: 2 });
  const { entries } = await runRow({ ...row, warmsUp: true }, database);
  assert.deepEqual(entries[0], { name: 'a', samples: [], unavailable: 'it broke', failed: true });
  assert.equal(entries[1]?.samples.length, 2);
  assert.equal(events.filter((event) => event === 'a 3 s').length, 1);
  assert.deepEqual(events.slice(-2), ['a stops', 'b stops']);
});

test('what can not be started says why', async () => {
  const { row, events } = scene({ unavailable: 'needs Linux' });
  const { entries } = await runRow({ ...row, warmsUp: true }, database);
  assert.deepEqual(entries[0], { name: 'a', samples: [], unavailable: 'needs Linux' });
  assert.equal(entries[1]?.samples.length, 2);
  assert.equal(
    events.some((event) => event.startsWith('a ')),
    false,
  );
});

test('where memory is measured each round has a program of its own', async () => {
  const { row, events } = scene({ needsFreshProgram: true });
  await runRow(row, database);
  const ofA = events.filter((event) => event.startsWith('a '));
  assert.deepEqual(ofA, ['a starts', 'a 3 s', 'a stops', 'a starts', 'a 3 s', 'a stops']);
});
