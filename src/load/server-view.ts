/** What the server says of itself and of a connection. Through a proxy that connection is the proxy's. */
import type { Connection, RowDataPacket } from 'mysql2/promise';
import { PLAINTEXT, type TlsSeen } from './tls-counts.js';

export interface ServerIdentity {
  readonly version: string;
  /** `HOSTNAME:PORT`, as the server calls itself. */
  readonly name: string;
}

/** Undefined where it does not say, as some that only speak the protocol. */
export async function serverIdentity(connection: Connection): Promise<ServerIdentity | undefined> {
  const [row] = await rows(connection, 'SELECT VERSION(), @@hostname, @@port');
  if (row === undefined) return undefined;
  const [version, hostname, port] = row;
  return { version: String(version), name: `${hostname}:${port}` };
}

/** Undefined where it does not say. */
export async function tlsSeenByServer(connection: Connection): Promise<TlsSeen | undefined> {
  const found = await rows(
    connection,
    "SHOW SESSION STATUS WHERE Variable_name IN ('Ssl_version', 'Ssl_cipher', 'Ssl_sessions_reused')",
  );
  const status = new Map(found.map(([name, value]) => [String(name).toLowerCase(), String(value)]));
  const version = status.get('ssl_version');
  if (version === undefined) return undefined;
  if (version === '') return PLAINTEXT;
  const reused = status.get('ssl_sessions_reused');
  return {
    version,
    cipher: status.get('ssl_cipher') ?? 'unknown',
    resumed: reused === undefined ? undefined : reused !== '0',
  };
}

/** Empty where the server refuses the statement. */
async function rows(connection: Connection, statement: string): Promise<readonly (readonly unknown[])[]> {
  try {
    const [found] = await connection.query<RowDataPacket[][]>(statement);
    return found;
  } catch {
    return [];
  }
}
