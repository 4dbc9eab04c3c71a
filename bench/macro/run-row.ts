/** Runs the rounds of a row: a warm-up, then each entry once in every round, in an order that changes. */
import { isUnavailable } from '../../test/support/programs.js';
import type { Database } from './database.js';
import type { Entry, Row } from './row.js';
import type { EntryResult, RowResult, Sample } from './sample.js';
import type { RunningSystem } from './system.js';

/** An entry under way. */
interface Contestant {
  readonly entry: Entry;
  readonly samples: Sample[];
  running: RunningSystem | undefined;
  /** Why it does not take part, or not any more. */
  unavailable: string | undefined;
  failed: boolean;
}

export async function runRow(row: Row, database: Database): Promise<RowResult> {
  const contestants = row.entries.map(
    (entry): Contestant => ({
      entry,
      samples: [],
      running: undefined,
      unavailable: undefined,
      failed: false,
    }),
  );
  try {
    for (let round = row.warmsUp ? 0 : 1; round <= row.rounds; round++) {
      const seconds = round === 0 ? 1 : row.seconds;
      for (const each of inOrderOf(round, contestants)) {
        const sample = await sampleOf(each, row, database, seconds);
        if (sample !== undefined && round > 0) each.samples.push(sample);
      }
    }
  } finally {
    for (const { running } of contestants) await running?.stop();
  }
  return {
    id: row.id,
    title: row.title,
    unit: row.entries[0]?.workload.unit ?? '',
    rounds: row.rounds,
    reference: row.reference,
    entries: contestants.map(resultOf),
  };
}

/** Each comes behind each other one: what one leaves behind must not always fall on the same. */
export function inOrderOf<T>(round: number, all: readonly T[]): T[] {
  const shift = round % Math.max(1, all.length);
  const turned = [...all.slice(shift), ...all.slice(0, shift)];
  return round % 2 === 0 ? turned : turned.reverse();
}

/** Undefined when the entry can not take part; the others go on. */
async function sampleOf(
  each: Contestant,
  row: Row,
  database: Database,
  seconds: number,
): Promise<Sample | undefined> {
  if (each.unavailable !== undefined) return undefined;
  const { system, workload } = each.entry;
  try {
    const running = each.running ?? (await system.start(database, row.legs));
    if (isUnavailable(running)) {
      each.unavailable = running.unavailable;
      return undefined;
    }
    each.running = running;
    return await workload.run({ ...running, database, certificates: database.certificates }, seconds);
  } catch (error) {
    each.failed = true;
    each.unavailable = error instanceof Error ? error.message : String(error);
    process.stderr.write(`    ${each.entry.name}: ${each.unavailable}\n`);
    return undefined;
  } finally {
    if (workload.needsFreshProgram) {
      await each.running?.stop();
      each.running = undefined;
    }
  }
}

/** One that failed in the middle has no figures: its rounds would not be those of the others. */
function resultOf({ entry, samples, unavailable, failed }: Contestant): EntryResult {
  return unavailable === undefined
    ? { name: entry.name, samples }
    : { name: entry.name, samples: [], unavailable, ...(failed ? { failed } : {}) };
}
