/** Plugins that the proxy does not translate: what passes on which legs, and what is refused before it is sent. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { ErrorCode } from '../../src/errors.js';
import { CLIENT_FLAGS, err, FLAGS, readErr } from '../support/packets.js';
import { clearAnswer } from '../support/passwords.js';
import { type Dialogue, type DialogueOptions, openDialogue, switchTo } from './unequal-legs.js';

type LegPair = DialogueOptions['legs'];
const allLegs: readonly LegPair[] = [
  { client: 'plaintext', server: 'plaintext' },
  { client: 'plaintext', server: 'tls' },
  { client: 'tls', server: 'plaintext' },
  { client: 'tls', server: 'tls' },
];
const nameOf = ({ client, server }: LegPair): string => `${client} client, ${server} server`;
const isExposed = ({ client, server }: LegPair): boolean => client === 'tls' && server === 'plaintext';
const PASSWORD = 'a rather long secret';
const DENIED = err(1045, 'Access denied', '28000');

async function assertRefused(dialogue: Dialogue, code: ErrorCode): Promise<void> {
  const { client, server, scenario } = dialogue;
  const { errno, text } = readErr(await client.receive());
  assert.equal(errno, 2061);
  assert.equal(text.includes(PASSWORD), false);
  assert.equal(scenario.observed[0]?.error?.code, code);
  // The server waits for an answer: it gets one that it refuses, and no connection that breaks off.
  assert.equal((await server.receive()).length, 20);
  await server.send(DENIED);
  await server.peer.ended();
  assert.equal(server.wire.includes(PASSWORD), false);
}

for (const legs of allLegs) {
  test(`Kerberos, ${nameOf(legs)}: tokens of 60 kB, many rounds, raw packets of MariaDB`, async (t) => {
    const dialogue = await openDialogue(t, { legs });
    await dialogue.receiveLogin();
    await dialogue.relayQuestion(switchTo('auth_gssapi_client', Buffer.from('mysql/db.example@EXAMPLE')));
    for (let round = 0; round < 8; round++) {
      await dialogue.relayAnswer(randomBytes(60_000));
      // MariaDB escapes data only where it begins like a packet of another kind.
      const token = Buffer.concat([Buffer.from([0x60]), randomBytes(60_000)]);
      await dialogue.relayQuestion(token);
    }
    await dialogue.relayAnswer(Buffer.alloc(0));
    await dialogue.accept();
  });

  test(`parsec, ${nameOf(legs)}: an empty answer, then raw data`, async (t) => {
    const dialogue = await openDialogue(t, { legs });
    await dialogue.receiveLogin();
    await dialogue.relayQuestion(switchTo('parsec', randomBytes(32)));
    await dialogue.relayAnswer(Buffer.alloc(0));
    await dialogue.relayQuestion(Buffer.concat([Buffer.from('P\0'), randomBytes(18)]));
    await dialogue.relayAnswer(randomBytes(96));
    await dialogue.accept();
  });

  test(`a plugin that no one knows, ${nameOf(legs)}`, async (t) => {
    const dialogue = await openDialogue(t, { legs });
    await dialogue.receiveLogin();
    const question = switchTo('made_by_someone');
    if (isExposed(legs)) {
      await dialogue.server.send(question);
      await assertRefused(dialogue, 'unknown_exchange_refused');
      return;
    }
    await dialogue.relayQuestion(question);
    await dialogue.relayAnswer(Buffer.from('whatever'));
    await dialogue.relayQuestion(Buffer.from('more of it'));
    await dialogue.relayAnswer(Buffer.from([1, 2, 3]));
    await dialogue.accept();
  });

  for (const [plugin, data] of [
    ['mysql_clear_password', ''],
    ['dialog', '\x04Password: '],
    ['authentication_openid_connect_client', ''],
  ] as const) {
    const question = Buffer.from(`\xfe${plugin}\0${data}`, 'latin1');

    test(`${plugin}, ${nameOf(legs)}`, async (t) => {
      const dialogue = await openDialogue(t, { legs });
      await dialogue.receiveLogin();
      if (legs.client === 'tls' && legs.server === 'tls') {
        await dialogue.relayQuestion(question);
        await dialogue.relayAnswer(clearAnswer(PASSWORD));
        return dialogue.accept();
      }
      await dialogue.server.send(question);
      await assertRefused(dialogue, 'cleartext_refused');
    });

    test(`${plugin}, ${nameOf(legs)}: let through where the route says so`, async (t) => {
      const dialogue = await openDialogue(t, { legs, route: { allowCleartext: true } });
      await dialogue.receiveLogin();
      await dialogue.relayQuestion(question);
      await dialogue.relayAnswer(clearAnswer(PASSWORD));
      await dialogue.relayQuestion(Buffer.from('\x04One-time password: '));
      await dialogue.relayAnswer(clearAnswer('123456'));
      await dialogue.accept();
    });

    test(`${plugin} with the password in the login, ${nameOf(legs)}`, async (t) => {
      const flags = CLIENT_FLAGS | (legs.client === 'tls' ? FLAGS.ssl : 0);
      const login = { plugin, auth: clearAnswer(PASSWORD), flags };
      const dialogue = await openDialogue(t, { legs, login });
      if (legs.client === 'tls' && legs.server === 'tls') {
        assert.ok((await dialogue.receiveLogin()).includes(PASSWORD));
        return dialogue.accept();
      }
      const { errno, text } = readErr(await dialogue.client.receive());
      assert.equal(errno, 2061);
      assert.equal(text.includes(PASSWORD), false);
      assert.equal(dialogue.scenario.observed[0]?.error?.code, 'cleartext_refused');
      const abandoned = await dialogue.server.receive();
      assert.match(abandoned.subarray(32).toString('latin1'), /^proxy_abandoned\0/);
      await dialogue.server.send(DENIED);
      await dialogue.server.peer.ended();
      assert.equal(dialogue.server.wire.includes(PASSWORD), false);
    });
  }

  test(`an endless dialogue, ${nameOf(legs)}: 20 questions, and no more`, async (t) => {
    const dialogue = await openDialogue(t, { legs });
    const { client, server, scenario } = dialogue;
    await dialogue.receiveLogin();
    await dialogue.relayQuestion(switchTo('auth_gssapi_client', Buffer.alloc(32, 5)));
    for (let round = 1; round < 20; round++) {
      await dialogue.relayAnswer(Buffer.alloc(64, round));
      await dialogue.relayQuestion(Buffer.from(`raw ${round}`));
    }
    await dialogue.relayAnswer(Buffer.alloc(64, 0x20));
    const { errno, text } = readErr(await client.receive());
    assert.equal(errno, 2012);
    assert.match(text, /more than 20 answers with auth_gssapi_client/);
    assert.equal(scenario.observed[0]?.error?.code, 'authentication_too_long');
    await server.send(DENIED);
    await server.peer.ended();
  });
}

for (const legs of allLegs) {
  test(`dialog asks in the form that a next factor has, ${nameOf(legs)}`, async (t) => {
    const dialogue = await openDialogue(t, { legs, route: { allowCleartext: true } });
    await dialogue.receiveLogin();
    await dialogue.relayQuestion(Buffer.from('\xfedialog\0\x02Name: ', 'latin1'));
    await dialogue.relayAnswer(clearAnswer('bob'));
    const question = Buffer.from('\x02Favourite colour: ');
    await dialogue.relayQuestion(question);
    await dialogue.relayAnswer(clearAnswer('blue'));
    await dialogue.accept();
  });
}
