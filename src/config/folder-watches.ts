/** Tells of changes to entries of folders, by what the system reports (inotify on Linux). Never keeps the process alive. */
import { type FSWatcher, watch } from 'node:fs';
import type { Lookup } from './path-lookups.js';

interface FolderWatch {
  readonly names: ReadonlySet<string>;
  /** Undefined where the system refused. */
  readonly watcher: FSWatcher | undefined;
}

export class FolderWatches {
  readonly #changed: () => void;
  readonly #refused: (folder: string, error: unknown) => void;
  /** By path and identity of the folder. */
  #watches = new Map<string, FolderWatch>();

  /** `refused` is told once of each folder that can not be watched: the system's limit is reached, or it may not be read. */
  constructor(changed: () => void, refused: (folder: string, error: unknown) => void) {
    this.#changed = changed;
    this.#refused = refused;
  }

  /** Watches these instead of those before. Whether a folder came to them that was not watched. */
  follow(lookups: readonly Lookup[]): boolean {
    const before = this.#watches;
    const wanted = new Map<string, { folder: string; names: Set<string> }>();
    for (const { folder, folderId, name } of lookups) {
      const key = `${folderId} ${folder}`;
      const entry = wanted.get(key) ?? { folder, names: new Set() };
      entry.names.add(name);
      wanted.set(key, entry);
    }
    this.#watches = new Map();
    for (const [key, { folder, names }] of wanted) {
      const existing = before.get(key);
      const watcher = existing === undefined ? this.#open(key, folder) : existing.watcher;
      this.#watches.set(key, { names, watcher });
    }
    for (const [key, { watcher }] of before) if (!wanted.has(key)) watcher?.close();
    return [...wanted.keys()].some((key) => !before.has(key));
  }

  close(): void {
    this.follow([]);
  }

  #open(key: string, folder: string): FSWatcher | undefined {
    try {
      const watcher = watch(folder, { persistent: false });
      // Not every system names the entry.
      watcher.on('change', (_, name) => {
        if (name === null || this.#watches.get(key)?.names.has(String(name))) this.#changed();
      });
      watcher.on('error', (error) => this.#refused(folder, error));
      return watcher;
    } catch (error) {
      this.#refused(folder, error);
      return undefined;
    }
  }
}
