/** Turns the TLS options of a leg into OpenSSL contexts, once per start or reload: building one takes about a millisecond. */
import { constants, createHash, hkdfSync, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import {
  createSecureContext,
  type SecureContext,
  type SecureContextOptions,
  type SecureVersion,
} from 'node:tls';
import { pemCertificates } from '../certs/pem.js';
import type { ClientLegConfig, LegTlsConfig, ServerLegConfig, TlsVersion } from '../config/model.js';
import { needsLegacyTls, TLS13_CIPHERSUITES, tlsProfiles } from '../config/tls-profiles.js';
import type { CertificateFact } from '../observe/events.js';
import type { TlsWeakness } from '../observe/weak-tls.js';
import { certificatesIn } from './certificates-in-use.js';
import { weaknessesOfChain } from './weaknesses.js';

/** A certificate that a peer showed, as far as it matters when its session is resumed. */
export interface KnownCertificate {
  /** SHA-256. */
  readonly fingerprint: string;
  readonly subject: string;
  readonly weaknesses: readonly TlsWeakness[];
  /** Unix time in milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** The client leg's TLS: what `tls/upgrade.ts` needs to accept a client. */
export interface ClientLegTls {
  readonly secureContext: SecureContext;
  /** Clients must present a certificate that the context's CA signed. */
  readonly requestCertificate: boolean;
  /** Of the files. */
  readonly files: readonly CertificateFact[];
  /** What is weak about the proxy's own certificates, by SHA-256 fingerprint of the leaf. */
  readonly ownWeaknesses: ReadonlyMap<string, readonly TlsWeakness[]>;
  /** The same of clients' certificates that were accepted: finding out costs 0.1 ms. */
  readonly clientWeaknesses: Map<string, readonly TlsWeakness[]>;
}

/** The server leg's TLS: what `tls/upgrade.ts` needs to reach a server. */
export interface ServerLegTls {
  readonly secureContext: SecureContext;
  /** Of the files. */
  readonly files: readonly CertificateFact[];
  /** Whether the certificate's chain is verified. */
  readonly verifyChain: boolean;
  /** Whether a CA was given to verify with, in place of those of Node.js. */
  readonly caGiven: boolean;
  /** Whether the certificate must also name the host that was connected to. */
  readonly verifyIdentity: boolean;
  /** SNI to send instead of the host's name. */
  readonly sniServername: string | undefined;
  /**
   * The newest TLS session of each server (`HOST:PORT`). It lives and dies with these settings: a session resumed under
   * other trust settings would skip their checks.
   */
  readonly sessions: Map<string, SavedSession>;
  /** The certificate that each server (`HOST:PORT`) showed last: looking at one costs a good part of a handshake. */
  readonly certificates: Map<string, KnownCertificate>;
}

export interface SavedSession {
  readonly ticket: Buffer;
  /** When the server sent it, by performance.now(). */
  readonly savedAt: number;
  /** When the certificate was last looked at, by performance.now(): resuming does not repeat it. */
  readonly verifiedAt: number;
  readonly certificate: KnownCertificate;
}

/**
 * Throws what OpenSSL or the file system says; the configuration's own checks come first and say it better. `ticketSecret`: 32
 * random bytes; where it and the settings are the same, in another process or after a reload, clients resume their sessions.
 */
export function createClientLegTls(
  config: ClientLegConfig,
  ticketSecret: Uint8Array,
): ClientLegTls | undefined {
  if (config.sslCert === undefined || config.sslKey === undefined) return undefined;
  if (config.sslMode === 'DISABLED' || config.sslMode === 'PASSTHROUGH') return undefined;
  const chains = config.sslCert.map((file) => readFileSync(file, 'utf8'));
  return {
    secureContext: createSecureContext({
      ...commonOptions(config),
      // With certificates of several kinds OpenSSL takes the best that the client can do.
      cert: chains,
      key: config.sslKey.map((file) => readFileSync(file)),
      honorCipherOrder: true,
      // A client that renegotiates makes the proxy pay for handshakes without end; disableRenegotiation() has no effect
      // on a socket that no tls.Server made.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
      ticketKeys: ticketKeys(ticketSecret, config, chains),
      // Tickets of a context that asks for client certificates are only accepted with an id of its own.
      sessionIdContext: 'mysql-tls-proxy',
    }),
    requestCertificate: config.sslCa !== undefined,
    files: [
      ...chains.flatMap((chain, index) =>
        certificatesIn(chain, {
          role: 'own',
          source: config.sslCert?.[index] ?? '',
          option: 'client-ssl-cert',
        }),
      ),
      ...authorities(config, 'client-ssl-ca'),
    ],
    ownWeaknesses: new Map(chains.map(weaknessesOfOwnChain)),
    clientWeaknesses: new Map(),
  };
}

/**
 * What encrypts tickets, 48 bytes as OpenSSL takes them. A client that resumes shows no certificate, and is held to nothing that
 * was not settled in its first handshake: so the keys are others wherever a setting is, or the contents of a certificate file.
 */
function ticketKeys(secret: Uint8Array, config: ClientLegConfig, chains: readonly string[]): Buffer {
  const authority = config.sslCa === undefined ? '' : readFileSync(config.sslCa, 'utf8');
  const settings = createHash('sha256')
    .update(JSON.stringify([config, chains, authority]))
    .digest();
  return Buffer.from(hkdfSync('sha256', secret, Buffer.alloc(0), settings, 48));
}

function weaknessesOfOwnChain(pem: string): [fingerprint: string, weaknesses: readonly TlsWeakness[]] {
  const chain = pemCertificates(pem).map((block) => new X509Certificate(block));
  return [chain[0]?.fingerprint256 ?? '', weaknessesOfChain(chain)];
}

export function createServerLegTls(config: ServerLegConfig): ServerLegTls | undefined {
  if (config.sslMode === 'DISABLED') return undefined;
  const options = commonOptions(config);
  if (config.sslCert !== undefined) options.cert = readFileSync(config.sslCert);
  if (config.sslKey !== undefined) options.key = readFileSync(config.sslKey);
  if (config.sslCrl !== undefined) options.crl = readFileSync(config.sslCrl);
  if (config.sslKeyPassphraseFile !== undefined) {
    options.passphrase = readFileSync(config.sslKeyPassphraseFile, 'utf8').replace(/\r?\n$/, '');
  }
  // yaSSL knows no RFC 5746, and OpenSSL 3 refuses such servers otherwise.
  if (needsLegacyTls(config)) options.secureOptions = constants.SSL_OP_LEGACY_SERVER_CONNECT;
  options.ecdhCurve = SERVER_LEG_GROUPS;
  const verifyIdentity = config.sslMode === 'VERIFY_IDENTITY';
  return {
    secureContext: createSecureContext(options),
    files: [
      ...certificatesIn(String(options.cert ?? ''), {
        role: 'own',
        source: config.sslCert ?? '',
        option: 'server-ssl-cert',
      }),
      ...authorities(config, 'server-ssl-ca'),
    ],
    verifyIdentity,
    caGiven: config.sslCa !== undefined,
    verifyChain:
      verifyIdentity ||
      config.sslMode === 'VERIFY_CA' ||
      (config.sslMode === 'AS_CLIENT' && config.sslCa !== undefined),
    sniServername: config.tlsSniServername,
    sessions: new Map(),
    certificates: new Map(),
  };
}

/**
 * OpenSSL sends a key share for the first group only. MySQL takes none for X25519, OpenSSL's own first choice, and asks for
 * another: one more round trip and one more key in each handshake. All servers take P-256. Servers that prefer a hybrid
 * group still get it, where Node's OpenSSL has it (3.5 and newer).
 */
const SERVER_LEG_GROUPS = ['P-256', ...postQuantumGroups(), 'X25519', 'P-384', 'P-521'].join(':');

function postQuantumGroups(): readonly string[] {
  try {
    createSecureContext({ ecdhCurve: 'X25519MLKEM768' });
    return ['X25519MLKEM768'];
  } catch {
    return [];
  }
}

function authorities({ sslCa }: LegTlsConfig, option: string): readonly CertificateFact[] {
  if (sslCa === undefined) return [];
  return certificatesIn(readFileSync(sslCa, 'utf8'), { role: 'ca', source: sslCa, option });
}

function commonOptions(config: LegTlsConfig): SecureContextOptions {
  const options: SecureContextOptions = {
    minVersion: firstOf(config.tlsVersion),
    maxVersion: firstOf(config.tlsVersion.toReversed()),
    ciphers: cipherList(config),
  };
  if (config.sslCa !== undefined) options.ca = readFileSync(config.sslCa);
  return options;
}

function firstOf(versions: readonly TlsVersion[]): SecureVersion {
  const [first] = versions;
  if (first === undefined) throw new Error('no TLS version is allowed');
  return first;
}

/** TLS 1.0 and 1.1 exist in OpenSSL 3 only at security level 0. */
function cipherList(config: LegTlsConfig): string {
  const legacy = needsLegacyTls(config);
  const upTo12 = config.sslCipher ?? tlsProfiles[legacy ? 'legacy' : config.tlsProfile].ciphers;
  // Without suites of its own, a list of older ciphers would switch TLS 1.3 off.
  const list = `${config.tlsCiphersuites ?? TLS13_CIPHERSUITES}:${upTo12}`;
  return legacy && !list.includes('@SECLEVEL') ? `${list}@SECLEVEL=0` : list;
}
