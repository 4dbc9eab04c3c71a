/** Signals for what is tested: one that ends a test that hangs, and one that tells who still waits for it. */
import { Cancellation, type CancelSignal } from '../../src/cancellation.js';

const HUNG_MS = 60_000;

/** Not reached unless what it is given to hangs, which then fails instead. */
export function unlessItHangs(): CancelSignal {
  const signal = new Cancellation();
  setTimeout(() => signal.cancel(new Error(`nothing happened for ${HUNG_MS / 1000} s`)), HUNG_MS).unref();
  return signal;
}

export class WatchedCancellation extends Cancellation {
  readonly #listeners = new Set<() => void>();

  /** Those that are still there. */
  get listenerCount(): number {
    return this.#listeners.size;
  }

  override onCancel(listener: () => void): void {
    this.#listeners.add(listener);
    super.onCancel(listener);
  }

  override offCancel(listener: () => void): void {
    this.#listeners.delete(listener);
    super.offCancel(listener);
  }
}
