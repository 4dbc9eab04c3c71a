/** Signs certificates. RSA with SHA-256 only: the yaSSL in MySQL 5.6 reads no other keys. */
import { type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto';
import forge from 'node-forge';
import { commonNameOf } from './certificate-facts.js';
import type { HostName } from './host-names.js';
import type { Validity } from './validity.js';

const { asn1, pki } = forge;
const { UNIVERSAL, CONTEXT_SPECIFIC } = asn1.Class;
const SHA256_WITH_RSA = '1.2.840.113549.1.1.11';
const AUTHORITY_KEY_IDENTIFIER = '2.5.29.35';
/** GeneralName choices of RFC 5280 §4.2.1.6. */
const GENERAL_NAME = { dns: 2, ip: 7 } as const;

export interface CertificateRequest {
  readonly commonName: string;
  readonly purpose: 'ca' | 'server' | 'client';
  /** PEM of the SubjectPublicKeyInfo. */
  readonly publicKey: string;
  /** Subject alternative names, for a server. */
  readonly hosts?: readonly HostName[];
  readonly validity: Validity;
}

export interface Authority {
  /** Undefined for a CA that signs its own first certificate. */
  readonly certificate?: X509Certificate;
  /** RSA. */
  readonly privateKey: KeyObject;
}

/** A new certificate, as PEM. */
export function issueCertificate(request: CertificateRequest, authority: Authority): string {
  const certificate = pki.createCertificate();
  certificate.publicKey = pki.publicKeyFromPem(request.publicKey);
  certificate.serialNumber = newSerialNumber();
  certificate.validity = { ...request.validity };
  certificate.siginfo.algorithmOid = SHA256_WITH_RSA;
  const issuerName = authority.certificate && commonNameOf(authority.certificate.subject);
  certificate.setSubject(nameWith(request.commonName));
  certificate.setIssuer(nameWith(issuerName ?? request.commonName));
  certificate.setExtensions(extensionsFor(request, authorityKeyIdentifier(certificate, authority)));
  return signed(pki.getTBSCertificate(certificate), authority.privateKey);
}

/**
 * The same certificate with another validity and serial number. Subject, issuer, key and extensions stay as they are,
 * byte by byte, so that whoever knows the old certificate by one of these accepts the new one.
 *
 * @param privateKey of the CA that issued it.
 * @param options.keepSerialNumber for a CA that certificates refer to by its serial number.
 */
export function reissueCertificate(
  certificate: X509Certificate,
  validity: Validity,
  privateKey: KeyObject,
  options: { keepSerialNumber?: boolean } = {},
): string {
  const body = bodyOf(certificate);
  const parts = [...partsOf(body)];
  // A certificate of version 1 does not say its version.
  const start = parts[0]?.tagClass === CONTEXT_SPECIFIC ? 1 : 0;
  if (options.keepSerialNumber !== true)
    parts[start] = primitive(asn1.Type.INTEGER, Buffer.from(newSerialNumber(), 'hex').toString('binary'));
  parts[start + 1] = signatureAlgorithm();
  parts[start + 3] = sequence([timeNode(validity.notBefore), timeNode(validity.notAfter)]);
  return signed(sequence(parts), privateKey);
}

/** Whether it says which serial number its CA has (authorityKeyIdentifier with `[2]`, RFC 5280 §4.2.1.1). */
export function namesSerialOfIssuer(certificate: X509Certificate): boolean {
  const last = partsOf(bodyOf(certificate)).at(-1);
  if (last?.tagClass !== CONTEXT_SPECIFIC || last.type !== 3) return false;
  for (const extension of partsOf(partsOf(last)[0])) {
    const [oid, ...rest] = partsOf(extension);
    if (asn1.derToOid(String(oid?.value)) !== AUTHORITY_KEY_IDENTIFIER) continue;
    const identifier = asn1.fromDer(String(rest.at(-1)?.value));
    return partsOf(identifier).some((part) => part.type === 2);
  }
  return false;
}

function extensionsFor({ purpose, hosts = [] }: CertificateRequest, authorityKey: string): object[] {
  const keys = [
    { name: 'subjectKeyIdentifier' },
    { name: 'authorityKeyIdentifier', keyIdentifier: authorityKey },
  ];
  if (purpose === 'ca') {
    return [
      { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
      { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
      ...keys,
    ];
  }
  const altNames = hosts.map(({ kind, value }) =>
    kind === 'ip' ? { type: GENERAL_NAME.ip, ip: value } : { type: GENERAL_NAME.dns, value },
  );
  return [
    { name: 'basicConstraints', critical: true, cA: false },
    // keyEncipherment: TLS 1.0 of MySQL 5.6 sends its secret encrypted with this key.
    { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
    purpose === 'server'
      ? { name: 'extKeyUsage', serverAuth: true }
      : { name: 'extKeyUsage', clientAuth: true },
    ...(altNames.length > 0 ? [{ name: 'subjectAltName', altNames }] : []),
    ...keys,
  ];
}

/** The same as the subjectKeyIdentifier of the CA. */
function authorityKeyIdentifier(own: forge.pki.Certificate, { certificate }: Authority): string {
  const issuer = certificate === undefined ? own : pki.certificateFromPem(certificate.toString());
  return issuer.generateSubjectKeyIdentifier().getBytes();
}

function nameWith(commonName: string): forge.pki.CertificateField[] {
  // The default, PrintableString, has neither `_` nor `*`. The types of forge take the tag for a class.
  const valueTagClass = asn1.Type.UTF8 as number as forge.asn1.Class;
  return [{ name: 'commonName', value: commonName, valueTagClass }];
}

/** 16 random bytes; positive and without a leading zero, so that it reads the same everywhere. */
function newSerialNumber(): string {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes.toString('hex');
}

/** `Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signatureValue }` (RFC 5280 §4.1), as PEM. */
function signed(body: forge.asn1.Asn1, privateKey: KeyObject): string {
  const signature = sign('sha256', Buffer.from(asn1.toDer(body).getBytes(), 'binary'), privateKey);
  // The first byte of a BIT STRING is the number of unused bits.
  const value = primitive(asn1.Type.BITSTRING, `\0${signature.toString('binary')}`);
  const der = asn1.toDer(sequence([body, signatureAlgorithm(), value])).getBytes();
  return new X509Certificate(Buffer.from(der, 'binary')).toString();
}

function bodyOf(certificate: X509Certificate): forge.asn1.Asn1 | undefined {
  return partsOf(asn1.fromDer(certificate.raw.toString('binary')))[0];
}

function partsOf(node: forge.asn1.Asn1 | undefined): readonly forge.asn1.Asn1[] {
  return Array.isArray(node?.value) ? node.value : [];
}

function sequence(parts: forge.asn1.Asn1[]): forge.asn1.Asn1 {
  return asn1.create(UNIVERSAL, asn1.Type.SEQUENCE, true, parts);
}

function primitive(type: forge.asn1.Type, bytes: string): forge.asn1.Asn1 {
  return asn1.create(UNIVERSAL, type, false, bytes);
}

function signatureAlgorithm(): forge.asn1.Asn1 {
  return sequence([
    primitive(asn1.Type.OID, asn1.oidToDer(SHA256_WITH_RSA).getBytes()),
    primitive(asn1.Type.NULL, ''),
  ]);
}

/** UTCTime, which has two digits for the year, ends with 2049 (RFC 5280 §4.1.2.5). */
function timeNode(date: Date): forge.asn1.Asn1 {
  return date.getUTCFullYear() < 2050
    ? primitive(asn1.Type.UTCTIME, asn1.dateToUtcTime(date))
    : primitive(asn1.Type.GENERALIZEDTIME, asn1.dateToGeneralizedTime(date));
}
