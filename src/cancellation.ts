/**
 * Ends work that is under way, as AbortController and AbortSignal do, for work that every connection has several times:
 * theirs are EventTargets, which cost 2-5 % of a short connection and 0.5 kB each of an idle one (docs/decisions/0019).
 */

/** What the work sees. */
export interface CancelSignal {
  readonly isCancelled: boolean;
  /** Undefined until it is cancelled. */
  readonly reason: Error | undefined;
  throwIfCancelled(): void;
  /** Calls the listener once, when it is cancelled: at once, if it is already. */
  onCancel(listener: () => void): void;
  /** Does nothing where the listener is not there any more. */
  offCancel(listener: () => void): void;
}

export class Cancellation implements CancelSignal {
  #reason: Error | undefined;
  #listeners: (() => void)[] = [];

  get isCancelled(): boolean {
    return this.#reason !== undefined;
  }

  get reason(): Error | undefined {
    return this.#reason;
  }

  /** The first reason stays. */
  cancel(reason: Error): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }

  throwIfCancelled(): void {
    if (this.#reason !== undefined) throw this.#reason;
  }

  onCancel(listener: () => void): void {
    if (this.#reason !== undefined) listener();
    else this.#listeners.push(listener);
  }

  offCancel(listener: () => void): void {
    const at = this.#listeners.indexOf(listener);
    if (at !== -1) this.#listeners.splice(at, 1);
  }
}
