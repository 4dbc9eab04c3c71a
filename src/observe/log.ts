/** Logs on standard output: one JSON object a line, or text for people. The only importer of pino. */
import type { Writable } from 'node:stream';
import { type Logger, pino, stdTimeFunctions } from 'pino';
import { build as buildPretty } from 'pino-pretty';

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

/** Bytes of lines kept while standard output is stalled; what comes beyond is dropped, so that memory stays bounded. */
const BUFFERED_BYTES = 8 * 1024 * 1024;

/** Lines are written together until there are that many bytes of them, or that many milliseconds have passed. */
const WRITTEN_TOGETHER_BYTES = 8_192;
const WRITTEN_AFTER_MS = 50;

export function createLogger({ level, format, destination }: LogSettings): Log {
  const stream = format === 'pretty' ? prettyStream(destination) : (destination ?? standardOutput());
  const logger = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label: string) => ({ level: label }) },
    },
    stream,
  );
  const lastActions: (() => void)[] = [];
  return {
    logger,
    beforeClose: (action) => void lastActions.push(action),
    close: () => {
      for (const action of lastActions) action();
      logger.level = 'silent';
      return ended(stream);
    },
  };
}

/**
 * Not synchronous: a reader of the log that stalls must not stall every connection. Nor line by line: each write goes
 * through a thread of its own, and costs as much as ten lines.
 */
function standardOutput() {
  return pino.destination({
    fd: 1,
    sync: false,
    minLength: WRITTEN_TOGETHER_BYTES,
    periodicFlush: WRITTEN_AFTER_MS,
    maxLength: BUFFERED_BYTES,
  });
}

/** In this process, not in a worker thread: the last lines before an exit are the ones that matter. */
function prettyStream(destination: Writable | undefined) {
  return buildPretty({
    destination: destination ?? 1,
    sync: true,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ...(destination === undefined ? {} : { colorize: false }),
  });
}

/** Not `flushSync`, which overtakes the write that is under way. */
function ended(stream: {
  once(event: 'close', listener: () => void): unknown;
  end(): unknown;
}): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 500);
    stream.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    stream.end();
  });
}
