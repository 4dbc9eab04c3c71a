/** What observers are told in a worker arrives in the main process as it was told, over a structured clone. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProxyError } from '../../../src/errors.js';
import type { ConnectionRecord, Observer } from '../../../src/observe/events.js';
import { EventReceiver, EventSender, type SentEvent } from '../../../src/workers/event-messages.js';
import { connectionRecord, tls13 } from '../observe/records.js';

interface Told {
  readonly name: string;
  readonly record: ConnectionRecord | undefined;
  readonly snapshot: unknown;
  readonly rest: readonly unknown[];
}

function recording(told: Told[]): Observer {
  const get =
    (_target: object, name: string) =>
    (first: unknown, ...rest: unknown[]) => {
      const record = isRecord(first) ? first : undefined;
      told.push({ name, record, snapshot: structuredClone(record), rest: record ? rest : [first, ...rest] });
    };
  return new Proxy({}, { get }) as Observer;
}

function isRecord(value: unknown): value is ConnectionRecord {
  return typeof value === 'object' && value !== null && 'clientBytes' in value;
}

function wired() {
  const told: Told[] = [];
  const receiver = new EventReceiver(recording(told));
  const sender = new EventSender((event: SentEvent) => receiver.receive(structuredClone(event)));
  return { told, receiver, sender, observer: sender.observer };
}

test('a connection from the beginning to the end: the record is the same at each event', () => {
  const { told, observer } = wired();
  const record = connectionRecord({ id: 7, user: '' });
  const expected: unknown[] = [];
  const tell = (name: 'opened' | 'established', change: Partial<ConnectionRecord>) => {
    Object.assign(record, change);
    expected.push(structuredClone(record));
    observer[name]?.(record);
  };
  tell('opened', {});
  record.clientBytes.in = 90;
  record.serverBytes.out = 80;
  tell('established', { isSession: true, user: 'app', serverTls: tls13, serverAddress: 'db:3306' });
  record.commands = 3;
  expected.push(structuredClone(record));
  observer.closed?.(record, 'client_closed');
  assert.deepEqual(
    told.map(({ name }) => name),
    ['opened', 'established', 'closed'],
  );
  assert.deepEqual(
    told.map(({ snapshot }) => snapshot),
    expected,
  );
  // Observers tell connections apart by their record.
  assert.equal(new Set(told.map(({ record: one }) => one)).size, 1);
  assert.deepEqual(told.at(-1)?.rest, ['client_closed']);
});

test('errors are ProxyErrors again, also within an object', () => {
  const { told, observer } = wired();
  const record = connectionRecord({ id: 1 });
  const cause = new Error('ECONNREFUSED');
  const error = new ProxyError('server_port_closed', 'db:3306 can not be reached', {
    cause,
    clientText: 'other words',
  });
  observer.opened?.(record);
  observer.serverUnreachable?.(record, 'db:3306', error);
  observer.serverHealth?.({
    route: 'default',
    server: 'db:3306',
    error,
    changed: true,
    by: 'check',
    isOnly: false,
  });
  const [server, received] = told[1]?.rest ?? [];
  assert.equal(server, 'db:3306');
  const [health] = (told[2]?.rest ?? []) as [{ error: ProxyError; changed: boolean }];
  for (const one of [received, health.error]) {
    assert.ok(one instanceof ProxyError);
    const { code, message, clientText, what } = error;
    assert.deepEqual(
      [one.code, one.message, one.clientText, one.what, String(one.cause)],
      [code, message, clientText, what, String(cause)],
    );
  }
  assert.equal(health.changed, true);
});

test('counters of open connections come when they are asked for, each change once', () => {
  const { told, observer, sender, receiver } = wired();
  const record = connectionRecord({ id: 3 });
  observer.opened?.(record);
  assert.deepEqual(sender.counters(), []);
  record.clientBytes.out = 5;
  record.commands = 1;
  const counters = sender.counters();
  assert.equal(counters.length, 1);
  assert.deepEqual(sender.counters(), []);
  receiver.receiveCounters(structuredClone(counters));
  assert.deepEqual([told[0]?.record?.clientBytes.out, told[0]?.record?.commands], [5, 1]);
  receiver.receiveCounters([[99, [1, 1, 1, 1, 1]]]);
});

test('a worker that is gone: its connections close, and those that were no sessions failed', () => {
  const { told, observer, receiver } = wired();
  observer.opened?.(connectionRecord({ id: 1, isSession: false }));
  const session = connectionRecord({ id: 2, isSession: true });
  observer.opened?.(session);
  told.length = 0;
  receiver.lose(new ProxyError('worker_died', 'worker 1 was killed by SIGKILL'));
  assert.deepEqual(
    told.map(({ name, record }) => `${name} ${record?.id}`),
    ['failed 1', 'closed 1', 'closed 2'],
  );
  assert.equal(told.at(-1)?.rest[0], 'worker_died');
  receiver.lose(new ProxyError('worker_died', 'again'));
  assert.equal(told.length, 3);
});
