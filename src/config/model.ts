/** The configuration after defaults, merging and checks: what the proxy works with. Deeply frozen by the loader. */
import type { KeyObject } from 'node:crypto';

export type ClientSslMode = 'DISABLED' | 'PREFERRED' | 'REQUIRED' | 'PASSTHROUGH';

export type ServerSslMode =
  | 'DISABLED'
  | 'PREFERRED'
  | 'REQUIRED'
  | 'VERIFY_CA'
  | 'VERIFY_IDENTITY'
  | 'AS_CLIENT';

export type ProxyProtocol = 'off' | 'v1' | 'v2' | 'v2-ssl';

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

/**
 * Which server a connection goes to: the first that is not left out, each in turn, or the one with the fewest open
 * connections.
 */
export type RoutingStrategy = 'first-available' | 'round-robin' | 'least-connections';

export type TlsProfile = 'modern' | 'intermediate' | 'legacy';

/** A TCP address or the path of a unix socket file; to listen on, or of a server. */
export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** So many in a period of so many milliseconds. */
export interface Rate {
  readonly count: number;
  readonly periodMs: number;
}

/** Options of one leg that have the same meaning on both. Undefined: not given. Files are absolute paths. */
export interface LegTlsConfig {
  readonly sslCa?: string;
  readonly tlsProfile: TlsProfile;
  /** At least one, without gaps, lowest first: those of the profile unless others are given. */
  readonly tlsVersion: readonly TlsVersion[];
  /** OpenSSL cipher list for TLS 1.2 and older, in place of the profile's. */
  readonly sslCipher?: string;
  /** TLS 1.3 cipher suites, separated by colons. */
  readonly tlsCiphersuites?: string;
}

export interface ClientLegConfig extends LegTlsConfig {
  readonly sslMode: ClientSslMode;
  /** One of each kind of key (RSA, EC); a client gets the one that it can do. */
  readonly sslCert?: readonly string[];
  /** Of the certificates, in any order. */
  readonly sslKey?: readonly string[];
  /** Networks in CIDR notation from which a client may stay in plaintext. A unix socket always may. */
  readonly plaintextFrom: readonly string[];
}

export interface ServerLegConfig extends LegTlsConfig {
  readonly sslMode: ServerSslMode;
  readonly sslCert?: string;
  readonly sslKey?: string;
  readonly sslKeyPassphraseFile?: string;
  readonly sslCrl?: string;
  readonly tlsSniServername?: string;
  /** Whether a PROXY header tells the server of the client; `v2-ssl` says of the client's TLS, too, and comes later. */
  readonly proxyProtocol: ProxyProtocol;
}

export interface RouteConfig {
  readonly name: string;
  /** At least one. */
  readonly listen: readonly Address[];
  /** Mode bits of unix sockets that the route listens on, 0-0o777. */
  readonly listenMode: number;
  /** Networks in CIDR notation whose connections begin with a PROXY header. */
  readonly proxyProtocolFrom?: readonly string[];
  /** At least one; `first-available` tries them in this order. */
  readonly servers: readonly Address[];
  readonly routingStrategy: RoutingStrategy;
  /** Milliseconds between two health checks of a server. Undefined: there are none. */
  readonly healthCheckInterval?: number;
  /** Health checks log in as this user; given together with the file, absolute, that holds the password. */
  readonly healthCheckUser?: string;
  readonly healthCheckPasswordFile?: string;
  readonly allowSocketServer: boolean;
  /** `sha256`: clients that can't do the plugin of the server's account give their password to the proxy. */
  readonly authBridge: 'off' | 'sha256';
  /** Passwords and tokens may be sent in clear although a leg is not TLS. */
  readonly allowCleartext: boolean;
  /** Clients that are not on TLS 1.2 or newer are kept in a table, and REQUIRED refuses none of them. */
  readonly reportPlaintext: boolean;
  /** Whether the server is told of the client leg, where the client sends attributes. */
  readonly connectionAttributes: 'on' | 'off';
  /** The server connection of a client that leaves serves the next one. */
  readonly reuseServerConnections: boolean;
  /** Milliseconds that a server connection waits for the next client. */
  readonly reuseIdleTimeout: number;
  /** Most server connections that wait at once. */
  readonly reuseMax: number;
  /** Most open connections to all servers together; undefined: any number. */
  readonly maxServerConnections?: number;
  /** Networks in CIDR notation whose clients may connect; undefined: all. Clients on a socket file always may. */
  readonly allowFrom?: readonly string[];
  /** Undefined: any number up to that of the proxy. */
  readonly routeMaxConnections?: number;
  readonly routeConnectionRate?: Rate;
  /** Most handshakes at once; more connections wait. */
  readonly routeMaxHandshakes: number;
  /** Milliseconds; undefined: that of the process. */
  readonly routeHandshakeTimeout?: number;
  /** The same three for one source address. */
  readonly addressMaxConnections?: number;
  readonly addressConnectionRate?: Rate;
  readonly addressMaxHandshakes?: number;
  /** Milliseconds that a client may send no command; undefined: as long as it likes. */
  readonly idleTimeout?: number;
  /** Milliseconds, at least 1,000, of both legs; undefined: TCP does not ask. */
  readonly tcpKeepAlive?: number;
  /** PEM, RSA, 2048-8192 bit. Undefined: the proxy's own key. */
  readonly rsaPrivateKey?: string;
  readonly client: ClientLegConfig;
  readonly server: ServerLegConfig;
}

