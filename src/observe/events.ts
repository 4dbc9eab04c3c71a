/**
 * What the proxy core tells the outside. The core knows these types and nothing of Prometheus, pino or HTTP: whoever
 * wants to see connections hands in an Observer.
 */
import type { ProxyError } from '../errors.js';
import type { TlsWeakness } from './weak-tls.js';

/** What was negotiated on one leg. A plaintext leg has version and cipher `none`. */
export interface TlsDescription {
  /** As OpenSSL names it: `TLSv1`, `TLSv1.1`, `TLSv1.2`, `TLSv1.3`, or `none`. */
  readonly version: string;
  /** As OpenSSL names it: `TLS_AES_256_GCM_SHA384`, `AES256-SHA`, …, or `none`. */
  readonly cipher: string;
  /** Whether an earlier session was resumed instead of a full handshake. */
  readonly resumed: boolean;
  /** Subject of the peer's certificate, `CN=…`; empty when none was presented. */
  readonly peerSubject: string;
  /** Empty for a plaintext leg: it is not weak TLS, but none. */
  readonly weaknesses: readonly TlsWeakness[];
  /** From the first TLS byte to the end of the handshake, in seconds. */
  readonly handshakeSeconds: number;
}

export const PLAINTEXT: TlsDescription = Object.freeze({
  version: 'none',
  cipher: 'none',
  resumed: false,
  peerSubject: '',
  weaknesses: [],
  handshakeSeconds: 0,
});

/** Both legs of a PASSTHROUGH connection: client and server negotiate with each other, unseen by the proxy. */
export const PASSED_THROUGH: TlsDescription = Object.freeze({
  ...PLAINTEXT,
  version: 'passthrough',
  cipher: 'passthrough',
});

/**
 * How a login came about: every packet passed as it was; the password was put into the form of the other leg; the proxy
 * got the password from the client and answered the server with it; or both sides are in the credentials file.
 */
export type AuthenticationPath = 'relayed' | 'translated' | 'bridged' | 'credentials';

export type ServerConnection = 'fresh' | 'reused';

/**
 * Why a server connection that waited for another client, or was to, ended: nobody came in time; the server closed it, or
 * did not empty the session; its user may have only so many; as many as allowed waited already; the server had
 * no place for a new connection; routes were reloaded, or the proxy stopped; the server, or the
 * client that it was meant for, turned out to be unfit; it had served long enough; it was used up to find out about the server.
 */
export const keptEnds = [
  'idle_timeout',
  'server_closed',
  'not_emptied',
  'user_limited',
  'pool_full',
  'server_full',
  'reload',
  'shutdown',
  'unsafe',
  'client_differs',
  'worn_out',
  'probed',
] as const;
export type KeptEnd = (typeof keptEnds)[number];

/** Server connections of a route that wait for another client. */
export interface KeptCount {
  readonly route: string;
  readonly count: number;
}

/** What was found out of a server, once for each version that it has. */
export interface ReuseJudgement {
  readonly route: string;
  /** `HOST:PORT`. */
  readonly server: string;
  readonly serverVersion: string;
  /** Why its connections are not reused, as a clause; undefined: they are. */
  readonly because: string | undefined;
}

/** Connections of a route to a server that are open now: being made, in use, or waiting for another client. */
export interface ServerConnections {
  readonly route: string;
  /** `HOST:PORT`. */
  readonly server: string;
  readonly count: number;
}

/** Of a worker process. */
export interface WorkerVitals {
  /** Its place, from 1 on. */
  readonly worker: number;
  readonly connections: number;
  readonly residentBytes: number;
  readonly cpuSeconds: number;
}

/** What an attempt to connect to a server, or a check, said of its health. */
export interface ServerHealth {
  readonly route: string;
  /** `HOST:PORT`. */
  readonly server: string;
  /** Why the server is left out; undefined: it is not. */
  readonly error?: ProxyError | undefined;
  /** It was otherwise before. */
  readonly changed: boolean;
  readonly by: 'client' | 'check';
  /** The route has no other server. */
  readonly isOnly: boolean;
}

