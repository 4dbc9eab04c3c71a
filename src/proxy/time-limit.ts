/** A signal that is cancelled when time runs out. */
import { Cancellation, type CancelSignal } from '../cancellation.js';

export interface TimeLimit {
  readonly signal: CancelSignal;
  /** To be called when the work is over, in a `finally`. */
  clear(): void;
}

/**
 * Cancelled when the time is up, or as soon as `parent` is, with its reason. `reason` is asked for when the time is up;
 * `milliseconds` count from now.
 */
export function timeLimit(milliseconds: number, reason: () => Error, parent?: CancelSignal): TimeLimit {
  const limit = new Cancellation();
  // The socket that is waited for keeps the process alive, or is not to.
  const timer = setTimeout(() => limit.cancel(reason()), milliseconds).unref();
  const onParent = () => {
    if (parent?.reason !== undefined) limit.cancel(parent.reason);
  };
  parent?.onCancel(onParent);
  return {
    signal: limit,
    clear: () => {
      clearTimeout(timer);
      parent?.offCancel(onParent);
    },
  };
}
