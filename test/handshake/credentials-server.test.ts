/** What the server makes of the identity that the credentials file names. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLIENT_FLAGS, err, FLAGS, login, NONCE, readErr } from '../support/packets.js';
import { cachingSha2Answer, nativeAnswer } from '../support/passwords.js';
import {
  assertMapped,
  byPassword,
  CLIENT_PASSWORD,
  nameOf,
  open,
  plaintext,
  SERVER_PASSWORD,
  secret,
  tls,
} from './credential-dialogue.js';
import { moreData, openDialogue, SWITCHED_NONCE, switchTo } from './unequal-legs.js';

test("the server's default plugin decides what goes with the login, and the client sees another name", async (t) => {
  const auth = nativeAnswer(CLIENT_PASSWORD, NONCE);
  const dialogue = await open(t, { auth }, { greeting: { plugin: 'caching_sha2_password' } });
  await assertMapped(dialogue, {
    auth: cachingSha2Answer(SERVER_PASSWORD, NONCE),
    plugin: 'caching_sha2_password',
  });
  assert.match(dialogue.client.wire.toString('latin1'), /\0mysql_native_password\0$/);
  await dialogue.server.send(moreData([3]));
  await dialogue.accept();
});

test('a user of no entry is not touched', async (t) => {
  const auth = nativeAnswer('anything', NONCE);
  const dialogue = await open(t, { user: 'App', auth });
  assert.deepEqual(await dialogue.receiveLogin(), login({ user: 'App', auth }));
  await dialogue.accept();
  assert.equal(dialogue.scenario.observed[0]?.connection.authentication, 'relayed');
});

test('the server refuses what the file says', async (t) => {
  // Denied, expired, locked: of MySQL, and of MariaDB.
  for (const errno of [1045, 1698, 1862, 3118, 3955, 4151]) {
    const dialogue = await open(t, { auth: nativeAnswer(CLIENT_PASSWORD, NONCE) });
    await assertMapped(dialogue);
    await dialogue.server.send(err(errno, "Access denied for user 'mapped'@'x'", '28000'));
    const told = readErr(await dialogue.client.receive());
    assert.equal(told.errno, 1045);
    assert.equal(told.text, "Access denied for user 'app'@'127.0.0.1' (using password: YES)");
    const error = dialogue.scenario.observed[0]?.error;
    assert.equal(error?.code, 'server_refused_credentials');
    assert.match(
      error.message,
      /refuses what the credentials file has for app: Access denied for user 'mapped'/,
    );
  }
});

test('another refusal of the server goes through as it is', async (t) => {
  const dialogue = await open(t, {
    auth: cachingSha2Answer(CLIENT_PASSWORD, NONCE),
    plugin: 'caching_sha2_password',
  });
  await assertMapped(dialogue);
  const refusal = err(1049, "Unknown database 'shop'", '42000');
  await dialogue.server.send(refusal);
  assert.deepEqual(await dialogue.client.receive(), refusal);
});

for (const [plugin, legs] of [
  ['dialog', tls],
  ['auth_gssapi_client', plaintext],
  ['mysql_clear_password', { client: 'tls', server: 'plaintext' }],
] as const) {
  test(`the server wants ${plugin}, which the proxy can not answer, ${nameOf(legs)}`, async (t) => {
    const dialogue = await open(t, { auth: nativeAnswer(CLIENT_PASSWORD, NONCE) }, { legs });
    await assertMapped(dialogue);
    await dialogue.server.send(switchTo(plugin));
    const { errno, text } = readErr(await dialogue.client.receive());
    assert.equal(errno, 2059);
    assert.match(text, new RegExp(`authenticates the account with ${plugin}`));
    assert.equal(dialogue.scenario.observed[0]?.error?.code, 'server_plugin_unsupported');
  });
}

test('a second factor is the client’s own, behind the success of the first', async (t) => {
  const multiFactor = 0x10000000;
  const flags = CLIENT_FLAGS | multiFactor;
  const auth = cachingSha2Answer(CLIENT_PASSWORD, NONCE);
  const dialogue = await open(
    t,
    { flags, auth, plugin: 'caching_sha2_password' },
    { greeting: { flags: (flags | FLAGS.ssl) >>> 0 } },
  );
  await assertMapped(dialogue, { flags });
  const second = Buffer.concat([Buffer.from([2]), switchTo('caching_sha2_password').subarray(1)]);
  await dialogue.server.send(second);
  // A client of caching_sha2_password has sent its scramble and waits for the one or the other success.
  assert.deepEqual(await dialogue.client.receive(), Buffer.from([1, 3]));
  assert.deepEqual(await dialogue.client.receive(), second);
  await dialogue.relayAnswer(cachingSha2Answer('second factor', SWITCHED_NONCE));
  await dialogue.relayQuestion(moreData([3]));
  await dialogue.accept();
});

test('a login from before 4.1 can not be given another identity: it is refused', async (t) => {
  const dialogue = await openDialogue(t, {
    legs: plaintext,
    payload: Buffer.concat([Buffer.from([0x04, 0, 0xff, 0xff, 0xff]), Buffer.from('app\0')]),
    process: {
      users: [
        {
          user: 'app',
          route: undefined,
          client: byPassword(''),
          server: { user: 'mapped', password: secret(SERVER_PASSWORD) },
        },
      ],
    },
  });
  assert.equal(readErr(await dialogue.client.receive()).errno, 1043);
  assert.equal(dialogue.scenario.observed[0]?.error?.code, 'client_malformed_packet');
});
