/** A signal that is aborted when time runs out. */

export interface TimeLimit {
  readonly signal: AbortSignal;
  /** To be called when the work is over, in a `finally`. */
  clear(): void;
}

/**
 * Not AbortSignal.timeout: Node 20 lets the garbage collector take one that only AbortSignal.any refers to, and it never
 * fires. `reason` is asked for when the time is up; `milliseconds` count from now.
 */
export function timeLimit(milliseconds: number, reason: () => Error): TimeLimit {
  const controller = new AbortController();
  // The socket that is waited for keeps the process alive, or is not to.
  const timer = setTimeout(() => controller.abort(reason()), milliseconds).unref();
  return { signal: controller.signal, clear: () => clearTimeout(timer) };
}
