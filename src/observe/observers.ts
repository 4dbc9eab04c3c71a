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
  return {
    ...commandObserver(observers),
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
    serverHealth: (health) => tell((observer) => observer.serverHealth?.(health)),
    serverChecked: (check) => tell((observer) => observer.serverChecked?.(check)),
    reuseJudged: (judgement) => tell((observer) => observer.reuseJudged?.(judgement)),
    keptServerEnded: (route, server, reason) =>
      tell((observer) => observer.keptServerEnded?.(route, server, reason)),
    workerStarted: (worker, pid, restarts) =>
      tell((observer) => observer.workerStarted?.(worker, pid, restarts)),
    workerLost: (worker, how, restartSeconds) =>
      tell((observer) => observer.workerLost?.(worker, how, restartSeconds)),
    closed: (connection, reason) => tell((observer) => observer.closed?.(connection, reason)),
  };
}

/**
 * Commands are looked at only where somebody wants to know of them, and those who do not are not asked for each. Called for
 * every command: no closure is made, and the list is as short as it can be.
 */
function commandObserver(observers: readonly Observer[]): Pick<Observer, 'commandSent' | 'commandAnswered'> {
  const onSent = observers.filter(({ commandSent }) => commandSent !== undefined);
  const onAnswered = observers.filter(({ commandAnswered }) => commandAnswered !== undefined);
  return {
    ...(onSent.length > 0 && {
      commandSent: (connection: ConnectionRecord, command: number) => {
        for (const observer of onSent) {
          try {
            observer.commandSent?.(connection, command);
          } catch (error) {
            warn(error);
          }
        }
      },
    }),
    ...(onAnswered.length > 0 && {
      commandAnswered: (connection: ConnectionRecord, command: number, seconds: number) => {
        for (const observer of onAnswered) {
          try {
            observer.commandAnswered?.(connection, command, seconds);
          } catch (error) {
            warn(error);
          }
        }
      },
    }),
  };
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)));
}
