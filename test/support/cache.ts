/** The checkout's ignored `.cache/` folder: what is downloaded or built once and then used by every later run. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Three folders up from dist/test/support/. */
export const checkoutFolder = fileURLToPath(new URL('../../../', import.meta.url));
export const cacheFolder = path.join(checkoutFolder, '.cache');

const unfinishedPrefix = 'unfinished-';
const abandonedAfterMs = 60 * 60 * 1000;
const underWay = new Map<string, Promise<string>>();

/**
 * The folder `.cache/<name>`, filled by `build` if it is not there yet. It is built under another name and renamed
 * at the end, so it is complete whenever it exists, even when two processes build it at once.
 */
export function builtOnce(name: string, build: (folder: string) => Promise<void>): Promise<string> {
  const started = underWay.get(name) ?? buildUnlessThere(name, build);
  underWay.set(name, started);
  return started;
}

async function buildUnlessThere(name: string, build: (folder: string) => Promise<void>): Promise<string> {
  const finished = path.join(cacheFolder, name);
  if (existsSync(finished)) return finished;
  await mkdir(cacheFolder, { recursive: true });
  await removeAbandoned();
  const unfinished = await mkdtemp(path.join(cacheFolder, unfinishedPrefix));
  try {
    await build(unfinished);
    await chmod(unfinished, 0o755);
    await rename(unfinished, finished);
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    if (!(isRenameOntoFilledFolder(error) && existsSync(finished))) throw error;
  }
  return finished;
}

function isRenameOntoFilledFolder(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === 'ENOTEMPTY' || code === 'EEXIST';
}

/** A build that was killed leaves its folder behind. */
async function removeAbandoned(): Promise<void> {
  for (const name of await readdir(cacheFolder)) {
    if (!name.startsWith(unfinishedPrefix)) continue;
    const folder = path.join(cacheFolder, name);
    const found = await stat(folder).catch(() => undefined);
    // Not the modification time, which unpacking a package sets to that of the folder in the package.
    if (found && Date.now() - found.ctimeMs > abandonedAfterMs)
      await rm(folder, { recursive: true, force: true });
  }
}
