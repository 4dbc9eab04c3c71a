/** Clients of a proxy that Prometheus watches: each counts what it does. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { type Connection, type ConnectionOptions, createConnection } from 'mysql2/promise';
import { mysqlCli } from '../support/clients.js';
import { FLAGS, sslRequest } from '../support/packets.js';
import { isUnavailable } from '../support/programs.js';
import { frame } from '../support/scripted-peer.js';
import type { Account } from './accounts.js';
import { bytesOnWire, type ClientBytes, clientBytes } from './client-bytes.js';
import {
  countAuth,
  countCommands,
  countHandshake,
  countLogin,
  countReached,
  countRejected,
  type LegTls,
  now,
  PASSED_THROUGH,
  PLAIN,
  type RouteUnderTest,
} from './prometheus-counts.js';
import type { Tally } from './prometheus-tally.js';
import { openRawSession, readPacket, sendQuit } from './raw-session.js';

/** Plugins of a client and of a server that agree. */
export const BY_SHA2 = ['caching_sha2_password', 'caching_sha2_password'] as const;
/** A client of an older kind, mysql2 at a COM_CHANGE_USER as well, whom MySQL 9 asks for the other plugin. */
export const BY_SWITCH = ['mysql_native_password', 'caching_sha2_password'] as const;
/** The server takes what the client sends at once. */
export const BY_NATIVE = ['mysql_native_password', 'none'] as const;

function countBytes(tally: Tally, { name }: RouteUnderTest, bytes: ClientBytes): void {
  tally.add('bytes_total', [name, 'client', 'in'], bytes.in);
  tally.add('bytes_total', [name, 'client', 'out'], bytes.out);
}

/** Counts the bytes of a client once its socket is closed. */
async function countBytesOf(tally: Tally, route: RouteUnderTest, socket: Socket): Promise<void> {
  if (!socket.closed) await once(socket, 'close');
  const isSeen = route.serverTls !== PASSED_THROUGH;
  countBytes(tally, route, isSeen ? clientBytes(socket) : bytesOnWire(socket));
}

/** A client that is logged in. */
export interface LoggedInClient {
  readonly socket: Socket;
  /** Unix times in seconds, between which it connected. */
  readonly opened: { readonly after: number; readonly before: number };
  /** Closes the connection as a client should, and resolves when it is closed. */
  end(): Promise<void>;
}

export interface Mysql2Client extends LoggedInClient {
  readonly connection: Connection;
}

/** mysql2, logged in. With `ssl` its leg is TLS. */
export async function mysql2Client(
  tally: Tally,
  route: RouteUnderTest,
  account: Account,
  { ssl, clientTls }: { ssl?: ConnectionOptions['ssl']; clientTls: LegTls },
): Promise<Mysql2Client> {
  const after = now();
  const socket = connect(route.port, '127.0.0.1');
  countReached(tally, route);
  countHandshake(tally, route, 'client', clientTls);
  countLogin(tally, route, clientTls);
  const connection = await createConnection({ stream: socket, ...account, ...(ssl && { ssl }) });
  return {
    socket,
    opened: { after, before: now() },
    connection,
    end: async () => {
      await connection.end();
      if (clientTls !== PASSED_THROUGH) countCommands(tally, route, { COM_QUIT: 1 });
      await countBytesOf(tally, route, socket);
    },
  };
}

/** mysql2, which does not get in. The caller counts why. */
export async function refusedMysql2Client(
  tally: Tally,
  route: RouteUnderTest,
  account: Account,
  { ssl, errno }: { ssl?: ConnectionOptions['ssl']; errno: number },
): Promise<void> {
  const socket = connect(route.port, '127.0.0.1');
  await assert.rejects(createConnection({ stream: socket, ...account, ...(ssl && { ssl }) }), { errno });
  // mysql2 leaves a connection open whose login failed.
  socket.destroy();
  await countBytesOf(tally, route, socket);
}

/** mysql2 with TLS, which gets in, and then names another user with a wrong password: MySQL ends the session. */
export async function refusedChangeOfUser(
  tally: Tally,
  route: RouteUnderTest,
  { account, wrong }: { account: Account; wrong: Account },
  tls: { ssl: ConnectionOptions['ssl']; clientTls: LegTls },
): Promise<void> {
  const { connection, socket } = await mysql2Client(tally, route, account, tls);
  countAuth(tally, route, BY_SHA2, 'relayed', 'accepted');
  connection.on('error', () => {});
  await assert.rejects(connection.changeUser(wrong), { errno: 1045 });
  countAuth(tally, route, BY_SWITCH, 'relayed', 'refused');
  tally.add('commands_total', [route.name, 'COM_CHANGE_USER']);
  await countBytesOf(tally, route, socket);
}

