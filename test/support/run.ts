/** Runs a program to its end and hands back what it wrote. */
import { spawn } from 'node:child_process';

export interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  input?: string;
  timeoutMs?: number;
  /** Called every few seconds with the last line written, so that a person sees that a long run goes on. */
  onProgress?: (lastLine: string) => void;
}

export interface RunResult {
  /** The exit code; 128 + n when a signal ended the program, 127 when it could not be started. */
  code: number;
  stdout: string;
  stderr: string;
}

const progressIntervalMs = 5000;
const signalNumbers: Partial<Record<NodeJS.Signals, number>> = {
  SIGINT: 2,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

export function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  return new Promise((resolve) => {
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      timeout: options.timeoutMs,
      killSignal: 'SIGKILL',
      stdio: 'pipe',
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    // A program that ends before it has read all its input is judged by its exit code, not by the broken pipe.
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');

    const progress = setInterval(() => {
      options.onProgress?.(lastLineOf(stdout));
    }, progressIntervalMs);
    child.on('error', (error) => {
      clearInterval(progress);
      resolve({ code: 127, stdout, stderr: `${file}: ${error.message}` });
    });
    child.on('close', (code, signal) => {
      clearInterval(progress);
      resolve({ code: code ?? 128 + (signalNumbers[signal ?? 'SIGKILL'] ?? 0), stdout, stderr });
    });
  });
}

export function lastLineOf(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}
