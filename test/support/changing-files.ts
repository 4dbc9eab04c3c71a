/** The ways in which people and programs change files under a running program. */
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** Texts by file name. */
export type Contents = Readonly<Record<string, string>>;

/** For its owner alone, since keys and passwords are among them. */
const mode = 0o600;

export function writeInPlace(folder: string, contents: Contents): void {
  for (const [name, text] of Object.entries(contents)) writeFileSync(path.join(folder, name), text, { mode });
}

/** As certbot, cert-manager's agents and most editors do. */
export function replaceByRename(folder: string, contents: Contents): void {
  for (const [name, text] of Object.entries(contents)) {
    const file = path.join(folder, name);
    writeFileSync(`${file}.new`, text, { mode });
    renameSync(`${file}.new`, file);
  }
}

/**
 * A volume of Kubernetes: `NAME -> ..data/NAME`, `..data -> ..REVISION`. An update writes another folder and swaps `..data` by a
 * rename; the entry that is mounted and named in options never changes.
 */
export class KubernetesVolume {
  readonly folder: string;
  #revision = 0;

  constructor(folder: string, contents: Contents) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    this.update(contents);
    for (const name of Object.keys(contents)) symlinkSync(`..data/${name}`, path.join(folder, name));
  }

  /** `keepsOld`: the folder of before is left, which the kubelet removes. */
  update(contents: Contents, { keepsOld = false } = {}): void {
    const old = path.join(this.folder, this.#name());
    this.#revision += 1;
    const folder = path.join(this.folder, this.#name());
    mkdirSync(folder);
    writeInPlace(folder, contents);
    symlinkSync(this.#name(), path.join(this.folder, '..data_tmp'));
    renameSync(path.join(this.folder, '..data_tmp'), path.join(this.folder, '..data'));
    if (!keepsOld) rmSync(old, { recursive: true, force: true });
  }

  #name(): string {
    return `..2026_01_01_00_00_${this.#revision}`;
  }
}
