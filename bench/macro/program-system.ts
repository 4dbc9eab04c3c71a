/** Starts a program that listens on a port, and waits until it does. */
import type { ChildProcess } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { hasEnded, removeTemporaryFolder, startChild, stopChild } from '../../test/support/clean-up.js';
import type { Program } from '../../test/support/programs.js';
import { processTree } from './process-usage.js';
import type { RunningSystem } from './system.js';

export interface ListeningProgram {
  readonly program: Program;
  readonly args: readonly string[];
  readonly port: number;
  readonly clientTls: boolean;
  /** Holds its files; removed in the end. */
  readonly folder: string;
  /** What its output says when it is ready, where an accepted connection does not show it. */
  readonly readyText?: string;
}

const startDeadlineMs = 20_000;

/** Rejects with an Error that holds the program's output when it ends or is not ready in time. */
export async function startListening(wanted: ListeningProgram): Promise<RunningSystem> {
  const outputFile = path.join(wanted.folder, 'output.log');
  const output = openSync(outputFile, 'w');
  const child = startChild(wanted.program, wanted.args, output);
  closeSync(output);
  await untilReady(child, wanted, () => readFileSync(outputFile, 'utf8'));
  return {
    port: wanted.port,
    clientTls: wanted.clientTls,
    pids: () => processTree(child.pid ?? 0),
    stop: async () => {
      await stopChild(child);
      removeTemporaryFolder(wanted.folder);
    },
  };
}

async function untilReady(
  child: ChildProcess,
  { program, port, readyText }: ListeningProgram,
  output: () => string,
): Promise<void> {
  const deadline = Date.now() + startDeadlineMs;
  const isReady = () => (readyText === undefined ? accepts(port) : output().includes(readyText));
  while (!(await isReady())) {
    const isLate = Date.now() > deadline;
    if (isLate) await stopChild(child);
    if (isLate || hasEnded(child)) throw new Error(`${program.file} did not start: ${output().slice(-1000)}`);
    await delay(50);
  }
}

/** The server behind sees a connection that says nothing, once. */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ port, host: '127.0.0.1' });
    socket.on('connect', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('close', () => resolve(false));
    socket.setTimeout(1000, () => socket.destroy());
    // Ended in order: a program is not to take it for a fault.
    socket.on('connect', () => socket.end());
  });
}
