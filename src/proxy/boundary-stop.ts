/**
 * Asks a relay to end between two commands, where nothing that the server has acknowledged can be lost: a command that the
 * client sends afterwards is answered with an error and not executed.
 */
import type { ProxyError } from '../errors.js';

export interface StopTerms {
  /** What the client is told. */
  readonly reason: ProxyError;
  /** How long, in milliseconds, no command may have come: 0 ends the session after the next reply. */
  readonly quietMs: number;
  /** An open transaction does not protect the session; the server rolls it back. */
  readonly evenInTransaction: boolean;
}

export class BoundaryStop {
  #terms: StopTerms | undefined;
  #listener: (() => boolean) | undefined;

  /** Undefined as long as nobody wants the relay to end. */
  get terms(): StopTerms | undefined {
    return this.#terms;
  }

  /** From now on, until it ends. Whoever asks last sets the terms. */
  want(terms: StopTerms): void {
    this.#terms = terms;
    this.#listener?.();
  }

  /** Only if it can end at once: a command that has come meanwhile is served as if nobody had asked. */
  tryNow(terms: StopTerms): void {
    const before = this.#terms;
    this.#terms = terms;
    if (this.#listener?.() !== true) this.#terms = before;
  }

  /** Replaces the listener of the relay before. It returns whether the relay ends. */
  onWanted(listener: (() => boolean) | undefined): void {
    this.#listener = listener;
  }
}