/** One entry of the credentials file. Passwords are secret KeyObjects, which no log or inspection prints. */
export interface UserCredential {
  /** The name that the client logs in with. */
  readonly user: string;
  /** Only on this route; undefined: on all. */
  readonly route: string | undefined;
  /** How the client's login is checked: by its password, or by SHA1(SHA1(password)), 20 bytes. */
  readonly client: { readonly password: KeyObject } | { readonly doubleSha1: KeyObject };
  readonly server: { readonly user: string; readonly password: KeyObject };
}

export interface ProxyConfig {
  readonly routes: readonly RouteConfig[];
  /** Milliseconds, for the TCP connection to one server. */
  readonly connectTimeout: number;
  /** Milliseconds, from accept to the end of authentication, on routes that have none of their own. */
  readonly handshakeTimeout: number;
  readonly workers: number | 'auto';
  /** Milliseconds. */
  readonly drainDelay: number;
  readonly drainTimeout: number;
  /** Over all routes. */
  readonly maxConnections: number;
  /** Where the page, metrics and health checks are served; undefined: nowhere. */
  readonly adminListen?: Address;
  readonly metrics: 'all' | 'aggregates' | 'none';
  /** Most connections that /metrics/connections shows. */
  readonly connectionMetricsLimit: number;
  /** The credentials file, absolute. It is not read again: `users` holds what was in it. */
  readonly credentials?: string;
  /** Each pair of user and route once; empty without a credentials file. */
  readonly users: readonly UserCredential[];
  /** Whether the command line watches the files that the configuration is made of. */
  readonly reloadOnChange: 'on' | 'off';
  /** Absolute; may not exist yet. Undefined: the proxy's RSA key is kept in memory only. */
  readonly stateDirectory?: string;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly logFormat: 'json' | 'pretty';
}

/** The entry for a login, by the exact name; one for this route goes before one for all. */
export function findUser(
  users: readonly UserCredential[],
  user: string,
  route: string,
): UserCredential | undefined {
  const named = users.filter((entry) => entry.user === user);
  return named.find((entry) => entry.route === route) ?? named.find((entry) => entry.route === undefined);
}

/**
 * Clients of the route may encrypt their password with the proxy's own RSA key: those in plaintext and on a socket file. A
 * few ask for it inside TLS, too; for them alone it need not be kept.
 */
export function mayNeedOwnRsaKey({ client, listen, rsaPrivateKey, reportPlaintext }: RouteConfig): boolean {
  if (client.sslMode === 'PASSTHROUGH' || rsaPrivateKey !== undefined) return false;
  return !demandsTls({ client, reportPlaintext }) || listen.some(({ kind }) => kind === 'unix');
}

/** No client on TCP may stay in plaintext, wherever it is. While the report is kept, REQUIRED refuses nobody. */
export function demandsTls({
  client,
  reportPlaintext,
}: Pick<RouteConfig, 'client' | 'reportPlaintext'>): boolean {
  return client.sslMode === 'REQUIRED' && !reportPlaintext;
}

/** Clients on TCP are offered TLS that ends at the proxy. */
export function offersTls({ client }: Pick<RouteConfig, 'client'>): boolean {
  return client.sslMode === 'PREFERRED' || client.sslMode === 'REQUIRED';
}

export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Milliseconds. */
export function handshakeTimeoutOf(
  { routeHandshakeTimeout }: Pick<RouteConfig, 'routeHandshakeTimeout'>,
  { handshakeTimeout }: Pick<ProxyConfig, 'handshakeTimeout'>,
): number {
  return routeHandshakeTimeout ?? handshakeTimeout;
}