export interface ServerCheck {
  readonly route: string;
  /** `HOST:PORT`. */
  readonly server: string;
  /** `denied`: the server works, and refuses the user of health checks. */
  readonly result: 'success' | 'failure' | 'denied';
  /** From its beginning to the server's greeting; undefined where it did not come so far. */
  readonly greetedAfter: number | undefined;
  /** Undefined after a success. */
  readonly error: ProxyError | undefined;
}

/** A certificate that a leg uses, or that its peer showed. */
export interface CertificateInUse extends CertificateFact {
  readonly route: string;
  readonly leg: 'client' | 'server';
}

export interface CertificateFact {
  /** Of the proxy (`own`), a CA that peers are verified with (`ca`), or as a server showed it last (`peer`). */
  readonly role: 'own' | 'ca' | 'peer';
  /** `CN=server,O=Example`, in the certificate's own order. */
  readonly subject: string;
  /** Unix time in milliseconds; NaN where the certificate holds a date that nobody can read. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** The file, or `HOST:PORT` of the server. */
  readonly source: string;
  /** The option that names the file; empty for a server's own. */
  readonly option: string;
}

/** MySQL protocol bytes of one leg, as the proxy sees it: inside TLS, without the records around it. */
export interface LegBytes {
  in: number;
  out: number;
}

/** One connection of a client and what is known of it so far. Observers read it and keep no reference after `closed`. */
export interface ConnectionRecord {
  /** Counts from 1 in each process. */
  readonly id: number;
  readonly route: string;
  /** `203.0.113.7:51234`, `[2001:db8::7]:51234`, or `unix` for a client on a socket file. */
  readonly clientAddress: string;
  /** Of the balancer whose PROXY header named the client, in the same form; empty where the client itself connected. */
  readonly via: string;
  /** Unix time in milliseconds. */
  readonly openedAt: number;
  /** Its login was accepted. */
  isSession: boolean;
  /** `HOST:PORT` of the server that answered; empty before that. */
  serverAddress: string;
  /** As the server calls itself, without the `5.5.5-` in front of MariaDB's. */
  serverVersion: string;
  /** The server's thread id, the one that KILL takes; 0 before the greeting. */
  serverThreadId: number;
  /** Whether the server's connection was made for this client, or had been kept from an earlier one. */
  serverConnection: ServerConnection;
  /** User name as the client sent it; empty before the login. */
  user: string;
  /** User that the proxy logged in as, by the credentials file; empty where the client logged in itself. */
  serverUser: string;
  /** Plugin that the client named in its login; empty before it, and where nothing of it is seen. */
  clientPlugin: string;
  /** Plugin that the server asked for, or confirmed, last; empty where it decides at once. */
  serverPlugin: string;
  /** Of the last login or COM_CHANGE_USER. */
  authentication: AuthenticationPath;
  /** What the client says of its program and library in its connection attributes, such as `mysql 8.0.36`; else empty. */
  clientProgram: string;
  clientTls: TlsDescription;
  serverTls: TlsDescription;
  readonly clientBytes: LegBytes;
  readonly serverBytes: LegBytes;
  /** Commands after the login, as far as they can be seen: 0 for compressed and passed-through sessions. */
  commands: number;
}

/** Who wanted in, and how: the part of a record that a COM_CHANGE_USER replaces. */
export type LoginAttempt = Pick<
  ConnectionRecord,
  'user' | 'serverUser' | 'clientPlugin' | 'serverPlugin' | 'authentication' | 'clientProgram'
>;

/** Of a connection of which nothing more is known yet, opened now. */
export function newConnectionRecord({
  id,
  route,
  clientAddress,
  via = '',
}: Pick<ConnectionRecord, 'id' | 'route' | 'clientAddress'> &
  Partial<Pick<ConnectionRecord, 'via'>>): ConnectionRecord {
  // Not with a spread: V8 would give each record a shape of its own, and look up every field of every packet's counters.
  return {
    id,
    route,
    clientAddress,
    via,
    openedAt: Date.now(),
    isSession: false,
    serverAddress: '',
    serverVersion: '',
    serverThreadId: 0,
    serverConnection: 'fresh',
    user: '',
    serverUser: '',
    clientPlugin: '',
    serverPlugin: '',
    authentication: 'relayed',
    clientProgram: '',
    clientTls: PLAINTEXT,
    serverTls: PLAINTEXT,
    clientBytes: { in: 0, out: 0 },
    serverBytes: { in: 0, out: 0 },
    commands: 0,
  };
}

