/**
 * Debian packages unpacked into `.cache/`, of any release, without root and without touching the system: apt works
 * in folders of its own, nothing is installed and no package script runs.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { type DebianMirror, debianMirrors } from './apt-sources.js';
import { builtOnce } from './cache.js';
import type { Program, Unavailable } from './programs.js';
import { type RunOptions, run } from './run.js';

export interface WantedPackages {
  /** A Debian release such as `sid`, or `own` for the release of this machine. */
  release: string;
  packages: readonly string[];
  /** Unpacked without the packages that they depend on. */
  withoutDependencies?: readonly string[];
}

const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
const loaderName = 'ld-linux-x86-64.so.2';

/** The folder into which the packages and all that they depend on are unpacked. */
export async function unpackedPackages(wanted: WantedPackages): Promise<{ folder: string } | Unavailable> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return { unavailable: 'needs Linux on x86-64' };
  const name = [wanted.release, ...wanted.packages, ...(wanted.withoutDependencies ?? [])].join('_');
  try {
    return { folder: await builtOnce(name, (folder) => fetchAndUnpack(wanted, folder)) };
  } catch (error) {
    return { unavailable: error instanceof Error ? error.message : String(error) };
  }
}

/**
 * Starts an unpacked program with the C library it was built for, which may be newer than the machine's own.
 * `privateLibraries`: folders, relative to `folder`, that only this program has libraries in.
 */
export function unpackedProgram(
  folder: string,
  program: string,
  privateLibraries: readonly string[] = [],
): Program {
  const libraryFolders = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu', ...privateLibraries].map(
    (name) => path.join(folder, name),
  );
  const loader = libraryFolders.map((name) => path.join(name, loaderName)).find((file) => existsSync(file));
  if (loader === undefined) throw new Error(`no ${loaderName} in ${folder}`);
  const args = ['--library-path', libraryFolders.join(':'), path.join(folder, program)];
  return { file: loader, args, env: {} };
}

async function fetchAndUnpack(wanted: WantedPackages, folder: string): Promise<void> {
  const mirrors = await debianMirrors();
  if (mirrors.length === 0) throw new Error('needs a Debian machine: its apt sources name no Debian mirror');
  let failure: unknown;
  // Twice each, because a mirror may move on to newer packages between the reading of its list and the download.
  for (const mirror of [...mirrors, ...mirrors]) {
    const aptFolder = path.join(folder, 'apt');
    try {
      await download(wanted, mirror, aptFolder);
      await unpack(wanted, path.join(aptFolder, 'archives'), folder);
      return;
    } catch (error) {
      failure = error;
    } finally {
      await rm(aptFolder, { recursive: true, force: true });
    }
  }
  throw failure;
}

async function download(wanted: WantedPackages, mirror: DebianMirror, aptFolder: string): Promise<void> {
  const archives = path.join(aptFolder, 'archives');
  await mkdir(path.join(aptFolder, 'lists', 'partial'), { recursive: true });
  await mkdir(path.join(archives, 'partial'), { recursive: true });
  const release = wanted.release === 'own' ? mirror.suite : wanted.release;
  const signedBy = existsSync(keyring) ? `signed-by=${keyring}` : '';
  const sourceLine = `deb [arch=amd64 ${signedBy}] ${mirror.uri} ${release} main\n`;
  await writeFile(path.join(aptFolder, 'sources.list'), sourceLine);
  const aptConfig = path.join(aptFolder, 'apt.conf');
  await writeFile(aptConfig, await privateAptConfig(aptFolder));

  const apt = (...args: string[]): Promise<void> =>
    runOrThrow('apt-get', ['--quiet', ...args], {
      env: { APT_CONFIG: aptConfig, LC_ALL: 'C.UTF-8' },
      cwd: archives,
      onProgress: (line) => say(`${titleOf(wanted)}: ${line}`),
    });
  say(`${titleOf(wanted)}: fetching from Debian ${release}`);
  await apt('update', '--error-on=any');
  await apt('install', '--yes', '--download-only', '--no-install-recommends', ...wanted.packages);
  for (const name of wanted.withoutDependencies ?? []) await apt('download', name);
}

/**
 * The machine's own download settings (a proxy, for instance), but none of its folders, and none of its hooks, which
 * would tidy up the system's own package cache.
 */
async function privateAptConfig(aptFolder: string): Promise<string> {
  const dump = await run('apt-config', ['dump'], {});
  if (dump.code !== 0) throw new Error('needs apt, which this machine does not have');
  const settings = dump.stdout.split('\n').filter((line) => line.startsWith('Acquire::'));
  const folders = {
    'Dir::State::lists': path.join(aptFolder, 'lists'),
    'Dir::State::status': '/dev/null',
    'Dir::State::extended_states': path.join(aptFolder, 'extended_states'),
    'Dir::Cache': aptFolder,
    'Dir::Cache::archives': path.join(aptFolder, 'archives'),
    'Dir::Log': aptFolder,
    'Dir::Etc::sourcelist': path.join(aptFolder, 'sources.list'),
    'Dir::Etc::sourceparts': '-',
    'Dir::Etc::main': '/dev/null',
    'Dir::Etc::parts': '/dev/null',
    'Dir::Etc::preferences': '/dev/null',
    'Dir::Etc::preferencesparts': '/dev/null',
    'Debug::NoLocking': '1',
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
    'Acquire::Retries': '1',
  };
  return [...settings, ...Object.entries(folders).map(([name, value]) => `${name} "${value}";`), ''].join(
    '\n',
  );
}

async function unpack(wanted: WantedPackages, archives: string, folder: string): Promise<void> {
  const files = (await readdir(archives)).filter((name) => name.endsWith('.deb'));
  say(`${titleOf(wanted)}: unpacking ${files.length} packages`);
  for (const name of files)
    await runOrThrow('dpkg-deb', ['--extract', path.join(archives, name), folder], {});
}

async function runOrThrow(file: string, args: string[], options: RunOptions): Promise<void> {
  const result = await run(file, args, options);
  if (result.code === 0) return;
  const complaints = result.stderr.split('\n').filter((line) => line.startsWith('E: '));
  throw new Error(`${file} failed: ${complaints[0] ?? (result.stderr.trim() || `exit code ${result.code}`)}`);
}

function titleOf(wanted: WantedPackages): string {
  return wanted.packages[0] ?? '';
}

function say(line: string): void {
  process.stderr.write(`    ${line}\n`);
}
