/** The test tools themselves: real servers start with our certificates, and leave nothing behind. */
import assert from 'node:assert/strict';
import { constants } from 'node:crypto';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { makeCertificates } from '../support/certificates.js';
import { isAlive, makeTemporaryFolder } from '../support/clean-up.js';
import { mariadbCli, mysqlCli } from '../support/clients.js';
import type { ServerKind } from '../support/downloads.js';
import { isUnavailable } from '../support/programs.js';
import { type RealServer, startServer } from '../support/servers.js';

const certificates = makeCertificates(makeTemporaryFolder());

test('MySQL 5.6 starts, speaks TLS 1.0 and leaves nothing behind', async (t) => {
  const server = await serverWithAccount(t, 'mysql56');
  if (server === undefined) return;
  assert.match(server.version, /^5\.6\.24/);
  assert.deepEqual(await ownLogin(server), { user: 'app@%', cipher: '' });
  assert.deepEqual(await handshakeWithYassl(server), { protocol: 'TLSv1', cipher: 'AES256-SHA' });
  await stopsWithoutTrace(server);
});

test('MySQL 9 starts, speaks verified TLS and leaves nothing behind', async (t) => {
  const server = await serverWithAccount(t, 'mysql9');
  if (server === undefined) return;
  assert.match(server.version, /^9\./);
  const login = await ownLogin(server, { ca: certificates.ca.certificate });
  assert.equal(login.user, 'app@%');
  assert.match(login.cipher, /^TLS_AES/);

  const { ca } = certificates.serverTls;
  const answer = await mysqlCli({ ...account(server), tls: { ca, checkName: true } }, 'SELECT 40 + 2 AS sum');
  assert.deepEqual(answer, { code: 0, stdout: 'sum\n42\n', stderr: '' });
  await stopsWithoutTrace(server);
});

test('MariaDB starts, speaks verified TLS and leaves nothing behind', async (t) => {
  const server = await serverWithAccount(t, 'mariadb');
  if (server === undefined) return;
  assert.match(server.version, /-MariaDB/);
  const login = await ownLogin(server, { ca: certificates.ca.certificate });
  assert.equal(login.user, 'app@%');
  assert.match(login.cipher, /^TLS_AES/);

  const { ca } = certificates.serverTls;
  const answer = await mariadbCli(
    { ...account(server), tls: { ca, checkName: true } },
    'SELECT 40 + 2 AS sum',
  );
  assert.deepEqual(answer, { code: 0, stdout: 'sum\n42\n', stderr: '' });
  await stopsWithoutTrace(server);
});

test('a server that cannot start says why', async (t) => {
  const start = startServer('mysql56', { extraArgs: ['--no-such-option'] });
  const server = await start.catch((error: Error) => error);
  if (!(server instanceof Error) && isUnavailable(server)) return t.skip(server.unavailable);
  assert.match(String(server), /unknown option '--no-such-option'/);
});

async function serverWithAccount(t: TestContext, kind: ServerKind): Promise<RealServer | undefined> {
  const server = await startServer(kind, { tls: certificates.serverTls });
  if (isUnavailable(server)) {
    t.skip(server.unavailable);
    return undefined;
  }
  t.after(() => server.stop());
  await server.sql("CREATE USER 'app'@'%' IDENTIFIED BY 'secret'");
  return server;
}

const account = ({ host, port }: RealServer) => ({ host, port, user: 'app', password: 'secret' });

async function ownLogin(server: RealServer, ssl?: { ca: string }): Promise<{ user: string; cipher: string }> {
  const connection = await createConnection({ ...account(server), ...(ssl && { ssl }) });
  try {
    const [user] = await connection.query<RowDataPacket[]>('SELECT CURRENT_USER() AS user');
    const [cipher] = await connection.query<RowDataPacket[]>("SHOW STATUS LIKE 'Ssl_cipher'");
    return { user: user[0]?.['user'], cipher: cipher[0]?.['Value'] };
  } finally {
    connection.destroy();
  }
}

/** By hand, because mysql2 has no setting for a server that knows nothing of RFC 5746. */
async function handshakeWithYassl({
  host,
  port,
}: RealServer): Promise<{ protocol: string | null; cipher: string }> {
  const socket = net.connect(port, host);
  await once(socket, 'data');
  const sslRequest = Buffer.alloc(36);
  const [protocol41, ssl, secureConnection, utf8] = [0x200, 0x800, 0x8000, 33];
  sslRequest.writeUInt32LE((1 << 24) + 32, 0);
  sslRequest.writeUInt32LE(protocol41 | ssl | secureConnection, 4);
  sslRequest.writeUInt8(utf8, 12);
  socket.write(sslRequest);
  const secured = tls.connect({
    socket,
    host,
    ca: certificates.ca.certificate,
    cert: certificates.client.certificate,
    key: certificates.client.key,
    minVersion: 'TLSv1',
    ciphers: 'AES256-SHA@SECLEVEL=0',
    secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT,
  });
  await once(secured, 'secureConnect');
  const negotiated = { protocol: secured.getProtocol(), cipher: secured.getCipher().name };
  secured.destroy();
  return negotiated;
}

async function stopsWithoutTrace(server: RealServer): Promise<void> {
  assert.equal(isAlive(server.pid), true);
  await server.stop();
  assert.equal(isAlive(server.pid), false);
  assert.equal(existsSync(path.dirname(server.dataFolder)), false);
}
