/** How fast subjects are, in interleaved rounds, and what they allocate. */
import { allocatedBytes } from './allocations.js';
import { type Spread, spreadOf } from './statistics.js';
import type { Subject } from './subject.js';

export interface Effort {
  readonly rounds: number;
  /** How long each subject runs in each round, in milliseconds of CPU time. */
  readonly roundMs: number;
  /** And before, so that V8 has compiled it for good. */
  readonly warmUpMs: number;
  /** Of what is allocated; their median counts. */
  readonly allocationMeasurements: number;
}

export interface Measured {
  readonly subject: Subject;
  readonly packetsPerSecond: Spread;
  readonly bytesPerSecond: Spread;
  readonly allocatedBytesPerPacket: number;
}

/**
 * Subjects that do the same on the same bytes. Each comes behind each other one: what one leaves behind must not always fall on
 * the same. Time is CPU time of this process, its collector's and compiler's threads included: others run on the same machine.
 */
export async function measure(subjects: readonly Subject[], effort: Effort): Promise<Measured[]> {
  const runs = [];
  for (const subject of subjects)
    runs.push({ subject, passes: await warmUp(subject, effort), seconds: [] as number[] });
  for (let round = 0; round < effort.rounds; round++) {
    for (const run of inOrderOf(round, runs))
      run.seconds.push((await cpuSeconds(run.subject, run.passes)) / run.passes);
  }
  const measured: Measured[] = [];
  for (const { subject, seconds } of runs) {
    measured.push({
      subject,
      packetsPerSecond: spreadOf(seconds.map((each) => subject.packets / each)),
      bytesPerSecond: spreadOf(seconds.map((each) => subject.bytes / each)),
      allocatedBytesPerPacket:
        (await allocatedBytes(subject.pass, effort.allocationMeasurements)) / subject.packets,
    });
  }
  return measured;
}

/** Every second round goes backwards, and each begins with another one. */
export function inOrderOf<T>(round: number, all: readonly T[]): T[] {
  const first = round % Math.max(all.length, 1);
  const turned = [...all.slice(first), ...all.slice(0, first)];
  return round % 2 === 0 ? turned : turned.reverse();
}

/** Returns how many passes a round takes: at least one. */
async function warmUp(subject: Subject, { roundMs, warmUpMs }: Effort): Promise<number> {
  let passes = 1;
  let total = 0;
  for (;;) {
    const seconds = await cpuSeconds(subject, passes);
    total += seconds;
    if (total * 1000 >= warmUpMs) return Math.max(1, Math.round((passes * roundMs) / 1000 / seconds));
    if (seconds * 1000 < roundMs) passes *= 2;
  }
}

async function cpuSeconds({ pass }: Subject, passes: number): Promise<number> {
  const before = process.cpuUsage();
  let sum = 0;
  for (let n = 0; n < passes; n++) {
    const result = pass();
    sum += typeof result === 'number' ? result : await result;
  }
  const { user, system } = process.cpuUsage(before);
  if (Number.isNaN(sum)) throw new Error('a pass gave no number');
  // The clock counts whole microseconds.
  return Math.max(user + system, 1) / 1e6;
}
