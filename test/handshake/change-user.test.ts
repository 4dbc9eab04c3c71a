/** COM_CHANGE_USER in sessions whose commands the proxy follows: the authentication in it, whole and in pieces. */
import assert from 'node:assert/strict';
import { createPublicKey, createSecretKey } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { err, NONCE, OK, readErr } from '../support/packets.js';
import {
  cachingSha2Answer,
  clearAnswer,
  decryptedAnswer,
  encryptedAnswer,
  nativeAnswer,
} from '../support/passwords.js';
import { ask, changeUser, changeUserLegs, nameOf, openSession, sendInTwo } from './change-user-dialogue.js';
import { type Dialogue, moreData, proxyKey, SWITCHED_NONCE, serverKey, switchTo } from './unequal-legs.js';

const PASSWORD = 'a rather long secret of größe';
const DENIED = err(1045, "Access denied for user 'bob'@'x' (using password: YES)", '28000');
const proxyPublicKey = createPublicKey(proxyKey.certificate);
const serverPem = moreData(
  createPublicKey(serverKey.certificate).export({ type: 'spki', format: 'pem' }).toString(),
);

/** Full authentication behind the switch, in the form of each leg. */
async function authenticateFully(dialogue: Dialogue): Promise<void> {
  const { client, server, clientTls, serverTls } = dialogue;
  await dialogue.relayQuestion(switchTo('caching_sha2_password'));
  await dialogue.relayAnswer(cachingSha2Answer(PASSWORD, SWITCHED_NONCE));
  await dialogue.relayQuestion(moreData([4]));
  if (clientTls === serverTls) {
    await dialogue.relayAnswer(Buffer.from([2]));
    await dialogue.relayQuestion(serverPem);
    await dialogue.relayAnswer(Buffer.alloc(256, 3));
  } else if (serverTls) {
    await client.send([2]);
    await client.receive();
    await client.send(encryptedAnswer(proxyPublicKey, PASSWORD, SWITCHED_NONCE));
    assert.deepEqual(await server.receive(), clearAnswer(PASSWORD));
  } else {
    await client.send(clearAnswer(PASSWORD));
    assert.deepEqual(await server.receive(), Buffer.from([2]));
    await server.send(serverPem);
    const encrypted = await server.receive();
    assert.equal(decryptedAnswer(serverKey.private, encrypted, SWITCHED_NONCE), `${PASSWORD}\0`);
  }
  await server.send(OK);
  assert.deepEqual(await client.receive(), OK);
}

/** Every socket that is opened in this process from now on, at either end. */
function collectSockets(t: TestContext): readonly Socket[] {
  const sockets: Socket[] = [];
  const onSocket = (message: unknown) => void sockets.push((message as { socket: Socket }).socket);
  for (const channel of ['net.client.socket', 'net.server.socket']) {
    subscribe(channel, onSocket);
    t.after(() => unsubscribe(channel, onSocket));
  }
  return sockets;
}

function listenersOf(sockets: readonly Socket[]): number {
  return sockets.reduce(
    (sum, socket) => socket.eventNames().reduce((count, event) => count + socket.listenerCount(event), sum),
    0,
  );
}

