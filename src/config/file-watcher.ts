/**
 * Notices when the contents of files change, however that is done: written in place, replaced by a rename, or reached through a
 * symbolic link that points elsewhere, as Kubernetes swaps the folder behind its volumes.
 *
 * Reports of the system only say when to look; what counts is whether the files hold something else. So nothing depends on a report:
 * files are looked at in intervals, too, because network file systems and mounts give none.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { changedFiles, type Fingerprints, fingerprintsOf } from './fingerprints.js';
import { FolderWatches } from './folder-watches.js';
import { lookupsOf } from './path-lookups.js';

export interface FileWatcherOptions {
  /**
   * These changed, and then none did for `settleMs`. Those that never were there are not named: a path may be a password in the
   * wrong place. Not called again before it has resolved; what changes meanwhile is told in another call. Must not reject.
   */
  readonly changed: (files: readonly string[]) => Promise<void>;
  /** A folder can not be watched: changes there are noticed after `intervalMs` at the latest. */
  readonly unwatchable?: (folder: string, error: unknown) => void;
  /** Milliseconds; default 500. A certificate and its key are seldom replaced in the same moment. */
  readonly settleMs?: number;
  /** Milliseconds; default 30,000. */
  readonly intervalMs?: number;
}

export class FileWatcher {
  readonly #options: FileWatcherOptions;
  readonly #settleMs: number;
  readonly #folders: FolderWatches;
  readonly #interval: NodeJS.Timeout;
  #files: readonly string[] = [];
  #known: Fingerprints = new Map();
  #looking = false;
  #lookAgain = false;
  #closed = false;

  constructor(options: FileWatcherOptions) {
    this.#options = options;
    this.#settleMs = options.settleMs ?? 500;
    const look = () => void this.#lookForChanges();
    this.#folders = new FolderWatches(look, oncePerFolder(options.unwatchable ?? (() => {})));
    this.#interval = setInterval(look, options.intervalMs ?? 30_000).unref();
  }

  /** What the files hold now: to be taken before they are read, and given to `follow`. */
  async now(): Promise<Fingerprints> {
    return fingerprintsOf(this.#files);
  }

  /**
   * Watches these files (absolute paths) from now on. Whoever calls knows their contents as of `known`; where that says
   * nothing, as of now. None: nothing is watched.
   */
  async follow(files: readonly string[], known: Fingerprints = new Map()): Promise<void> {
    this.#files = files;
    const now = await this.#look();
    this.#known = new Map([...now].map(([file, print]) => [file, known.get(file) ?? print]));
    if (changedFiles(files, this.#known, now).length > 0) void this.#lookForChanges();
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#interval);
    this.#folders.close();
  }

  async #lookForChanges(): Promise<void> {
    this.#lookAgain = true;
    if (this.#looking) return;
    this.#looking = true;
    while (this.#lookAgain && !this.#closed) {
      this.#lookAgain = false;
      await this.#untilSettled();
    }
    this.#looking = false;
  }

  /** Returns when the files hold what is known of them. */
  async #untilSettled(): Promise<void> {
    let before: Fingerprints | undefined;
    for (;;) {
      const files = this.#files;
      const now = await this.#look();
      const changed = changedFiles(files, this.#known, now);
      // A reload by someone else may have changed what is to be watched.
      if (this.#closed || files !== this.#files || changed.length === 0) return;
      if (before !== undefined && changedFiles(files, before, now).length === 0) {
        const wasKnown = this.#known;
        this.#known = now;
        const exists = (file: string) => now.get(file)?.exists || wasKnown.get(file)?.exists;
        await this.#options.changed(changed.filter(exists));
        return;
      }
      before = now;
      await delay(this.#settleMs, undefined, { ref: false });
    }
  }

  /** Folders first: what changes behind the look is reported. */
  async #look(): Promise<Fingerprints> {
    const files = this.#files;
    do {
      const lookups = (await Promise.all(files.map(lookupsOf))).flat();
      if (this.#closed || files !== this.#files) break;
      // A folder that was not watched yet may have changed since it was looked into.
      if (!this.#folders.follow(lookups)) break;
    } while (!this.#closed);
    return fingerprintsOf(files);
  }
}

function oncePerFolder(tell: (folder: string, error: unknown) => void) {
  const told = new Set<string>();
  return (folder: string, error: unknown) => {
    if (!told.has(folder)) tell(folder, error);
    told.add(folder);
  };
}
