/** Clients on a socket file, which is as good as TLS to caching_sha2_password, and no better than plaintext to others. */
import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { NONCE } from '../support/packets.js';
import { cachingSha2Answer, clearAnswer, decryptedAnswer, encryptedAnswer } from '../support/passwords.js';
import {
  type Dialogue,
  type DialogueOptions,
  moreData,
  openDialogue,
  proxyKey,
  SWITCHED_NONCE,
  serverKey,
  switchTo,
} from './unequal-legs.js';

const PASSWORD = 'a rather long secret of größe';
const serverPem = moreData(
  createPublicKey(serverKey.certificate).export({ type: 'spki', format: 'pem' }).toString(),
);

function open(
  t: TestContext,
  server: 'tls' | 'plaintext',
  login: DialogueOptions['login'],
): Promise<Dialogue> {
  const folder = mkdtempSync(join(tmpdir(), 'socket-file-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const listen = { kind: 'unix', path: join(folder, 'proxy.sock') } as const;
  return openDialogue(t, { legs: { client: 'plaintext', server }, listen, ...(login ? { login } : {}) });
}

const sha2Login = { plugin: 'caching_sha2_password', auth: cachingSha2Answer(PASSWORD, NONCE) };

test('caching_sha2_password, TLS server: clear on both legs, and nothing is translated', async (t) => {
  const dialogue = await open(t, 'tls', sha2Login);
  await dialogue.receiveLogin();
  await dialogue.relayQuestion(moreData([4]));
  await dialogue.relayAnswer(clearAnswer(PASSWORD));
  await dialogue.accept();
  assert.equal(dialogue.scenario.observed[0]?.connection.authentication, 'relayed');
});

test('caching_sha2_password, plaintext server: clear here, encrypted there', async (t) => {
  const dialogue = await open(t, 'plaintext', sha2Login);
  const { client, server } = dialogue;
  await dialogue.receiveLogin();
  await dialogue.relayQuestion(moreData([4]));
  await client.send(clearAnswer(PASSWORD));
  assert.deepEqual(await server.receive(), Buffer.from([2]));
  await server.send(serverPem);
  assert.equal(decryptedAnswer(serverKey.private, await server.receive(), NONCE), `${PASSWORD}\0`);
  await dialogue.accept();
  assert.equal(server.wire.includes(PASSWORD), false);
});

test('sha256_password, TLS server: encrypted here, clear there', async (t) => {
  const dialogue = await open(t, 'tls', {});
  const { client, server } = dialogue;
  await dialogue.receiveLogin();
  await dialogue.relayQuestion(switchTo('sha256_password'));
  await client.send([1]);
  await client.receive();
  await client.send(encryptedAnswer(createPublicKey(proxyKey.certificate), PASSWORD, SWITCHED_NONCE));
  assert.deepEqual(await server.receive(), clearAnswer(PASSWORD));
  await dialogue.accept();
  assert.equal(client.wire.includes(PASSWORD), false);
});
