/** Finds what is weak about a TLS connection, from what was negotiated and from the certificates. */
import type { X509Certificate } from 'node:crypto';
import { certificateFacts, isSignedWeakly, SHORTEST_RSA_KEY_BITS } from '../certs/certificate-facts.js';
import type { TlsWeakness } from '../observe/weak-tls.js';

/** As safe as an RSA key of SHORTEST_RSA_KEY_BITS. */
const SHORTEST_EC_KEY_BITS = 224;

const CURRENT_VERSIONS: readonly string[] = ['TLSv1.2', 'TLSv1.3'];

/**
 * @param version as OpenSSL names it, `TLSv1`
 * @param cipher in OpenSSL's names, which tell the key exchange, unless it is RSA, at the beginning:
 * `ECDHE-RSA-AES128-SHA`, `AES128-SHA` (RSA), `PSK-AES128-CBC-SHA`; and nothing at the end if it is CBC
 */
export function weaknessesNegotiated(version: string, cipher: string): readonly TlsWeakness[] {
  // All suites of TLS 1.3 are AEAD, with an ephemeral key exchange.
  if (version === 'TLSv1.3') return [];
  const found: TlsWeakness[] = [];
  if (!CURRENT_VERSIONS.includes(version)) found.push('old_version');
  if (!/^(?:EC)?DHE-|^A(?:EC)?DH-/.test(cipher)) {
    if (!/PSK|SRP/.test(cipher) || /^RSA-PSK/.test(cipher)) found.push('rsa_key_exchange');
    found.push('no_forward_secrecy');
  }
  if (/NULL/.test(cipher)) found.push('no_encryption');
  else if (!/GCM|CCM|CHACHA20|RC4/.test(cipher)) found.push('cbc');
  return found;
}

/** @param chain the leaf first. */
export function weaknessesOfChain(chain: readonly X509Certificate[]): readonly TlsWeakness[] {
  const found = chain.flatMap(weaknessesOfCertificate);
  return [...new Set(found)];
}

function weaknessesOfCertificate(certificate: X509Certificate): readonly TlsWeakness[] {
  const facts = certificateFacts(certificate);
  const { keyType, keyBits } = facts;
  const found: TlsWeakness[] = [];
  if (isSignedWeakly(facts)) found.push('sha1_signature');
  const shortest = keyType === 'EC' ? SHORTEST_EC_KEY_BITS : SHORTEST_RSA_KEY_BITS;
  const isShort = keyType === 'EC' || keyType === 'RSA' ? keyBits < shortest : keyType === 'dsa';
  if (isShort) found.push('short_key');
  return found;
}
