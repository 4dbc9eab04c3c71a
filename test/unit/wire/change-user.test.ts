import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MalformedPacketError } from '../../../src/wire/bytes.js';
import {
  type ChangeUser,
  changeUserForLogin,
  decodeChangeUser,
  withChangeUserIdentity,
} from '../../../src/wire/change-user.js';
import { decodeLogin } from '../../../src/wire/login.js';
import { truncations } from '../../support/chunked.js';
import { CLIENT_FLAGS, FLAGS, login } from '../../support/packets.js';

const SECURE_CONNECTION = 0x8000;
const PLUGIN_AUTH = 0x80000;
const MODERN = SECURE_CONNECTION | PLUGIN_AUTH;

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1');
const attributes = '\x09\x03_os\x04beos';
/** Field by field as the protocol's page lists them; every length differs. */
const whole = latin1(`\x11app\0\x14${'s'.repeat(20)}shop\0\x2d\x01caching_sha2_password\0${attributes}`);
const identity = {
  user: Buffer.from('größe', 'utf8'),
  authResponse: latin1('0123456789abcdef'),
  authPlugin: 'mysql_native_password',
};
const newUser = identity.user.toString('latin1');

/** What a test says about the fields; `payload` is checked on its own. */
function fieldsOf(payload: Buffer, capabilities: number): Record<string, string> {
  const { payload: kept, ...fields }: ChangeUser = decodeChangeUser(payload, capabilities);
  assert.equal(kept, payload);
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' ? value : value.toString('latin1'),
    ]),
  );
}

const none = { schemaBytes: '', characterSet: '', authPlugin: '', tail: '' };

test('every field of the command', () => {
  assert.deepEqual(fieldsOf(whole, MODERN), {
    user: 'app',
    userBytes: 'app',
    authResponse: 's'.repeat(20),
    schemaBytes: 'shop',
    characterSet: '\x2d\x01',
    authPlugin: 'caching_sha2_password',
    tail: attributes,
  });
});

test('forms of the command, by what client and server agreed on', () => {
  const cases: [name: string, flags: number, payload: string, expected: Record<string, string>][] = [
    ['the shortest', MODERN, '\x11u\0\0', { ...none, user: 'u', userBytes: 'u', authResponse: '' }],
    ['no user', MODERN, '\x11\0\0\0', { ...none, user: '', userBytes: '', authResponse: '' }],
    [
      'a schema without its zero byte',
      MODERN,
      '\x11u\0\x02abshop',
      { ...none, user: 'u', userBytes: 'u', authResponse: 'ab', schemaBytes: 'shop' },
    ],
    [
      'a plugin without its zero byte',
      MODERN,
      '\x11u\0\0\0\x21\0dialog',
      { ...none, user: 'u', userBytes: 'u', authResponse: '', characterSet: '\x21\0', authPlugin: 'dialog' },
    ],
    [
      'half a character set',
      MODERN,
      '\x11u\0\0\0\x21',
      { ...none, user: 'u', userBytes: 'u', authResponse: '', authPlugin: '\x21' },
    ],
    [
      'no plugins: what follows the character set is not known',
      SECURE_CONNECTION,
      '\x11u\0\x02abshop\0\x21\0rest\0',
      {
        ...none,
        user: 'u',
        userBytes: 'u',
        authResponse: 'ab',
        schemaBytes: 'shop',
        characterSet: '\x21\0',
        tail: 'rest\0',
      },
    ],
    [
      'before 4.1 the auth response ends with a zero byte',
      0,
      '\x11old\0JNGIVCPY\0shop\0',
      { ...none, user: 'old', userBytes: 'old', authResponse: 'JNGIVCPY', schemaBytes: 'shop' },
    ],
    [
      'an auth response with zero bytes in it',
      MODERN,
      '\x11u\0\x03\0\0\0s\0',
      { ...none, user: 'u', userBytes: 'u', authResponse: '\0\0\0', schemaBytes: 's' },
    ],
    [
      'the longest auth response',
      MODERN,
      `\x11u\0\xff${'x'.repeat(255)}s\0`,
      { ...none, user: 'u', userBytes: 'u', authResponse: 'x'.repeat(255), schemaBytes: 's' },
    ],
    [
      'a name in UTF-8',
      MODERN,
      `\x11${newUser}\0\0`,
      { ...none, user: 'größe', userBytes: newUser, authResponse: '' },
    ],
    [
      'a name in another character set keeps its bytes',
      MODERN,
      '\x11\xe4\0\0',
      { ...none, user: '\ufffd', userBytes: '\xe4', authResponse: '' },
    ],
  ];
  for (const [name, flags, payload, expected] of cases) {
    assert.deepEqual(fieldsOf(latin1(payload), flags), expected, name);
  }
});

