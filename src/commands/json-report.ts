/** What a command prints with `--json`: one object on one line, its exit code included. */
import type { Outcome } from './outcome.js';

/** Programs find every key, whatever could be found out or measured. */
export function jsonReport(exitCode: Outcome['exitCode'], report: object): string {
  return `${JSON.stringify({ exitCode, ...report }, nullForUndefined)}\n`;
}

function nullForUndefined(_key: string, value: unknown): unknown {
  return value === undefined ? null : value;
}
