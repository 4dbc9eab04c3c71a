/** The sessions in progress, and how they end when the proxy stops. */
import { setTimeout as delay } from 'node:timers/promises';
import { ProxyError } from '../errors.js';
import type { Session } from './session.js';

/**
 * In the first half of the time a session ends only if its client has sent no command for so long, in milliseconds: one that is
 * in the middle of its work, with another command to follow, gets to finish it.
 */
const QUIET_MS = 1_000;

export class SessionSet {
  readonly #sessions = new Set<Session>();
  /** What becomes of a session that begins while the others end. */
  #onBegin: ((session: Session) => void) | undefined;

  /** Until it has ended. */
  add(session: Session): void {
    this.#sessions.add(session);
    this.#onBegin?.(session);
    void session.ended.finally(() => this.#sessions.delete(session));
  }

  /**
   * Resolves when all have ended: by themselves, between two commands, or cut after `timeoutMs` milliseconds. Returns how many
   * were cut. Called again with a shorter time, it ends them by that.
   */
  async end(timeoutMs: number): Promise<number> {
    const reason = shutdown();
    if (timeoutMs > 0) {
      for (const quietMs of [QUIET_MS, 0]) {
        this.#all((session) => session.drain(reason, quietMs));
        await this.#endedWithin(timeoutMs / 2);
      }
    }
    const left = [...this.#sessions];
    this.#all((session) => session.stop(reason));
    await Promise.all(left.map(({ ended }) => ended));
    return left.length;
  }

  #all(action: (session: Session) => void): void {
    this.#onBegin = action;
    for (const session of this.#sessions) action(session);
  }

  async #endedWithin(milliseconds: number): Promise<void> {
    const late = new AbortController();
    const all = Promise.all([...this.#sessions].map(({ ended }) => ended));
    await Promise.race([all, delay(milliseconds, undefined, { signal: late.signal }).catch(() => {})]);
    late.abort();
  }
}

/** What clients hear when the proxy stops. */
export function shutdown(): ProxyError {
  return new ProxyError('proxy_shutdown', 'Server shutdown in progress');
}