/** Every kind of command that mysql2 has. */
export async function useMysql2(
  tally: Tally,
  route: RouteUnderTest,
  { connection }: Mysql2Client,
  queries: number,
): Promise<void> {
  for (let query = 0; query < queries; query++) await connection.query('SELECT REPEAT(1, 10000)');
  await connection.ping();
  const statement = await connection.prepare('SELECT ? + 1');
  for (let execution = 0; execution < 3; execution++) await statement.execute([execution]);
  await statement.close();
  countCommands(tally, route, {
    COM_QUERY: queries,
    COM_PING: 1,
    COM_STMT_PREPARE: 1,
    COM_STMT_EXECUTE: 3,
    COM_STMT_CLOSE: 1,
  });
}

/** A session on a bare socket, that sends each command of the list once. */
const rawCommands: readonly [name: string, payload: string][] = [
  ['COM_INIT_DB', '\x02mysql'],
  ['COM_QUERY', '\x03DO 1'],
  ['COM_STATISTICS', '\x09'],
  ['COM_PING', '\x0e'],
  ['COM_SET_OPTION', '\x1b\x01\x00'],
  ['COM_RESET_CONNECTION', '\x1f'],
];

export async function rawSession(
  tally: Tally,
  route: RouteUnderTest,
  account: Account,
): Promise<LoggedInClient> {
  const after = now();
  countReached(tally, route);
  countLogin(tally, route, PLAIN);
  const socket = await openRawSession({ host: '127.0.0.1', port: route.port }, account);
  const before = now();
  for (const [name, payload] of rawCommands) {
    socket.write(frame(0, payload));
    await readPacket(socket);
    countCommands(tally, route, { [name]: 1 });
  }
  return {
    socket,
    opened: { after, before },
    end: async () => {
      sendQuit(socket);
      countCommands(tally, route, { COM_QUIT: 1 });
      await countBytesOf(tally, route, socket.resume());
    },
  };
}

/** Logs in over TLS 1.2, once in full and then `resumptions` times with the ticket of the first. */
export async function resumingSessions(
  tally: Tally,
  route: RouteUnderTest,
  account: Account,
  { ca, clientTls, resumptions }: { ca: string; clientTls: LegTls; resumptions: number },
): Promise<void> {
  let session: Buffer | undefined;
  for (let login = 0; login <= resumptions; login++) {
    const resumed = session !== undefined;
    countReached(tally, route);
    countHandshake(tally, route, 'client', clientTls, resumed);
    countLogin(tally, route, clientTls);
    const options = {
      ca,
      maxVersion: 'TLSv1.2' as const,
      ciphers: clientTls[1],
      ...(session === undefined ? {} : { session }),
    };
    const target = { host: '127.0.0.1', port: route.port };
    const socket = (await openRawSession(target, account, options)) as TLSSocket;
    assert.equal(socket.isSessionReused(), resumed);
    countAuth(tally, route, BY_NATIVE, 'relayed', 'accepted');
    session ??= socket.getSession();
    sendQuit(socket);
    countCommands(tally, route, { COM_QUIT: 1 });
    await countBytesOf(tally, route, socket.resume());
  }
}

/** Offers TLS 1.1 at most. Resolves with its bytes: those of a greeting and of the wish for TLS. */
export async function tooOldClient(tally: Tally, route: RouteUnderTest): Promise<ClientBytes> {
  countReached(tally, route);
  countRejected(tally, route, 'client_tls_version_mismatch');
  tally.add('tls_handshake_failures_total', [route.name, 'client', 'client_tls_version_mismatch']);
  const socket = connect(route.port, '127.0.0.1');
  await readPacket(socket);
  socket.write(frame(1, sslRequest(FLAGS.mysql | FLAGS.protocol41 | FLAGS.ssl)));
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
  await assert.rejects(once(connectTls({ socket, ...old }), 'secureConnect'), /protocol version/);
  await countBytesOf(tally, route, socket);
  return clientBytes(socket);
}

/**
 * The mysql program of MySQL 9, with another CA than that of the proxy. It gets as far as a client that is too old, with
 * as many bytes.
 */
export async function distrustfulCli(
  tally: Tally,
  route: RouteUnderTest,
  account: Account,
  { ca, bytes }: { ca: string; bytes: ClientBytes },
): Promise<void> {
  countReached(tally, route);
  countRejected(tally, route, 'client_refused_certificate');
  tally.add('tls_handshake_failures_total', [route.name, 'client', 'client_refused_certificate']);
  countBytes(tally, route, bytes);
  const result = await mysqlCli({ host: '127.0.0.1', port: route.port, ...account, tls: { ca } }, 'SELECT 1');
  if (isUnavailable(result)) throw new Error(result.unavailable);
  assert.match(result.stderr, /certificate verify failed/);
}

/** Reads the greeting and leaves. */
export async function portProbe(tally: Tally, route: RouteUnderTest): Promise<void> {
  countReached(tally, route);
  countRejected(tally, route, 'client_gone');
  const socket = connect(route.port, '127.0.0.1');
  await readPacket(socket);
  socket.end();
  await countBytesOf(tally, route, socket.resume());
}
