/** Statements and connections that failed while the load ran, by the number or code of their error. */
import { printable } from '../printable.js';
import type { ClientError } from './connector.js';

export interface FailureCount {
  /** The number that the server sent, or a code of the client: `1213`, `ECONNRESET`. */
  readonly code: string;
  readonly count: number;
  /** Of the first one. */
  readonly message: string;
}

/** Characters of a message that are kept: servers repeat statements in it. */
const LONGEST_MESSAGE = 200;

export class FailureCounts {
  readonly #counts = new Map<string, FailureCount>();
  #total = 0;

  get total(): number {
    return this.#total;
  }

  add(error: ClientError): void {
    const code = errorCode(error);
    const known = this.#counts.get(code);
    const message = known?.message ?? messageOf(error);
    this.#counts.set(code, { code, count: (known?.count ?? 0) + 1, message });
    this.#total += 1;
  }

  addAll(others: FailureCounts): void {
    for (const { code, count, message } of others.list()) {
      const known = this.#counts.get(code);
      this.#counts.set(code, {
        code,
        count: (known?.count ?? 0) + count,
        message: known?.message ?? message,
      });
      this.#total += count;
    }
  }

  /** The most frequent first. */
  list(): readonly FailureCount[] {
    return [...this.#counts.values()].sort((one, other) => other.count - one.count);
  }
}

/** Errors of the network have negative numbers. */
export function errorCode({ errno, code }: ClientError): string {
  return errno !== undefined && errno > 0 ? String(errno) : (code ?? 'unknown');
}

/** An error of several addresses has its text in the parts. */
export function messageOf(error: ClientError): string {
  const text = error.message || (error instanceof AggregateError ? error.errors.join('; ') : '');
  return printable(text || errorCode(error), LONGEST_MESSAGE);
}
