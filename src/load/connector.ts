/** Opens connections to one side, with mysql2. */
import { connect as connectSocket, type Socket } from 'node:net';
import { type Connection, createConnection, type SslOptions } from 'mysql2/promise';
import type { Address } from '../config/model.js';
import type { Side, SideTls } from './side.js';
import { PLAINTEXT, type TlsSeen } from './tls-counts.js';

/** Milliseconds, from the dial to the end of the login. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Milliseconds for the goodbye. */
const END_TIMEOUT_MS = 1000;

/** As mysql2 throws it: with a number where the server sent it, else with a code. */
export type ClientError = Error & {
  readonly errno?: number;
  readonly code?: string;
  readonly fatal?: boolean;
};

export class Connector {
  readonly side: Side;
  /** One object for all connections: mysql2 keeps the context and the sessions to resume with it. */
  #ssl: SslOptions | undefined;

  constructor(side: Side) {
    this.side = side;
    this.#ssl = sslOptions(side.tls, side.address);
  }

  /** Rejects with what mysql2 says. */
  async open(): Promise<Connection> {
    try {
      return await this.#open();
    } catch (error) {
      const hasNoTls = (error as ClientError).code === 'HANDSHAKE_NO_SSL_SUPPORT';
      if (!hasNoTls || this.side.tls.sslMode !== 'PREFERRED') throw error;
      this.#ssl = undefined;
      return await this.#open();
    }
  }

  async #open(): Promise<Connection> {
    const { address, login } = this.side;
    const connection = await createConnection({
      user: login.user,
      password: login.password,
      ...(login.database === undefined ? {} : { database: login.database }),
      // The name is for TLS; on a socket file it is what lets a password be sent in clear.
      ...(address.kind === 'unix'
        ? { socketPath: address.path }
        : { host: address.host, port: address.port }),
      ...(this.#ssl === undefined ? {} : { ssl: this.#ssl }),
      stream: () => dial(address),
      connectTimeout: CONNECT_TIMEOUT_MS,
      rowsAsArray: true,
    });
    // A connection that breaks between two queries says so here; the next query fails, and that is counted.
    connection.on('error', () => {});
    return connection;
  }
}

/**
 * mysql2 has Node.js check the name in the certificate, and Node.js takes it from the socket. It is not there when an
 * address was connected to, and then "localhost" is checked in its place.
 */
function dial(address: Address): Socket {
  if (address.kind === 'unix') return connectSocket(address.path);
  const socket = connectSocket(address.port, address.host).setNoDelay(true);
  return Object.assign(socket, { _host: address.host });
}

function sslOptions(
  { sslMode, ca, keyPair, ...versions }: SideTls,
  address: Address,
): SslOptions | undefined {
  // As the mysql program does it: PREFERRED means plaintext on a socket file, which nobody can listen to.
  if (sslMode === 'DISABLED' || (sslMode === 'PREFERRED' && address.kind === 'unix')) return undefined;
  return {
    ...(ca === undefined ? {} : { ca }),
    ...keyPair,
    ...versions,
    rejectUnauthorized: sslMode === 'VERIFY_CA' || sslMode === 'VERIFY_IDENTITY',
    verifyIdentity: sslMode === 'VERIFY_IDENTITY',
  };
}

/** What of a socket says how it is encrypted; one in plaintext has none of it. */
interface EncryptedStream {
  getProtocol(): string | null;
  getCipher(): { readonly name: string };
  isSessionReused(): boolean;
}

/** How this side of the connection sees its TLS. */
export function tlsOf(connection: Connection): TlsSeen {
  const stream = streamOf(connection);
  if (!('getCipher' in stream)) return PLAINTEXT;
  const encrypted = stream as unknown as EncryptedStream;
  return {
    version: encrypted.getProtocol() ?? 'unknown',
    cipher: encrypted.getCipher().name,
    resumed: encrypted.isSessionReused(),
  };
}

/** Says goodbye, so that the server does not count the connection as broken; does not wait long for it. */
export async function hangUp(connection: Connection): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const tooLong = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, END_TIMEOUT_MS);
  });
  await Promise.race([connection.end().catch(() => {}), tooLong]);
  clearTimeout(timer);
  breakOff(connection);
}

/** A query that is under way rejects. */
export function breakOff(connection: Connection): void {
  streamOf(connection).destroy();
}

/** mysql2 keeps it where its types do not show it, and puts the encrypted one in its place. */
function streamOf(connection: Connection): Socket {
  return (connection as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream;
}
