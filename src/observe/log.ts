/** Logs on standard output: one JSON object a line, or text for people. The only importer of pino. */
import type { Writable } from 'node:stream';
import { type Logger, pino, stdTimeFunctions } from 'pino';
import { build as buildPretty } from 'pino-pretty';
import { errorTable, ProxyError, serverRefusal } from '../errors.js';
import { printable } from '../printable.js';
import type { CloseReason, ConnectionRecord, Observer, TlsDescription } from './events.js';
import { weakTls } from './weak-tls.js';

export type { Logger } from 'pino';

export interface LogSettings {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly format: 'json' | 'pretty';
  /** Where lines go instead of standard output. */
  readonly destination?: Writable;
}

export interface Log {
  readonly logger: Logger;
  /** Stops logging, and resolves when what is still buffered has been written, or after half a second. */
  close(): Promise<void>;
}

/** Bytes of lines kept while standard output is stalled; what comes beyond is dropped, so that memory stays bounded. */
const BUFFERED_BYTES = 8 * 1024 * 1024;

/** Longest user name of any server is 128 characters (MariaDB); peers may send up to a packet of it. */
const LONGEST_NAME = 128;

export function createLogger({ level, format, destination }: LogSettings): Log {
  const stream = format === 'pretty' ? prettyStream(destination) : (destination ?? standardOutput());
  const logger = pino(
    {
      level,
      base: null,
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label: string) => ({ level: label }) },
    },
    stream,
  );
  const close = () => {
    logger.level = 'silent';
    return ended(stream);
  };
  return { logger, close };
}

/** Not synchronous: a reader of the log that stalls must not stall every connection. */
function standardOutput() {
  return pino.destination({ fd: 1, sync: false, maxLength: BUFFERED_BYTES });
}

/** In this process, not in a worker thread: the last lines before an exit are the ones that matter. */
function prettyStream(destination: Writable | undefined) {
  return buildPretty({
    destination: destination ?? 1,
    sync: true,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ...(destination === undefined ? {} : { colorize: false }),
  });
}

/** Not `flushSync`, which overtakes the write that is under way. */
function ended(stream: {
  once(event: 'close', listener: () => void): unknown;
  end(): unknown;
}): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, 500);
    stream.once('close', () => {
      clearTimeout(timer);
      resolve();
    });
    stream.end();
  });
}

/**
 * One line when a connection ends, and one when it failed. Never holds a password, a scramble or a key: the record of
 * a connection has none.
 */
export function logObserver(logger: Logger): Observer {
  const established = new WeakSet<ConnectionRecord>();
  /** Route, leg and weakness of those that were logged: one line each, the metric counts the rest. */
  const weaknessesLogged = new Set<string>();
  return {
    opened: (connection) => logger.debug(summary(connection), 'connection opened'),
    tlsEstablished: (connection, leg) => {
      const tls = leg === 'client' ? connection.clientTls : connection.serverTls;
      logger.debug({ ...summary(connection), leg, ...describeTls(tls) }, 'TLS established');
      for (const weakness of tls.weaknesses) {
        const kind = `${connection.route} ${leg} ${weakness}`;
        if (weaknessesLogged.has(kind)) continue;
        weaknessesLogged.add(kind);
        const { what, cure } = weakTls[weakness];
        const { serverAddress: server } = connection;
        logger.warn(
          { ...summary(connection), server, leg, weakness, ...describeTls(tls) },
          `weak TLS on the ${leg} leg: ${what}. ${cure[leg]} (Logged once; weak_tls_connections_total counts.)`,
        );
      }
    },
    established: (connection) => {
      established.add(connection);
      logger.debug({ ...summary(connection), ...loginOf(connection) }, 'login accepted');
    },
    userChanged: (connection) =>
      logger.debug({ ...summary(connection), ...loginOf(connection) }, 'user changed'),
    userChangeRefused: (connection, errno) =>
      logger.info({ ...details(connection), errno }, 'change of user refused by the server'),
    failed: (connection, error) => logError(logger, connection, error),
    refused: (connection, errno) => {
      const code = serverRefusal(errno);
      if (code === undefined) logger.info({ ...details(connection), errno }, 'login refused by the server');
      else
        logError(logger, connection, new ProxyError(code, `refused by the server with error ${errno}`), {
          errno,
        });
    },
    closed: (connection, reason) => {
      // Port scans and health checks open and close the port without a word.
      const level = reasonLevel(reason) === 'debug' && !established.has(connection) ? 'debug' : 'info';
      const durationSeconds = Math.max(0, Date.now() - connection.openedAt) / 1000;
      logger[level](
        { ...details(connection), ...legsOf(connection), durationSeconds, reason },
        'connection closed',
      );
    },
  };
}

function logError(logger: Logger, connection: ConnectionRecord, error: ProxyError, more: object = {}): void {
  const { leg, logLevel } = error.definition;
  logger[logLevel](
    { ...details(connection), ...more, code: error.code, leg, ...causeOf(error) },
    error.message,
  );
}

function reasonLevel(reason: CloseReason): string {
  return reason in errorTable ? errorTable[reason as ProxyError['code']].logLevel : 'info';
}

function summary({ id, route, clientAddress }: ConnectionRecord): object {
  return { connection: id, route, client: clientAddress };
}

function loginOf(connection: ConnectionRecord): object {
  const { user, serverUser, clientPlugin, serverPlugin, authentication } = connection;
  return {
    user: printable(user, LONGEST_NAME),
    ...(serverUser === '' ? {} : { serverUser }),
    authentication,
    clientPlugin: printable(clientPlugin, LONGEST_NAME),
    serverPlugin: printable(serverPlugin, LONGEST_NAME),
  };
}

function details(connection: ConnectionRecord): object {
  const { serverAddress, serverVersion, serverThreadId } = connection;
  return {
    ...summary(connection),
    user: printable(connection.user, LONGEST_NAME),
    server: serverAddress,
    serverVersion: printable(serverVersion, LONGEST_NAME),
    serverThreadId,
  };
}

function describeTls({ version, cipher, resumed, peerSubject }: TlsDescription): object {
  return {
    version,
    cipher,
    resumed,
    ...(peerSubject === '' ? {} : { peerSubject: printable(peerSubject, LONGEST_NAME) }),
  };
}

function legsOf({ clientTls, serverTls, clientBytes, serverBytes }: ConnectionRecord): object {
  return {
    clientLeg: { ...describeTls(clientTls), bytesIn: clientBytes.in, bytesOut: clientBytes.out },
    serverLeg: { ...describeTls(serverTls), bytesIn: serverBytes.in, bytesOut: serverBytes.out },
  };
}

/** The code of the system or of OpenSSL beneath an error; a stack only for what is a bug of the proxy. */
function causeOf(error: ProxyError): object {
  const { cause } = error;
  if (!(cause instanceof Error)) return {};
  if (error.code === 'internal_error') return { stack: cause.stack };
  return 'code' in cause && typeof cause.code === 'string' ? { cause: cause.code } : {};
}
