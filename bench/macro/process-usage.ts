/** What processes take of CPU and memory, as the kernel counts it. Linux only: it reads /proc. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** A process and its children, their children too. */
export function processTree(pid: number): number[] {
  const children = tasksOf(pid).flatMap((task) =>
    readFileSync(path.join(task, 'children'), 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(processTree)];
}

/** Microseconds on a CPU, of all threads that still run: the scheduler counts nanoseconds, /proc/PID/stat only ticks of 10 ms. */
export function cpuMicroseconds(pids: readonly number[]): number {
  const nanoseconds = pids
    .flatMap(tasksOf)
    .map((task) => Number(readFileSync(path.join(task, 'schedstat'), 'utf8').split(' ')[0]));
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1000;
}

/** Resident memory in KB; what several processes share is divided between them (PSS). */
export function residentKilobytes(pids: readonly number[]): number {
  return sumOfRollups(pids, /^Pss:\s+(\d+) kB$/m);
}

/** Of that, what is of the processes alone. The part of a mapped file depends on who else runs it at the moment. */
export function anonymousKilobytes(pids: readonly number[]): number {
  return sumOfRollups(pids, /^Pss_Anon:\s+(\d+) kB$/m);
}

function sumOfRollups(pids: readonly number[], line: RegExp): number {
  const sizes = pids.map((pid) => Number(line.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]));
  return sizes.reduce((sum, each) => sum + each, 0);
}

function tasksOf(pid: number): string[] {
  const tasks = path.join('/proc', String(pid), 'task');
  return readdirSync(tasks).map((task) => path.join(tasks, task));
}
