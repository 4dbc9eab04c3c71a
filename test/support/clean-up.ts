/** Servers and temporary folders never outlive the process that made them, however it ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Program } from './programs.js';

const folderPrefix = 'mysql-tls-proxy-';
const setpriv = '/usr/bin/setpriv';
const stopDeadlineMs = 10_000;

const runningChildren = new Set<ChildProcess>();
const temporaryFolders = new Set<string>();
let watchesTheEnd = false;

/** A new folder with a short name, because the path of a Unix socket holds at most 107 bytes. */
export function makeTemporaryFolder(): string {
  watchTheEnd();
  const folder = mkdtempSync(path.join(os.tmpdir(), `${folderPrefix}${process.pid}-`));
  temporaryFolders.add(folder);
  return folder;
}

export function removeTemporaryFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  temporaryFolders.delete(folder);
}

/** Starts a program whose output goes to the open file `output`. */
export function startChild(program: Program, args: readonly string[], output: number): ChildProcess {
  watchTheEnd();
  const command = [program.file, ...program.args, ...args];
  // The kernel then ends the child with us even when we are killed too suddenly to do it ourselves.
  if (existsSync(setpriv)) command.unshift(setpriv, '--pdeathsig', 'KILL', '--');
  const [file = '', ...rest] = command;
  const child = spawn(file, rest, {
    env: { ...process.env, ...program.env },
    stdio: ['ignore', output, output],
  });
  runningChildren.add(child);
  child.once('exit', () => runningChildren.delete(child));
  return child;
}

/** Asks the child to end, and makes it end when it has not after ten seconds. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const deadline = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs);
  await ended;
  clearTimeout(deadline);
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function watchTheEnd(): void {
  if (watchesTheEnd) return;
  watchesTheEnd = true;
  removeFoldersOfDeadProcesses();
  process.once('exit', endEverything);
  const signals = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 };
  for (const [signal, number] of Object.entries(signals)) {
    // Not `once`: a second signal, without a handler, would end the process in the middle of the clean-up.
    process.on(signal, () => process.exit(128 + number));
  }
  if (process.env['NODE_TEST_CONTEXT'] !== undefined) endWithTheTestRunner();
}

/** `node --test` starts a process for each file, which would go on by itself when the runner is killed. */
function endWithTheTestRunner(): void {
  const runner = process.ppid;
  const check = (): void => {
    if (process.ppid !== runner) process.exit(1);
  };
  setInterval(check, 1000).unref();
}

function endEverything(): void {
  for (const child of runningChildren) child.kill('SIGKILL');
  for (const folder of temporaryFolders) {
    try {
      removeTemporaryFolder(folder);
    } catch {
      // The next run removes it.
    }
  }
}

function removeFoldersOfDeadProcesses(): void {
  for (const name of readdirSync(os.tmpdir())) {
    const pid = name.startsWith(folderPrefix)
      ? Number.parseInt(name.slice(folderPrefix.length), 10)
      : Number.NaN;
    if (Number.isNaN(pid) || isAlive(pid)) continue;
    try {
      rmSync(path.join(os.tmpdir(), name), { recursive: true, force: true });
    } catch {
      // It belongs to another user.
    }
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
