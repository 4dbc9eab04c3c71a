/** A client's login with an identity of the proxy's choice: compared with bytes that are put together by hand here. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MalformedPacketError } from '../../../src/wire/bytes.js';
import { decodeLogin, NO_PLUGIN, withLoginIdentity } from '../../../src/wire/login.js';
import { loadLogins, loginOf } from '../../fixtures/recordings.js';
import { truncations } from '../../support/chunked.js';

const flag = {
  connectWithDb: 0x8,
  protocol41: 0x200,
  secureConnection: 0x8000,
  pluginAuth: 0x80000,
  connectAttributes: 0x100000,
  lenencAuth: 0x200000,
  zstd: 0x4000000,
};

const bytes = (...parts: readonly (string | readonly number[])[]): Buffer =>
  Buffer.concat(
    parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : Buffer.from(part))),
  );

/** Every byte of the head but the flags is one that a mistake would be seen in. */
function head(flags: number): Buffer {
  const fixed = Buffer.from(Array.from({ length: 32 }, (_, index) => 0x80 + index));
  fixed.writeUInt32LE(flags >>> 0, 0);
  return fixed;
}

const attributes = '\x09\x03_os\x04beos';
const identity = {
  user: Buffer.from('größe', 'utf8'),
  authResponse: Buffer.from(Array.from({ length: 32 }, (_, index) => index)),
  authPlugin: 'caching_sha2_password',
};
const written = { user: identity.user.toString('latin1'), auth: identity.authResponse.toString('latin1') };

interface Layout {
  readonly schema: boolean;
  readonly plugin: boolean;
  readonly attributes: boolean;
  readonly zstd: boolean;
  readonly lenenc: boolean;
}
const bit = (value: number, position: number): boolean => ((value >> position) & 1) === 1;
const layouts: Layout[] = Array.from({ length: 32 }, (_, value) => ({
  schema: bit(value, 0),
  plugin: bit(value, 1),
  attributes: bit(value, 2),
  zstd: bit(value, 3),
  lenenc: bit(value, 4),
}));

for (const layout of layouts) {
  const { schema, plugin, attributes: attrs, zstd, lenenc } = layout;
  const flags =
    flag.protocol41 |
    flag.secureConnection |
    (schema ? flag.connectWithDb : 0) |
    (plugin ? flag.pluginAuth : 0) |
    (attrs ? flag.connectAttributes : 0) |
    (zstd ? flag.zstd : 0) |
    (lenenc ? flag.lenencAuth : 0);
  const names = Object.entries(layout).filter(([, isSet]) => isSet);
  const tail = `${attrs ? attributes : ''}${zstd ? '\x07' : ''}`;
  const payload = Buffer.concat([
    head(flags),
    bytes(
      'app\0',
      [20],
      'x'.repeat(20),
      schema ? 'sh\xf6p\0' : '',
      plugin ? 'mysql_native_password\0' : '',
      tail,
    ),
  ]);

  test(`another identity in a login with ${names.map(([name]) => name).join(', ') || 'the least'}`, () => {
    const original = Buffer.from(payload);
    const login = decodeLogin(payload, flags);
    const expected = (withPlugin: boolean) =>
      Buffer.concat([
        head(flags | (withPlugin ? flag.pluginAuth : 0)),
        bytes(`${written.user}\0`, [32], written.auth),
        bytes(schema ? 'sh\xf6p\0' : '', withPlugin ? 'caching_sha2_password\0' : '', tail),
      ]);
    assert.deepEqual(withLoginIdentity(login, flags, identity), expected(plugin));
    // The proxy knows plugins even where the client does not.
    assert.deepEqual(withLoginIdentity(login, flags | flag.pluginAuth, identity), expected(true));
    assert.deepEqual(payload, original, 'the original is not touched');
    const nothing = { ...identity, authResponse: Buffer.alloc(0), authPlugin: NO_PLUGIN };
    assert.deepEqual(
      withLoginIdentity(login, flags, nothing),
      Buffer.concat([
        head(flags),
        bytes(`${written.user}\0`, [0], schema ? 'sh\xf6p\0' : '', plugin ? `${NO_PLUGIN}\0` : '', tail),
      ]),
    );
  });

  test(`its own identity put into a login with ${names.map(([name]) => name).join(', ') || 'the least'}`, () => {
    const login = decodeLogin(payload, flags);
    const own = { user: login.userBytes, authResponse: login.authResponse, authPlugin: login.authPlugin };
    assert.deepEqual(withLoginIdentity(login, flags, own), payload);
  });
}

test('every recorded login is the same with its own identity', () => {
  for (const recording of loadLogins()) {
    const payload = loginOf(recording);
    // All of them name a plugin, and the flags that no server of the recordings has are no layout flags.
    const flags = payload.readUInt32LE(0);
    const login = decodeLogin(payload, flags);
    const own = { user: login.userBytes, authResponse: login.authResponse, authPlugin: login.authPlugin };
    assert.deepEqual(withLoginIdentity(login, flags, own), payload, recording.name);
  }
});

test('a login cut short at any byte behind its auth response has whole fields with another identity', () => {
  const flags = flag.protocol41 | flag.secureConnection | flag.connectWithDb | flag.pluginAuth;
  const fixed = Buffer.concat([head(flags), bytes('app\0', [3], 'abc')]);
  for (const cut of truncations(bytes('shop\0native\0'))) {
    const login = decodeLogin(Buffer.concat([fixed, cut]), flags);
    const [schema = ''] = cut.toString('latin1').split('\0');
    const expected = Buffer.concat([
      head(flags),
      bytes(`${written.user}\0`, [32], written.auth, `${schema}\0caching_sha2_password\0`),
    ]);
    assert.deepEqual(withLoginIdentity(login, flags, identity), expected, `${cut.length} bytes`);
  }
});

test('the longest auth response, and bytes that no one knows at the end', () => {
  const flags = flag.protocol41 | flag.secureConnection | flag.pluginAuth | flag.lenencAuth;
  const login = decodeLogin(
    Buffer.concat([head(flags), bytes('u\0', [0xfc, 0x2c, 0x01], 'x'.repeat(300), 'p\0', [1, 0, 0xff])]),
    flags,
  );
  const longest = { ...identity, authResponse: Buffer.alloc(250, 7) };
  assert.deepEqual(
    withLoginIdentity(login, flags, longest),
    Buffer.concat([
      head(flags),
      bytes(`${written.user}\0`, [250]),
      Buffer.alloc(250, 7),
      bytes('caching_sha2_password\0', [1, 0, 0xff]),
    ]),
  );
});

test('a login from before 4.1 has no place for another identity', () => {
  const login = decodeLogin(bytes([4, 0, 1, 2, 3], 'old\0JNGIVCPY'), 4);
  assert.throws(() => withLoginIdentity(login, 4, identity), MalformedPacketError);
});
