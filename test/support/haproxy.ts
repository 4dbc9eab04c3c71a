/** Debian's HAProxy with a configuration of a test. */
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { haproxyProgram } from './bench-programs.js';
import { hasEnded, makeTemporaryFolder, removeTemporaryFolder, startChild, stopChild } from './clean-up.js';
import { isUnavailable, type Unavailable } from './programs.js';

export interface RunningHaproxy {
  /** What it answers to a command of its runtime interface, such as `show stat`. */
  ask(command: string): Promise<string>;
  /** The status that its checks gave a server, such as `UP`; it is `no check` where there are none. */
  statusOf(backend: string, server: string): Promise<string>;
  stop(): Promise<void>;
}

const startDeadlineMs = 20_000;

/** `configuration`: everything but the section `global`. Rejects with an Error that holds its output when it does not start. */
export async function startHaproxy(configuration: string): Promise<RunningHaproxy | Unavailable> {
  const found = await haproxyProgram();
  if (isUnavailable(found)) return found;
  const folder = makeTemporaryFolder();
  const [file, socket, log] = ['haproxy.cfg', 'admin', 'log'].map((name) => path.join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(file, `global\n  stats socket ${socket} level admin\n${configuration}`);
  const output = openSync(log, 'w');
  const child = startChild(found.program, ['-f', file, '-db'], output);
  closeSync(output);
  const deadline = Date.now() + startDeadlineMs;
  // It opens this socket after those of the configuration.
  for (;;) {
    const isLate = Date.now() > deadline;
    if (isLate) await stopChild(child);
    if (isLate || hasEnded(child))
      throw new Error(`HAProxy did not start: ${readFileSync(log, 'utf8').slice(-2000)}`);
    if ((await askAt(socket, 'show info').catch(() => '')) !== '') break;
    await delay(20);
  }
  const ask = (command: string) => askAt(socket, command);
  return {
    ask,
    statusOf: async (backend, server) => {
      const rows = (await ask('show stat')).split('\n').map((line) => line.split(','));
      const column = rows[0]?.indexOf('status') ?? -1;
      const row = rows.find(([name, part]) => name === backend && part === server);
      return row?.[column] ?? 'unknown';
    },
    stop: async () => {
      await stopChild(child);
      removeTemporaryFolder(folder);
    },
  };
}

function askAt(socketPath: string, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect({ path: socketPath });
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(answer));
    socket.write(`${command}\n`);
  });
}
