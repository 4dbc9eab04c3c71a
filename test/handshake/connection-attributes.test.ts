/** What the proxy tells the server about the client leg, and what it reads of the client's program, in scripted logins. */
import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { UserCredential } from '../../src/config/model.js';
import { makeCertificates } from '../support/certificates.js';
import {
  attribute,
  attributesField,
  CLIENT_FLAGS,
  err,
  FLAGS,
  type LoginFields,
  login,
  NONCE,
  OK,
  readErr,
  SERVER_FLAGS,
} from '../support/packets.js';
import { nativeAnswer } from '../support/passwords.js';
import { changeUser, openSession } from './change-user-dialogue.js';
import { startScenario } from './scenario.js';
import { type Dialogue, type DialogueOptions, openDialogue } from './unequal-legs.js';

type LegPair = DialogueOptions['legs'];

const plaintext: LegPair = { client: 'plaintext', server: 'plaintext' };
const allLegs: readonly LegPair[] = [
  plaintext,
  { client: 'plaintext', server: 'tls' },
  { client: 'tls', server: 'plaintext' },
  { client: 'tls', server: 'tls' },
];
const FLAGS_WITH_ATTRIBUTES = CLIENT_FLAGS | FLAGS.connectAttributes;
const on = { route: { connectionAttributes: 'on' } } as const;
const off = { route: { connectionAttributes: 'off' } } as const;
const own = [attribute('program_name', 'inventory'), attribute('_os', 'beos')];
const level = Buffer.from([7]);
const tail = Buffer.concat([attributesField(own), level]);

/** In plaintext from this machine. */
const ofPlaintext = [
  attribute('_client_ssl_version', 'none'),
  attribute('_client_ssl_cipher', 'none'),
  attribute('_client_ip', '127.0.0.1'),
];
const ofTls = [
  attribute('_client_ssl_version', 'TLSv1.3'),
  attribute('_client_ssl_cipher', 'TLS_AES_256_GCM_SHA384'),
  attribute('_client_ip', '127.0.0.1'),
];

function open(
  t: TestContext,
  legs: LegPair,
  options: Partial<DialogueOptions> = {},
  fields: LoginFields = {},
): Promise<Dialogue> {
  const flags = FLAGS_WITH_ATTRIBUTES | (legs.client === 'tls' ? FLAGS.ssl : 0);
  return openDialogue(t, { ...on, tail, ...options, legs, login: { flags, ...fields } });
}

function expectedLogin(
  { serverTls }: Pick<Dialogue, 'serverTls'>,
  expectedTail: Buffer,
  fields: LoginFields = {},
): Buffer {
  const flags = FLAGS_WITH_ATTRIBUTES | (serverTls ? FLAGS.ssl : 0);
  return Buffer.concat([login({ flags, ...fields }), expectedTail]);
}

const programOf = ({ scenario }: Dialogue) => scenario.observed[0]?.connection.clientProgram;

for (const legs of allLegs) {
  for (const piecemeal of [false, true]) {
    const how = `${legs.client} client, ${legs.server} server${piecemeal ? ', byte by byte' : ''}`;

    test(`the client leg is told behind the own attributes: ${how}`, async (t) => {
      const dialogue = await open(t, legs, { piecemeal });
      const added = legs.client === 'tls' ? ofTls : ofPlaintext;
      assert.deepEqual(
        await dialogue.receiveLogin(),
        expectedLogin(dialogue, Buffer.concat([attributesField([...own, ...added]), level])),
      );
      await dialogue.accept();
      assert.equal(programOf(dialogue), 'inventory');
    });
  }

  test(`with connection-attributes off the login is as it was: ${legs.client} client, ${legs.server} server`, async (t) => {
    const spoofed = attributesField([...own, attribute('_client_ip', '203.0.113.1')]);
    const dialogue = await open(t, legs, { ...off, tail: spoofed });
    assert.deepEqual(await dialogue.receiveLogin(), expectedLogin(dialogue, spoofed));
    await dialogue.accept();
    assert.equal(programOf(dialogue), 'inventory', 'the program is read all the same');
  });
}

test('what the client says of its address and TLS itself is not passed on', async (t) => {
  const spoofed = attributesField([
    attribute('_client_ip', '203.0.113.1'),
    ...own,
    attribute('_client_ssl_version', 'TLSv1.3'),
    attribute('_client_ssl_cipher', 'TLS_AES_256_GCM_SHA384'),
  ]);
  const dialogue = await open(t, plaintext, { tail: spoofed });
  assert.deepEqual(
    await dialogue.receiveLogin(),
    expectedLogin(dialogue, attributesField([...own, ...ofPlaintext])),
  );
});

