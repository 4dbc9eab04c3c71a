/** What a certificate says of itself, in the words that people and OpenSSL use. */
import type { KeyObject, X509Certificate } from 'node:crypto';
import type { asn1 as Asn1 } from 'node-forge';
import asn1 from 'node-forge/lib/asn1.js';

export interface CertificateFacts {
  /** `CN=server,O=Example`, in the certificate's own order. */
  readonly subject: string;
  readonly issuer: string;
  /** Subject alternative names: `DNS:db.example`, `IP Address:192.0.2.1`; empty where there are none. */
  readonly names: readonly string[];
  readonly validFrom: Date;
  readonly validTo: Date;
  /** Of the public key: `RSA`, `EC`, `Ed25519`; an EC key has the bits of its curve. */
  readonly keyType: string;
  readonly keyBits: number;
  /** `sha256WithRSAEncryption`, `ecdsa-with-SHA1`; the dotted number of an algorithm without a name here. */
  readonly signatureAlgorithm: string;
  /** SHA-256, `AB:CD:…`. */
  readonly fingerprint: string;
  readonly serialNumber: string;
  readonly isCa: boolean;
  /** keyUsage (RFC 5280 §4.2.1.3): `digitalSignature`, `keyCertSign`, …; undefined: any use. */
  readonly keyUsage: readonly string[] | undefined;
  /** extendedKeyUsage: `serverAuth`, `clientAuth`, dotted numbers of others; undefined: any use. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  /** Its subject is its issuer: either it is signed with its own key, or its CA has the same name. */
  readonly isSelfIssued: boolean;
  /** Signed with its own key. */
  readonly isSelfSigned: boolean;
}

const SIGNATURE_ALGORITHMS: ReadonlyMap<string, string> = new Map([
  ['1.2.840.113549.1.1.4', 'md5WithRSAEncryption'],
  ['1.2.840.113549.1.1.5', 'sha1WithRSAEncryption'],
  ['1.2.840.113549.1.1.10', 'rsassaPss'],
  ['1.2.840.113549.1.1.11', 'sha256WithRSAEncryption'],
  ['1.2.840.113549.1.1.12', 'sha384WithRSAEncryption'],
  ['1.2.840.113549.1.1.13', 'sha512WithRSAEncryption'],
  ['1.2.840.113549.1.1.14', 'sha224WithRSAEncryption'],
  ['1.2.840.10040.4.3', 'dsaWithSHA1'],
  ['1.2.840.10045.4.1', 'ecdsa-with-SHA1'],
  ['1.2.840.10045.4.3.2', 'ecdsa-with-SHA256'],
  ['1.2.840.10045.4.3.3', 'ecdsa-with-SHA384'],
  ['1.2.840.10045.4.3.4', 'ecdsa-with-SHA512'],
  ['1.3.101.112', 'ED25519'],
  ['1.3.101.113', 'ED448'],
]);

const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const EXTENDED_USAGES: ReadonlyMap<string, string> = new Map([
  [SERVER_AUTH, 'serverAuth'],
  [CLIENT_AUTH, 'clientAuth'],
]);

const KEY_USAGE_EXTENSION = '2.5.29.15';

/** Bits of keyUsage, the most significant of the first byte first (RFC 5280 §4.2.1.3). */
const KEY_USAGES = [
  'digitalSignature',
  'nonRepudiation',
  'keyEncipherment',
  'dataEncipherment',
  'keyAgreement',
  'keyCertSign',
  'cRLSign',
  'encipherOnly',
  'decipherOnly',
] as const;

export function certificateFacts(certificate: X509Certificate): CertificateFacts {
  const { signatureAlgorithm, keyUsage } = readDer(certificate.raw);
  const extended = certificate.keyUsage as readonly string[] | undefined;
  const isSelfIssued = certificate.subject === certificate.issuer;
  const key = publicKeyOf(certificate);
  return {
    subject: nameOf(certificate.subject),
    issuer: nameOf(certificate.issuer),
    names: certificate.subjectAltName?.split(', ') ?? [],
    validFrom: new Date(certificate.validFrom),
    validTo: new Date(certificate.validTo),
    ...keyFacts(key),
    signatureAlgorithm,
    fingerprint: certificate.fingerprint256,
    serialNumber: certificate.serialNumber,
    isCa: certificate.ca,
    keyUsage,
    extendedKeyUsage: extended?.map((oid) => EXTENDED_USAGES.get(oid) ?? oid),
    isSelfIssued,
    isSelfSigned: isSelfIssued && key !== undefined && certificate.verify(key),
  };
}

