/** Makes certificates for tests, good and bad ones. RSA unless told otherwise: the yaSSL in MySQL 5.6 knows nothing else. */
import { createPublicKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import forge from 'node-forge';

/** A certificate and its key, as PEM texts. */
export interface Identity {
  commonName: string;
  certificate: string;
  key: string;
  /** Hexadecimal. */
  serialNumber: string;
}

export interface SavedIdentity extends Identity {
  certificateFile: string;
  keyFile: string;
}

export interface CertificateRequest {
  commonName: string;
  purpose: 'ca' | 'server' | 'client';
  /** Without one the certificate signs itself. */
  issuer?: Identity;
  /** Names and addresses that it is valid for. */
  names?: readonly string[];
  validFrom?: Date;
  validTo?: Date;
  keyBits?: number;
  /** EC: P-256. */
  keyType?: 'rsa' | 'ec';
  /** Without subjectKeyIdentifier and authorityKeyIdentifier, as made by hand with a plain `openssl x509 -req`. */
  withoutKeyIdentifiers?: boolean;
  /** Of extendedKeyUsage, where it is not that of the purpose. */
  usage?: 'server' | 'client';
  /** Of the issuer's signature. */
  hash?: 'sha1' | 'sha256';
}

export interface TestCertificates {
  folder: string;
  ca: SavedIdentity;
  server: SavedIdentity;
  client: SavedIdentity;
  /** The file paths as `startServer` takes them. */
  serverTls: { ca: string; cert: string; key: string };
}

const dayMs = 24 * 60 * 60 * 1000;
export const loopbackNames: readonly string[] = ['localhost', '127.0.0.1', '::1'];

/**
 * Writes a CA and one certificate for a server and one for a client into `folder`, under the names that MySQL itself
 * uses: ca.pem, ca-key.pem, server-cert.pem, server-key.pem, client-cert.pem and client-key.pem.
 */
export function makeCertificates(
  folder: string,
  options: { serverNames?: readonly string[] } = {},
): TestCertificates {
  const ca = issueCertificate({ commonName: 'Test CA', purpose: 'ca' });
  const names = options.serverNames ?? loopbackNames;
  const server = issueCertificate({ commonName: 'Test server', purpose: 'server', issuer: ca, names });
  const client = issueCertificate({ commonName: 'Test client', purpose: 'client', issuer: ca });
  const saved = {
    ca: saveIdentity(ca, path.join(folder, 'ca.pem'), path.join(folder, 'ca-key.pem')),
    server: saveIdentity(server, path.join(folder, 'server-cert.pem'), path.join(folder, 'server-key.pem')),
    client: saveIdentity(client, path.join(folder, 'client-cert.pem'), path.join(folder, 'client-key.pem')),
  };
  const serverTls = {
    ca: saved.ca.certificateFile,
    cert: saved.server.certificateFile,
    key: saved.server.keyFile,
  };
  return { folder, ...saved, serverTls };
}

export function saveIdentity(identity: Identity, certificateFile: string, keyFile: string): SavedIdentity {
  mkdirSync(path.dirname(certificateFile), { recursive: true });
  writeFileSync(certificateFile, identity.certificate);
  writeFileSync(keyFile, identity.key, { mode: 0o600 });
  return { ...identity, certificateFile, keyFile };
}

export function issueCertificate(request: CertificateRequest): Identity {
  const keys = generateKeyPairSync('rsa', {
    modulusLength: request.keyBits ?? 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    // yaSSL reads no PKCS #8.
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  const certificate = forge.pki.createCertificate();
  certificate.publicKey = forge.pki.publicKeyFromPem(keys.publicKey);
  certificate.serialNumber = newSerialNumber();
  // yaSSL ignores seconds, and so takes a certificate of this very minute for one of the future.
  certificate.validity.notBefore = request.validFrom ?? new Date(Date.now() - dayMs);
  certificate.validity.notAfter = request.validTo ?? new Date(Date.now() + 30 * dayMs);

  const subject = [{ name: 'commonName', value: request.commonName }];
  const issuer = request.issuer && forge.pki.certificateFromPem(request.issuer.certificate);
  certificate.setSubject(subject);
  certificate.setIssuer(issuer?.subject.attributes ?? subject);
  certificate.setExtensions(extensionsFor(request, issuer ?? certificate));
  const signingKey = forge.pki.privateKeyFromPem(request.issuer?.key ?? keys.privateKey);
  certificate.sign(signingKey, request.hash === 'sha1' ? forge.md.sha1.create() : forge.md.sha256.create());
  if (request.keyType === 'ec') return withEcKey(certificate, request);
  return {
    commonName: request.commonName,
    certificate: withUnixLines(forge.pki.certificateToPem(certificate)),
    key: keys.privateKey,
    serialNumber: certificate.serialNumber,
  };
}

/** node-forge knows no EC keys: puts one in the place of the RSA key, and signs the result. */
function withEcKey(certificate: forge.pki.Certificate, { commonName, issuer }: CertificateRequest): Identity {
  if (issuer === undefined) throw new Error('a certificate with an EC key needs an issuer with an RSA key');
  const { privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'prime256v1',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  const { asn1, pki } = forge;
  const keyInfo = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const whole = pki.certificateToAsn1(certificate);
  const [body, algorithm, signature] = whole.value as forge.asn1.Asn1[];
  if (body === undefined || algorithm === undefined || signature === undefined)
    throw new Error('no certificate');
  // Version, serial number, algorithm, issuer, validity, subject, key, extensions (RFC 5280 §4.1).
  (body.value as forge.asn1.Asn1[])[6] = asn1.fromDer(keyInfo.toString('binary'));
  const signed = sign('sha256', Buffer.from(asn1.toDer(body).getBytes(), 'binary'), issuer.key);
  signature.value = `\0${signed.toString('binary')}`;
  const pem = forge.pem.encode({ type: 'CERTIFICATE', body: asn1.toDer(whole).getBytes() });
  const { serialNumber } = certificate;
  return { commonName, certificate: withUnixLines(pem), key: privateKey, serialNumber };
}

function extensionsFor(request: CertificateRequest, issuer: forge.pki.Certificate): object[] {
  const isCa = request.purpose === 'ca';
  const keyIdentifiers = [
    { name: 'subjectKeyIdentifier' },
    { name: 'authorityKeyIdentifier', keyIdentifier: issuer.generateSubjectKeyIdentifier().getBytes() },
  ];
  const common = [
    { name: 'basicConstraints', cA: isCa, critical: true },
    ...(request.withoutKeyIdentifiers ? [] : keyIdentifiers),
  ];
  const usage = request.usage ?? request.purpose;
  if (isCa) return [...common, { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true }];
  const altNames = (request.names ?? []).map((name) =>
    isAddress(name) ? { type: 7, ip: name } : { type: 2, value: name },
  );
  return [
    ...common,
    { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
    {
      name: 'extKeyUsage',
      serverAuth: usage === 'server',
      clientAuth: usage === 'client',
    },
    ...(altNames.length > 0 ? [{ name: 'subjectAltName', altNames }] : []),
  ];
}

function isAddress(name: string): boolean {
  return /^[\d.]+$/.test(name) || name.includes(':');
}

/** Positive and without a leading zero, so that it reads the same everywhere. */
function newSerialNumber(): string {
  return `4${randomBytes(16).toString('hex').slice(1)}`;
}

export function withUnixLines(pem: string): string {
  return pem.replaceAll('\r\n', '\n');
}