test('a client that sends no attributes gets none', async (t) => {
  const rest = Buffer.concat([attributesField(own), level]);
  const cases: [what: string, fields: LoginFields, sent: Buffer, greetingFlags: number][] = [
    ['no flag', { flags: CLIENT_FLAGS }, Buffer.alloc(0), SERVER_FLAGS],
    ['no flag, but bytes that look like the field', { flags: CLIENT_FLAGS }, rest, SERVER_FLAGS],
    ['the flag without the field', { flags: FLAGS_WITH_ATTRIBUTES }, Buffer.alloc(0), SERVER_FLAGS],
    ['a field that is cut short', { flags: FLAGS_WITH_ATTRIBUTES }, rest.subarray(0, 9), SERVER_FLAGS],
    ['a server without them', { flags: CLIENT_FLAGS }, rest, SERVER_FLAGS & ~FLAGS.connectAttributes],
  ];
  for (const [what, fields, sent, flags] of cases) {
    // The client sets the flag also where the server has none of it.
    const clientFlags = what === 'a server without them' ? { flags: FLAGS_WITH_ATTRIBUTES } : fields;
    const dialogue = await open(t, plaintext, { tail: sent, greeting: { flags } }, clientFlags);
    assert.deepEqual(await dialogue.receiveLogin(), Buffer.concat([login(fields), sent]), what);
    await dialogue.accept();
    assert.equal(programOf(dialogue), '', what);
  }
});

test('an empty field is filled', async (t) => {
  const dialogue = await open(t, plaintext, { tail: attributesField([]) });
  assert.deepEqual(await dialogue.receiveLogin(), expectedLogin(dialogue, attributesField(ofPlaintext)));
  assert.equal(programOf(dialogue), '');
});

test('a login of 64 KiB of attributes goes through as it came', async (t) => {
  const full = attributesField([attribute('k', 'x'.repeat(65_530))]);
  const dialogue = await open(t, plaintext, { tail: full });
  assert.deepEqual(await dialogue.receiveLogin(), expectedLogin(dialogue, full));
});

test('a login before 4.1 with bits of its own at the place of the flag stays as it is', async (t) => {
  // The third and fourth byte are of the maximum packet size.
  const login320 = Buffer.concat([
    Buffer.from([0x09, 0x00, 0xff, 0xff, 0xff]),
    Buffer.from('app\0scramble\0shop\0'),
  ]);
  const payload = Buffer.concat([login320, attributesField(own)]);
  const dialogue = await open(t, plaintext, { payload });
  assert.deepEqual(await dialogue.receiveLogin(), payload);
  assert.equal(programOf(dialogue), '');
});

test('a client on a socket file has no address', async (t) => {
  const spoofed = attributesField([attribute('_client_ip', '203.0.113.1'), ...own]);
  const listen = { kind: 'unix', path: join(temporaryFolder(t), 'proxy.sock') } as const;
  const dialogue = await open(t, plaintext, { listen, tail: spoofed });
  assert.deepEqual(
    await dialogue.receiveLogin(),
    expectedLogin(dialogue, attributesField([...own, ...ofPlaintext.slice(0, 2)])),
  );
});

const hasIpv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === '::1'),
);
const skip = hasIpv6 ? false : 'this machine has no ::1';

test('an IPv6 listener sees IPv4 clients as what they are', { skip }, async (t) => {
  const listen = { kind: 'tcp', host: '::ffff:127.0.0.1', port: 0 } as const;
  const dialogue = await open(t, plaintext, { listen });
  assert.deepEqual(
    await dialogue.receiveLogin(),
    expectedLogin(dialogue, Buffer.concat([attributesField([...own, ...ofPlaintext]), level])),
  );
});

test('PASSTHROUGH changes nothing', async (t) => {
  const scenario = await startScenario(t, { ...on, client: { sslMode: 'PASSTHROUGH' } });
  const { client, server } = await scenario.connectGreeted();
  const sent = Buffer.concat([login({ flags: FLAGS_WITH_ATTRIBUTES }), tail]);
  client.send(1, sent);
  assert.deepEqual((await server.packet()).payload, sent);
  assert.equal(scenario.observed[0]?.connection.clientProgram, '');
});

test('where the client is refused for its plaintext, its program is known', async (t) => {
  const { serverTls } = makeCertificates(temporaryFolder(t));
  const scenario = await startScenario(t, {
    ...on,
    client: {
      sslMode: 'PREFERRED',
      sslCert: [serverTls.cert],
      sslKey: [serverTls.key],
      plaintextFrom: ['192.0.2.0/24'],
    },
  });
  const { client } = await scenario.connectGreeted();
  client.send(1, Buffer.concat([login({ flags: FLAGS_WITH_ATTRIBUTES }), tail]));
  assert.equal(readErr((await client.packet()).payload).errno, 3159);
  assert.equal(scenario.observed[0]?.error?.code, 'client_tls_required');
  assert.equal(scenario.observed[0]?.connection.clientProgram, 'inventory');
});