/** Why a connection ended: it came to its natural end, or the code of an error. */
export type CloseReason = 'client_closed' | 'server_closed' | 'login_refused' | ProxyError['code'];

/**
 * Called synchronously, in this order: `opened`, then any of `serverUnreachable`, `serverReached`, `tlsEstablished` and
 * `tlsFailed`, then `established`, `refused` or `failed`; after `established` any number of `commandSent`,
 * `commandAnswered`, `userChanged` and `userChangeRefused`, and perhaps `failed`; last `closed` (always, once). Must not
 * throw.
 */
export interface Observer {
  /** A client was accepted. */
  opened?(connection: ConnectionRecord): void;
  /** A server greeted. `seconds`: from the beginning of the attempt, name lookup included. */
  serverReached?(connection: ConnectionRecord, server: string, seconds: number): void;
  /**
   * One of the route's servers did not greet, or sent an error in place of it; the next one is tried, or `failed` or
   * `refused` follows.
   */
  serverUnreachable?(connection: ConnectionRecord, server: string, error: ProxyError): void;
  /** A TLS handshake ended well; the connection's `clientTls` or `serverTls` has just been set. */
  tlsEstablished?(connection: ConnectionRecord, leg: 'client' | 'server'): void;
  /** A TLS handshake, or the check of the peer's certificate, failed. `failed` follows. */
  tlsFailed?(connection: ConnectionRecord, leg: 'client' | 'server', error: ProxyError): void;
  /** The login was accepted; both legs are relayed from here on. */
  established?(connection: ConnectionRecord): void;
  /**
   * The last byte of a command, the first byte of whose payload is `command`, went to the server. An observer that has this
   * or `commandAnswered` has every command looked at.
   */
  commandSent?(connection: ConnectionRecord, command: number): void;
  /** The first byte of its reply came, so many seconds later. Some commands are not answered. */
  commandAnswered?(connection: ConnectionRecord, command: number, seconds: number): void;
  /** A COM_CHANGE_USER was accepted; `user` and what belongs to the login have just been set. */
  userChanged?(connection: ConnectionRecord): void;
  /** The server refused a COM_CHANGE_USER (its own ERR went through unchanged); `user` is the one from before. */
  userChangeRefused?(connection: ConnectionRecord, errno: number, attempt: LoginAttempt): void;
  /**
   * The login, or a COM_CHANGE_USER, came to nothing, by an error of either leg or of the proxy. `attempt` is given for the
   * latter; `user` is the one from before.
   */
  failed?(connection: ConnectionRecord, error: ProxyError, attempt?: LoginAttempt): void;
  /** The server refused the login (its own ERR went through unchanged). */
  refused?(connection: ConnectionRecord, errno: number): void;
  /** A server is up for the first time or again, or failed; at any time. */
  serverHealth?(health: ServerHealth): void;
  /** A health check is over; after the `serverHealth` that it led to. */
  serverChecked?(check: ServerCheck): void;
  /** Of `--reuse-server-connections`, at any time. */
  reuseJudged?(judgement: ReuseJudgement): void;
  /** A server connection ended between two clients; `server` as `HOST:PORT`. At any time. */
  keptServerEnded?(route: string, server: string, reason: KeptEnd): void;
  /** A worker process takes connections. `worker`: its place, from 1 on. `restarts`: how many died there before. At any time. */
  workerStarted?(worker: number, pid: number, restarts: number): void;
  /** A worker process has ended unasked, and its connections with it. `how` as in "worker 1 was killed by SIGKILL". */
  workerLost?(worker: number, how: string, restartSeconds: number): void;
  /** The connection is over; its sockets are closed, but for a server's that is kept for another client. */
  closed?(connection: ConnectionRecord, reason: CloseReason): void;
}
