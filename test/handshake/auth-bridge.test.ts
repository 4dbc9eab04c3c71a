/** `authBridge: sha256`: client and server have no plugin in common, and the proxy has neither's password stored. */
import assert from 'node:assert/strict';
import { createPublicKey } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { CLIENT_FLAGS, err, FLAGS, type LoginFields, NONCE, readErr } from '../support/packets.js';
import {
  cachingSha2Answer,
  clearAnswer,
  decryptedAnswer,
  encryptedAnswer,
  nativeAnswer,
} from '../support/passwords.js';
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
const proxyPublicKey = createPublicKey(proxyKey.certificate);
const serverPem = moreData(
  createPublicKey(serverKey.certificate).export({ type: 'spki', format: 'pem' }).toString(),
);

type LegPair = DialogueOptions['legs'];
const allLegs: readonly LegPair[] = [
  { client: 'plaintext', server: 'plaintext' },
  { client: 'plaintext', server: 'tls' },
  { client: 'tls', server: 'plaintext' },
  { client: 'tls', server: 'tls' },
];

function open(
  t: TestContext,
  legs: LegPair,
  login: LoginFields,
  options: Partial<DialogueOptions> = {},
): Promise<Dialogue> {
  const flags = (login.flags ?? CLIENT_FLAGS) | (legs.client === 'tls' ? FLAGS.ssl : 0);
  return openDialogue(t, { ...options, legs, login: { ...login, flags }, route: { authBridge: 'sha256' } });
}

function nonceOf(question: Buffer, plugin: string): Buffer {
  assert.equal(question.subarray(0, plugin.length + 2).toString('latin1'), `\xfe${plugin}\0`);
  assert.equal(question.length, plugin.length + 2 + 21);
  return question.subarray(plugin.length + 2, -1);
}

async function handOver(
  dialogue: Dialogue,
  keyRequest: number,
  nonce: Buffer,
  password = PASSWORD,
): Promise<void> {
  const { client, clientTls } = dialogue;
  if (clientTls) return client.send(clearAnswer(password));
  await client.send([keyRequest]);
  assert.match((await client.receive()).subarray(1).toString('latin1'), /^-----BEGIN PUBLIC KEY-----\n/);
  await client.send(encryptedAnswer(proxyPublicKey, password, nonce));
}

for (const legs of allLegs) {
  const name = `${legs.client} client, ${legs.server} server`;

  test(`an old client at a caching_sha2_password account, ${name}`, async (t) => {
    const auth = nativeAnswer(PASSWORD, NONCE);
    const dialogue = await open(t, legs, { auth }, { greeting: { plugin: 'caching_sha2_password' } });
    const { client, server, scenario } = dialogue;
    if (!dialogue.clientTls) assert.match(client.wire.toString('latin1'), /\0mysql_native_password\0$/);
    assert.ok((await dialogue.receiveLogin()).includes(auth));
    await server.send(switchTo('caching_sha2_password'));
    const nonce = nonceOf(await client.receive(), 'sha256_password');
    assert.deepEqual(nonce, SWITCHED_NONCE, 'both sides remember the same');
    await handOver(dialogue, 1, nonce);
    assert.deepEqual(await server.receive(), cachingSha2Answer(PASSWORD, SWITCHED_NONCE));
    await server.send(moreData([4]));
    if (dialogue.serverTls) assert.deepEqual(await server.receive(), clearAnswer(PASSWORD));
    else {
      assert.deepEqual(await server.receive(), Buffer.from([2]));
      await server.send(serverPem);
      assert.equal(
        decryptedAnswer(serverKey.private, await server.receive(), SWITCHED_NONCE),
        `${PASSWORD}\0`,
      );
    }
    await dialogue.accept();
    assert.equal(scenario.observed[0]?.connection.authentication, 'bridged');
    assert.equal(`${client.wire}${server.wire}`.includes(PASSWORD), false);
  });

  for (const plugin of ['caching_sha2_password', 'sha256_password']) {
    test(`a client with ${plugin} at a mysql_native_password account, ${name}`, async (t) => {
      const auth = plugin === 'sha256_password' ? Buffer.alloc(0) : cachingSha2Answer(PASSWORD, NONCE);
      const dialogue = await open(t, legs, { auth, plugin });
      const { client, server, scenario } = dialogue;
      await dialogue.receiveLogin();
      await server.send(switchTo('mysql_native_password'));
      const nonce = nonceOf(await client.receive(), plugin);
      if (plugin === 'caching_sha2_password') {
        await client.send(cachingSha2Answer(PASSWORD, nonce));
        assert.deepEqual(await client.receive(), Buffer.from([1, 4]));
      }
      await handOver(dialogue, plugin === 'sha256_password' ? 1 : 2, nonce);
      assert.deepEqual(await server.receive(), nativeAnswer(PASSWORD, SWITCHED_NONCE));
      await dialogue.accept();
      assert.equal(scenario.observed[0]?.connection.authentication, 'bridged');
      assert.equal(client.wire.includes(PASSWORD), false);
    });
  }
}

