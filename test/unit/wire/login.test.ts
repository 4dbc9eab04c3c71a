import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MalformedPacketError } from '../../../src/wire/bytes.js';
import {
  CLIENT_CONNECT_WITH_DB,
  CLIENT_PLUGIN_AUTH,
  CLIENT_SSL,
  has,
  withFlags,
} from '../../../src/wire/capabilities.js';
import { decodeGreeting } from '../../../src/wire/greeting.js';
import { decodeLogin, sslRequestFor, withLoginCapabilities } from '../../../src/wire/login.js';
import {
  greetingOf,
  loadLogins,
  loadRecording,
  loginOf,
  REDACTED_BYTE,
  type Recording,
  sslRequestOf,
} from '../../fixtures/recordings.js';
import { truncations } from '../../support/chunked.js';

/** The flags that both ends have, by which a login is laid out. */
function agreedFlags(recording: Recording): number {
  return (loginOf(recording).readUInt32LE(0) & decodeGreeting(greetingOf(recording)).capabilities) >>> 0;
}

/** Every recorded client names a plugin, and its name stands nowhere else in the packet. */
function behindPlugin(payload: Buffer, authPlugin: string): Buffer {
  const name = Buffer.from(`${authPlugin}\0`);
  return payload.subarray(payload.indexOf(name) + name.length);
}

const native = 'mysql_native_password';
const sha2 = 'caching_sha2_password';
const expectations: Record<
  string,
  { authLength: number; schema: string; authPlugin: string; user?: string }
> = {
  'mysql2-to-mysql-5.6': { authLength: 20, schema: 'shop', authPlugin: native },
  // mysql2 sets the flag and sends an empty name where it is given no schema.
  'mysql2-to-mysql-5.6-tls-unused': { authLength: 20, schema: '', authPlugin: native },
  'mysql2-to-mysql-5.6-denied': { authLength: 20, schema: '', authPlugin: native },
  'mysql2-to-mysql-9-rsa': { authLength: 32, schema: '', authPlugin: sha2 },
  'mysql2-to-mysql-9-tls-cold': { authLength: 32, schema: 'shop', authPlugin: sha2 },
  'mysql2-to-mysql-9-tls-warm': { authLength: 32, schema: '', authPlugin: sha2 },
  'mysql2-to-mysql-9-tls-denied': { authLength: 32, schema: '', authPlugin: sha2 },
  'mysql2-to-mariadb-compressed': { authLength: 20, schema: 'shop', authPlugin: native },
  'mysql2-to-mariadb-tls': { authLength: 20, schema: '', authPlugin: native },
  'mariadb-cli-to-mariadb': { authLength: 20, schema: 'shop', authPlugin: native },
  'mariadb-cli-to-mariadb-tls': { authLength: 20, schema: 'shop', authPlugin: native },
  'mariadb-cli-to-mariadb-denied': { authLength: 20, schema: '', authPlugin: native },
  'mariadb-cli-to-mariadb-ed25519': { authLength: 20, schema: '', authPlugin: native, user: 'signer' },
  'mariadb-cli-to-mysql-9-tls': { authLength: 32, schema: '', authPlugin: sha2 },
  'mariadb-cli-to-mysql-5.6': { authLength: 20, schema: '', authPlugin: native },
  'mysql-cli-to-mysql-9-rsa': { authLength: 32, schema: '', authPlugin: sha2 },
  'mysql-cli-to-mysql-9-tls-zstd': { authLength: 32, schema: 'shop', authPlugin: sha2 },
  // Asked for a plugin that the server does not name, the client waits to be asked for the password.
  'mysql-cli-to-mysql-9-tls-sha256': { authLength: 0, schema: '', authPlugin: 'sha256_password' },
  'mysql-cli-to-mysql-5.6': { authLength: 20, schema: '', authPlugin: native },
  'mysql-cli-to-mariadb-tls': { authLength: 20, schema: '', authPlugin: native },
  'federated-to-mysql-5.6': { authLength: 20, schema: 'shop', authPlugin: native },
  // A 5.6 client answers a plugin it does not know with nothing.
  'federated-to-mysql-9': { authLength: 0, schema: 'shop', authPlugin: native },
  'federated-to-mariadb': { authLength: 20, schema: 'shop', authPlugin: native },
  'replica-to-mysql-5.6-tls': { authLength: 20, schema: '', authPlugin: native },
};

test('there is an expectation for every recorded login', () => {
  const names = loadLogins().map(({ name }) => name);
  assert.deepEqual(names, Object.keys(expectations).sort());
});

