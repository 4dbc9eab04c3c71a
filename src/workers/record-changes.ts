/** A connection's record in another process: sent in full once, then what has changed of it. */
import { type ConnectionRecord, newConnectionRecord } from '../observe/events.js';

/** Those that are set while the connection goes on. */
const fields = [
  'isSession',
  'serverAddress',
  'serverVersion',
  'serverThreadId',
  'serverConnection',
  'user',
  'serverUser',
  'clientPlugin',
  'serverPlugin',
  'authentication',
  'clientProgram',
  'clientTls',
  'serverTls',
] as const satisfies readonly (keyof ConnectionRecord)[];

type Field = (typeof fields)[number];
type Counted = Exclude<keyof ConnectionRecord, Field>;

/** Bytes of the client leg in and out, of the server leg in and out; commands. */
export type Counters = readonly [number, number, number, number, number];

/** Of a record that the other side does not know yet. */
export type RecordStart = Pick<
  ConnectionRecord,
  Exclude<Counted, 'clientBytes' | 'serverBytes' | 'commands'>
>;

export interface RecordChange {
  readonly fields: Partial<Pick<ConnectionRecord, Field>>;
  readonly counters: Counters;
}

/** Finds out what has changed since it was asked last. */
export class RecordWatch {
  readonly record: ConnectionRecord;
  readonly #sent: Partial<Record<Field, unknown>> = {};
  #counted = '';

  constructor(record: ConnectionRecord) {
    this.record = record;
  }

  start(): RecordStart {
    const { id, route, clientAddress, via, openedAt } = this.record;
    return { id, route, clientAddress, via, openedAt };
  }

  change(): RecordChange {
    const changed: Record<string, unknown> = {};
    for (const field of fields) {
      const value = this.record[field];
      if (this.#sent[field] === value) continue;
      this.#sent[field] = value;
      changed[field] = value;
    }
    const counters = countersOf(this.record);
    this.#counted = counters.join();
    return { fields: changed, counters };
  }

  /** Undefined where they are as they were sent last. */
  newCounters(): Counters | undefined {
    const counters = countersOf(this.record);
    const counted = counters.join();
    if (counted === this.#counted) return undefined;
    this.#counted = counted;
    return counters;
  }
}

export function replicaOf({ openedAt, ...start }: RecordStart): ConnectionRecord {
  return Object.assign(newConnectionRecord(start), { openedAt });
}

export function applyChange(record: ConnectionRecord, { fields: changed, counters }: RecordChange): void {
  Object.assign(record, changed);
  applyCounters(record, counters);
}

export function applyCounters(record: ConnectionRecord, counters: Counters): void {
  [record.clientBytes.in, record.clientBytes.out] = counters;
  [, , record.serverBytes.in, record.serverBytes.out, record.commands] = counters;
}

function countersOf({ clientBytes, serverBytes, commands }: ConnectionRecord): Counters {
  return [clientBytes.in, clientBytes.out, serverBytes.in, serverBytes.out, commands];
}
