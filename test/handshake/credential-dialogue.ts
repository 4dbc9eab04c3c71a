/** A login of a user whom the credentials file names. */
import assert from 'node:assert/strict';
import { createPublicKey, createSecretKey } from 'node:crypto';
import type { TestContext } from 'node:test';
import type { UserCredential } from '../../src/config/model.js';
import { CLIENT_FLAGS, err, FLAGS, type LoginFields, login, NONCE, readErr } from '../support/packets.js';
import { nativeAnswer, storedNativeHash } from '../support/passwords.js';
import {
  type Dialogue,
  type DialogueOptions,
  moreData,
  openDialogue,
  proxyKey,
  serverKey,
} from './unequal-legs.js';

export const CLIENT_PASSWORD = 'what the client says: größe';
export const SERVER_PASSWORD = 'what the server wants';
export const secret = (text: string) => createSecretKey(Buffer.from(text));

export const byPassword = (password: string): UserCredential['client'] => ({ password: secret(password) });
export const byHash = (password: string): UserCredential['client'] => ({
  doubleSha1: createSecretKey(storedNativeHash(password)),
});

export type LegPair = DialogueOptions['legs'];
export const plaintext: LegPair = { client: 'plaintext', server: 'plaintext' };
export const tls: LegPair = { client: 'tls', server: 'tls' };
export const allLegs: readonly LegPair[] = [
  plaintext,
  tls,
  { client: 'plaintext', server: 'tls' },
  { client: 'tls', server: 'plaintext' },
];
export const nameOf = (legs: LegPair): string => `${legs.client} client, ${legs.server} server`;

export const proxyPublicKey = createPublicKey(proxyKey.certificate);
export const serverPem = moreData(
  createPublicKey(serverKey.certificate).export({ type: 'spki', format: 'pem' }).toString(),
);

export interface Options extends Partial<DialogueOptions> {
  readonly expected?: UserCredential['client'];
  readonly user?: string;
}

export function open(t: TestContext, login: LoginFields, options: Options = {}): Promise<Dialogue> {
  const { legs = plaintext, expected = byPassword(CLIENT_PASSWORD), user = 'app' } = options;
  const flags = (login.flags ?? CLIENT_FLAGS) | (legs.client === 'tls' ? FLAGS.ssl : 0);
  const credential: UserCredential = {
    user,
    route: undefined,
    client: expected,
    server: { user: 'mapped', password: secret(SERVER_PASSWORD) },
  };
  return openDialogue(t, {
    ...options,
    legs,
    login: { ...login, flags },
    process: { users: [credential] },
  });
}

/** The login that the server gets has the stored identity, and all else from the client. */
export async function assertMapped(dialogue: Dialogue, fields: LoginFields = {}): Promise<void> {
  const flags = CLIENT_FLAGS | (dialogue.serverTls ? FLAGS.ssl : 0);
  assert.deepEqual(
    await dialogue.receiveLogin(),
    login({ flags, user: 'mapped', auth: nativeAnswer(SERVER_PASSWORD, NONCE), ...fields }),
  );
}

export async function assertDenied(
  dialogue: Dialogue,
  usesPassword: 'YES' | 'NO',
  user = 'app',
): Promise<void> {
  const { client, server, scenario } = dialogue;
  assert.deepEqual(readErr(await client.receive()), {
    errno: 1045,
    sqlState: '28000',
    text: `Access denied for user '${user}'@'127.0.0.1' (using password: ${usesPassword})`,
  });
  assert.equal(scenario.observed[0]?.error?.code, 'access_denied');
  // Nothing was asked of the server for this client; it is left in good order.
  const abandoned = await server.receive();
  assert.match(abandoned.subarray(32).toString('latin1'), /^proxy_abandoned\0/);
  await server.send(err(1045, 'Access denied', '28000'));
  await server.peer.ended();
  client.peer.close();
  await scenario.quiet();
  assert.equal(scenario.observed[0]?.closed, 'access_denied');
}

/** A switch to the client: the plugin, and the nonce in it, which is not that of the greeting. */
export async function receiveSwitch(dialogue: Dialogue, plugin: string): Promise<Buffer> {
  const question = await dialogue.client.receive();
  assert.equal(question.subarray(0, plugin.length + 2).toString('latin1'), `\xfe${plugin}\0`);
  const nonce = question.subarray(plugin.length + 2, -1);
  assert.equal(nonce.length, 20);
  assert.equal(question.at(-1), 0);
  // Clients may remember the first nonce that they got, and answer no other.
  assert.deepEqual(nonce, NONCE);
  return nonce;
}
