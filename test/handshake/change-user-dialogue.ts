/** A session in its command phase, ready for a COM_CHANGE_USER. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { OK } from '../support/packets.js';
import { frame } from '../support/scripted-peer.js';
import { type Dialogue, type DialogueOptions, type Leg, openDialogue } from './unequal-legs.js';

export type LegPair = DialogueOptions['legs'];

export const changeUserLegs: readonly LegPair[] = [
  { client: 'plaintext', server: 'plaintext' },
  { client: 'plaintext', server: 'tls' },
  { client: 'tls', server: 'plaintext' },
];

export const nameOf = ({ client, server }: LegPair): string => `${client} client, ${server} server`;

export async function openSession(
  t: TestContext,
  legs: LegPair,
  options: Partial<DialogueOptions> = {},
): Promise<Dialogue> {
  const dialogue = await openDialogue(t, { ...options, legs });
  await dialogue.receiveLogin();
  await dialogue.accept();
  dialogue.client.restart();
  dialogue.server.restart();
  return dialogue;
}

/** Payload of the command, for clients and servers that know plugins. */
export function changeUser(
  user: string,
  fields: { auth?: Buffer; plugin?: string; schema?: string } = {},
): Buffer {
  const { auth = Buffer.alloc(20, 0x77), plugin = 'mysql_native_password', schema = 'shop' } = fields;
  return Buffer.concat([
    Buffer.from(`\x11${user}\0`),
    Buffer.from([auth.length]),
    auth,
    Buffer.from(`${schema}\0\x2d\0${plugin}\0`, 'latin1'),
  ]);
}

export const query = (sql: string): Buffer => Buffer.from(`\x03${sql}`);

/** A command and its answer, each by itself. */
export async function ask({ client, server }: Dialogue, sql: string): Promise<void> {
  for (const leg of [client, server]) leg.restart();
  await client.send(query(sql));
  assert.deepEqual(await server.receive(), query(sql));
  await server.send(OK);
  assert.deepEqual(await client.receive(), OK);
  for (const leg of [client, server]) leg.restart();
}

/** The bytes come in two pieces that the other side gets one after the other. */
export async function sendInTwo(leg: Leg, payload: Buffer, at: number): Promise<void> {
  const packet = frame(leg.sequence, payload);
  leg.sequence = (leg.sequence + 1) & 0xff;
  leg.peer.sendRaw(packet.subarray(0, at));
  for (let turn = 0; turn < 4; turn++) await nextTurn();
  leg.peer.sendRaw(packet.subarray(at));
}

export async function isSilent(leg: Leg): Promise<boolean> {
  const before = leg.peer.socket.bytesRead;
  for (let turn = 0; turn < 20; turn++) await nextTurn();
  return leg.peer.socket.bytesRead === before;
}