test('what has no whole user and auth response is malformed, and so is every other command', () => {
  for (const payload of ['', '\x11', '\x11user', '\x11u\0', '\x11u\0\x05abcd', '\x03u\0\0', '\0u\0\0']) {
    assert.throws(
      () => decodeChangeUser(latin1(payload), MODERN),
      MalformedPacketError,
      JSON.stringify(payload),
    );
  }
});

test('cut short at any byte: malformed, or fields that are beginnings of the real ones', () => {
  const behindAuth = '\x11app\0\x14'.length + 20;
  const real = fieldsOf(whole, MODERN);
  for (const cut of truncations(whole)) {
    if (cut.length < behindAuth) {
      assert.throws(() => decodeChangeUser(cut, MODERN), MalformedPacketError, `${cut.length} bytes`);
      continue;
    }
    const fields = fieldsOf(cut, MODERN);
    const { characterSet = '', authPlugin = '' } = fields;
    // One byte where two make a character set is not counted as one.
    const isHalf = cut.length === behindAuth + 'shop\0'.length + 1;
    for (const [name, value] of Object.entries(isHalf ? { ...fields, authPlugin: '' } : fields)) {
      assert.ok(real[name]?.startsWith(value), `${cut.length} bytes: ${name}`);
    }
    assert.ok(characterSet.length === 2 || authPlugin === '' || isHalf);
  }
});

test('another identity takes the place of three fields, and of no other byte', () => {
  assert.deepEqual(
    withChangeUserIdentity(decodeChangeUser(whole, MODERN), MODERN, identity),
    latin1(`\x11${newUser}\0\x100123456789abcdefshop\0\x2d\x01mysql_native_password\0${attributes}`),
  );
});

test('its own identity changes nothing', () => {
  const command = decodeChangeUser(whole, MODERN);
  const own = { user: command.userBytes, authResponse: command.authResponse, authPlugin: command.authPlugin };
  assert.deepEqual(withChangeUserIdentity(command, MODERN, own), whole);
});

test('a command that is cut short is whole with another identity', () => {
  for (const cut of truncations(latin1('shop\0\x2d\x01native\0'))) {
    const command = decodeChangeUser(Buffer.concat([latin1('\x11u\0\x02ab'), cut]), MODERN);
    const [schema = ''] = cut.toString('latin1').split('\0');
    const set = command.characterSet.length === 2 ? '\x2d\x01' : '\0\0';
    assert.deepEqual(
      withChangeUserIdentity(command, MODERN, { ...identity, authResponse: Buffer.alloc(0) }),
      latin1(`\x11${newUser}\0\0${schema}\0${set}mysql_native_password\0`),
      `${cut.length} bytes`,
    );
  }
});

test('without plugins on both sides none is named; where only the proxy has them, its own is', () => {
  const command = decodeChangeUser(latin1('\x11u\0\x02abshop\0\x21\0'), SECURE_CONNECTION);
  const head = `\x11${newUser}\0\x100123456789abcdefshop\0`;
  assert.deepEqual(withChangeUserIdentity(command, SECURE_CONNECTION, identity), latin1(`${head}\x21\0`));
  assert.deepEqual(
    withChangeUserIdentity(command, MODERN, identity),
    latin1(`${head}\x21\0mysql_native_password\0`),
  );
  const bare = decodeChangeUser(latin1('\x11u\0\0shop\0'), SECURE_CONNECTION);
  assert.deepEqual(
    withChangeUserIdentity(bare, MODERN, identity),
    latin1(`${head}\0\0mysql_native_password\0`),
    'a plugin is read only behind a character set',
  );
});

test('a login becomes the command that asks for the same session', () => {
  const field = latin1('\x09\x03_os\x04beos');
  for (const [flags, tail, expected] of [
    [CLIENT_FLAGS, field, ''],
    [CLIENT_FLAGS | FLAGS.connectAttributes, field, field.toString('latin1')],
    // Servers expect the field, if only an empty one.
    [CLIENT_FLAGS | FLAGS.connectAttributes, Buffer.alloc(0), '\0'],
  ] as const) {
    const payload = Buffer.concat([login({ flags, characterSet: 255, schema: 'shop' }), tail]);
    const command = changeUserForLogin(decodeLogin(payload, flags), identity, tail);
    assert.equal(
      command.toString('latin1'),
      `\x11${newUser}\0\x100123456789abcdefshop\0\xff\0mysql_native_password\0${expected}`,
    );
  }
  const old = decodeLogin(latin1('\x05\0\0\0\x40app\0'), 0);
  assert.throws(() => changeUserForLogin(old, identity, Buffer.alloc(0)), MalformedPacketError);
});