/** The common name in a subject or issuer as `CertificateFacts` has it; empty where there is none. */
export function commonNameOf(name: string): string {
  return /(?:^|,)CN=((?:\\.|[^,\\])*)/.exec(name)?.[1] ?? '';
}

/** By today's measure. What signs itself is trusted as it is, whatever it is signed with. */
export function isSignedWeakly({ signatureAlgorithm, isSelfSigned }: CertificateFacts): boolean {
  return /sha1|md5/i.test(signatureAlgorithm) && !isSelfSigned;
}

/** NIST SP 800-57: 112 bit of security. */
export const SHORTEST_RSA_KEY_BITS = 2048;

/** The first trap of those who make certificates themselves: subject and issuer are equal, but another key signed. */
export function hasNameOfItsCa({ isSelfIssued, isSelfSigned }: CertificateFacts): boolean {
  return isSelfIssued && !isSelfSigned;
}

/** Node puts each part on a line of its own. */
function nameOf(lines: string | undefined): string {
  return (lines ?? '').split('\n').join(',');
}

/** Undefined for a kind of key that OpenSSL does not know. */
function publicKeyOf(certificate: X509Certificate): KeyObject | undefined {
  try {
    return certificate.publicKey;
  } catch {
    return undefined;
  }
}

function keyFacts(key: KeyObject | undefined): Pick<CertificateFacts, 'keyType' | 'keyBits'> {
  const { modulusLength = 0, namedCurve = '' } = key?.asymmetricKeyDetails ?? {};
  switch (key?.asymmetricKeyType) {
    case 'rsa':
    case 'rsa-pss':
      return { keyType: 'RSA', keyBits: modulusLength };
    case 'ec':
      // prime256v1, secp384r1, brainpoolP512r1: all curves have their size in their names.
      return { keyType: 'EC', keyBits: Number(/\d{3}/.exec(namedCurve)?.[0] ?? 0) };
    case 'ed25519':
      return { keyType: 'Ed25519', keyBits: 256 };
    case 'ed448':
      return { keyType: 'Ed448', keyBits: 456 };
    default:
      return { keyType: key?.asymmetricKeyType ?? 'unknown', keyBits: modulusLength };
  }
}

/**
 * `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }` (RFC 5280 §4.1). Node.js tells
 * neither the signature's algorithm nor keyUsage. What can't be read comes out as `unknown`: OpenSSL has read the same
 * bytes before, and whether they are acceptable is its decision.
 */
function readDer(der: Buffer): Pick<CertificateFacts, 'signatureAlgorithm' | 'keyUsage'> {
  try {
    const [body, algorithm] = children(asn1.fromDer(der.toString('binary')));
    const oid = asn1.derToOid(bytesOf(children(algorithm)[0]));
    return { signatureAlgorithm: SIGNATURE_ALGORITHMS.get(oid) ?? oid, keyUsage: readKeyUsage(body) };
  } catch {
    return { signatureAlgorithm: 'unknown', keyUsage: undefined };
  }
}

/** Extensions are the last part of the body, in `[3]`. */
function readKeyUsage(body: Asn1.Asn1 | undefined): readonly string[] | undefined {
  const last = children(body).at(-1);
  if (last?.tagClass !== asn1.Class.CONTEXT_SPECIFIC || last.type !== 3) return undefined;
  for (const extension of children(children(last)[0])) {
    const parts = children(extension);
    if (asn1.derToOid(bytesOf(parts[0])) !== KEY_USAGE_EXTENSION) continue;
    // The octets of the value are a BIT STRING: tag, length, number of unused bits, bits.
    const bits = Buffer.from(bytesOf(parts.at(-1)), 'binary').subarray(3);
    return KEY_USAGES.filter((_usage, bit) => ((bits[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0);
  }
  return undefined;
}

function children(node: Asn1.Asn1 | undefined): readonly Asn1.Asn1[] {
  return Array.isArray(node?.value) ? node.value : [];
}

function bytesOf(node: Asn1.Asn1 | undefined): string {
  return typeof node?.value === 'string' ? node.value : '';
}
