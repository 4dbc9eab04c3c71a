/** What files hold and who may read them, in a form that can be compared and tells nothing. */
import { createHmac, generateKeySync } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

export interface Fingerprint {
  /** A keyed hash of the contents, with owner and mode; or why there are none. */
  readonly text: string;
  readonly exists: boolean;
}

export type Fingerprints = ReadonlyMap<string, Fingerprint>;

/** Passwords can not be tried out on a hash whose key this process alone has. */
const key = generateKeySync('hmac', { length: 256 });

export async function fingerprintsOf(files: readonly string[]): Promise<Fingerprints> {
  return new Map(await Promise.all(files.map(async (file) => [file, await fingerprintOf(file)] as const)));
}

/** Those of `files` that are not the same in both. */
export function changedFiles(
  files: readonly string[],
  before: Fingerprints,
  after: Fingerprints,
): readonly string[] {
  return files.filter((file) => before.get(file)?.text !== after.get(file)?.text);
}

async function fingerprintOf(file: string): Promise<Fingerprint> {
  let handle: FileHandle | undefined;
  try {
    // A FIFO would block until somebody writes to it.
    handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    const status = await handle.stat();
    const { mode, uid, gid } = status;
    const contents = status.isFile() ? await contentsOf(handle) : 'no regular file';
    return { text: `${contents} ${mode} ${uid} ${gid}`, exists: true };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    return { text: code, exists: code !== 'ENOENT' && code !== 'ENOTDIR' };
  } finally {
    await handle?.close().catch(() => {});
  }
}

async function contentsOf(handle: FileHandle): Promise<string> {
  const bytes = await handle.readFile();
  const hash = createHmac('sha256', key).update(bytes).digest('base64');
  // It may be a password or a key.
  bytes.fill(0);
  return hash;
}
