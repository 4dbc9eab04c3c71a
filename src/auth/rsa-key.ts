/**
 * The RSA key pair that plaintext clients encrypt their password with. Dedicated to that: it is never a TLS key.
 *
 * Clients save it, or compare it with the one they were given, so it is the same after a restart and in every process
 * that shares a state directory.
 */
import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject, randomBytes } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { ProxyError } from '../errors.js';

export interface RsaKey {
  readonly privateKey: KeyObject;
  /** As servers send it: PEM of the SubjectPublicKeyInfo, with a newline at the end. */
  readonly publicKeyPem: Buffer;
  /** Bytes of the modulus, which are those of everything encrypted with the key. */
  readonly length: number;
}

/** Where a key comes from. The first call may read or make it; later ones give the same key. */
export type RsaKeySource = () => Promise<RsaKey>;

/** Bits. Servers make keys of the same size; larger ones cost the proxy's only thread more time per login. */
const KEY_LENGTH = 2048;

const FILE_NAME = 'rsa-private-key.pem';

/** A given file. Throws what the system or OpenSSL says; the configuration's own checks come first and say it better. */
export function rsaKeyFromFile(file: string): RsaKeySource {
  const key = decodeRsaKey(readFileSync(file, 'utf8'));
  return () => Promise.resolve(key);
}

/** A key that another process has read or made: see `exportRsaKey`. */
export function rsaKeyFromPem(pem: string): RsaKeySource {
  const key = decodeRsaKey(pem);
  return () => Promise.resolve(key);
}

/** PEM, to be given to another process of the proxy and to nobody else. */
export function exportRsaKey({ privateKey }: RsaKey): string {
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/**
 * The proxy's own key: kept in the state directory with mode 0600, or in memory only where there is none, or none that
 * can be written. Rejects with ProxyError `rsa_key_unusable` when a file is there and can
 * not be used; the next call tries again.
 */
export function ownRsaKey(stateDirectory: string | undefined): RsaKeySource {
  let key: Promise<RsaKey> | undefined;
  return () => {
    key ??= (stateDirectory === undefined ? generate().then(decodeRsaKey) : keptIn(stateDirectory)).catch(
      (error: unknown) => {
        // Whoever repairs the file need not restart the proxy.
        key = undefined;
        throw error;
      },
    );
    return key;
  };
}

async function keptIn(directory: string): Promise<RsaKey> {
  const file = path.join(directory, FILE_NAME);
  const kept = readKept(file);
  if (kept !== undefined) return kept;
  const pem = await generate();
  if (!writeOnce(directory, file, pem)) return decodeRsaKey(pem);
  // Of two processes that start together, the one whose file is there first decides.
  const first = readKept(file);
  if (first === undefined) throw unusable(file, 'it is a link that leads nowhere');
  return first;
}

/** Undefined where there is no such file. */
function readKept(file: string): RsaKey | undefined {
  let descriptor: number;
  try {
    // A FIFO in its place would block until somebody writes to it.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    // ENOTDIR: the path leads through a file, so there can be no directory.
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error))) return undefined;
    throw unusable(file, codeOf(error));
  }
  try {
    const { mode, uid } = fstatSync(descriptor);
    const user = process.geteuid?.();
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw unusable(file, 'it is not a regular file');
    if ((mode & 0o077) !== 0) {
      throw unusable(file, 'other users of this machine can read it; chmod 600 prevents that');
    }
    if (user !== undefined && uid !== user)
      throw unusable(file, 'it belongs to another user of this machine');
    const key = decodeRsaKey(readFileSync(descriptor, 'utf8'));
    if (key.length * 8 < KEY_LENGTH) throw unusable(file, `it has fewer than ${KEY_LENGTH} bits`);
    return key;
  } catch (error) {
    throw error instanceof ProxyError ? error : unusable(file, 'it holds no RSA private key');
  } finally {
    closeSync(descriptor);
  }
}

function unusable(file: string, why: string): ProxyError {
  return new ProxyError('rsa_key_unusable', `the RSA key "${file}" can not be used: ${why}`, {
    // Clients that are not logged in have no business with paths.
    clientText: 'mysql-tls-proxy: the RSA key for passwords can not be used. Look at the log of the proxy.',
  });
}

/** Whether the file is there now, of whichever process. An existing one is never replaced. */
function writeOnce(directory: string, file: string, pem: string): boolean {
  const draft = `${file}.${randomBytes(6).toString('hex')}`;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    // On the disk before it has its name: a power cut must not leave an empty key behind.
    writeFileSync(draft, pem, { mode: 0o600, flag: 'wx', flush: true });
  } catch {
    // A read-only file system, for example; the configuration's checks have warned of it.
    return false;
  }
  try {
    linkSync(draft, file);
    return true;
  } catch (error) {
    return codeOf(error) === 'EEXIST';
  } finally {
    unlinkSync(draft);
  }
}

async function generate(): Promise<string> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: KEY_LENGTH });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function decodeRsaKey(pem: string): RsaKey {
  const privateKey = createPrivateKey(pem);
  const modulusLength = privateKey.asymmetricKeyDetails?.modulusLength;
  if (privateKey.asymmetricKeyType !== 'rsa' || modulusLength === undefined)
    throw new Error('not an RSA private key');
  const publicKeyPem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' });
  return { privateKey, publicKeyPem: Buffer.from(publicKeyPem), length: modulusLength / 8 };
}

function codeOf(error: unknown): string {
  return String((error as NodeJS.ErrnoException).code ?? 'unknown error');
}
