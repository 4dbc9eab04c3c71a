/** Makes one observer of several. */
import type { ConnectionRecord, Observer } from './events.js';

/**
 * Calls each in turn. An observer that throws, or returns a promise that rejects, breaks its contract; it must not break
 * the connection it looks at nor end the process, so the fault becomes a process warning.
 */
export function combineObservers(observers: readonly Observer[]): Observer {
  const tell = (call: (observer: Observer) => unknown) => {
    for (const observer of observers) {
      try {
        const returned = call(observer);
        if (returned instanceof Promise) returned.catch(warn);
      } catch (error) {
        warn(error);
      }
    }
  };
  // Looking at commands costs something for each: only where somebody wants to know.
  const wantsSent = observers.some((observer) => observer.commandSent !== undefined);
  const wantsAnswered = observers.some((observer) => observer.commandAnswered !== undefined);
  return {
    ...(wantsSent && {
      commandSent: (connection: ConnectionRecord, command: number) =>
        tell((observer) => observer.commandSent?.(connection, command)),
    }),
    ...(wantsAnswered && {
      commandAnswered: (connection: ConnectionRecord, command: number, seconds: number) =>
        tell((observer) => observer.commandAnswered?.(connection, command, seconds)),
    }),
    opened: (connection) => tell((observer) => observer.opened?.(connection)),
    serverReached: (connection, server, seconds) =>
      tell((observer) => observer.serverReached?.(connection, server, seconds)),
    serverUnreachable: (connection, server, error) =>
      tell((observer) => observer.serverUnreachable?.(connection, server, error)),
    tlsEstablished: (connection, leg) => tell((observer) => observer.tlsEstablished?.(connection, leg)),
    tlsFailed: (connection, leg, error) => tell((observer) => observer.tlsFailed?.(connection, leg, error)),
    established: (connection) => tell((observer) => observer.established?.(connection)),
    userChanged: (connection) => tell((observer) => observer.userChanged?.(connection)),
    userChangeRefused: (connection, errno, attempt) =>
      tell((observer) => observer.userChangeRefused?.(connection, errno, attempt)),
    failed: (connection, error, attempt) => tell((observer) => observer.failed?.(connection, error, attempt)),
    refused: (connection, errno) => tell((observer) => observer.refused?.(connection, errno)),
    closed: (connection, reason) => tell((observer) => observer.closed?.(connection, reason)),
  };
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)));
}
