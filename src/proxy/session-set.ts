/** The sessions in progress, and how they end when the proxy stops. */
import { ProxyError } from '../errors.js';
import type { Session } from './session.js';

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

  /** Has all end between two commands, once no command has come for `quietMs` milliseconds. */
  drain(quietMs: number): void {
    const reason = shutdown();
    this.#all((session) => session.drain(reason, quietMs));
  }

  /** Returns how many there were. */
  cut(): number {
    const reason = shutdown();
    const { size } = this.#sessions;
    this.#all((session) => session.stop(reason));
    return size;
  }

  #all(action: (session: Session) => void): void {
    this.#onBegin = action;
    for (const session of this.#sessions) action(session);
  }
}

/** What clients hear when the proxy stops. */
export function shutdown(): ProxyError {
  return new ProxyError('proxy_shutdown', 'Server shutdown in progress');
}