const credential: UserCredential = {
  user: 'app',
  route: undefined,
  client: { password: createSecretKey(Buffer.from('client')) },
  server: { user: 'mapped', password: createSecretKey(Buffer.from('server')) },
};
const asClient = { auth: nativeAnswer('client', NONCE) };
const asServer = { user: 'mapped', auth: nativeAnswer('server', NONCE) };

for (const legs of allLegs) {
  test(`with the user's credentials: ${legs.client} client, ${legs.server} server`, async (t) => {
    const dialogue = await open(t, legs, { process: { users: [credential] } }, asClient);
    const added = legs.client === 'tls' ? ofTls : ofPlaintext;
    assert.deepEqual(
      await dialogue.receiveLogin(),
      expectedLogin(dialogue, Buffer.concat([attributesField([...own, ...added]), level]), asServer),
    );
    await dialogue.accept();
  });
}

test('with an answer that the server must not see: the login that asks has the attributes, too', async (t) => {
  const fields = { plugin: 'sha256_password', auth: Buffer.from('password\0') };
  const dialogue = await open(t, { client: 'tls', server: 'plaintext' }, {}, fields);
  assert.deepEqual(
    await dialogue.receiveLogin(),
    expectedLogin(dialogue, Buffer.concat([attributesField([...own, ...ofTls]), level]), {
      plugin: 'mysql_tls_proxy_ask',
      auth: Buffer.alloc(0),
    }),
  );
});

const changeUserLegs = allLegs.filter(({ client, server }) => client !== 'tls' || server !== 'tls');
const other = [attribute('program_name', 'reports')];

for (const legs of changeUserLegs) {
  for (const isMapped of [false, true]) {
    const what = `${legs.client} client, ${legs.server} server${isMapped ? ', with credentials' : ''}`;
    test(`a COM_CHANGE_USER has the attributes of the session that begins: ${what}`, async (t) => {
      const users = isMapped ? [{ ...credential, user: 'bob' }] : [];
      const dialogue = await sessionWithAttributes(t, legs, { process: { users } });
      const { client, server } = dialogue;
      await client.send(Buffer.concat([changeUser('bob', asClient), attributesField(other)]));
      if (isMapped) {
        // The proxy asks as every server does.
        assert.equal((await client.receive())[0], 0xfe);
        await client.send(asClient.auth);
      }
      const added = legs.client === 'tls' ? ofTls : ofPlaintext;
      const expected = isMapped
        ? changeUser('mapped', { plugin: 'mysql_tls_proxy_ask', auth: Buffer.alloc(0) })
        : changeUser('bob', asClient);
      assert.deepEqual(
        await server.receive(),
        Buffer.concat([expected, attributesField([...other, ...added])]),
      );
      await server.send(OK);
      assert.deepEqual(await client.receive(), OK);
      assert.equal(programOf(dialogue), 'reports');
    });
  }
}

test('a COM_CHANGE_USER with connection-attributes off stays as it is', async (t) => {
  const dialogue = await sessionWithAttributes(t, plaintext, off);
  const command = Buffer.concat([
    changeUser('bob'),
    attributesField([...other, attribute('_client_ip', '203.0.113.1')]),
  ]);
  await dialogue.client.send(command);
  assert.deepEqual(await dialogue.server.receive(), command);
});

test('a COM_CHANGE_USER without attributes stays as it is, and the program is the one from before', async (t) => {
  const dialogue = await sessionWithAttributes(t, plaintext);
  const { client, server } = dialogue;
  await client.send(changeUser('bob'));
  assert.deepEqual(await server.receive(), changeUser('bob'));
  await server.send(OK);
  await client.receive();
  assert.deepEqual(dialogue.scenario.observed[0]?.users, ['bob']);
  assert.equal(programOf(dialogue), 'inventory');
});

test('when a COM_CHANGE_USER is refused, the program is the one from before', async (t) => {
  const dialogue = await sessionWithAttributes(t, plaintext);
  const { client, server, scenario } = dialogue;
  await client.send(Buffer.concat([changeUser('bob'), attributesField(other)]));
  await server.receive();
  assert.equal(programOf(dialogue), 'reports');
  await server.send(err(1045, 'Access denied', '28000'));
  await client.receive();
  assert.equal(scenario.observed[0]?.refusedWith, 1045);
  assert.equal(programOf(dialogue), 'inventory');
});

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'attributes-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

async function sessionWithAttributes(
  t: TestContext,
  legs: LegPair,
  options: Partial<DialogueOptions> = {},
): Promise<Dialogue> {
  const flags = FLAGS_WITH_ATTRIBUTES | (legs.client === 'tls' ? FLAGS.ssl : 0);
  return openSession(t, legs, { ...on, tail, ...options, login: { flags } });
}