const plaintext: LegPair = { client: 'plaintext', server: 'plaintext' };

test('the account is in the server’s cache: nothing more is asked', async (t) => {
  const dialogue = await open(t, plaintext, {});
  await dialogue.receiveLogin();
  await dialogue.server.send(switchTo('caching_sha2_password'));
  await handOver(dialogue, 1, nonceOf(await dialogue.client.receive(), 'sha256_password'));
  await dialogue.server.receive();
  await dialogue.server.send(moreData([3]));
  await dialogue.accept();
});

test('an empty password, on both ways', async (t) => {
  const old = await open(t, plaintext, { auth: Buffer.alloc(0) });
  await old.receiveLogin();
  await old.server.send(switchTo('caching_sha2_password'));
  await old.client.receive();
  await old.client.send([0]);
  assert.equal((await old.server.receive()).length, 0);
  await old.accept();
  const modern = await open(t, plaintext, { auth: Buffer.alloc(0), plugin: 'caching_sha2_password' });
  await modern.receiveLogin();
  await modern.server.send(switchTo('mysql_native_password'));
  await modern.client.receive();
  await modern.client.send('');
  assert.equal((await modern.server.receive()).length, 0);
  await modern.accept();
});

test('a refusal of the server is its own, for the client gave the password', async (t) => {
  const dialogue = await open(t, plaintext, {});
  await dialogue.receiveLogin();
  await dialogue.server.send(switchTo('caching_sha2_password'));
  await handOver(dialogue, 1, nonceOf(await dialogue.client.receive(), 'sha256_password'), 'wrong');
  await dialogue.server.receive();
  const denied = err(1045, "Access denied for user 'app'@'x' (using password: YES)", '28000');
  await dialogue.server.send(denied);
  assert.deepEqual(await dialogue.client.receive(), denied);
  assert.equal(dialogue.scenario.observed[0]?.refusedWith, 1045);
});

test('a client of MySQL at an ed25519 account is bridged, one of MariaDB has the plugin', async (t) => {
  const mysql = await open(t, plaintext, {});
  await mysql.receiveLogin();
  const question = Buffer.concat([Buffer.from('\xfeclient_ed25519\0', 'latin1'), Buffer.alloc(32, 9)]);
  await mysql.server.send(question);
  await handOver(mysql, 1, nonceOf(await mysql.client.receive(), 'sha256_password'));
  assert.equal((await mysql.server.receive()).length, 64);
  await mysql.accept();
  const mariadb = await open(t, plaintext, {
    flags: CLIENT_FLAGS & ~FLAGS.mysql,
    extendedFlags: 1,
  });
  await mariadb.receiveLogin();
  await mariadb.relayQuestion(question);
  await mariadb.relayAnswer(Buffer.alloc(64, 1));
  await mariadb.accept();
});

test('the plugin that both have is used as it is', async (t) => {
  const dialogue = await open(t, plaintext, {});
  await dialogue.receiveLogin();
  await dialogue.relayQuestion(switchTo('mysql_native_password'));
  await dialogue.relayAnswer(nativeAnswer(PASSWORD, SWITCHED_NONCE));
  await dialogue.accept();
  assert.equal(dialogue.scenario.observed[0]?.connection.authentication, 'relayed');
});

test('a client that can not be asked for another plugin is not', async (t) => {
  const dialogue = await open(t, plaintext, { flags: CLIENT_FLAGS & ~FLAGS.pluginAuth });
  await dialogue.receiveLogin();
  // Servers do not ask it either, unless the proxy told them otherwise for another user of the session.
  await dialogue.server.send(switchTo('caching_sha2_password'));
  const { errno, sqlState } = readErr(await dialogue.client.receive());
  assert.deepEqual({ errno, sqlState }, { errno: 1251, sqlState: '08004' });
});

test('every byte by itself', async (t) => {
  const dialogue = await open(t, plaintext, {}, { piecemeal: true });
  await dialogue.receiveLogin();
  await dialogue.server.send(switchTo('caching_sha2_password'));
  await handOver(dialogue, 1, nonceOf(await dialogue.client.receive(), 'sha256_password'));
  assert.deepEqual(await dialogue.server.receive(), cachingSha2Answer(PASSWORD, SWITCHED_NONCE));
  await dialogue.server.send(moreData([3]));
  await dialogue.accept();
});
