/** Makes one observer of several. */
import type { Observer } from './events.js';

/**
 * Calls each in turn. An observer that throws breaks its promise; it must not break the connection it looks at, so the
 * fault becomes a process warning.
 */
export function combineObservers(observers: readonly Observer[]): Observer {
  const tell = (call: (observer: Observer) => void) => {
    for (const observer of observers) {
      try {
        call(observer);
      } catch (error) {
        process.emitWarning(error instanceof Error ? error : new Error(String(error)));
      }
    }
  };
  return {
    opened: (connection) => tell((observer) => observer.opened?.(connection)),
    tlsEstablished: (connection, leg) => tell((observer) => observer.tlsEstablished?.(connection, leg)),
    tlsFailed: (connection, leg, error) => tell((observer) => observer.tlsFailed?.(connection, leg, error)),
    established: (connection) => tell((observer) => observer.established?.(connection)),
    failed: (connection, error) => tell((observer) => observer.failed?.(connection, error)),
    refused: (connection, errno) => tell((observer) => observer.refused?.(connection, errno)),
    closed: (connection, reason) => tell((observer) => observer.closed?.(connection, reason)),
  };
}
