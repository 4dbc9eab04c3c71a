import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  CLIENT_COMPRESS,
  CLIENT_CONNECT_WITH_DB,
  CLIENT_MYSQL,
  CLIENT_PLUGIN_AUTH,
  CLIENT_PROTOCOL_41,
  CLIENT_SECURE_CONNECTION,
  CLIENT_SSL,
  CLIENT_SSL_VERIFY_SERVER_CERT,
  CLIENT_ZSTD_COMPRESSION,
  forwardedToServer,
  has,
  isCompressed,
  offeredToClient,
  withFlags,
  withoutFlags,
} from '../../../src/wire/capabilities.js';
import { greetingOf, loadLogins, loginOf } from '../../fixtures/recordings.js';

const anyFlags = fc.integer({ min: 0, max: 0xffff_ffff });
const TLS_FLAGS = (CLIENT_SSL | CLIENT_SSL_VERIFY_SERVER_CERT) >>> 0;

test('flags stay unsigned, the highest bit included', () => {
  assert.equal(withFlags(0, 0x8000_0000), 0x8000_0000);
  assert.equal(withoutFlags(0xffff_ffff, 1), 0xffff_fffe);
  assert.equal(has(0x8000_0000, 0x8000_0000), true);
  assert.equal(has(0x8000_0000, 1), false);
});

test('TLS is offered as the proxy can, whatever the server can', () => {
  const server = CLIENT_MYSQL | CLIENT_PROTOCOL_41;
  const tls = { offerTls: true, offerCompression: true };
  const noTls = { offerTls: false, offerCompression: true };
  assert.equal(offeredToClient(server, tls), server | CLIENT_SSL);
  assert.equal(offeredToClient((server | TLS_FLAGS) >>> 0, noTls), server);
  assert.equal(offeredToClient((server | TLS_FLAGS) >>> 0, tls), (server | TLS_FLAGS) >>> 0);
});

test('property: nothing but the TLS flags differs between what the server has and what the client is offered', () => {
  fc.assert(
    fc.property(anyFlags, fc.boolean(), (server, offerTls) => {
      const offered = offeredToClient(server, { offerTls, offerCompression: true });
      assert.equal(withoutFlags(offered, TLS_FLAGS), withoutFlags(server, TLS_FLAGS));
      assert.equal(has(offered, CLIENT_SSL), offerTls);
      if (!offerTls) assert.equal(has(offered, CLIENT_SSL_VERIFY_SERVER_CERT), false);
    }),
  );
});

test('property: compression is left out, and nothing else, where it is not to be offered', () => {
  const compression = CLIENT_COMPRESS | CLIENT_ZSTD_COMPRESSION;
  fc.assert(
    fc.property(anyFlags, fc.boolean(), (server, offerTls) => {
      const offered = offeredToClient(server, { offerTls, offerCompression: false });
      assert.equal(isCompressed(offered), false);
      const withCompression = offeredToClient(server, { offerTls, offerCompression: true });
      assert.equal(offered, withoutFlags(withCompression, compression));
      assert.equal(isCompressed(withCompression), isCompressed(server));
    }),
  );
});

test('a proxy that logs in itself knows plugins, as far as the server does', () => {
  const own = (CLIENT_PLUGIN_AUTH | CLIENT_SECURE_CONNECTION) >>> 0;
  const terms = { useTls: false, logsInItself: true };
  assert.equal(forwardedToServer(CLIENT_PROTOCOL_41, 0xffff_ffff, terms), CLIENT_PROTOCOL_41 | own);
  assert.equal(forwardedToServer(CLIENT_PROTOCOL_41, CLIENT_PROTOCOL_41, terms), CLIENT_PROTOCOL_41);
});

test('the server hears only of what the client was offered', () => {
  const offered = CLIENT_MYSQL | CLIENT_PROTOCOL_41 | CLIENT_SSL;
  const client = offered | CLIENT_COMPRESS | CLIENT_CONNECT_WITH_DB;
  assert.equal(
    forwardedToServer(client, offered, { useTls: false, logsInItself: false }),
    CLIENT_MYSQL | CLIENT_PROTOCOL_41,
  );
  assert.equal(
    forwardedToServer(client, offered, { useTls: true, logsInItself: false }),
    CLIENT_MYSQL | CLIENT_PROTOCOL_41 | CLIENT_SSL,
  );
});

test('the client family flag passes as the client set it, although MariaDB does not offer it', () => {
  assert.equal(forwardedToServer(CLIENT_MYSQL, 0, { useTls: false, logsInItself: false }), CLIENT_MYSQL);
  assert.equal(forwardedToServer(0, CLIENT_MYSQL, { useTls: false, logsInItself: false }), 0);
});

test('property: TLS toward the server is the only flag that is added', () => {
  fc.assert(
    fc.property(anyFlags, anyFlags, fc.boolean(), (client, offered, useTls) => {
      const forwarded = forwardedToServer(client, offered, { useTls, logsInItself: false });
      assert.equal(has(forwarded, CLIENT_SSL), useTls);
      assert.equal(has(forwarded, CLIENT_SSL_VERIFY_SERVER_CERT), false);
      const others = withoutFlags(forwarded, CLIENT_SSL);
      assert.equal(withoutFlags(others, client), 0, 'a flag that the client did not set');
      assert.equal(withoutFlags(others, withFlags(offered, CLIENT_MYSQL)), 0, 'a flag that was not offered');
      assert.ok(forwarded >= 0 && forwarded <= 0xffff_ffff);
    }),
  );
});

test('real clients set flags that their server does not have, and those do not pass', () => {
  const unmasked = loadLogins().filter((recording) => {
    const offered = flagsOfGreeting(greetingOf(recording));
    const sent = loginOf(recording).readUInt32LE(0);
    const forwarded = forwardedToServer(sent, offered, { useTls: false, logsInItself: false });
    assert.equal(withoutFlags(forwarded, withFlags(offered, CLIENT_MYSQL)), 0, recording.name);
    return withoutFlags(sent, withFlags(offered, CLIENT_MYSQL)) !== 0;
  });
  assert.ok(
    unmasked.some(({ name }) => name === 'mysql-cli-to-mysql-5.6'),
    unmasked.map(({ name }) => name).join(),
  );
});

function flagsOfGreeting(greeting: Buffer): number {
  const v = greeting.indexOf(0) + 1;
  return (greeting.readUInt16LE(v + 13) | (greeting.readUInt16LE(v + 18) << 16)) >>> 0;
}
