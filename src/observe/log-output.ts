/** Standard output, as the log writes to it: it may be full, closed or stalled, and the proxy goes on all the same. */
import { constants, fstatSync, openSync, writeSync } from 'node:fs';
import { pino } from 'pino';

export type Output = ReturnType<typeof pino.destination>;

/** Bytes of lines kept while standard output is full or stalled; what comes beyond is dropped, so that memory stays bounded. */
const BUFFERED_BYTES = 8 * 1024 * 1024;

/** Lines are written together until there are that many bytes of them, or that many milliseconds have passed. */
const WRITTEN_TOGETHER_BYTES = 8_192;
const WRITTEN_AFTER_MS = 50;

/**
 * Not synchronous: a reader of the log that stalls must not stall every connection. Nor line by line: each write goes
 * through a thread of its own, and costs as much as ten lines.
 */
export function standardOutput(): Output {
  let endedAt: number | undefined;
  let isLost = false;
  const output = pino.destination({
    fd: withoutBlocking(1),
    sync: false,
    minLength: WRITTEN_TOGETHER_BYTES,
    periodicFlush: WRITTEN_AFTER_MS,
    maxLength: BUFFERED_BYTES,
    retryEAGAIN: () => {
      output.flushSync = nothing;
      return endedAt === undefined || performance.now() - endedAt < LAST_CHANCE_MS;
    },
  });
  const { end, flushSync } = output;
  output.end = () => {
    endedAt = performance.now();
    end.call(output);
  };
  output.on('error', (error: NodeJS.ErrnoException) => {
    // It would try for ever when the process exits, which could then not end.
    output.flushSync = nothing;
    if (!isLost) say(`the log can not be written (${error.message}): ${cureOf(error)} Connections go on.`);
    isLost = true;
  });
  output.on('drop', () => {
    if (!isLost) say(`the log is not read, ${DROPPING} Connections go on.`);
    isLost = true;
  });
  output.on('drain', () => {
    output.flushSync = flushSync;
    if (isLost) say('the log is written again');
    isLost = false;
  });
  return output;
}

/** How long whoever reads a stalled log has for the last lines, in milliseconds. */
const LAST_CHANCE_MS = 500;

const nothing = (): void => {};

/**
 * A thread that waits in a write to a full pipe would keep the process from ending. The pipe is opened once more, because others may
 * share its modes through the same descriptor. What can not be opened that way is used as it is.
 */
function withoutBlocking(fd: number): number {
  try {
    if (!fstatSync(fd).isFIFO()) return fd;
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK);
  } catch {
    return fd;
  }
}

const DROPPING = `and lines beyond ${BUFFERED_BYTES / 1024 / 1024} MB are lost.`;

function cureOf({ code }: NodeJS.ErrnoException): string {
  if (code === 'EPIPE') return 'whoever read it is gone. Restart the proxy to have it again.';
  return `free space or raise the quota. It is tried again, ${DROPPING}`;
}

/** On standard error, which may be in no better state. */
function say(text: string): void {
  try {
    writeSync(2, `mysql-tls-proxy: ${text}\n`);
  } catch {
    // Nobody listens at all.
  }
}