for (const legs of changeUserLegs) {
  for (const piecemeal of [false, true]) {
    test(`full authentication, ${nameOf(legs)}${piecemeal ? ', every byte by itself' : ''}`, async (t) => {
      const dialogue = await openSession(t, legs, { piecemeal });
      const { client, server, scenario } = dialogue;
      await ask(dialogue, 'SELECT 1');
      const command = changeUser('bob', { plugin: 'caching_sha2_password', auth: Buffer.alloc(32, 1) });
      await dialogue.relayAnswer(command);
      await authenticateFully(dialogue);
      await ask(dialogue, 'SELECT 2');
      const [seen] = scenario.observed;
      assert.deepEqual(seen?.users, ['bob']);
      assert.equal(seen?.connection.user, 'bob');
      assert.equal(seen?.connection.serverPlugin, 'caching_sha2_password');
      const relayed = legs.client === legs.server;
      assert.equal(seen?.connection.authentication, relayed ? 'relayed' : 'translated');
      assert.equal(`${client.wire}${server.wire}`.includes(PASSWORD), false);
    });
  }

  test(`the command cut in two at every byte, ${nameOf(legs)}`, async (t) => {
    const dialogue = await openSession(t, legs);
    const { client, server } = dialogue;
    const command = changeUser('bob');
    for (let at = 1; at < command.length + 4; at++) {
      await sendInTwo(client, command, at);
      assert.deepEqual(await server.receive(), command, `cut at ${at}`);
      await dialogue.relayQuestion(switchTo('mysql_native_password'));
      await dialogue.relayAnswer(nativeAnswer(PASSWORD, SWITCHED_NONCE));
      await server.send(OK);
      assert.deepEqual(await client.receive(), OK);
      await ask(dialogue, `SELECT ${at}`);
    }
  });

  test(`the server's packets cut in two at every byte, ${nameOf(legs)}`, async (t) => {
    const dialogue = await openSession(t, legs);
    const { client, server } = dialogue;
    const question = switchTo('mysql_native_password');
    for (let at = 1; at < question.length + 4; at++) {
      await dialogue.relayAnswer(changeUser('bob'));
      await sendInTwo(server, question, at);
      assert.deepEqual(await client.receive(), question, `cut at ${at}`);
      await dialogue.relayAnswer(nativeAnswer(PASSWORD, SWITCHED_NONCE));
      await sendInTwo(server, OK, Math.min(at, OK.length + 3));
      assert.deepEqual(await client.receive(), OK);
      for (const leg of [client, server]) leg.restart();
    }
  });

  test(`refused by a server that goes on, ${nameOf(legs)}`, async (t) => {
    const dialogue = await openSession(t, legs);
    const { client, server, scenario } = dialogue;
    for (let round = 0; round < 3; round++) {
      await dialogue.relayAnswer(changeUser('bob'));
      await server.send(DENIED);
      assert.deepEqual(await client.receive(), DENIED);
      await ask(dialogue, 'SELECT CURRENT_USER');
    }
    assert.equal(scenario.observed[0]?.refusedWith, 1045);
    assert.equal(scenario.observed[0]?.connection.user, 'app', 'the session is still that of the login');
    assert.equal(scenario.observed[0]?.closed, undefined);
  });

  test(`refused by a server that closes, ${nameOf(legs)}`, async (t) => {
    const dialogue = await openSession(t, legs);
    const { client, server, scenario } = dialogue;
    await dialogue.relayAnswer(changeUser('bob'));
    await server.send(DENIED);
    server.peer.finish();
    assert.deepEqual(await client.receive(), DENIED);
    await client.peer.ended();
    client.peer.finish();
    await server.peer.ended();
    await scenario.quiet();
    assert.equal(scenario.observed[0]?.closed, 'server_closed');
  });

  test(`a server that says OK at once, ${nameOf(legs)}`, async (t) => {
    const dialogue = await openSession(t, legs);
    await dialogue.relayAnswer(changeUser('bob'));
    await dialogue.server.send(OK);
    assert.deepEqual(await dialogue.client.receive(), OK);
    await ask(dialogue, 'SELECT 1');
    assert.deepEqual(dialogue.scenario.observed[0]?.users, ['bob']);
  });

  test(`200 changes leave nothing behind, ${nameOf(legs)}`, async (t) => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error) => void warnings.push(warning);
    process.on('warning', onWarning);
    t.after(() => process.off('warning', onWarning));
    const sockets = collectSockets(t);
    const dialogue = await openSession(t, legs);
    const { client, server, scenario } = dialogue;
    let listenersAtFirst = 0;
    for (let round = 0; round < 200; round++) {
      if (round === 1) listenersAtFirst = listenersOf(sockets);
      await dialogue.relayAnswer(changeUser(`user${round}`));
      await dialogue.relayQuestion(switchTo('mysql_native_password'));
      await dialogue.relayAnswer(nativeAnswer(PASSWORD, SWITCHED_NONCE));
      await server.send(OK);
      assert.deepEqual(await client.receive(), OK);
      await ask(dialogue, 'SELECT 1');
    }
    assert.equal(scenario.observed[0]?.users.length, 200);
    assert.equal(listenersOf(sockets), listenersAtFirst);
    assert.ok(sockets.length >= 4 && listenersAtFirst > 0);
    assert.deepEqual(warnings, []);
  });
}

const unequal = { client: 'tls', server: 'plaintext' } as const;

test('sha256_password with the password in the command: withheld, and asked for in the form of the leg', async (t) => {
  const dialogue = await openSession(t, unequal);
  const { client, server } = dialogue;
  await client.send(changeUser('bob', { plugin: 'sha256_password', auth: clearAnswer(PASSWORD) }));
  const withheld = changeUser('bob', { plugin: 'mysql_tls_proxy_ask', auth: Buffer.alloc(0) });
  assert.deepEqual(await server.receive(), withheld);
  await dialogue.relayQuestion(switchTo('sha256_password'));
  await client.send(clearAnswer(PASSWORD));
  assert.deepEqual(await server.receive(), Buffer.from([1]));
  await server.send(serverPem);
  assert.equal(decryptedAnswer(serverKey.private, await server.receive(), SWITCHED_NONCE), `${PASSWORD}\0`);
  await server.send(OK);
  await client.receive();
  await ask(dialogue, 'SELECT 1');
  assert.equal(server.wire.includes(PASSWORD), false);
});

