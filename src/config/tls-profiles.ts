/**
 * The TLS profiles: what a leg may negotiate unless versions or ciphers are given one by one. `modern` and
 * `intermediate` follow Mozilla's "Server Side TLS" lists of those names.
 */
import type { TlsProfile, TlsVersion } from './model.js';

export interface TlsProfileDefinition {
  /** Lowest first, without gaps. */
  readonly versions: readonly TlsVersion[];
  /** For TLS 1.2 and older, as an OpenSSL cipher list. */
  readonly ciphers: string;
}

/** Forward secrecy and authenticated encryption only. */
const INTERMEDIATE_CIPHERS =
  'ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:' +
  'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:' +
  'DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384';

/**
 * What is better comes first; then CBC, then RSA key exchange, the only one of yaSSL's that works. DHE is left out: yaSSL
 * serves 512-bit groups, which OpenSSL refuses at any security level, and they would end the handshake.
 */
const LEGACY_CIPHERS = `${INTERMEDIATE_CIPHERS}:ECDHE+AES:kRSA+AESGCM:kRSA+AES:!kDHE:!aNULL`;

export const tlsProfiles: Readonly<Record<TlsProfile, TlsProfileDefinition>> = {
  modern: { versions: ['TLSv1.3'], ciphers: INTERMEDIATE_CIPHERS },
  intermediate: { versions: ['TLSv1.2', 'TLSv1.3'], ciphers: INTERMEDIATE_CIPHERS },
  legacy: { versions: ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'], ciphers: LEGACY_CIPHERS },
};

/** TLS 1.3 cipher suites, for all profiles: none of them is weak. */
export const TLS13_CIPHERSUITES =
  'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256';

/**
 * Whether the leg has to do what OpenSSL 3 does at its security level 0 alone. Old versions that are given one by one need
 * that as much as the profile: nothing else in OpenSSL can negotiate them.
 */
export function needsLegacyTls({
  tlsProfile,
  tlsVersion,
}: {
  readonly tlsProfile: TlsProfile;
  readonly tlsVersion: readonly TlsVersion[];
}): boolean {
  return tlsProfile === 'legacy' || tlsVersion.includes('TLSv1') || tlsVersion.includes('TLSv1.1');
}
