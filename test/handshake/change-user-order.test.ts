/** COM_CHANGE_USER among other commands, and where it ends badly. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { err, OK, readErr } from '../support/packets.js';
import { clearAnswer } from '../support/passwords.js';
import { frame } from '../support/scripted-peer.js';
import {
  ask,
  changeUser,
  changeUserLegs,
  isSilent,
  nameOf,
  openSession,
  query,
} from './change-user-dialogue.js';
import { switchTo } from './unequal-legs.js';

const DENIED = err(1045, 'Access denied', '28000');
const legs = { client: 'tls', server: 'plaintext' } as const;
const EOF = Buffer.from([0xfe, 0, 0, 2, 0]);
const COLUMN = Buffer.from('\x03def\0\0\0\x01a\0\x0c\x3f\0\x01\0\0\0\x08\x81\0\0\0\0', 'latin1');

for (const pair of changeUserLegs) {
  test(`behind other commands, ${nameOf(pair)}: held until they are answered; those behind it wait, too`, async (t) => {
    const { client, server, scenario } = await openSession(t, pair);
    const [before, command, behind] = [query('SELECT 1'), changeUser('bob'), query('SELECT 2')];
    client.peer.sendRaw(
      Buffer.concat([frame(0, before), frame(0, query('DO 1')), frame(0, command), frame(0, behind)]),
    );
    assert.deepEqual(await server.receive(), before);
    server.restart();
    assert.deepEqual(await server.receive(), query('DO 1'));
    assert.ok(await isSilent(server), 'nothing else is passed on yet');
    const result = [Buffer.from([1]), COLUMN, EOF, Buffer.from('\x011'), EOF];
    for (const [index, packet] of result.entries()) {
      server.sequence = index + 1;
      client.sequence = index + 1;
      await server.send(packet);
      assert.deepEqual(await client.receive(), packet);
      assert.ok(await isSilent(server), `packet ${index} of the result`);
    }
    server.sequence = 1;
    client.sequence = 1;
    await server.send(OK);
    assert.deepEqual(await client.receive(), OK);
    server.restart();
    assert.deepEqual(await server.receive(), command);
    assert.ok(await isSilent(server), 'what is behind it waits for its end');
    client.sequence = 1;
    await server.send(switchTo('mysql_native_password'));
    // The answer stands behind the command that the client has sent already, and is no answer.
    await client.receive();
    assert.deepEqual(readErr(await client.receive()).errno, 1156);
    assert.equal(scenario.observed[0]?.error?.code, 'client_packet_out_of_order');
  });

  test(`followed by commands, ${nameOf(pair)}: a server that asks nothing gets them in their order`, async (t) => {
    const dialogue = await openSession(t, pair);
    const { client, server } = dialogue;
    const commands = ['SELECT 1', 'SELECT 2', 'SELECT 3'].map(query);
    client.peer.sendRaw(
      Buffer.concat([frame(0, changeUser('bob')), ...commands.map((command) => frame(0, command))]),
    );
    assert.deepEqual(await server.receive(), changeUser('bob'));
    assert.ok(await isSilent(server));
    client.sequence = 1;
    await server.send(OK);
    assert.deepEqual(await client.receive(), OK);
    for (const command of commands) {
      server.restart();
      assert.deepEqual(await server.receive(), command);
    }
    for (const _command of commands) {
      server.sequence = 1;
      client.sequence = 1;
      await server.send(OK);
      assert.deepEqual(await client.receive(), OK);
    }
    await ask(dialogue, 'SELECT 4');
  });
}

test('two of them, one behind the other', async (t) => {
  const dialogue = await openSession(t, legs);
  const { client, server, scenario } = dialogue;
  client.peer.sendRaw(Buffer.concat(['bob', 'alice', 'app'].map((user) => frame(0, changeUser(user)))));
  for (const user of ['bob', 'alice', 'app']) {
    server.restart();
    assert.deepEqual(await server.receive(), changeUser(user));
    assert.ok(await isSilent(server));
    client.sequence = 1;
    await server.send(OK);
    assert.deepEqual(await client.receive(), OK);
  }
  assert.deepEqual(scenario.observed[0]?.users, ['bob', 'alice', 'app']);
  await ask(dialogue, 'SELECT 1');
});

test('behind a command of which part is still on its way', async (t) => {
  const { client, server } = await openSession(t, legs);
  const long = query(`SELECT '${'x'.repeat(200_000)}'`);
  const bytes = Buffer.concat([frame(0, long), frame(0, changeUser('bob'))]);
  client.peer.sendRaw(bytes.subarray(0, 100_000));
  assert.ok(!(await isSilent(server)));
  client.peer.sendRaw(bytes.subarray(100_000));
  assert.deepEqual(await server.receive(), long);
  assert.ok(await isSilent(server));
  server.sequence = 1;
  await server.send(OK);
  server.restart();
  assert.deepEqual(await server.receive(), changeUser('bob'));
});

for (const pair of changeUserLegs) {
  test(`a server that closes while the command is held, ${nameOf(pair)}: nothing is left`, async (t) => {
    const { client, server, scenario } = await openSession(t, pair);
    client.peer.sendRaw(Buffer.concat([frame(0, query('SELECT 1')), frame(0, changeUser('bob'))]));
    await server.receive();
    server.peer.finish();
    await client.peer.ended();
    client.peer.finish();
    await server.peer.ended();
    await scenario.quiet();
    assert.equal(scenario.observed[0]?.closed, 'server_closed');
  });
}

for (const pair of changeUserLegs) {
  test(`a client that sends no more while the command is held, ${nameOf(pair)}: it gets its answers`, async (t) => {
    const { client, server, scenario } = await openSession(t, pair);
    client.peer.sendRaw(Buffer.concat([frame(0, query('SELECT 1')), frame(0, changeUser('bob'))]));
    await server.receive();
    client.peer.finish();
    assert.ok(await isSilent(server));
    client.sequence = 1;
    await server.send(OK);
    assert.deepEqual(await client.receive(), OK);
    await server.peer.ended();
    server.peer.finish();
    await client.peer.ended();
    await scenario.quiet();
    // The command is not begun for a client that is no longer there to be asked.
    assert.equal(scenario.observed[0]?.closed, 'client_gone');
  });
}

test('a client that sends no more while the command is held, and reads slowly: it gets the whole answer', async (t) => {
  const { client, server, scenario } = await openSession(t, legs);
  client.peer.sendRaw(Buffer.concat([frame(0, query('SELECT 1')), frame(0, changeUser('bob'))]));
  await server.receive();
  client.peer.finish();
  client.peer.socket.pause();
  assert.ok(await isSilent(server));
  const answer = Buffer.concat([OK, Buffer.alloc(12 << 20, 0x78)]);
  await server.send(answer);
  const record = scenario.observed[0]?.connection;
  while ((record?.serverBytes.in ?? 0) < 1 << 20) await nextTurn();
  client.peer.socket.resume();
  client.sequence = 1;
  assert.ok((await client.receive()).equals(answer));
});

for (const how of ['finish', 'reset'] as const) {
  for (const pair of changeUserLegs) {
    test(`the client goes away (${how}) in the middle, ${nameOf(pair)}: the server gets an answer to refuse`, async (t) => {
      const dialogue = await openSession(t, pair);
      const { client, server, scenario } = dialogue;
      await dialogue.relayAnswer(changeUser('bob'));
      await dialogue.relayQuestion(switchTo('mysql_native_password'));
      client.peer[how]();
      assert.equal((await server.receive()).length, 20);
      await server.send(DENIED);
      await server.peer.ended();
      server.peer.close();
      await scenario.quiet();
      assert.equal(scenario.observed[0]?.closed, 'client_gone');
    });
  }
}

test('half a command, and then nothing: the handshake timeout counts', async (t) => {
  const { client, server, scenario } = await openSession(t, legs, { process: { handshakeTimeout: 400 } });
  client.peer.sendRaw(frame(0, changeUser('bob')).subarray(0, 20));
  const { errno, text } = readErr((await client.peer.packet()).payload);
  assert.equal(errno, 1159);
  assert.match(text, /client leg/);
  assert.deepEqual(await server.receive(), Buffer.from([1]), 'COM_QUIT');
  assert.equal(scenario.observed[0]?.error?.code, 'client_timeout');
});

test('a server that does not decide: the handshake timeout counts', async (t) => {
  const dialogue = await openSession(t, legs, { process: { handshakeTimeout: 400 } });
  await dialogue.relayAnswer(changeUser('bob'));
  const { errno, text } = readErr(await dialogue.client.receive());
  assert.equal(errno, 1159);
  assert.match(text, /server leg/);
  assert.equal(dialogue.scenario.observed[0]?.error?.code, 'server_timeout');
});

test('a session that is idle for longer than the handshake timeout is left alone', async (t) => {
  const dialogue = await openSession(t, legs, { process: { handshakeTimeout: 200 } });
  const until = Date.now() + 500;
  while (Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 50));
  await ask(dialogue, 'SELECT 1');
  await dialogue.relayAnswer(changeUser('bob'));
  await dialogue.server.send(OK);
  await dialogue.client.receive();
  await ask(dialogue, 'SELECT 2');
});

test('the proxy stops in the middle: the client is told', async (t) => {
  const dialogue = await openSession(t, legs);
  const { client, scenario } = dialogue;
  await dialogue.relayAnswer(changeUser('bob'));
  await dialogue.relayQuestion(switchTo('mysql_native_password'));
  const closed = scenario.proxy.close();
  assert.equal(readErr(await client.receive()).errno, 1053);
  await client.peer.ended();
  client.peer.close();
  await closed;
  assert.equal(scenario.observed[0]?.closed, 'proxy_shutdown');
});

for (const [what, payload] of [
  ['no user', '\x11'],
  ['a user without end', '\x11bob'],
  ['an auth response that is cut off', '\x11bob\0\x14short'],
] as const) {
  test(`malformed (${what}): 1047, and the server gets nothing of it`, async (t) => {
    const { client, server, scenario } = await openSession(t, legs);
    await client.send(payload);
    const { errno, sqlState } = readErr(await client.receive());
    assert.deepEqual({ errno, sqlState }, { errno: 1047, sqlState: '08S01' });
    assert.deepEqual(await server.receive(), Buffer.from([1]), 'COM_QUIT');
    assert.equal(scenario.observed[0]?.error?.code, 'client_malformed_command');
    assert.equal(scenario.observed[0]?.attempt?.clientPlugin, '', 'it did not get as far as that');
  });
}

for (const command of [0x12, 0x1e, 0x13, 0x20]) {
  test(`after command 0x${command.toString(16)} nothing is looked at any more`, async (t) => {
    const { client, server } = await openSession(t, { client: 'plaintext', server: 'tls' });
    await client.send([command, 4, 0, 0, 0]);
    await server.receive();
    await server.send(Buffer.from('\0an event'));
    await client.receive();
    const looksLikeIt = frame(0, changeUser('bob', { plugin: 'mysql_clear_password' }));
    client.peer.sendRaw(looksLikeIt);
    assert.deepEqual(await server.peer.bytes(looksLikeIt.length), looksLikeIt);
  });
}

test('a piece of a file that looks like it is left alone, whatever its sequence id', async (t) => {
  const dialogue = await openSession(t, legs);
  const { client, server, scenario } = dialogue;
  await client.send(query('LOAD DATA LOCAL INFILE "f" INTO TABLE t'));
  await server.receive();
  await server.send(Buffer.from('\xfbf', 'latin1'));
  await client.receive();
  const piece = changeUser('bob');
  // 2, 3, ..., 255, 0, 1, ...: the id of a command comes round again.
  for (let count = 0; count < 600; count++) await client.send(piece);
  await client.send('');
  for (let count = 0; count < 600; count++) assert.deepEqual(await server.receive(), piece);
  assert.equal((await server.receive()).length, 0);
  await server.send(OK);
  assert.deepEqual(await client.receive(), OK);
  await ask(dialogue, 'SELECT 1');
  await dialogue.relayAnswer(changeUser('alice'));
  await server.send(OK);
  await client.receive();
  assert.deepEqual(scenario.observed[0]?.users, ['alice']);
});

test('where the proxy can not tell commands from data any more, it is not let through', async (t) => {
  const { client, server, scenario } = await openSession(t, { client: 'plaintext', server: 'tls' });
  server.peer.sendRaw(frame(7, OK));
  await client.peer.packet();
  client.peer.sendRaw(frame(0, changeUser('bob', { plugin: 'mysql_clear_password' })));
  const { errno } = readErr((await client.peer.packet()).payload);
  assert.equal(errno, 1156);
  assert.equal(scenario.observed[0]?.error?.code, 'client_out_of_step');
  assert.equal(server.wire.includes('bob'), false);
});

const PASSWORD = 'to be kept off the wire';

/** Whoever sits on a plaintext server leg may try to have a password taken for something else. */
const confusions: Record<string, (dialogue: Awaited<ReturnType<typeof openSession>>) => Promise<void>> = {
  'a packet that answers nothing': async ({ server }) => server.peer.sendRaw(frame(1, OK)),
  'a packet of the client that is no command': async ({ client }) =>
    client.peer.sendRaw(frame(3, `${PASSWORD}\0`)),
  'a request for a file that no query asked for': async ({ client, server }) => {
    await client.send([0x0e]);
    await server.receive();
    await server.send(Buffer.from('\xfbfile', 'latin1'));
  },
  'a request for a file whose pieces would begin as commands do': async ({ client, server }) => {
    await client.send(query('SELECT 1'));
    await server.receive();
    server.peer.sendRaw(frame(0xff, Buffer.from('\xfbfile', 'latin1')));
  },
};
for (const [name, confuse] of Object.entries(confusions)) {
  test(`from a TLS client to a plaintext server nothing passes behind ${name}`, async (t) => {
    const dialogue = await openSession(t, legs);
    const { client, server, scenario } = dialogue;
    await confuse(dialogue);
    assert.equal(readErr((await client.peer.packet()).payload).errno, 2061);
    client.peer.sendRaw(
      frame(0, changeUser('bob', { plugin: 'sha256_password', auth: clearAnswer(PASSWORD) })),
    );
    await server.peer.ended();
    assert.equal(scenario.observed[0]?.error?.code, 'unknown_exchange_refused');
    assert.equal(server.wire.includes(PASSWORD), false);
  });
}

