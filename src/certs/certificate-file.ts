/** Reads the certificates and keys of PEM files. */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { messageOf } from '../errors.js';
import { CertsError } from './certs-error.js';
import { holdsPrivateKey, isEncrypted, opensslReason, pemCertificates } from './pem.js';

/** By the group or by everyone. */
const OTHERS_READ = 0o044;

/** @throws CertsError where the file can't be read, or is none: reading from a FIFO might never end. */
export function readText(file: string): string {
  try {
    if (statSync(file).isFile()) return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CertsError(unreadable(file, error));
  }
  throw new CertsError(`"${file}" is no regular file; name one`);
}

/** Names in a folder, sorted. @throws CertsError where it can't be listed. */
export function listFolder(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch (error) {
    throw new CertsError(unreadable(folder, error));
  }
}

/** The certificates in the text of a file. @throws CertsError where there is none, or one is broken. */
export function certificatesIn(text: string, file: string): readonly X509Certificate[] {
  const blocks = pemCertificates(text);
  if (blocks.length === 0) throw new CertsError(`"${file}" holds no certificate in PEM form`);
  return blocks.map((block, index) => {
    try {
      return new X509Certificate(block);
    } catch (error) {
      throw new CertsError(`certificate ${index + 1} in "${file}" is broken: ${opensslReason(error)}`);
    }
  });
}

/** @throws CertsError where it is not there, broken or encrypted. */
export function readPrivateKey(file: string): KeyObject {
  return privateKeyIn(readText(file), file);
}

/** @throws CertsError as `readPrivateKey`. */
export function privateKeyIn(text: string, file: string): KeyObject {
  if (!holdsPrivateKey(text)) throw new CertsError(`"${file}" holds no private key in PEM form`);
  if (isEncrypted(text)) {
    throw new CertsError(
      `the key in "${file}" is encrypted; decrypt it first: openssl pkey -in ENCRYPTED -out DECRYPTED`,
    );
  }
  try {
    return createPrivateKey(text);
  } catch (error) {
    throw new CertsError(`the key in "${file}" is broken: ${opensslReason(error)}`);
  }
}

/** @throws CertsError where it can't be read. */
export function readPublicKey(file: string): KeyObject {
  const text = readText(file);
  try {
    return createPublicKey(text);
  } catch (error) {
    throw new CertsError(`"${file}" holds no usable public key: ${opensslReason(error)}`);
  }
}

/** Whether `ca` signed `certificate`: by the signature, since every CA can have any name. */
export function isSignedBy(certificate: X509Certificate, ca: X509Certificate): boolean {
  try {
    return certificate.issuer === ca.subject && certificate.verify(ca.publicKey);
  } catch {
    // A key of another type than the signature.
    return false;
  }
}

/** A sentence if others than its owner can read the key in this file, which exists. */
export function readersWarning(keyFile: string): readonly string[] {
  if ((statSync(keyFile).mode & OTHERS_READ) === 0) return [];
  return [`the key in ${keyFile} can be read by other users of this machine; chmod 600 prevents that`];
}

/** Why a file or folder can't be read, and what to do about it. */
export function unreadable(file: string, error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR') return `"${file}" does not exist; check the path`;
  if (code === 'EACCES') return `"${file}" can't be read by this user; run this as the user who may`;
  return `"${file}" can't be read: ${messageOf(error)}`;
}
