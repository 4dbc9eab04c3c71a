import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PooledServer } from '../../../src/proxy/pooled-server.js';

const serverAt = () => new PooledServer({ kind: 'tcp', host: 'db', port: 3306 });
const client = (startedAt: number) => ({ kind: 'client', startedAt }) as const;
const check = (startedAt: number) => ({ kind: 'check', startedAt }) as const;
const trial = (startedAt: number) => ({ kind: 'trial', startedAt }) as const;

describe('back-off', () => {
  it('doubles from a second to a minute, and begins anew when the server has been up for a minute', () => {
    const server = serverAt();
    const left = (now: number) => {
      server.failed(check(now), now, 0);
      return server.backOffLeft(now);
    };
    assert.deepEqual(
      Array.from({ length: 8 }, () => left(0)),
      [1, 2, 4, 8, 16, 32, 60, 60].map((s) => s * 1000),
    );
    server.succeeded(check(0), 0);
    assert.equal(server.backOffLeft(0), undefined);
    assert.equal(left(59_999), 60_000);
    server.succeeded(check(59_999), 59_999);
    assert.equal(left(119_999), 1000);
  });

  it('goes on as it is where clients try the server all the same, and grows where a trial or a check fails', () => {
    const server = serverAt();
    const leftAfter = (attempt: ReturnType<typeof client | typeof check | typeof trial>) => {
      assert.equal(server.failed(attempt, 500, 0), attempt.startedAt === 0);
      return server.backOffLeft(500);
    };
    assert.equal(leftAfter(client(0)), 1000);
    assert.equal(leftAfter(client(500)), 1000);
    assert.equal(leftAfter(trial(500)), 2000);
    assert.equal(leftAfter(check(500)), 4000);
  });

  it('is over at once where nobody waits for its end any more, and no server is up because of that', () => {
    const server = serverAt();
    server.failed(client(0), 0, 0);
    server.endBackOff(10);
    assert.deepEqual([server.isDown, server.backOffLeft(10)], [true, 0]);
  });
});

describe('what is news', () => {
  it('of a greeting: only that of a server of which nothing is known', () => {
    const server = serverAt();
    assert.deepEqual([server.greeted(0), server.greeted(0)], [true, false]);
    server.failed(client(0), 0, 0);
    assert.deepEqual([server.greeted(1), server.isDown], [false, true]);
  });

  it('of a success: one that was tried after the failure', () => {
    const server = serverAt();
    server.failed(client(0), 10, 0);
    assert.deepEqual([server.succeeded(client(9), 20), server.isDown], [false, true]);
    assert.deepEqual([server.succeeded(client(10), 20), server.isDown], [true, false]);
    assert.equal(server.succeeded(client(20), 20), false);
  });

  it('of a failure: none that was tried before a failure that is over', () => {
    const server = serverAt();
    server.failed(client(0), 10, 0);
    server.succeeded(client(10), 20);
    assert.deepEqual([server.failed(client(9), 30, 0), server.isDown], [undefined, false]);
    assert.deepEqual([server.failed(client(20), 30, 0), server.isDown], [true, true]);
  });
});
