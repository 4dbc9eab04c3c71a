/** Files that hold passwords, which nobody but the proxy may read. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** Bytes. */
const MAX_LENGTH = 1024 * 1024;

/** The contents, or why there are none. */
export type SecretReading = { readonly bytes: Buffer } | { readonly fault: string };

/**
 * @param path absolute; a link is followed.
 * @param shown stands for the path in the fault as long as the path might be the secret itself.
 */
export function readSecretFile(path: string, shown = `"${path}"`): SecretReading {
  let descriptor: number;
  try {
    // A FIFO would block until somebody writes to it.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    return { fault: openingFault(error, shown) };
  }
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile()) return { fault: `${shown} is not a regular file` };
    if (status.size > MAX_LENGTH) return { fault: `${shown} is longer than 1 MiB` };
    if (canBeReadByOthers(status, process.geteuid?.())) {
      return {
        fault: `"${path}" can be read or written by other users of this machine; run: chmod 600 '${path}', or mount it with mode 0400`,
      };
    }
    return { bytes: readFileSync(descriptor) };
  } catch (error) {
    return { fault: openingFault(error, shown) };
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The rule of libpq for private keys: nothing for the group and others, except that the group may read a file of root,
 * which is how secrets are mounted into containers.
 *
 * @param user that runs the proxy; undefined on systems without such permissions, where nothing is judged.
 */
export function canBeReadByOthers(
  { mode, uid }: { readonly mode: number; readonly uid: number },
  user: number | undefined,
): boolean {
  if (user === undefined) return false;
  const forbidden = uid === 0 && user !== 0 ? 0o037 : 0o077;
  return (mode & forbidden) !== 0;
}

function openingFault(error: unknown, shown: string): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT' || code === 'ENOTDIR') return `${shown} does not exist`;
  if (code === 'EACCES') return `${shown} can't be read by the user that runs the proxy`;
  return `${shown} can't be read${typeof code === 'string' ? ` (${code})` : ''}`;
}
