/** Runs the built command line as a user would: its own process, its log lines, its exit code. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Where the proxy keeps its RSA key unless a test says otherwise: not in the home of whoever runs the tests. */
const stateHome = mkdtempSync(path.join(tmpdir(), 'cli-state-'));
process.once('exit', () => rmSync(stateHome, { recursive: true, force: true }));

const cliFile = fileURLToPath(new URL('../../src/cli.js', import.meta.url));

export interface LogLine {
  readonly level: string | number;
  readonly msg: string;
  readonly [field: string]: unknown;
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliSurroundings {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** Stands before the command: a program that runs it, with its arguments. */
  readonly runBy?: readonly string[];
}

export class CliProcess {
  readonly child: ChildProcess;
  readonly lines: LogLine[] = [];
  /** Resolves when the process has ended and its output was read. */
  readonly ended: Promise<CliResult>;
  #stdout = '';
  #stderr = '';
  #wake: () => void = () => {};

  constructor(args: readonly string[], options: CliSurroundings = {}) {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('MYSQL_TLS_PROXY_'));
    const [file = '', ...rest] = [...(options.runBy ?? []), process.execPath, cliFile, ...args];
    this.child = spawn(file, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...Object.fromEntries(inherited), XDG_STATE_HOME: stateHome, ...options.env },
      ...(options.cwd === undefined ? {} : { cwd: path.resolve(options.cwd) }),
    });
    const { stdout, stderr } = this.child;
    if (stdout === null || stderr === null) throw new Error('the output of the process is not piped');
    createInterface(stdout).on('line', (line) => {
      this.#stdout += `${line}\n`;
      if (line.startsWith('{')) this.lines.push(JSON.parse(line));
      this.#wake();
    });
    stderr.on('data', (chunk) => {
      this.#stderr += chunk;
    });
    this.ended = new Promise((resolve) => {
      this.child.on('close', (code) => {
        this.#wake();
        resolve({ code, stdout: this.#stdout, stderr: this.#stderr });
      });
    });
  }

  /** The first log line with this message, or one of these; rejects when the process ends without it. `from`: not before this index. */
  async line(msg: string | readonly string[], from = 0): Promise<LogLine> {
    for (;;) {
      const found = this.lines.slice(from).find((line) => [msg].flat().includes(line.msg));
      if (found !== undefined) return found;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(
          `the process ended (${this.child.exitCode}) without "${msg}": ${this.#stdout}${this.#stderr}`,
        );
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }
}

/** Runs to the end. */
export function runCli(args: readonly string[], options?: CliSurroundings): Promise<CliResult> {
  return new CliProcess(args, options).ended;
}
