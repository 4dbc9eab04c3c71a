/** caching_sha2_password and sha256_password where one leg is TLS and the other is not: the password changes its form. */
import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { CLIENT_FLAGS, err, FLAGS, login, NONCE, readErr } from '../support/packets.js';
import { cachingSha2Answer, clearAnswer, decryptedAnswer, encryptedAnswer } from '../support/passwords.js';
import {
  type Dialogue,
  moreData,
  openDialogue,
  proxyKey,
  SWITCHED_NONCE,
  serverKey,
  switchTo,
} from './unequal-legs.js';

const PASSWORD = 'a rather long secret of größe';
const DENIED = err(1045, "Access denied for user 'app'@'localhost' (using password: YES)", '28000');
const plaintextToTls = { client: 'plaintext', server: 'tls' } as const;
const tlsToPlaintext = { client: 'tls', server: 'plaintext' } as const;

const serverPublicKey = createPublicKey(serverKey.certificate);
const serverPem = moreData(serverPublicKey.export({ type: 'spki', format: 'pem' }).toString());
const proxyPublicKey = createPublicKey(proxyKey.certificate);
const proxyPem = moreData(proxyPublicKey.export({ type: 'spki', format: 'pem' }).toString());

const smallPem = generateKeyPairSync('rsa', { modulusLength: 512 })
  .publicKey.export({ type: 'spki', format: 'pem' })
  .toString();

/** Where a plugin is when the server wants the password; the nonce that counts from there. */
interface Plugin {
  readonly name: string;
  readonly keyRequest: Buffer;
  readonly nonce: Buffer;
  ask(dialogue: Dialogue): Promise<void>;
}

const sha2Login = { plugin: 'caching_sha2_password', auth: cachingSha2Answer(PASSWORD, NONCE) };
const plugins: readonly Plugin[] = [
  {
    name: 'caching_sha2_password',
    keyRequest: Buffer.from([2]),
    nonce: NONCE,
    ask: (dialogue) => dialogue.relayQuestion(moreData([4])),
  },
  {
    name: 'caching_sha2_password after a switch',
    keyRequest: Buffer.from([2]),
    nonce: SWITCHED_NONCE,
    ask: async (dialogue) => {
      await dialogue.relayQuestion(switchTo('caching_sha2_password'));
      await dialogue.relayAnswer(cachingSha2Answer(PASSWORD, SWITCHED_NONCE));
      await dialogue.relayQuestion(moreData([4]));
    },
  },
  {
    name: 'sha256_password after a switch',
    keyRequest: Buffer.from([1]),
    nonce: SWITCHED_NONCE,
    ask: (dialogue) => dialogue.relayQuestion(switchTo('sha256_password')),
  },
];

