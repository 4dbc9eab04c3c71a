import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { test } from 'node:test';
import { EventStream } from '../../../src/observe/event-stream.js';

const STEP_MS = 2_000;

/** Reads nothing while `isStalled`. */
class Listener extends EventEmitter {
  isStalled = false;
  readonly received: string[] = [];
  writableLength = 0;
  writeHead(): void {}
  write(text: string): void {
    if (this.isStalled) this.writableLength += text.length;
    else this.received.push(text);
  }
  destroy(): void {
    this.emit('close');
  }
  readonly response = this as unknown as ServerResponse;
}

const get = { method: 'GET' } as IncomingMessage;

test('who reads nothing for half a minute leaves the place to another', (t) => {
  let now = 0;
  t.mock.timers.enable({ apis: ['setInterval'] });
  t.mock.method(performance, 'now', () => now);
  let asked = 0;
  const stream = new EventStream('state', STEP_MS, () => `${++asked}`);
  const [reader, stalled] = [new Listener(), new Listener()];
  for (const listener of [reader, stalled]) stream.send(get, listener.response, {});
  let isClosed = false;
  stalled.on('close', () => {
    isClosed = true;
  });
  stalled.isStalled = true;
  const step = () => {
    now += STEP_MS;
    t.mock.timers.tick(STEP_MS);
  };
  for (let n = 0; n < 15; n++) step();
  assert.equal(isClosed, false);
  for (let n = 0; n < 3; n++) step();
  assert.equal(isClosed, true);
  assert.equal(reader.received.length, 1 + 18);
  reader.destroy();
  const before = asked;
  for (let n = 0; n < 3; n++) step();
  assert.equal(asked, before, 'nobody listens any more');
});

test('there is room for fifty', () => {
  const stream = new EventStream('state', STEP_MS, () => '');
  const listeners = Array.from({ length: 50 }, () => new Listener());
  for (const listener of listeners) stream.send(get, listener.response, {});
  const late = new Listener();
  let status = 0;
  let said = '';
  Object.assign(late, {
    writeHead: (code: number) => {
      status = code;
    },
    end: (text: string) => {
      said = text;
    },
  });
  stream.send(get, late.response, {});
  assert.equal(status, 503);
  assert.match(said, /50 pages are open already/);
  listeners[0]?.destroy();
  const next = new Listener();
  stream.send(get, next.response, {});
  assert.equal(next.received.length, 1);
  for (const listener of [...listeners, next]) listener.destroy();
});