for (const [name, { authLength, schema, authPlugin, user = 'app' }] of Object.entries(expectations)) {
  const recording = loadRecording(name);
  const payload = loginOf(recording);
  const flags = agreedFlags(recording);

  test(`${name}: every field of the login`, () => {
    const login = decodeLogin(payload, flags);
    assert.deepEqual(login, {
      payload,
      isProtocol41: true,
      capabilities: flags,
      user,
      userBytes: Buffer.from(user),
      authResponse: Buffer.alloc(authLength, REDACTED_BYTE),
      schema,
      schemaBytes: Buffer.from(schema),
      authPlugin,
      tail: behindPlugin(payload, authPlugin),
    });
  });

  test(`${name}: a login cut inside its auth response or before is malformed, later fields may be missing`, () => {
    const whole = decodeLogin(payload, flags);
    const behindAuth = whole.authResponse.byteOffset - payload.byteOffset + authLength;
    for (const cut of truncations(payload)) {
      if (cut.length < behindAuth) {
        assert.throws(() => decodeLogin(cut, flags), MalformedPacketError, `${cut.length} bytes`);
        continue;
      }
      const login = decodeLogin(cut, flags);
      assert.equal(login.user, user);
      assert.deepEqual(login.authResponse, whole.authResponse);
      assert.ok(schema.startsWith(login.schema), `${cut.length} bytes: ${login.schema}`);
      assert.ok(authPlugin.startsWith(login.authPlugin), `${cut.length} bytes: ${login.authPlugin}`);
    }
  });

  test(`${name}: other flags change four bytes, and not of the original`, () => {
    const original = Buffer.from(payload);
    const login = decodeLogin(payload, flags);
    const patched = withLoginCapabilities(login, 0x9abc_def0);
    assert.deepEqual(payload, original);
    assert.equal(patched.readUInt32LE(0), 0x9abc_def0);
    assert.deepEqual(patched.subarray(4), payload.subarray(4));
    assert.deepEqual(withLoginCapabilities(login, payload.readUInt32LE(0)), payload);
  });

  test(`${name}: the SSLRequest made for the login is the one the client makes itself`, () => {
    const asSent = withFlags(payload.readUInt32LE(0), CLIENT_SSL);
    const made = sslRequestFor(decodeLogin(payload, flags), asSent);
    assert.equal(made.length, 32);
    assert.equal(made.readUInt32LE(0), asSent);
    assert.deepEqual(made.subarray(4), payload.subarray(4, 32), "all but the flags are the login's own");
    const sent = sslRequestOf(recording);
    if (sent !== undefined) assert.deepEqual(made, sent);
  });
}

test('some of the clients use TLS, of each server', () => {
  const servers = loadLogins()
    .filter((recording) => sslRequestOf(recording) !== undefined)
    .map(({ server }) => /5\.6|9\.|MariaDB/.exec(server)?.[0]);
  assert.deepEqual([...new Set(servers)].sort(), ['5.6', '9.', 'MariaDB']);
});

test("MariaDB's extended capabilities are in the SSLRequest and in the login that goes on", () => {
  const recording = loadRecording('mariadb-cli-to-mariadb');
  const payload = loginOf(recording);
  const extended = payload.readUInt32LE(28);
  assert.notEqual(extended, 0);
  const login = decodeLogin(payload, agreedFlags(recording));
  assert.equal(sslRequestFor(login, 0).readUInt32LE(28), extended);
  assert.equal(withLoginCapabilities(login, 0).readUInt32LE(28), extended);
});

test('the zstd level behind the attributes goes on, one byte or four', () => {
  const recording = loadRecording('mysql-cli-to-mysql-9-tls-zstd');
  const payload = loginOf(recording);
  assert.equal(payload.at(-1), 7, 'the level the client was started with');
  assert.equal(withLoginCapabilities(decodeLogin(payload, agreedFlags(recording)), 0).at(-1), 7);
  // As MariaDB Connector/C writes it.
  const four = Buffer.concat([payload, Buffer.alloc(3)]);
  const login = decodeLogin(four, agreedFlags(recording));
  assert.equal(login.authPlugin, sha2);
  assert.deepEqual(withLoginCapabilities(login, 0).subarray(4), four.subarray(4));
});

test('flags without their fields: the plugin and the schema are then empty', () => {
  const recording = loadRecording('federated-to-mysql-5.6');
  const flags = agreedFlags(recording);
  assert.ok(has(flags, CLIENT_CONNECT_WITH_DB) && has(flags, CLIENT_PLUGIN_AUTH));
  const whole = decodeLogin(loginOf(recording), flags);
  const behindAuth = whole.authResponse.byteOffset - whole.payload.byteOffset + whole.authResponse.length;
  const login = decodeLogin(whole.payload.subarray(0, behindAuth), flags);
  assert.equal(login.schema, '');
  assert.equal(login.authPlugin, '');
});

test('a flag that was not offered takes no field: the layout is the agreed one', () => {
  const recording = loadRecording('federated-to-mysql-5.6');
  const flags = agreedFlags(recording) & ~CLIENT_CONNECT_WITH_DB;
  const login = decodeLogin(loginOf(recording), flags);
  assert.equal(login.schema, '');
  assert.equal(login.authPlugin, 'shop', 'what stands at the place of the plugin');
});
