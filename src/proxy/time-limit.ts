/** A signal that is aborted when time runs out. */

export interface TimeLimit {
  readonly signal: AbortSignal;
  /** To be called when the work is over, in a `finally`. */
  clear(): void;
}

/**
 * Aborted when the time is up, or as soon as `parent` is, with its reason. `reason` is asked for when the time is up;
 * `milliseconds` count from now.
 *
 * Not AbortSignal.timeout: Node 20 lets the garbage collector take one that only AbortSignal.any refers to, and it never
 * fires. Nor AbortSignal.any, which costs 14 µs, as much as reading three packets.
 */
export function timeLimit(milliseconds: number, reason: () => Error, parent?: AbortSignal): TimeLimit {
  const controller = new AbortController();
  // The socket that is waited for keeps the process alive, or is not to.
  const timer = setTimeout(() => controller.abort(reason()), milliseconds).unref();
  const onParent = () => controller.abort(parent?.reason);
  parent?.addEventListener('abort', onParent);
  if (parent?.aborted) onParent();
  return {
    signal: controller.signal,
    clear: () => {
      clearTimeout(timer);
      parent?.removeEventListener('abort', onParent);
    },
  };
}
