/**
 * Counts and times of commands, kept in plain arrays: this is the only part of observing that runs for every command, and
 * a histogram of a library would cost it ten times as much.
 */
import { bucketOf } from './buckets.js';
import { commandNames } from './command-names.js';

/** Upper bounds in seconds, from an answer out of memory to a statement that keeps a server busy. */
export const COMMAND_SECONDS = [
  0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60,
] as const;

/** One more bucket than bounds, for what is above the last of them. */
const BUCKETS = COMMAND_SECONDS.length + 1;

const OTHER = 'other';
const names = [...commandNames.values(), OTHER];
const slotOfByte = slotsByByte();

/** Of one command on one route. */
export interface CommandTimes {
  readonly command: string;
  /** How often it was sent. */
  readonly count: number;
  /** How often it was answered within each bound of COMMAND_SECONDS but not the one before, the last without bound. */
  readonly buckets: Float64Array;
  readonly seconds: number;
}

/** What came to one command since the last time: slots of the three arrays in CommandStatistics. */
export interface CommandChange {
  readonly slot: number;
  readonly count: number;
  readonly buckets: readonly number[];
  readonly seconds: number;
}

export class CommandStatistics {
  readonly #counts = new Float64Array(names.length);
  readonly #buckets = new Float64Array(names.length * BUCKETS);
  readonly #seconds = new Float64Array(names.length);

  /** What was counted since the last call; it starts from 0 then. */
  take(): CommandChange[] {
    const changes: CommandChange[] = [];
    for (let slot = 0; slot < names.length; slot++) {
      const buckets = this.#buckets.subarray(slot * BUCKETS, (slot + 1) * BUCKETS);
      const count = this.#counts[slot] ?? 0;
      if (count === 0 && buckets.every((answers) => answers === 0)) continue;
      changes.push({ slot, count, buckets: [...buckets], seconds: this.#seconds[slot] ?? 0 });
      buckets.fill(0);
      this.#counts[slot] = 0;
      this.#seconds[slot] = 0;
    }
    return changes;
  }

  add(changes: readonly CommandChange[]): void {
    for (const { slot, count, buckets, seconds } of changes) {
      this.#counts[slot] = (this.#counts[slot] ?? 0) + count;
      this.#seconds[slot] = (this.#seconds[slot] ?? 0) + seconds;
      for (const [bucket, answers] of buckets.entries()) {
        const at = slot * BUCKETS + bucket;
        this.#buckets[at] = (this.#buckets[at] ?? 0) + answers;
      }
    }
  }

  sent(command: number): void {
    const slot = slotOf(command);
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1;
  }

  answered(command: number, seconds: number): void {
    const slot = slotOf(command);
    const at = slot * BUCKETS + bucketOf(COMMAND_SECONDS, seconds);
    this.#buckets[at] = (this.#buckets[at] ?? 0) + 1;
    this.#seconds[slot] = (this.#seconds[slot] ?? 0) + seconds;
  }

  /** Each command that there is, and `other`. The arrays are those that are counted in. */
  commands(): CommandTimes[] {
    return names.map((command, slot) => ({
      command,
      count: this.#counts[slot] ?? 0,
      buckets: this.#buckets.subarray(slot * BUCKETS, (slot + 1) * BUCKETS),
      seconds: this.#seconds[slot] ?? 0,
    }));
  }
}

function slotOf(command: number): number {
  return slotOfByte[command] ?? 0;
}

function slotsByByte(): Uint8Array {
  const slots = new Uint8Array(256).fill(names.indexOf(OTHER));
  for (const [byte, name] of commandNames) slots[byte] = names.indexOf(name);
  return slots;
}

/**
 * The time within which `share` (0-1) of the answers came, by the counts of each bucket: between two bounds as if they were
 * spread evenly; the last bound for what is above it. Null where there are none.
 */
export function quantile(buckets: ArrayLike<number>, share: number): number | null {
  let left = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) left += buckets[bucket] ?? 0;
  if (left === 0) return null;
  left *= share;
  for (let bucket = 0; bucket < COMMAND_SECONDS.length; bucket++) {
    const count = buckets[bucket] ?? 0;
    if (count > 0 && left <= count) {
      const lower = COMMAND_SECONDS[bucket - 1] ?? 0;
      return lower + ((COMMAND_SECONDS[bucket] ?? 0) - lower) * (left / count);
    }
    left -= count;
  }
  return COMMAND_SECONDS.at(-1) ?? null;
}
