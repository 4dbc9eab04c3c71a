/** idle-timeout, and a command that comes just then. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { OK, readErr } from '../support/packets.js';
import { frame } from '../support/scripted-peer.js';
import { ask, openSession, query } from './change-user-dialogue.js';

const legs = { client: 'tls', server: 'plaintext' } as const;
const idleTimeout = 200;

test('ends a session that sends no command', async (t) => {
  const { client, server, scenario } = await openSession(t, legs, { route: { idleTimeout } });
  client.sequence = 1;
  assert.equal(readErr(await client.receive()).errno, 4031);
  await client.peer.ended();
  client.peer.finish();
  await server.peer.ended();
  server.peer.finish();
  await scenario.quiet();
  assert.equal(scenario.observed[0]?.closed, 'session_idle');
});

test('leaves a session alone that was in the middle of sending a command', async (t) => {
  const dialogue = await openSession(t, legs, { route: { idleTimeout } });
  const { client, server } = dialogue;
  const command = frame(0, query('SELECT 1'));
  client.peer.sendRaw(command.subarray(0, 3));
  await delay(idleTimeout * 3);
  client.peer.sendRaw(command.subarray(3));
  assert.deepEqual(await server.receive(), query('SELECT 1'));
  server.sequence = 1;
  client.sequence = 1;
  await server.send(OK);
  assert.deepEqual(await client.receive(), OK);
  await ask(dialogue, 'SELECT 2');
});
