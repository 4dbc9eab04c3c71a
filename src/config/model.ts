/** The configuration after defaults, merging and checks: what the proxy works with. Deeply frozen by the loader. */

export type ClientSslMode = 'DISABLED' | 'PREFERRED' | 'REQUIRED' | 'PASSTHROUGH';

export type ServerSslMode =
  | 'DISABLED'
  | 'PREFERRED'
  | 'REQUIRED'
  | 'VERIFY_CA'
  | 'VERIFY_IDENTITY'
  | 'AS_CLIENT';

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

/** A TCP address or the path of a unix socket file; to listen on, or of a server. */
export type Address =
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  | { readonly kind: 'unix'; readonly path: string };

/** Options of one leg that have the same meaning on both. Undefined: not given. Files are absolute paths. */
export interface LegTlsConfig {
  readonly sslCa?: string;
  readonly sslCert?: string;
  readonly sslKey?: string;
  /** At least one, without gaps, lowest first. */
  readonly tlsVersion: readonly TlsVersion[];
  /** OpenSSL cipher list for TLS 1.2 and older. */
  readonly sslCipher?: string;
  /** TLS 1.3 cipher suites, separated by colons. */
  readonly tlsCiphersuites?: string;
}

export interface ClientLegConfig extends LegTlsConfig {
  readonly sslMode: ClientSslMode;
  /** Networks in CIDR notation from which a client may stay in plaintext. A unix socket always may. */
  readonly plaintextFrom: readonly string[];
}

export interface ServerLegConfig extends LegTlsConfig {
  readonly sslMode: ServerSslMode;
  readonly sslKeyPassphraseFile?: string;
  readonly sslCrl?: string;
  readonly tlsSniServername?: string;
}

export interface RouteConfig {
  readonly name: string;
  /** At least one. */
  readonly listen: readonly Address[];
  /** Mode bits of unix sockets that the route listens on, 0-0o777. */
  readonly listenMode: number;
  /** At least one, in the order in which they are tried. */
  readonly servers: readonly Address[];
  readonly allowSocketServer: boolean;
  readonly client: ClientLegConfig;
  readonly server: ServerLegConfig;
}

export interface ProxyConfig {
  readonly routes: readonly RouteConfig[];
  /** Milliseconds, for the TCP connection to one server. */
  readonly connectTimeout: number;
  /** Milliseconds, from accept to the end of authentication. */
  readonly handshakeTimeout: number;
  /** Over all routes. */
  readonly maxConnections: number;
  /** Where /metrics, /livez and /readyz are served; undefined: nowhere. */
  readonly adminListen?: Address;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  readonly logFormat: 'json' | 'pretty';
}

export function formatAddress(address: Address): string {
  if (address.kind === 'unix') return `unix:${address.path}`;
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}