test('from a TLS client to a plaintext server not even a dump hides a change of user', async (t) => {
  const { client, server, scenario } = await openSession(t, legs);
  await client.send([0x12, 4, 0, 0, 0]);
  await server.receive();
  await server.send(Buffer.from('\0an event'));
  await client.receive();
  const acknowledgement = frame(0, Buffer.from([0xef, 1, 0, 0, 0]));
  client.peer.sendRaw(acknowledgement);
  assert.deepEqual(await server.peer.bytes(acknowledgement.length), acknowledgement);
  client.peer.sendRaw(
    frame(0, changeUser('bob', { plugin: 'sha256_password', auth: clearAnswer(PASSWORD) })),
  );
  for (let turn = 0; turn < 4; turn++) await nextTurn();
  client.peer.close();
  await server.peer.ended();
  await scenario.quiet();
  assert.equal(server.wire.includes(PASSWORD), false);
});

test('between TLS legs what is not understood ends the following, and nothing else', async (t) => {
  const { client, server, scenario } = await openSession(t, { client: 'tls', server: 'tls' });
  client.peer.sendRaw(frame(0, '\x03SELECT 1'));
  await server.peer.bytes(13);
  server.peer.sendRaw(frame(9, OK));
  await client.peer.bytes(4 + OK.length);
  const half = frame(0, changeUser('bob')).subarray(0, 12);
  client.peer.sendRaw(half);
  assert.deepEqual(await server.peer.bytes(12), half);
  for (let turn = 0; turn < 4; turn++) await nextTurn();
  assert.deepEqual(scenario.observed[0]?.users, []);
});
