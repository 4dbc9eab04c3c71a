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
import type { Tally } from './prometheus-tally.js';
import { openRawSession, readPacket, sendQuit } from './raw-session.js';

export type LegTls = readonly [version: string, cipher: string];
export const PLAIN: LegTls = ['none', 'none'];
export const PASSED_THROUGH: LegTls = ['passthrough', 'passthrough'];

export interface RouteUnderTest {
  readonly name: string;
  readonly port: number;
  /** `HOST:PORT`. */
  readonly server: string;
  readonly serverTls: LegTls;
}

/** Counts a connection that the server greeted. */
export function countReached(tally: Tally, route: RouteUnderTest): void {
  countConnection(tally, route);
  tally.add('server_connect_duration_seconds', [route.name, route.server]);
}

export function countConnection(tally: Tally, { name }: RouteUnderTest): void {
  tally.add('connections_total', [name]);
  tally.add('connection_duration_seconds', [name]);
}

export function countRejected(tally: Tally, { name }: RouteUnderTest, reason: string): void {
  tally.add('connections_rejected_total', [name, reason]);
}

/** Counts the TLS handshake of a leg, unless it is in plaintext or not seen. */
export function countHandshake(
  tally: Tally,
  { name }: RouteUnderTest,
  leg: 'client' | 'server',
  tls: LegTls,
  resumed = false,
): void {
  if (tls === PLAIN || tls === PASSED_THROUGH) return;
  tally.add('tls_handshakes_total', [name, leg, ...tls, String(resumed)]);
  tally.add('tls_handshake_duration_seconds', [name, leg]);
}

/** Counts a login that was accepted, over these kinds of TLS, and the handshake of the server leg. */
export function countLogin(tally: Tally, route: RouteUnderTest, clientTls: LegTls): void {
  countHandshake(tally, route, 'server', route.serverTls);
  tally.add('tls_sessions_total', [route.name, 'client', ...clientTls]);
  tally.add('tls_sessions_total', [route.name, 'server', ...route.serverTls]);
}

const unanswered = ['COM_QUIT', 'COM_STMT_CLOSE'];

export function countCommands(
  tally: Tally,
  { name }: RouteUnderTest,
  commands: Readonly<Record<string, number>>,
): void {
  for (const [command, count] of Object.entries(commands)) {
    tally.add('commands_total', [name, command], count);
    if (!unanswered.includes(command)) tally.add('command_duration_seconds', [name, command], count);
  }
}

/** Counts what went over the socket of a plaintext client, once it is closed. */
async function countBytes(tally: Tally, { name }: RouteUnderTest, socket: Socket): Promise<void> {
  if (!socket.closed) await once(socket, 'close');
  tally.add('bytes_total', [name, 'client', 'in'], socket.bytesWritten);
  tally.add('bytes_total', [name, 'client', 'out'], socket.bytesRead);
}

export interface Mysql2Client {
  readonly connection: Connection;
  /** Closes the connection as a client should, and resolves when it is closed. */
  end(): Promise<void>;
}

/** mysql2, logged in. With `ssl` its leg is TLS. */
export async function mysql2Client(
  tally: Tally,
  route: RouteUnderTest,
  account: Account,
  { ssl, clientTls }: { ssl?: ConnectionOptions['ssl']; clientTls: LegTls },
): Promise<Mysql2Client> {
  const socket = connect(route.port, '127.0.0.1');
  countReached(tally, route);
  countHandshake(tally, route, 'client', clientTls);
  countLogin(tally, route, clientTls);
  const connection = await createConnection({ stream: socket, ...account, ...(ssl && { ssl }) });
  return {
    connection,
    end: async () => {
      await connection.end();
      if (clientTls !== PASSED_THROUGH) countCommands(tally, route, { COM_QUIT: 1 });
      if (clientTls === PLAIN) await countBytes(tally, route, socket);
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
  if (ssl === undefined) await countBytes(tally, route, socket);
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
): Promise<{ end(): Promise<void> }> {
  countReached(tally, route);
  countLogin(tally, route, PLAIN);
  const socket = await openRawSession({ host: '127.0.0.1', port: route.port }, account);
  for (const [name, payload] of rawCommands) {
    socket.write(frame(0, payload));
    await readPacket(socket);
    countCommands(tally, route, { [name]: 1 });
  }
  return {
    end: async () => {
      sendQuit(socket);
      countCommands(tally, route, { COM_QUIT: 1 });
      socket.resume();
      await countBytes(tally, route, socket);
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
    session ??= socket.getSession();
    sendQuit(socket);
    countCommands(tally, route, { COM_QUIT: 1 });
    await once(socket.resume(), 'close');
  }
}

/** Offers TLS 1.1 at most. */
export async function tooOldClient(tally: Tally, route: RouteUnderTest): Promise<void> {
  countReached(tally, route);
  countRejected(tally, route, 'client_tls_version_mismatch');
  tally.add('tls_handshake_failures_total', [route.name, 'client', 'client_tls_version_mismatch']);
  const socket = connect(route.port, '127.0.0.1');
  await readPacket(socket);
  socket.write(frame(1, sslRequest(FLAGS.mysql | FLAGS.protocol41 | FLAGS.ssl)));
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
  await assert.rejects(once(connectTls({ socket, ...old }), 'secureConnect'), /protocol version/);
}

/** The mysql program of MySQL 9, with another CA than that of the proxy. */
export async function distrustfulCli(
  tally: Tally,
  route: RouteUnderTest,
  account: Account,
  ca: string,
): Promise<void> {
  countReached(tally, route);
  countRejected(tally, route, 'client_refused_certificate');
  tally.add('tls_handshake_failures_total', [route.name, 'client', 'client_refused_certificate']);
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
  await countBytes(tally, route, socket.resume());
}
