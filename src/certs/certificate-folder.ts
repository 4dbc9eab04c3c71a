/** The files of a certificate folder, under the names that MySQL itself uses, and how they are written. */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { messageOf } from '../errors.js';
import { CertsError } from './certs-error.js';

export const CA_FILE = 'ca.pem';
export const CA_KEY_FILE = 'ca-key.pem';
export const BUNDLE_FILE = 'server-client-bundle.pem';
/** Of the RSA key pair that passwords are encrypted with where there is no TLS. */
export const RSA_PRIVATE_FILE = 'private_key.pem';
export const RSA_PUBLIC_FILE = 'public_key.pem';

export const KEY_MODE = 0o600;
export const CERTIFICATE_MODE = 0o644;

export interface NewFile {
  readonly path: string;
  readonly text: string;
  /** Permission bits. */
  readonly mode: number;
}

/** Where the key of a certificate lies: `x-key.pem` for `x-cert.pem`, `ca-key.pem` for `ca.pem`. */
export function keyFileBeside(certificateFile: string): string | undefined {
  const folder = path.dirname(certificateFile);
  const name = path.basename(certificateFile);
  if (name === CA_FILE) return path.join(folder, CA_KEY_FILE);
  return name.endsWith('-cert.pem') ? path.join(folder, name.replace(/-cert\.pem$/, '-key.pem')) : undefined;
}

/** @returns what is there now. @throws CertsError where one of the files exists and may not, or can't, be replaced. */
export function checkTargets(
  files: readonly string[],
  options: { replace: boolean },
): readonly (Stats | undefined)[] {
  const existing = files.map(statusOf);
  const taken = files.filter((_file, index) => existing[index] !== undefined);
  if (!options.replace && taken.length > 0) {
    throw new CertsError(
      `nothing was written, because it exists already: ${taken.join(', ')}; choose another place, or replace it with --force`,
    );
  }
  for (const [index, file] of files.entries()) {
    const status = existing[index];
    if (status !== undefined && !status.isFile() && !status.isSymbolicLink())
      throw new CertsError(`nothing was written, because "${file}" is no regular file; move it away`);
  }
  return existing;
}

/**
 * All or nothing: everything is written under temporary names before the first file gets its own. A file that is
 * replaced keeps its owner and group, because mysqld reads its files as another user than the one who makes them.
 *
 * @throws CertsError where one of them exists and may not be replaced, or can't be written.
 */
export function writeFiles(files: readonly NewFile[], options: { replace: boolean }): void {
  const targets = files.map((file) => ({
    ...file,
    path: options.replace ? throughLink(file.path) : file.path,
  }));
  const existing = checkTargets(
    targets.map(({ path: file }) => file),
    options,
  );
  const temporary: string[] = [];
  const given: string[] = [];
  const allowSignals = deferSignals();
  try {
    for (const [index, file] of targets.entries()) {
      mkdirSync(path.dirname(file.path), { recursive: true });
      const name = `${file.path}.${randomBytes(6).toString('hex')}.tmp`;
      temporary.push(name);
      writeNew(name, file, existing[index]);
    }
    const give = options.replace ? renameSync : linkSync;
    for (const [index, { path: file }] of targets.entries()) {
      give(temporary[index] ?? '', file);
      given.push(file);
    }
  } catch (error) {
    // Somebody else may have made one of them in the meantime, and it must stay as it is.
    if (!options.replace) for (const file of given) rmSync(file, { force: true });
    throw unwritable(error);
  } finally {
    for (const name of temporary) rmSync(name, { force: true });
    allowSignals();
  }
}

/** A link stays one, and what it leads to is replaced; one that leads nowhere is replaced itself. */
function throughLink(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

/** All of this happens within one turn: with a handler a signal waits for its end, and leaves no half a set behind. */
function deferSignals(): () => void {
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const received: NodeJS.Signals[] = [];
  const note = (signal: NodeJS.Signals) => void received.push(signal);
  for (const signal of signals) process.on(signal, note);
  return () =>
    setImmediate(() => {
      for (const signal of signals) process.off(signal, note);
      const [first] = received;
      if (first !== undefined) process.kill(process.pid, first);
    });
}

function writeNew(name: string, { text, mode }: NewFile, replaced: Stats | undefined): void {
  // Nobody else can open it before it has its mode: `wx` makes it, and the umask only takes bits away.
  const descriptor = openSync(name, 'wx', KEY_MODE);
  try {
    writeFileSync(descriptor, text);
    if (replaced?.isFile()) keepOwner(descriptor, name, replaced);
    fchmodSync(descriptor, mode);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function keepOwner(descriptor: number, name: string, { uid, gid }: Stats): void {
  const own = lstatSync(name);
  if (own.uid !== uid || own.gid !== gid) fchownSync(descriptor, uid, gid);
}

function statusOf(file: string): Stats | undefined {
  try {
    return lstatSync(file, { throwIfNoEntry: false });
  } catch (error) {
    throw unwritable(error);
  }
}

function unwritable(error: unknown): CertsError {
  return new CertsError(
    `can't write (${messageOf(error)}); check the directory, and who owns it and its files`,
  );
}
