/** Logs on standard output: one JSON object a line, or text for people. Only this file and log-output.ts import pino. */
import type { Writable } from 'node:stream';
import { type Logger, pino, stdTimeFunctions } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { type Output, standardOutput } from './log-output.js';

export type { Logger } from 'pino';

export interface LogSettings {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly format: 'json' | 'pretty';
  /** Where lines go instead of standard output. */
  readonly destination?: Writable;
}

export interface Log {
  readonly logger: Logger;
  /** `action` may log what would be lost otherwise. */
  beforeClose(action: () => void): void;
  /** Stops logging, and resolves when what is still buffered has been written, or after half a second. */
  close(): Promise<void>;
}

export function createLogger({ level, format, destination }: LogSettings): Log {
  const output = destination ?? standardOutput();
  const logger = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label: string) => ({ level: label }) },
    },
    format === 'pretty' ? prettily(output, destination === undefined) : output,
  );
  const lastActions: (() => void)[] = [];
  return {
    logger,
    beforeClose: (action) => void lastActions.push(action),
    close: () => {
      for (const action of lastActions) action();
      logger.level = 'silent';
      return ended(output);
    },
  };
}

/** In this process, not in a worker thread: the last lines before an exit are the ones that matter. */
function prettily(output: Output | Writable, mayHaveColor: boolean): { write(line: string): void } {
  const pretty = prettyFactory({
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ...(mayHaveColor ? {} : { colorize: false }),
  });
  return { write: (line) => void output.write(pretty(line)) };
}

/** Not `flushSync`, which overtakes the write that is under way. */
function ended(stream: Output | Writable): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 500);
    stream.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    stream.end();
  });
}
