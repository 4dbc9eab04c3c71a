/** What observers are told in a worker, told again in the main process: there is one log, one page and one set of metrics. */
import { ProxyError } from '../errors.js';
import type { ConnectionRecord, Observer } from '../observe/events.js';
import {
  applyChange,
  applyCounters,
  type Counters,
  type RecordChange,
  type RecordStart,
  RecordWatch,
  replicaOf,
} from './record-changes.js';
import { receiveError, type SentError, sendError } from './sent-error.js';

const connectionEvents = [
  'opened',
  'serverReached',
  'serverUnreachable',
  'tlsEstablished',
  'tlsFailed',
  'established',
  'userChanged',
  'userChangeRefused',
  'failed',
  'refused',
  'closed',
] as const satisfies readonly (keyof Observer)[];

const otherEvents = [
  'reuseJudged',
  'keptServerEnded',
  'serverHealth',
  'serverChecked',
] as const satisfies readonly (keyof Observer)[];

type ConnectionEvent = (typeof connectionEvents)[number];
type OtherEvent = (typeof otherEvents)[number];

/** Commands are counted where they are seen, and sent as sums. */
type Counted = 'commandSent' | 'commandAnswered';
type OfMainProcess = 'workerStarted' | 'workerLost';
type Forgotten = Exclude<keyof Observer, ConnectionEvent | OtherEvent | Counted | OfMainProcess>;
/** Does not compile where an event is in neither list. */
export const isComplete: [Forgotten] extends [never] ? true : Forgotten = true;

/** An error may also be a field of an object. */
type SentArgument =
  | { readonly error: SentError }
  | { readonly fields: Readonly<Record<string, SentArgument>> }
  | { readonly value: unknown };

export type SentEvent =
  | {
      readonly name: ConnectionEvent;
      readonly id: number;
      /** With `opened` only. */
      readonly start?: RecordStart;
      readonly change: RecordChange;
      readonly rest: readonly SentArgument[];
    }
  | { readonly name: OtherEvent; readonly rest: readonly SentArgument[] };

/** In a worker: an observer that sends what it is told. */
export class EventSender {
  readonly #watches = new Map<ConnectionRecord, RecordWatch>();
  readonly observer: Observer;

  constructor(send: (event: SentEvent) => void) {
    const observer: Record<string, (...told: unknown[]) => void> = {};
    for (const name of connectionEvents) {
      observer[name] = (connection, ...rest) => {
        const record = connection as ConnectionRecord;
        const watch = this.#watchOf(record);
        const start = name === 'opened' ? { start: watch.start() } : {};
        send({ name, id: record.id, ...start, change: watch.change(), rest: rest.map(sendArgument) });
        if (name === 'closed') this.#watches.delete(record);
      };
    }
    for (const name of otherEvents) {
      observer[name] = (...rest) => send({ name, rest: rest.map(sendArgument) });
    }
    this.observer = observer as Observer;
  }

  /** Of the open connections whose counters have moved since they were sent last. */
  counters(): (readonly [id: number, counters: Counters])[] {
    return [...this.#watches.values()].flatMap((watch) => {
      const counters = watch.newCounters();
      return counters === undefined ? [] : [[watch.record.id, counters] as const];
    });
  }

  #watchOf(record: ConnectionRecord): RecordWatch {
    const known = this.#watches.get(record);
    if (known !== undefined) return known;
    const watch = new RecordWatch(record);
    this.#watches.set(record, watch);
    return watch;
  }
}

/** In the main process, one for each worker: tells an observer what was sent. */
export class EventReceiver {
  readonly #observer: Observer;
  readonly #records = new Map<number, ConnectionRecord>();

  constructor(observer: Observer) {
    this.#observer = observer;
  }

  receive(event: SentEvent): void {
    const rest = event.rest.map(receiveArgument);
    if (!('id' in event)) {
      this.#tell(event.name, rest);
      return;
    }
    if (event.start !== undefined) this.#records.set(event.id, replicaOf(event.start));
    const record = this.#records.get(event.id);
    if (record === undefined) return;
    applyChange(record, event.change);
    this.#tell(event.name, [record, ...rest]);
    if (event.name === 'closed') this.#records.delete(event.id);
  }

  receiveCounters(counters: readonly (readonly [id: number, counters: Counters])[]): void {
    for (const [id, counted] of counters) {
      const record = this.#records.get(id);
      if (record !== undefined) applyCounters(record, counted);
    }
  }

  /** The worker is gone, and its connections with it. */
  lose(reason: ProxyError): void {
    for (const record of this.#records.values()) {
      if (!record.isSession) this.#observer.failed?.(record, reason);
      this.#observer.closed?.(record, reason.code);
    }
    this.#records.clear();
  }

  #tell(name: ConnectionEvent | OtherEvent, told: readonly unknown[]): void {
    (this.#observer[name] as ((...told: readonly unknown[]) => void) | undefined)?.(...told);
  }
}

function sendArgument(value: unknown): SentArgument {
  if (value instanceof ProxyError) return { error: sendError(value) };
  if (typeof value !== 'object' || value === null) return { value };
  const entries: [string, unknown][] = Object.entries(value);
  if (!entries.some(([, field]) => field instanceof ProxyError)) return { value };
  return { fields: Object.fromEntries(entries.map(([key, field]) => [key, sendArgument(field)])) };
}

function receiveArgument(sent: SentArgument): unknown {
  if ('error' in sent) return receiveError(sent.error);
  if ('value' in sent) return sent.value;
  return Object.fromEntries(Object.entries(sent.fields).map(([key, field]) => [key, receiveArgument(field)]));
}
