/** Notices that a client has sent no command for too long. Looks at counters now and then: a packet costs nothing. */

/** So often within the timeout; a session ends that part of it late at most. */
const LOOKS = 4;

export interface IdleWatchOptions {
  /** Milliseconds. */
  readonly timeoutMs: number;
  /** Grows with each byte that either leg receives. */
  readonly received: () => number;
  /** The server waits for a command: it is not the one that is slow. */
  readonly isWaiting: () => boolean;
  /** Called each time that the client has been idle for the timeout, and not longer than a quarter more. */
  readonly onIdle: () => void;
}

/** Returns what ends the watch. */
export function watchIdle({ timeoutMs, received, isWaiting, onIdle }: IdleWatchOptions): () => void {
  let seen = received();
  let quietLooks = 0;
  const look = () => {
    const now = received();
    quietLooks = now === seen && isWaiting() ? quietLooks + 1 : 0;
    seen = now;
    if (quietLooks < LOOKS) return;
    quietLooks = 0;
    onIdle();
  };
  const timer = setInterval(look, Math.ceil(timeoutMs / LOOKS)).unref();
  return () => clearInterval(timer);
}
