/** Turns the TLS options of a leg into OpenSSL contexts, once per start or reload: building one takes about a millisecond. */
import { constants } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type SecureVersion,
} from 'node:tls';
import type { ClientLegConfig, LegTlsConfig, ServerLegConfig, TlsVersion } from '../config/model.js';

/** Without these a list of TLS 1.2 ciphers would switch TLS 1.3 off. */
const DEFAULT_TLS13_CIPHERSUITES =
  'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';

/** Forward secrecy and authenticated encryption only, as in Mozilla's "intermediate" list. */
const DEFAULT_CIPHERS =
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:' +
  'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:' +
  'DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384';

/** kDHE is left out: yaSSL serves 512-bit groups, which OpenSSL refuses at any security level. */
const LEGACY_CIPHERS = 'DEFAULT:!kDHE';

/** The client leg's TLS: what `tls/upgrade.ts` needs to accept a client. */
export interface ClientLegTls {
  readonly secureContext: SecureContext;
  /** Clients must present a certificate that the context's CA signed. */
  readonly requestCertificate: boolean;
}

/** The server leg's TLS: what `tls/upgrade.ts` needs to reach a server. */
export interface ServerLegTls {
  readonly secureContext: SecureContext;
  /** Whether the certificate's chain is verified. */
  readonly verifyChain: boolean;
  /** Whether the certificate must also name the host that was connected to. */
  readonly verifyIdentity: boolean;
  /** SNI to send instead of the host's name. */
  readonly sniServername: string | undefined;
  /**
   * The newest TLS session of each server (`HOST:PORT`). It lives and dies with these settings: a session resumed under
   * other trust settings would skip their checks.
   */
  readonly sessions: Map<string, SavedSession>;
}

export interface SavedSession {
  readonly ticket: Buffer;
  /** When the certificate was last looked at, by performance.now(): resuming does not repeat it. */
  readonly verifiedAt: number;
}

/** Throws what OpenSSL or the file system says; the configuration's own checks come first and say it better. */
export function createClientLegTls(config: ClientLegConfig): ClientLegTls | undefined {
  if (config.sslCert === undefined || config.sslKey === undefined) return undefined;
  if (config.sslMode === 'DISABLED' || config.sslMode === 'PASSTHROUGH') return undefined;
  return {
    secureContext: createSecureContext({
      ...commonOptions(config),
      honorCipherOrder: true,
      // A client that renegotiates makes the proxy pay for handshakes without end; disableRenegotiation() has no effect
      // on a socket that no tls.Server made.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      // Tickets of a context that asks for client certificates are only accepted with an id of its own.
      sessionIdContext: 'mysql-tls-proxy',
    }),
    requestCertificate: config.sslCa !== undefined,
  };
}

export function createServerLegTls(config: ServerLegConfig): ServerLegTls | undefined {
  if (config.sslMode === 'DISABLED') return undefined;
  const options = commonOptions(config);
  if (config.sslCrl !== undefined) options.crl = readFileSync(config.sslCrl);
  if (config.sslKeyPassphraseFile !== undefined) {
    options.passphrase = readFileSync(config.sslKeyPassphraseFile, 'utf8').replace(/\r?\n$/, '');
  }
  // yaSSL knows no RFC 5746, and OpenSSL 3 refuses such servers otherwise.
  if (isLegacy(config.tlsVersion)) options.secureOptions = constants.SSL_OP_LEGACY_SERVER_CONNECT;
  const verifyIdentity = config.sslMode === 'VERIFY_IDENTITY';
  return {
    secureContext: createSecureContext(options),
    verifyIdentity,
    verifyChain:
      verifyIdentity ||
      config.sslMode === 'VERIFY_CA' ||
      (config.sslMode === 'AS_CLIENT' && config.sslCa !== undefined),
    sniServername: config.tlsSniServername,
    sessions: new Map(),
  };
}

function commonOptions(config: LegTlsConfig): SecureContextOptions {
  const options: SecureContextOptions = {
    minVersion: firstOf(config.tlsVersion),
    maxVersion: firstOf(config.tlsVersion.toReversed()),
    ciphers: cipherList(config),
  };
  if (config.sslCa !== undefined) options.ca = readFileSync(config.sslCa);
  if (config.sslCert !== undefined) options.cert = readFileSync(config.sslCert);
  if (config.sslKey !== undefined) options.key = readFileSync(config.sslKey);
  return options;
}

function firstOf(versions: readonly TlsVersion[]): SecureVersion {
  const [first] = versions;
  if (first === undefined) throw new Error('no TLS version is allowed');
  return first;
}

/** TLS 1.0 and 1.1 exist in OpenSSL 3 only at security level 0. */
function isLegacy(versions: readonly TlsVersion[]): boolean {
  return versions.includes('TLSv1') || versions.includes('TLSv1.1');
}

function cipherList(config: LegTlsConfig): string {
  const legacy = isLegacy(config.tlsVersion);
  const upTo12 = config.sslCipher ?? (legacy ? LEGACY_CIPHERS : DEFAULT_CIPHERS);
  const list = `${config.tlsCiphersuites ?? DEFAULT_TLS13_CIPHERSUITES}:${upTo12}`;
  return legacy && !list.includes('@SECLEVEL') ? `${list}@SECLEVEL=0` : list;
}
