/** The lines that tell of connections; docs/logging.md lists them. */
import { errorTable, type Leg, type LogLevel, ProxyError } from '../errors.js';
import { printableName } from '../printable.js';
import { clientHost } from './client-host.js';
import type {
  CloseReason,
  ConnectionRecord,
  LegBytes,
  LoginAttempt,
  Observer,
  TlsDescription,
} from './events.js';
import { codeOfRefusal, type FailureCode } from './failure-code.js';
import { logServerHealth } from './health-log.js';
import type { Log, Logger } from './log.js';
import { RepeatLimiter } from './repeats.js';
import { weakTls } from './weak-tls.js';

/**
 * One line when a connection ends, and one when it failed, of which repeats are counted instead of told. Never holds a
 * password, a scramble or a key: the record of a connection has none.
 */
export function logObserver(log: Pick<Log, 'logger' | 'beforeClose'>): Observer {
  const { logger } = log;
  const logFailure = failureLog(log);
  const logError = (connection: ConnectionRecord, error: ProxyError, more: object = {}) =>
    logFailure(connection, error.code, { ...more, ...causeOf(error) }, error.message);
  const logWeaknesses = weaknessLog(logger);
  // Four in each connection, which at other levels are not even put together.
  const debug = (fields: () => object, message: string) => {
    if (logger.isLevelEnabled('debug')) logger.debug(fields(), message);
  };
  return {
    opened: (connection) => debug(() => summary(connection), 'connection opened'),
    tlsEstablished: (connection, leg) => {
      const tls = leg === 'client' ? connection.clientTls : connection.serverTls;
      debug(() => ({ ...summary(connection), leg, ...describeTls(tls) }), 'TLS established');
      logWeaknesses(connection, leg, tls);
    },
    established: (connection) =>
      debug(() => ({ ...summary(connection), ...loginOf(connection) }), 'login accepted'),
    userChanged: (connection) =>
      debug(() => ({ ...summary(connection), ...loginOf(connection) }), 'user changed'),
    userChangeRefused: (connection, errno, attempt) =>
      logFailure(
        connection,
        'login_refused',
        { ...wantedBy(attempt), errno },
        'change of user refused by the server',
      ),
    failed: (connection, error, attempt) => logError(connection, error, wantedBy(attempt)),
    refused: (connection, errno) => {
      const code = codeOfRefusal(errno);
      if (code === 'login_refused') logFailure(connection, code, { errno }, 'login refused by the server');
      else logError(connection, new ProxyError(code, `refused by the server with error ${errno}`), { errno });
    },
    reuseJudged: ({ route, server, serverVersion, because }) =>
      logger.info(
        { route, server, serverVersion: printableName(serverVersion) },
        because === undefined
          ? `connections to ${server} are reused: it asks anew at each change of user`
          : `connections to ${server} are not reused, and each client gets a new one: ${because}`,
      ),
    workerStarted: (worker, pid, restarts) =>
      logger[restarts === 0 ? 'debug' : 'info']({ worker, pid, restarts }, 'worker started'),
    workerLost: (worker, how, restartSeconds) =>
      logger.error(
        { worker, restart_seconds: restartSeconds },
        `worker ${worker} ${how}, and its connections with it; another one starts ${restartSeconds === 0 ? 'now' : `in ${restartSeconds} s`}`,
      ),
    ...logServerHealth(log),
    closed: (connection, reason) => {
      const isSilent = !connection.isSession && connection.clientBytes.in === 0;
      const level = isSilent && QUIET_ENDS.has(reason) ? 'debug' : 'info';
      if (logger.isLevelEnabled(level)) logger[level](closingFields(connection, reason), 'connection closed');
    },
  };
}

/**
 * Of clients that never said a word: health checks and port scans, and those of a flood, of which the failure is told, and how often
 * it was repeated.
 */
const QUIET_ENDS: ReadonlySet<CloseReason> = new Set<CloseReason>([
  'client_gone',
  'client_too_slow',
  'handshake_not_begun',
]);

type LogFailure = (connection: ConnectionRecord, code: FailureCode, more: object, message: string) => void;

/** Who logs at level debug wants to see each one. */
function failureLog({ logger, beforeClose }: Pick<Log, 'logger' | 'beforeClose'>): LogFailure {
  const repeats = new RepeatLimiter(({ code, route, client }, count, seconds) => {
    const { level, leg } = failureKind(code);
    logger[level](
      { route, client, code, leg, suppressed: count },
      `${code}: ${count} more like this in the last ${seconds} s`,
    );
  });
  beforeClose(() => repeats.flush());
  return (connection, code, more, message) => {
    const { level, leg } = failureKind(code);
    // What is not to be seen at all must not use up what others may say.
    if (!logger.isLevelEnabled(level)) return;
    const kind = { code, route: connection.route, client: clientHost(connection.clientAddress) };
    if (!logger.isLevelEnabled('debug') && !repeats.admits(kind)) return;
    logger[level]({ ...details(connection), code, leg, ...more }, message);
  };
}

