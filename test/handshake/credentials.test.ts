/** Users whose client the proxy checks itself, and for whom it answers the server. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CLIENT_FLAGS, FLAGS, login, NONCE, OK, readErr } from '../support/packets.js';
import {
  cachingSha2Answer,
  clearAnswer,
  decryptedAnswer,
  encryptedAnswer,
  nativeAnswer,
} from '../support/passwords.js';
import {
  allLegs,
  assertDenied,
  assertMapped,
  byHash,
  byPassword,
  CLIENT_PASSWORD,
  nameOf,
  open,
  proxyPublicKey,
  receiveSwitch,
  SERVER_PASSWORD,
  serverPem,
} from './credential-dialogue.js';
import { moreData, SWITCHED_NONCE, serverKey, switchTo } from './unequal-legs.js';

for (const legs of allLegs) {
  for (const [kind, expected] of [
    ['password', byPassword(CLIENT_PASSWORD)],
    ['hash', byHash(CLIENT_PASSWORD)],
  ] as const) {
    test(`mysql_native_password, known by its ${kind}, ${nameOf(legs)}`, async (t) => {
      const auth = nativeAnswer(CLIENT_PASSWORD, NONCE);
      const dialogue = await open(t, { auth }, { legs, expected });
      await assertMapped(dialogue);
      await dialogue.accept();
      const record = dialogue.scenario.observed[0]?.connection;
      assert.equal(record?.authentication, 'credentials');
      assert.equal(record?.user, 'app', 'the log has the name that the client gave');
    });

    test(`mysql_native_password, known by its ${kind}, ${nameOf(legs)}: a wrong password`, async (t) => {
      const auth = nativeAnswer('something else', NONCE);
      const dialogue = await open(t, { auth }, { legs: { ...legs, server: 'plaintext' }, expected });
      await assertDenied(dialogue, 'YES');
    });

    test(`mysql_native_password, known by its ${kind}, ${nameOf(legs)}: asked, and answered with nothing`, async (t) => {
      const dialogue = await open(
        t,
        { auth: Buffer.alloc(0) },
        { legs: { ...legs, server: 'plaintext' }, expected },
      );
      await receiveSwitch(dialogue, 'mysql_native_password');
      await dialogue.client.send('');
      await assertDenied(dialogue, 'NO');
    });

    test(`sha256_password, known by its ${kind}, ${nameOf(legs)}`, async (t) => {
      const dialogue = await open(
        t,
        { auth: Buffer.alloc(0), plugin: 'sha256_password' },
        { legs, expected },
      );
      const nonce = await receiveSwitch(dialogue, 'sha256_password');
      if (legs.client === 'tls') await dialogue.client.send(clearAnswer(CLIENT_PASSWORD));
      else {
        await dialogue.client.send([1]);
        assert.match(
          (await dialogue.client.receive()).subarray(1).toString('latin1'),
          /^-----BEGIN PUBLIC KEY-----\n/,
        );
        await dialogue.client.send(encryptedAnswer(proxyPublicKey, CLIENT_PASSWORD, nonce));
      }
      await assertMapped(dialogue);
      await dialogue.accept();
      assert.equal(dialogue.client.wire.includes(CLIENT_PASSWORD), false);
    });
  }

  test(`caching_sha2_password, known by its password, ${nameOf(legs)}: the fast success comes in front of OK`, async (t) => {
    const auth = cachingSha2Answer(CLIENT_PASSWORD, NONCE);
    const dialogue = await open(t, { auth, plugin: 'caching_sha2_password' }, { legs });
    await assertMapped(dialogue);
    await dialogue.server.send(OK);
    assert.deepEqual(await dialogue.client.receive(), Buffer.from([1, 3]));
    assert.deepEqual(await dialogue.client.receive(), OK);
  });

  test(`caching_sha2_password, known by its hash, ${nameOf(legs)}: full authentication`, async (t) => {
    const auth = cachingSha2Answer(CLIENT_PASSWORD, NONCE);
    const dialogue = await open(
      t,
      { auth, plugin: 'caching_sha2_password' },
      { legs, expected: byHash(CLIENT_PASSWORD) },
    );
    assert.deepEqual(await dialogue.client.receive(), Buffer.from([1, 4]));
    if (legs.client === 'tls') await dialogue.client.send(clearAnswer(CLIENT_PASSWORD));
    else {
      await dialogue.client.send([2]);
      await dialogue.client.receive();
      await dialogue.client.send(encryptedAnswer(proxyPublicKey, CLIENT_PASSWORD, NONCE));
    }
    await assertMapped(dialogue);
    await dialogue.accept();
  });

  test(`caching_sha2_password at the server, ${nameOf(legs)}: full authentication in the form of its leg`, async (t) => {
    const dialogue = await open(t, { auth: nativeAnswer(CLIENT_PASSWORD, NONCE) }, { legs });
    const { server } = dialogue;
    await assertMapped(dialogue);
    await server.send(switchTo('caching_sha2_password'));
    assert.deepEqual(await server.receive(), cachingSha2Answer(SERVER_PASSWORD, SWITCHED_NONCE));
    await server.send(moreData([4]));
    if (legs.server === 'tls') assert.deepEqual(await server.receive(), clearAnswer(SERVER_PASSWORD));
    else {
      assert.deepEqual(await server.receive(), Buffer.from([2]));
      await server.send(serverPem);
      assert.equal(
        decryptedAnswer(serverKey.private, await server.receive(), SWITCHED_NONCE),
        `${SERVER_PASSWORD}\0`,
      );
    }
    await dialogue.accept();
    assert.equal(`${dialogue.client.wire}${server.wire}`.includes(SERVER_PASSWORD), false);
  });
}

test('caching_sha2_password: a wrong password, an empty one, and one that the hash does not fit', async (t) => {
  const plugin = 'caching_sha2_password';
  const wrong = await open(t, { auth: cachingSha2Answer('x', NONCE), plugin });
  await assertDenied(wrong, 'YES');
  const empty = await open(t, { auth: Buffer.alloc(0), plugin });
  await receiveSwitch(empty, plugin);
  await empty.client.send('');
  await assertDenied(empty, 'NO');
  const expected = byHash(CLIENT_PASSWORD);
  const hashed = await open(t, { auth: cachingSha2Answer('x', NONCE), plugin }, { expected });
  await hashed.client.receive();
  await hashed.client.send(encryptedAnswer(proxyPublicKey, 'x', NONCE));
  await assertDenied(hashed, 'YES');
});

test('a client whose plugin the proxy can not check is asked for another', async (t) => {
  const dialogue = await open(t, { plugin: 'client_ed25519', auth: Buffer.alloc(0) });
  const nonce = await receiveSwitch(dialogue, 'mysql_native_password');
  await dialogue.client.send(nativeAnswer(CLIENT_PASSWORD, nonce));
  await assertMapped(dialogue);
  await dialogue.accept();
});

test('mysql_clear_password: inside TLS it is checked, in plaintext it is refused', async (t) => {
  const login = { plugin: 'mysql_clear_password', auth: clearAnswer(CLIENT_PASSWORD) };
  const secure = await open(t, login, { legs: { client: 'tls', server: 'plaintext' } });
  await assertMapped(secure);
  await secure.accept();
  assert.equal(secure.server.wire.includes(CLIENT_PASSWORD), false);
  const wrong = { ...login, auth: clearAnswer('something else') };
  await assertDenied(await open(t, wrong, { legs: { client: 'tls', server: 'plaintext' } }), 'YES');
  const exposed = await open(t, login, { legs: { client: 'plaintext', server: 'tls' } });
  assert.equal(readErr(await exposed.client.receive()).errno, 2061);
  assert.equal(exposed.scenario.observed[0]?.error?.code, 'cleartext_refused');
});

test('a client without PLUGIN_AUTH is checked by the nonce of the greeting, and can not be asked', async (t) => {
  const flags = CLIENT_FLAGS & ~FLAGS.pluginAuth;
  const dialogue = await open(t, { flags, auth: nativeAnswer(CLIENT_PASSWORD, NONCE) });
  await assertMapped(dialogue);
  await dialogue.server.send(switchTo('caching_sha2_password'));
  assert.deepEqual(await dialogue.server.receive(), cachingSha2Answer(SERVER_PASSWORD, SWITCHED_NONCE));
  await dialogue.server.send(moreData([3]));
  await dialogue.accept();
  await assertDenied(await open(t, { flags, auth: Buffer.alloc(0) }), 'NO');
});

test('attributes, schema and character set of the client stay byte for byte; the name is the mapped one', async (t) => {
  const flags = CLIENT_FLAGS | FLAGS.connectAttributes;
  const fields = { flags, user: 'größe', schema: 'läden', auth: nativeAnswer(CLIENT_PASSWORD, NONCE) };
  const attributes = Buffer.from('\x09\x03_os\x04beos', 'latin1');
  const dialogue = await open(t, fields, {
    user: 'größe',
    expected: byPassword(CLIENT_PASSWORD),
    tail: attributes,
    greeting: { flags: (flags | FLAGS.ssl) >>> 0 },
  });
  const expected = login({ ...fields, user: 'mapped', auth: nativeAnswer(SERVER_PASSWORD, NONCE) });
  assert.deepEqual(await dialogue.receiveLogin(), Buffer.concat([expected, attributes]));
  await dialogue.accept();
});

test('every byte by itself', async (t) => {
  const dialogue = await open(t, { auth: Buffer.alloc(0), plugin: 'sha256_password' }, { piecemeal: true });
  const nonce = await receiveSwitch(dialogue, 'sha256_password');
  await dialogue.client.send([1]);
  await dialogue.client.receive();
  await dialogue.client.send(encryptedAnswer(proxyPublicKey, CLIENT_PASSWORD, nonce));
  await assertMapped(dialogue);
  await dialogue.server.send(switchTo('caching_sha2_password'));
  assert.deepEqual(await dialogue.server.receive(), cachingSha2Answer(SERVER_PASSWORD, SWITCHED_NONCE));
  await dialogue.server.send(moreData([4]));
  await dialogue.server.receive();
  await dialogue.server.send(serverPem);
  await dialogue.server.receive();
  await dialogue.accept();
});