for (const { name, keyRequest, nonce, ask } of plugins) {
  for (const piecemeal of [false, true]) {
    const how = piecemeal ? ', every byte by itself' : '';

    test(`${name}, plaintext client, TLS server: encrypted here, clear there${how}`, async (t) => {
      const dialogue = await openDialogue(t, { legs: plaintextToTls, login: sha2Login, piecemeal });
      const { client, server, scenario } = dialogue;
      await dialogue.receiveLogin();
      await ask(dialogue);
      await client.send(keyRequest);
      assert.deepEqual(await client.receive(), proxyPem);
      await client.send(encryptedAnswer(proxyPublicKey, PASSWORD, nonce));
      assert.deepEqual(await server.receive(), clearAnswer(PASSWORD));
      await dialogue.accept();
      assert.equal(scenario.observed[0]?.connection.authentication, 'translated');
      assert.equal(client.wire.includes(PASSWORD), false);
    });

    test(`${name}, TLS client, plaintext server: clear here, encrypted there${how}`, async (t) => {
      const dialogue = await openDialogue(t, { legs: tlsToPlaintext, login: sha2Login, piecemeal });
      const { client, server, scenario } = dialogue;
      await dialogue.receiveLogin();
      await ask(dialogue);
      await client.send(clearAnswer(PASSWORD));
      assert.deepEqual(await server.receive(), keyRequest);
      await server.send(serverPem);
      const encrypted = await server.receive();
      assert.equal(encrypted.length, 256);
      assert.equal(decryptedAnswer(serverKey.private, encrypted, nonce), `${PASSWORD}\0`);
      await dialogue.accept();
      assert.equal(scenario.observed[0]?.connection.authentication, 'translated');
      assert.equal(server.wire.includes(PASSWORD), false);
    });
  }

  test(`${name}: a client that has the key already sends the password at once`, async (t) => {
    const dialogue = await openDialogue(t, { legs: plaintextToTls, login: sha2Login });
    await dialogue.receiveLogin();
    await ask(dialogue);
    await dialogue.client.send(encryptedAnswer(proxyPublicKey, PASSWORD, nonce));
    assert.deepEqual(await dialogue.server.receive(), clearAnswer(PASSWORD));
    await dialogue.accept();
  });

  test(`${name}: a client that expected TLS, and sends its password over plaintext`, async (t) => {
    const dialogue = await openDialogue(t, { legs: plaintextToTls, login: sha2Login });
    const { client, server, scenario } = dialogue;
    await dialogue.receiveLogin();
    await ask(dialogue);
    await client.send(clearAnswer(PASSWORD));
    const { errno, text } = readErr(await client.receive());
    assert.equal(errno, 2061);
    assert.match(text, /the client sent its password for \w+ in the clear: .*--skip-ssl/);
    assert.match(text, /--allow-cleartext/);
    assert.equal(text.includes(PASSWORD), false);
    assert.equal(scenario.observed[0]?.error?.code, 'cleartext_refused');
    assert.equal(scenario.observed[0]?.error?.message.includes(PASSWORD), false);
    // The server is left with a login that it refuses, and does not get the password.
    assert.notDeepEqual(await server.receive(), clearAnswer(PASSWORD));
  });

  test(`${name}: the same where cleartext is allowed`, async (t) => {
    const route = { allowCleartext: true };
    const dialogue = await openDialogue(t, { legs: plaintextToTls, login: sha2Login, route });
    await dialogue.receiveLogin();
    await ask(dialogue);
    await dialogue.client.send(clearAnswer(PASSWORD));
    assert.deepEqual(await dialogue.server.receive(), clearAnswer(PASSWORD));
    await dialogue.accept();
  });

  test(`${name}: a client that asks for the key inside TLS gets it`, async (t) => {
    const dialogue = await openDialogue(t, { legs: tlsToPlaintext, login: sha2Login });
    const { client, server } = dialogue;
    await dialogue.receiveLogin();
    await ask(dialogue);
    await client.send(keyRequest);
    assert.deepEqual(await client.receive(), proxyPem);
    await client.send(encryptedAnswer(proxyPublicKey, PASSWORD, nonce));
    assert.deepEqual(await server.receive(), keyRequest);
    await server.send(serverPem);
    assert.equal(decryptedAnswer(serverKey.private, await server.receive(), nonce), `${PASSWORD}\0`);
    await dialogue.accept();
  });

  for (const legs of [plaintextToTls, tlsToPlaintext]) {
    test(`${name}, ${legs.client} client: an empty password needs no key`, async (t) => {
      const dialogue = await openDialogue(t, { legs, login: sha2Login });
      await dialogue.receiveLogin();
      await ask(dialogue);
      await dialogue.client.send([0]);
      assert.deepEqual(await dialogue.server.receive(), Buffer.from([0]));
      await dialogue.accept();
    });

    test(`${name}, ${legs.client} client: the longest password, and the server's refusal`, async (t) => {
      const longest = 'ü'.repeat(106);
      const dialogue = await openDialogue(t, { legs, login: sha2Login });
      const { client, server } = dialogue;
      await dialogue.receiveLogin();
      await ask(dialogue);
      if (legs === plaintextToTls) {
        await client.send(encryptedAnswer(proxyPublicKey, longest, nonce));
        assert.deepEqual(await server.receive(), clearAnswer(longest));
      } else {
        await client.send(clearAnswer(longest));
        await server.receive();
        await server.send(serverPem);
        assert.equal(decryptedAnswer(serverKey.private, await server.receive(), nonce), `${longest}\0`);
      }
      await server.send(DENIED);
      assert.deepEqual(await client.receive(), DENIED);
      await client.peer.ended();
      assert.equal(dialogue.scenario.observed[0]?.refusedWith, 1045);
    });
  }

  for (const [what, blob] of [
    ['noise of the right length', randomBytes(256)],
    ['noise of another length', randomBytes(255)],
    ['the password in clear', clearAnswer(PASSWORD)],
    ['60 kB', randomBytes(60_000)],
    [
      'a password for the nonce of something else',
      encryptedAnswer(proxyPublicKey, PASSWORD, Buffer.alloc(20, 0x55)),
    ],
  ] as const) {
    test(`${name}: ${what} becomes a wrong password, on which the server decides`, async (t) => {
      const dialogue = await openDialogue(t, { legs: plaintextToTls, login: sha2Login });
      const { client, server } = dialogue;
      await dialogue.receiveLogin();
      await ask(dialogue);
      await client.send(keyRequest);
      await client.receive();
      await client.send(blob);
      const answer = await server.receive();
      assert.equal(answer.indexOf(0), answer.length - 1, 'one zero byte, at its end');
      assert.equal(answer.includes(PASSWORD), false);
      await server.send(DENIED);
      assert.deepEqual(await client.receive(), DENIED);
    });
  }

  test(`${name}: the server answers the request for its key with an ERR`, async (t) => {
    const dialogue = await openDialogue(t, { legs: tlsToPlaintext, login: sha2Login });
    const { client, server } = dialogue;
    await dialogue.receiveLogin();
    await ask(dialogue);
    await client.send(clearAnswer(PASSWORD));
    await server.receive();
    await server.send(DENIED);
    assert.deepEqual(await client.receive(), DENIED);
    assert.equal(server.wire.includes(PASSWORD), false);
  });

  for (const [what, key] of [
    ['nothing', moreData('')],
    ['text', moreData('no key')],
    ['a key without its header', serverPem.subarray(1)],
    ['another switch', switchTo('mysql_native_password')],
    ['a key that is too small', moreData(smallPem)],
  ] as const) {
    test(`${name}: the server answers the request for its key with ${what}`, async (t) => {
      const dialogue = await openDialogue(t, { legs: tlsToPlaintext, login: sha2Login });
      const { client, server, scenario } = dialogue;
      await dialogue.receiveLogin();
      await ask(dialogue);
      await client.send(clearAnswer(PASSWORD));
      await server.receive();
      await server.send(key);
      const { errno, text } = readErr(await client.receive());
      assert.equal(errno, 2061);
      assert.match(text, /can not be encrypted with the RSA public key of 127\.0\.0\.1:\d+:/);
      assert.equal(text.includes(PASSWORD), false);
      assert.equal(scenario.observed[0]?.error?.code, 'server_rsa_key_unusable');
      // The server is left in good order: with an answer that it refuses.
      const last = await server.receive();
      assert.equal(last.length, 20);
      await server.send(DENIED);
      await server.peer.ended();
      assert.equal(server.wire.includes(PASSWORD), false);
    });
  }
}

