/** A row: the same work through several programs, in interleaved rounds. */
import type { DatabaseKind } from './database.js';
import type { Legs, System } from './system.js';
import type { Workload } from './workload.js';

export interface Entry {
  readonly name: string;
  readonly system: System;
  readonly workload: Workload;
}

export interface Row {
  readonly id: string;
  readonly title: string;
  readonly database: DatabaseKind;
  readonly legs: Legs;
  readonly entries: readonly Entry[];
  /** The name of the entry that the others are compared with. */
  readonly reference: string;
  readonly rounds: number;
  /** Of one round of one entry. Whole. */
  readonly seconds: number;
  /** Whether a short round that does not count comes first. */
  readonly warmsUp: boolean;
  /** Which entries `--quick` takes, one round of a second each: some of them by their names. */
  readonly quick: 'all' | 'ours' | 'none' | readonly string[];
}

/** The same work through each. */
export function through(workload: Workload, systems: readonly System[]): Entry[] {
  return systems.map((system) => ({ name: system.name, system, workload }));
}

/** The same rows with another number of rounds. */
export function withRounds(rows: readonly Row[], rounds: number): Row[] {
  return rows.map((row) => ({ ...row, rounds }));
}

/** What `--quick` leaves of the rows: everything runs once, and no figure means anything. */
export function quickRows(rows: readonly Row[]): Row[] {
  return rows
    .filter(({ quick }) => quick !== 'none')
    .map((row) => ({
      ...row,
      rounds: 1,
      warmsUp: false,
      seconds: 1,
      entries: row.entries.filter(({ name }) => isQuick(row, name)),
    }));
}

function isQuick({ quick }: Row, name: string): boolean {
  if (typeof quick !== 'string') return quick.includes(name);
  return quick === 'all' || name.startsWith('ours');
}
