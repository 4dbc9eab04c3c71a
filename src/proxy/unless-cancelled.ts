import type { CancelSignal } from '../cancellation.js';

/** Settles as the promise does, or rejects as soon as the signal is cancelled; the promise goes on by itself then. */
export function unlessCancelled<T>(promise: Promise<T>, signal: CancelSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onCancel = () => reject(signal.reason);
    signal.onCancel(onCancel);
    promise.then(resolve, reject).finally(() => signal.offCancel(onCancel));
  });
}
