/** tcp-keep-alive, on both legs, as the system has it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openSession } from './change-user-dialogue.js';

const legs = { client: 'tls', server: 'plaintext' } as const;

/** Of /proc/net/tcp: what a socket's timer is for, and how many hundredths of a second are left. */
const TIMER = /^\s*\d+: \S+:(\w{4}) \S+:(\w{4}) \w+ \w+:\w+ (\d\d):(\w+)/;
const KEEP_ALIVE = '02';
const NO_TIMER = '00';

/** Of the proxy's end of the connection that this is the other end of. */
function timerOf(peer: Socket): { kind: string; seconds: number } | undefined {
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n')) {
    const [, local = '', remote = '', kind = '', left = ''] = TIMER.exec(line) ?? [];
    if (parseInt(local, 16) === peer.remotePort && parseInt(remote, 16) === peer.localPort)
      return { kind, seconds: parseInt(left, 16) / 100 };
  }
  return undefined;
}

/** Once nothing waits to be acknowledged any more. */
async function settledTimerOf(peer: Socket): Promise<{ kind: string; seconds: number }> {
  for (;;) {
    const timer = timerOf(peer);
    if (timer !== undefined && [KEEP_ALIVE, NO_TIMER].includes(timer.kind)) return timer;
    await delay(10);
  }
}

for (const [tcpKeepAlive, shortest, longest] of [
  [60_000, 50, 60],
  [600_000, 590, 600],
] as const) {
  test(`${tcpKeepAlive / 1000} s`, async (t) => {
    const { client, server } = await openSession(t, legs, { route: { tcpKeepAlive } });
    for (const peer of [client.peer.socket, server.peer.socket]) {
      const { kind, seconds } = await settledTimerOf(peer);
      assert.equal(kind, KEEP_ALIVE);
      assert.ok(seconds > shortest && seconds <= longest, `${seconds} s are left`);
    }
  });
}

test('off', async (t) => {
  const { client, server } = await openSession(t, legs);
  for (const peer of [client.peer.socket, server.peer.socket])
    assert.equal((await settledTimerOf(peer)).kind, NO_TIMER);
});
