/** Shows on stderr what a load test does: on a terminal in one line that changes, elsewhere in a line every few seconds. */
import type { LoadProgress } from '../load/run.js';

export interface Watch {
  readonly progress: (progress: LoadProgress) => void;
  show(text: string): void;
  end(): void;
}

/** Milliseconds. */
const LINE_INTERVAL_MS = 5000;
const BAR_WIDTH = 20;
const CLEAR_LINE = '\r\u001b[K';

/** @param json what is on stdout is for a program: then only a terminal gets to see progress. */
export function watchOn(stream: NodeJS.WriteStream, json: boolean): Watch {
  if (stream.isTTY) {
    const show = (text: string) => {
      // A line that is wrapped can not be rewritten.
      stream.write(`${CLEAR_LINE}${text.slice(0, (stream.columns || 80) - 1)}`);
    };
    return {
      progress: (progress) => show(progressText(progress)),
      show,
      end: () => void stream.write(CLEAR_LINE),
    };
  }
  if (json) return { progress: () => {}, show: () => {}, end: () => {} };
  let phase: string | undefined;
  let last = Number.NEGATIVE_INFINITY;
  return {
    progress: (progress) => {
      const now = performance.now();
      const current = progress.phase === 'measuring' ? progress.phase : `${progress.phase} ${progress.role}`;
      if (current === phase && now - last < LINE_INTERVAL_MS) return;
      phase = current;
      last = now;
      stream.write(`... ${progressText(progress)}\n`);
    },
    show: (text) => void stream.write(`... ${text}\n`),
    end: () => {},
  };
}

export function progressText({ phase, role, done, queriesPerSecond, failures }: LoadProgress): string {
  if (phase === 'cleaning up') return phase;
  if (phase !== 'measuring') return `${phase}: ${role}`;
  const full = Math.round(done * BAR_WIDTH);
  const bar = `[${'#'.repeat(full)}${'.'.repeat(BAR_WIDTH - full)}] ${String(Math.floor(done * 100)).padStart(3)} %`;
  const rate =
    queriesPerSecond === undefined
      ? ''
      : `  ${Math.round(queriesPerSecond).toLocaleString('en-US')} queries/s`;
  const failed = failures === 0 ? '' : `, ${failures.toLocaleString('en-US')} failed`;
  return `${bar}  ${role.padEnd(8)}${rate}${failed}`;
}
