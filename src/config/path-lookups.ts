/** The entries of folders that the system looks up to find a file: what must be watched to notice that it is another one. */
import { lstat, readlink } from 'node:fs/promises';
import { dirname, join, parse, sep } from 'node:path';

export interface Lookup {
  /** Absolute, without symbolic links. It exists. */
  readonly folder: string;
  /** Device and inode: another folder may come to have the same path. */
  readonly folderId: string;
  /** Of the entry, which may be missing. */
  readonly name: string;
}

/** What Linux follows in one path. */
const MOST_LINKS = 40;

/**
 * All that the path depends on: each of its parts, and those of the symbolic links on the way. Ends at the first that is missing.
 *
 * @param path absolute.
 */
export async function lookupsOf(path: string): Promise<readonly Lookup[]> {
  const lookups: Lookup[] = [];
  let folder = parse(path).root;
  let rest = path.slice(folder.length).split(sep);
  let links = 0;
  for (;;) {
    const [name, ...after] = rest;
    if (name === undefined) return lookups;
    rest = after;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      folder = dirname(folder);
      continue;
    }
    const folderId = await idOfFolder(folder);
    if (folderId === undefined) return lookups;
    lookups.push({ folder, folderId, name });
    const entry = join(folder, name);
    const target = await readlink(entry).catch(() => undefined);
    if (target === undefined) {
      folder = entry;
      continue;
    }
    links += 1;
    if (links > MOST_LINKS) return lookups;
    const { root } = parse(target);
    if (root !== '') folder = root;
    rest = [...target.slice(root.length).split(sep), ...rest];
  }
}

async function idOfFolder(path: string): Promise<string | undefined> {
  const status = await lstat(path, { bigint: true }).catch(() => undefined);
  return status?.isDirectory() ? `${status.dev}:${status.ino}` : undefined;
}