test('a password in clear is refused as in a login, and the server gets no part of the command', async (t) => {
  const dialogue = await openSession(t, unequal);
  const { client, server, scenario } = dialogue;
  await client.send(changeUser('bob', { plugin: 'mysql_clear_password', auth: clearAnswer(PASSWORD) }));
  assert.equal(readErr(await client.receive()).errno, 2061);
  assert.deepEqual(await server.receive(), Buffer.from([1]), 'COM_QUIT');
  await server.peer.ended();
  server.peer.finish();
  client.peer.finish();
  await scenario.quiet();
  assert.equal(scenario.observed[0]?.error?.code, 'cleartext_refused');
  assert.equal(server.wire.includes(PASSWORD), false);
});

const secret = (text: string) => createSecretKey(Buffer.from(text));

test('to a user of the credentials file, and from there to one of the server', async (t) => {
  const entry = {
    user: 'bob',
    route: undefined,
    client: { password: secret(PASSWORD) },
    server: { user: 'mapped', password: secret('the other one') },
  };
  const dialogue = await openSession(t, unequal, { process: { users: [entry] } });
  const { client, server, scenario } = dialogue;
  await client.send(changeUser('bob', { auth: nativeAnswer(PASSWORD, NONCE) }));
  const question = await client.receive();
  const nonce = question.subarray(-21, -1);
  assert.deepEqual(question, switchTo('mysql_native_password', nonce));
  await client.send(nativeAnswer(PASSWORD, nonce));
  const mapped = changeUser('mapped', { auth: Buffer.alloc(0), plugin: 'mysql_tls_proxy_ask' });
  assert.deepEqual(await server.receive(), mapped);
  await server.send(switchTo('mysql_native_password'));
  assert.deepEqual(await server.receive(), nativeAnswer('the other one', SWITCHED_NONCE));
  await server.send(OK);
  assert.deepEqual(await client.receive(), OK);
  await ask(dialogue, 'SELECT 1');
  assert.equal(scenario.observed[0]?.connection.authentication, 'credentials');
  await dialogue.relayAnswer(changeUser('alice'));
  await server.send(OK);
  assert.deepEqual(await client.receive(), OK);
  assert.deepEqual(scenario.observed[0]?.users, ['bob', 'alice']);
  assert.equal(scenario.observed[0]?.connection.authentication, 'relayed');
});

test('to a user of the credentials file with a wrong password', async (t) => {
  const entry = {
    user: 'bob',
    route: undefined,
    client: { password: secret(PASSWORD) },
    server: { user: 'mapped', password: secret('the other one') },
  };
  const dialogue = await openSession(t, unequal, { process: { users: [entry] } });
  const { client, server, scenario } = dialogue;
  await client.send(changeUser('bob'));
  const nonce = (await client.receive()).subarray(-21, -1);
  await client.send(nativeAnswer('wrong', nonce));
  const { errno, text } = readErr(await client.receive());
  assert.equal(errno, 1045);
  assert.equal(text, "Access denied for user 'bob'@'127.0.0.1' (using password: YES)");
  assert.deepEqual(await server.receive(), Buffer.from([1]), 'COM_QUIT');
  server.peer.finish();
  await client.peer.ended();
  assert.equal(scenario.observed[0]?.error?.code, 'access_denied');
});

test('bridged: the client has no plugin of the new account', async (t) => {
  const dialogue = await openSession(t, unequal, { route: { authBridge: 'sha256' } });
  const { client, server, scenario } = dialogue;
  await dialogue.relayAnswer(changeUser('bob'));
  await server.send(switchTo('caching_sha2_password'));
  const question = await client.receive();
  assert.deepEqual(question, switchTo('sha256_password', question.subarray(-21, -1)));
  await client.send(clearAnswer(PASSWORD));
  assert.deepEqual(await server.receive(), cachingSha2Answer(PASSWORD, SWITCHED_NONCE));
  await server.send(moreData([3]));
  await server.send(OK);
  assert.deepEqual(await client.receive(), OK);
  await ask(dialogue, 'SELECT 1');
  assert.equal(scenario.observed[0]?.connection.authentication, 'bridged');
});
