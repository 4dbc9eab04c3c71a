/**
 * A combined certificate file that clients take as their CA: `cat server-cert.pem client-cert.pem ca.pem`.
 *
 * The usual recipe has the first two only. That works where they are self-signed and, with OpenSSL clients, where the
 * server has the name of its CA and no key identifiers: such a certificate looks self-signed, and is then trusted as it
 * is. For certificates that were made properly no client takes it, neither yaSSL nor OpenSSL; with the CA behind them
 * all do. Of a server with the name of its CA, yaSSL takes neither: the first certificate of that name is for it the CA.
 */
import type { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { certificatesIn, isSignedBy, readText } from './certificate-file.js';
import { CA_FILE } from './certificate-folder.js';
import { CertsError } from './certs-error.js';
import { holdsPrivateKey } from './pem.js';
import { optionFileValue } from './usage-advice.js';

const SERVER_FILE = 'server-cert.pem';
const CLIENT_FILE = 'client-cert.pem';

export interface Bundle {
  /** Certificates only, whatever else the files hold. */
  readonly pem: string;
  /** Names of the files, in the order of the bundle. */
  readonly holds: readonly string[];
  /** Whether it holds the signer of the server's certificate, or that certificate is its own. */
  readonly worksForAll: boolean;
  /** The server's certificate has the name of its CA, but is signed by it. */
  readonly looksSelfSigned: boolean;
}

/** @throws CertsError where a file is missing or holds no certificate; ca.pem may be missing. */
export function bundleOf(folder: string): Bundle {
  const read = (name: string): readonly X509Certificate[] => {
    const file = path.join(folder, name);
    return certificatesIn(readText(file), file);
  };
  // Intermediate CAs may follow the certificate in either file.
  const [server, ...signers] = read(SERVER_FILE);
  const [client, ...clientSigners] = read(CLIENT_FILE);
  const authorities = existsSync(path.join(folder, CA_FILE)) ? read(CA_FILE) : [];
  const certificates = [server, client, ...signers, ...clientSigners, ...authorities].filter(
    (found) => found !== undefined,
  );
  const pem = new Set(certificates.map((certificate) => certificate.toString()));
  const isSelfSigned = server !== undefined && isSignedBy(server, server);
  const looksSelfSigned = server !== undefined && !isSelfSigned && server.subject === server.issuer;
  const hasSigner = server !== undefined && leadsToRoot(server, [...signers, ...authorities]);
  return {
    pem: [...pem].join(''),
    holds: [SERVER_FILE, CLIENT_FILE, ...(authorities.length > 0 ? [CA_FILE] : [])],
    worksForAll: isSelfSigned || (hasSigner && !looksSelfSigned),
    looksSelfSigned,
  };
}

/** Whether the certificate, or those that signed it, end with one that signed itself; each of them serves once. */
function leadsToRoot(certificate: X509Certificate, pool: readonly X509Certificate[]): boolean {
  return pool.some((signer, index) => {
    if (!isSignedBy(certificate, signer)) return false;
    return isSignedBy(signer, signer) || leadsToRoot(signer, pool.toSpliced(index, 1));
  });
}

/** @throws CertsError where the bundle would take the place of a key, which nobody could bring back. */
export function checkBundleFile(file: string): void {
  if (existsSync(file) && holdsPrivateKey(readText(file)))
    throw new CertsError(`"${file}" holds a private key; choose another --out`);
}

export function bundleAdvice(file: string, { worksForAll, looksSelfSigned }: Bundle): string {
  return `
Clients: into my.cnf, instead of the three ssl- lines

  [client]
  ssl-ca=${optionFileValue(file)}

${forWhom(worksForAll, looksSelfSigned)}
Accounts with REQUIRE X509 need ssl-cert and ssl-key as well: a bundle holds no key.
The bundle must be made anew when the certificates of the server or the client are made anew.
`;
}

function forWhom(worksForAll: boolean, looksSelfSigned: boolean): string {
  if (worksForAll) {
    return (
      'It works for the clients of MySQL 5.6 (yaSSL; direct, or over the proxy), of MySQL 9 (VERIFY_CA, VERIFY_IDENTITY) and\n' +
      'of MariaDB, and is worth no more than ca.pem alone: for clients that have ca.pem there is no need of it.'
    );
  }
  if (looksSelfSigned) {
    return (
      "The server's certificate has the same name as its CA. With this file clients that use OpenSSL (MySQL 9, MariaDB)\n" +
      'accept it; with ca.pem they may take it for self-signed (ERROR 2026). Those of MySQL 5.6 (yaSSL) accept only ca.pem.\n' +
      'Better make certificates with names of their own: mysql-tls-proxy certs create'
    );
  }
  return (
    'The CA that signed the certificate of the server is not in it, so neither yaSSL (MySQL 5.6) nor OpenSSL clients (MySQL 9,\n' +
    'MariaDB) accept it: put ca.pem beside the certificates, and make the bundle anew with --force.'
  );
}
