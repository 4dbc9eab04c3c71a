/** A CA and what it signs: all that a server, its clients and the proxy between them need. */
import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import path from 'node:path';
import { type Authority, type CertificateRequest, issueCertificate } from './authority.js';
import {
  CA_FILE,
  CA_KEY_FILE,
  CERTIFICATE_MODE,
  KEY_MODE,
  type NewFile,
  RSA_PRIVATE_FILE,
  RSA_PUBLIC_FILE,
} from './certificate-folder.js';
import { commonNameFor, type HostName } from './host-names.js';
import { type KeyPair, makeKeyPair } from './key-pair.js';
import { caValidFor, validFor } from './validity.js';

export interface SetRequest {
  readonly folder: string;
  /** For the certificates of the server and of the proxy; at least one. */
  readonly hosts: readonly HostName[];
  /** Of the certificates; the CA is valid for longer. */
  readonly days: number;
  readonly keyBits: number;
  readonly now: Date;
}

/** In the order in which they are written. */
export const fileNames = [
  CA_FILE,
  CA_KEY_FILE,
  'server-cert.pem',
  'server-key.pem',
  'client-cert.pem',
  'client-key.pem',
  'proxy-cert.pem',
  'proxy-key.pem',
  RSA_PRIVATE_FILE,
  RSA_PUBLIC_FILE,
] as const;

/** Everything in memory, so that nothing is written where something fails. */
export async function makeCertificateSet(request: SetRequest): Promise<readonly NewFile[]> {
  const { folder, hosts, days, keyBits, now } = request;
  const [caKeys, serverKeys, clientKeys, proxyKeys, exchangeKeys] = await Promise.all([
    makeKeyPair(keyBits),
    makeKeyPair(keyBits),
    makeKeyPair(keyBits),
    makeKeyPair(keyBits),
    makeKeyPair(keyBits),
  ]);
  const privateKey = createPrivateKey(caKeys.privateKey);
  // Where two CAs have one name, a client that has the wrong one only sees a bad signature.
  const commonName = `mysql-tls-proxy CA ${randomBytes(4).toString('hex')}`;
  const caValidity = caValidFor(days, now);
  const ca = issueCertificate(
    { commonName, purpose: 'ca', publicKey: caKeys.publicKey, validity: caValidity },
    { privateKey },
  );
  const authority: Authority = { certificate: new X509Certificate(ca), privateKey };
  const leaf = (keys: KeyPair, rest: Pick<CertificateRequest, 'commonName' | 'purpose' | 'hosts'>): string =>
    issueCertificate({ ...rest, publicKey: keys.publicKey, validity: validFor(days, now) }, authority);
  const file = (name: (typeof fileNames)[number], text: string, mode: number): NewFile => ({
    path: path.join(folder, name),
    text,
    mode,
  });
  // The common names differ: a certificate with the name of its CA looks self-signed, which is ERROR 2026 in clients.
  const server = leaf(serverKeys, { commonName: 'MySQL server', purpose: 'server', hosts });
  const client = leaf(clientKeys, { commonName: 'MySQL client', purpose: 'client' });
  const proxy = leaf(proxyKeys, { commonName: commonNameFor(hosts), purpose: 'server', hosts });
  return [
    file(CA_FILE, ca, CERTIFICATE_MODE),
    file(CA_KEY_FILE, caKeys.privateKey, KEY_MODE),
    file('server-cert.pem', server, CERTIFICATE_MODE),
    file('server-key.pem', serverKeys.privateKey, KEY_MODE),
    file('client-cert.pem', client, CERTIFICATE_MODE),
    file('client-key.pem', clientKeys.privateKey, KEY_MODE),
    file('proxy-cert.pem', proxy, CERTIFICATE_MODE),
    file('proxy-key.pem', proxyKeys.privateKey, KEY_MODE),
    file(RSA_PRIVATE_FILE, exchangeKeys.privateKey, KEY_MODE),
    file(RSA_PUBLIC_FILE, exchangeKeys.publicKey, CERTIFICATE_MODE),
  ];
}