function failureKind(code: FailureCode): { level: LogLevel; leg: Leg } {
  if (code === 'login_refused') return { level: 'info', leg: 'server' };
  const { logLevel, leg } = errorTable[code];
  return { level: logLevel, leg };
}

/** One line for each route, leg and weakness; the metric counts the rest. */
function weaknessLog(logger: Logger) {
  const logged = new Set<string>();
  return (connection: ConnectionRecord, leg: 'client' | 'server', tls: TlsDescription): void => {
    for (const weakness of tls.weaknesses) {
      const kind = `${connection.route} ${leg} ${weakness}`;
      if (logged.has(kind)) continue;
      logged.add(kind);
      const { what, cure } = weakTls[weakness];
      const { serverAddress: server } = connection;
      logger.warn(
        { ...summary(connection), server, leg, weakness, ...describeTls(tls) },
        `weak TLS on the ${leg} leg: ${what}. ${cure[leg]} (Logged once; weak_tls_connections_total counts.)`,
      );
    }
  };
}

function summary({ id, route, clientAddress, via }: ConnectionRecord): object {
  return { connection: id, route, client: clientAddress, via: via === '' ? undefined : via };
}

function details(connection: ConnectionRecord): object {
  const { serverAddress, serverVersion, serverThreadId } = connection;
  return {
    ...summary(connection),
    user: printableName(connection.user),
    server: serverAddress,
    serverVersion: printableName(serverVersion),
    serverThreadId,
  };
}

/**
 * The one line that every connection has. Not put together from other objects, which takes V8 ten times as long; what is
 * undefined is left out.
 */
function closingFields(connection: ConnectionRecord, reason: CloseReason): object {
  const { clientTls, serverTls, clientBytes, serverBytes, serverConnection } = connection;
  // Where no login was seen, there was no way in which it came about.
  const sawLogin = connection.clientPlugin !== '';
  return {
    connection: connection.id,
    route: connection.route,
    client: connection.clientAddress,
    via: connection.via === '' ? undefined : connection.via,
    user: printableName(connection.user),
    server: connection.serverAddress,
    serverVersion: printableName(connection.serverVersion),
    serverThreadId: connection.serverThreadId,
    serverConnection: serverConnection === 'reused' ? serverConnection : undefined,
    serverUser: sawLogin ? nameUnlessEmpty(connection.serverUser) : undefined,
    clientProgram: sawLogin ? nameUnlessEmpty(connection.clientProgram) : undefined,
    authentication: sawLogin ? connection.authentication : undefined,
    clientPlugin: sawLogin ? printableName(connection.clientPlugin) : undefined,
    serverPlugin: sawLogin ? printableName(connection.serverPlugin) : undefined,
    clientLeg: legOf(clientTls, clientBytes),
    serverLeg: legOf(serverTls, serverBytes),
    commands: connection.commands,
    durationSeconds: Math.max(0, Date.now() - connection.openedAt) / 1000,
    reason,
  };
}

function legOf({ version, cipher, resumed, peerSubject }: TlsDescription, bytes: LegBytes): object {
  return {
    version,
    cipher,
    resumed,
    peerSubject: nameUnlessEmpty(peerSubject),
    bytesIn: bytes.in,
    bytesOut: bytes.out,
  };
}

function nameUnlessEmpty(name: string): string | undefined {
  return name === '' ? undefined : printableName(name);
}

/** In place of the user that the connection still has. */
function wantedBy(attempt: LoginAttempt | undefined): object {
  return attempt === undefined ? {} : { user: printableName(attempt.user) };
}

function loginOf(login: LoginAttempt): object {
  const { user, serverUser, clientProgram, clientPlugin, serverPlugin, authentication } = login;
  return {
    user: printableName(user),
    serverUser: nameUnlessEmpty(serverUser),
    clientProgram: nameUnlessEmpty(clientProgram),
    authentication,
    clientPlugin: printableName(clientPlugin),
    serverPlugin: printableName(serverPlugin),
  };
}

function describeTls({ version, cipher, resumed, peerSubject }: TlsDescription): object {
  return { version, cipher, resumed, peerSubject: nameUnlessEmpty(peerSubject) };
}

/** The code of the system or of OpenSSL beneath an error; a stack only for what is a bug of the proxy. */
function causeOf(error: ProxyError): object {
  const { cause } = error;
  if (!(cause instanceof Error)) return {};
  if (error.code === 'internal_error') return { stack: cause.stack };
  return 'code' in cause && typeof cause.code === 'string' ? { cause: cause.code } : {};
}
