/** Connections that are held open: what their clients and servers know of them. */
import { readFileSync } from 'node:fs';
import type { RealServer } from '../support/servers.js';
import { clientBytes } from './client-bytes.js';
import { BY_NATIVE, BY_SWITCH, type LoggedInClient, type Mysql2Client } from './prometheus-clients.js';
import { type AuthPath, type LegTls, PLAIN } from './prometheus-counts.js';
import { type RouteName, type Stage, TLS10 } from './prometheus-stage.js';
import type { Counts } from './prometheus-tally.js';

export interface HeldConnection {
  /** Route and user, which no other connection has that is held. */
  readonly name: string;
  /** Of connection_info, those that are not empty, without what nobody but the proxy knows. */
  readonly labels: Readonly<Record<string, string>>;
  readonly commands: number;
  /** `client in`, `server out`, …: those that client and server have counted themselves. */
  readonly bytes: Counts;
  /** Unix times in seconds, between which the client connected. */
  readonly opened: { readonly after: number; readonly before: number };
}

interface Facts {
  readonly route: RouteName;
  readonly clientTls: LegTls;
  /** Plugins of client and server, and how the proxy took part. */
  readonly login: readonly [clientPlugin: string, serverPlugin: string, path: AuthPath];
  readonly hasChangedUser: boolean;
}

const { version: mysql2Version } = JSON.parse(readFileSync('node_modules/mysql2/package.json', 'utf8'));

export async function heldMysql2(
  { mysql, routes }: Stage,
  { connection, socket, opened }: Mysql2Client,
  facts: Facts,
): Promise<HeldConnection> {
  const thread = await mysqlThread(mysql, 'PROCESSLIST_ID', connection.threadId);
  return {
    name: `${facts.route} ${thread.user}`,
    labels: {
      ...labelsOf(facts),
      client: `127.0.0.1:${socket.localPort}`,
      client_program: `Node-MySQL-2 ${mysql2Version}`,
      user: thread.user,
      server: routes[facts.route].server,
      server_version: mysql.version,
      ...thread.labels,
    },
    commands: facts.hasChangedUser ? 1 : 0,
    // MySQL counts anew from a change of user on.
    bytes: { ...ofClient(socket), ...(facts.hasChangedUser ? {} : thread.bytes) },
    opened,
  };
}

/** At MariaDB, over two legs in plaintext: what the client counts the server counts as well. */
export async function heldRaw(
  { mariadb, routes, native }: Stage,
  { socket, opened }: LoggedInClient,
): Promise<HeldConnection> {
  const [thread] = await mariadb.sql('SELECT id FROM information_schema.processlist WHERE user = ?', [
    native.user,
  ]);
  const client = clientBytes(socket);
  return {
    name: `counted ${native.user}`,
    labels: {
      ...labelsOf({ route: 'counted', clientTls: PLAIN, login: [...BY_NATIVE, 'relayed'] }),
      client: `127.0.0.1:${socket.localPort}`,
      user: native.user,
      server: routes.counted.server,
      // MariaDB's own way to say that it is not MySQL 5.5.5, as old replicas believe.
      server_version: mariadb.version,
      server_thread_id: String(thread?.['id']),
      ...serverTlsLabels(PLAIN),
    },
    commands: 6,
    bytes: { ...ofClient(socket), 'server in': client.out, 'server out': client.in },
    opened,
  };
}

/** The replication thread of MySQL 5.6, which tells nobody its port or its bytes. */
export async function heldByReplica(
  { mysql, old, routes, replica }: Stage,
  opened: HeldConnection['opened'],
): Promise<HeldConnection> {
  const thread = await mysqlThread(mysql, 'PROCESSLIST_USER', replica.user);
  const commands = await loggedCommands(mysql, 'thread_id = ?', thread.labels.server_thread_id);
  return {
    name: `old ${replica.user}`,
    labels: {
      ...labelsOf({ route: 'old', clientTls: TLS10, login: [...BY_SWITCH, 'bridged'] }),
      client_program: `libmysql ${old.version}`,
      user: replica.user,
      server: routes.old.server,
      server_version: mysql.version,
      ...thread.labels,
    },
    commands: Object.values(commands).reduce((sum, count) => sum + count, 0),
    bytes: thread.bytes,
    opened,
  };
}

/** Commands of the replica that MySQL has logged, by the name of the protocol. */
export function commandsOfReplica(mysql: RealServer): Promise<Counts> {
  return loggedCommands(
    mysql,
    "thread_id IN (SELECT thread_id FROM mysql.general_log WHERE command_type = 'Connect' AND argument LIKE ?)",
    'replica@%',
  );
}

async function loggedCommands(mysql: RealServer, where: string, value: string): Promise<Counts> {
  const rows = await mysql.sql(
    `SELECT command_type AS type, COUNT(*) AS count FROM mysql.general_log WHERE ${where} GROUP BY command_type`,
    [value],
  );
  const times = (type: string) => Number(rows.find((row) => row['type'] === type)?.['count'] ?? 0);
  const dumps = times('Binlog Dump');
  // MySQL does not log that a replica registers itself, as each does once before it asks for the log.
  return { COM_BINLOG_DUMP: dumps, COM_QUERY: times('Query'), COM_REGISTER_SLAVE: dumps };
}

function labelsOf({ route, clientTls, login }: Omit<Facts, 'hasChangedUser'>): Record<string, string> {
  const [client_plugin, server_plugin, path] = login;
  const [client_tls_version, client_cipher] = clientTls;
  return {
    route,
    state: 'session',
    server_connection: 'fresh',
    client_tls_version,
    client_cipher,
    client_tls_resumed: 'false',
    client_plugin,
    ...(server_plugin !== 'none' && { server_plugin }),
    path,
  };
}

function serverTlsLabels([server_tls_version, server_cipher]: LegTls): Record<string, string> {
  return { server_tls_version, server_cipher };
}

function ofClient(socket: LoggedInClient['socket']): Counts {
  const { in: sent, out: got } = clientBytes(socket);
  return { 'client in': sent, 'client out': got };
}

/** What MySQL 9 says of one of its sessions: nobody else's bytes are in it. */
async function mysqlThread(
  mysql: RealServer,
  column: 'PROCESSLIST_ID' | 'PROCESSLIST_USER',
  value: string | number,
): Promise<{ user: string; labels: Record<string, string> & { server_thread_id: string }; bytes: Counts }> {
  const rows = await mysql.sql(
    `SELECT PROCESSLIST_ID AS id, PROCESSLIST_USER AS user, VARIABLE_NAME AS name, VARIABLE_VALUE AS value
     FROM performance_schema.status_by_thread JOIN performance_schema.threads USING (THREAD_ID)
     WHERE ${column} = ?`,
    [value],
  );
  const status = (name: string) => String(rows.find((row) => row['name'] === name)?.['value']);
  return {
    user: String(rows[0]?.['user']),
    labels: {
      server_thread_id: String(rows[0]?.['id']),
      ...serverTlsLabels([status('Ssl_version'), status('Ssl_cipher')]),
      server_certificate_subject: 'CN=Test server',
    },
    bytes: { 'server in': Number(status('Bytes_sent')), 'server out': Number(status('Bytes_received')) },
  };
}