test('a client that was told of a key and leaves: the server is left in good order', async (t) => {
  const dialogue = await openDialogue(t, { legs: plaintextToTls, login: sha2Login });
  const { client, server, scenario } = dialogue;
  await dialogue.receiveLogin();
  await dialogue.relayQuestion(moreData([4]));
  await client.send([2]);
  await client.receive();
  client.peer.finish();
  assert.equal((await server.receive()).length, 20);
  await server.send(DENIED);
  await server.peer.ended();
  await scenario.quiet();
  assert.equal(scenario.observed[0]?.closed, 'client_gone');
});

for (const legs of [plaintextToTls, tlsToPlaintext]) {
  const auth = legs === plaintextToTls ? Buffer.from([1]) : clearAnswer(PASSWORD);

  test(`sha256_password in the login, ${legs.client} client: withheld, and asked for in the form of the leg`, async (t) => {
    const flags = CLIENT_FLAGS | (legs === tlsToPlaintext ? FLAGS.ssl : 0);
    const clientLogin = { plugin: 'sha256_password', auth, schema: 'shop', user: 'bob', flags };
    const dialogue = await openDialogue(t, {
      legs,
      login: clientLogin,
      greeting: { plugin: 'sha256_password' },
    });
    const { client, server } = dialogue;
    const forwarded = await dialogue.receiveLogin();
    const expectedFlags = CLIENT_FLAGS | (legs === plaintextToTls ? FLAGS.ssl : 0);
    const expected = login({
      ...clientLogin,
      flags: expectedFlags,
      auth: Buffer.alloc(0),
      plugin: 'mysql_tls_proxy_ask',
    });
    assert.deepEqual(forwarded, expected);
    await dialogue.relayQuestion(switchTo('sha256_password'));
    if (legs === plaintextToTls) {
      await client.send(encryptedAnswer(proxyPublicKey, PASSWORD, SWITCHED_NONCE));
      assert.deepEqual(await server.receive(), clearAnswer(PASSWORD));
    } else {
      await client.send(clearAnswer(PASSWORD));
      assert.deepEqual(await server.receive(), Buffer.from([1]));
      await server.send(serverPem);
      assert.equal(
        decryptedAnswer(serverKey.private, await server.receive(), SWITCHED_NONCE),
        `${PASSWORD}\0`,
      );
    }
    await dialogue.accept();
    assert.equal(`${client.wire}${server.wire}`.includes(PASSWORD), false);
  });

  test(`caching_sha2_password in the cache, ${legs.client} client: nothing is translated`, async (t) => {
    const dialogue = await openDialogue(t, { legs, login: sha2Login });
    await dialogue.receiveLogin();
    await dialogue.relayQuestion(moreData([3]));
    await dialogue.accept();
    assert.equal(dialogue.scenario.observed[0]?.connection.authentication, 'relayed');
  });

  test(`a next factor behind a translated first one, ${legs.client} client`, async (t) => {
    const multiFactor = 0x10000000;
    const dialogue = await openDialogue(t, {
      legs,
      login: { ...sha2Login, flags: CLIENT_FLAGS | multiFactor | (legs === tlsToPlaintext ? FLAGS.ssl : 0) },
      greeting: { flags: (CLIENT_FLAGS | FLAGS.ssl | multiFactor) >>> 0 },
    });
    const { client, server } = dialogue;
    await dialogue.receiveLogin();
    await dialogue.relayQuestion(moreData([4]));
    if (legs === plaintextToTls) {
      await client.send(encryptedAnswer(proxyPublicKey, PASSWORD, NONCE));
      assert.deepEqual(await server.receive(), clearAnswer(PASSWORD));
    } else {
      await client.send(clearAnswer(PASSWORD));
      await server.receive();
      await server.send(serverPem);
      await server.receive();
    }
    const second = Buffer.concat([Buffer.from([2]), switchTo('caching_sha2_password').subarray(1)]);
    await dialogue.relayQuestion(second);
    await dialogue.relayAnswer(cachingSha2Answer('second factor', SWITCHED_NONCE));
    await dialogue.relayQuestion(moreData([4]));
    if (legs === plaintextToTls) {
      await client.send(encryptedAnswer(proxyPublicKey, 'second factor', SWITCHED_NONCE));
      assert.deepEqual(await server.receive(), clearAnswer('second factor'));
    } else {
      await client.send(clearAnswer('second factor'));
      await server.receive();
      await server.send(serverPem);
      assert.equal(
        decryptedAnswer(serverKey.private, await server.receive(), SWITCHED_NONCE),
        'second factor\0',
      );
    }
    const third = Buffer.from('\x02authentication_webauthn_client\0challenge', 'latin1');
    await dialogue.relayQuestion(third);
    await dialogue.relayAnswer(Buffer.from('signature'));
    await dialogue.accept();
  });
}
