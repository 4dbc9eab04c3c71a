/** Counts a session's commands, and tells observers of them and of how long their replies took. */
import { performance } from 'node:perf_hooks';
import type { ConnectionRecord, Observer } from '../observe/events.js';
import type { CommandMeter } from '../wire/command-tracker.js';

export function commandMeter(record: ConnectionRecord, observer: Observer): CommandMeter {
  return {
    now: observer.commandAnswered === undefined ? () => 0 : () => performance.now(),
    sent: (command) => countCommand(record, observer, command),
    answered: (command, sentAt) =>
      observer.commandAnswered?.(record, command, (performance.now() - sentAt) / 1000),
  };
}

export function countCommand(record: ConnectionRecord, observer: Observer, command: number): void {
  record.commands += 1;
  observer.commandSent?.(record, command);
}
