/** What the bench sets beside the proxy, and what it puts load on it with: Debian's HAProxy, MySQL Router and sysbench. */
import path from 'node:path';
import { unpackedPackages, unpackedProgram } from './debian-packages.js';
import { isUnavailable, type Program, type Unavailable, versionLine } from './programs.js';

export interface BenchProgram {
  readonly program: Program;
  readonly version: string;
  /** Where the package was unpacked. */
  readonly folder: string;
}

export async function haproxyProgram(): Promise<BenchProgram | Unavailable> {
  const unpacked = await unpackedPackages({ release: 'own', packages: ['haproxy'] });
  if (isUnavailable(unpacked)) return unpacked;
  return withVersion(unpackedProgram(unpacked.folder, 'usr/sbin/haproxy'), unpacked.folder, '-v');
}

/** From Debian unstable, as MySQL 9.x is: no stable release has it. */
export async function routerProgram(): Promise<BenchProgram | Unavailable> {
  const unpacked = await unpackedPackages({ release: 'sid', packages: ['mysql-router'] });
  if (isUnavailable(unpacked)) return unpacked;
  const libraries = ['usr/lib/mysql-router', 'usr/lib/mysqlrouter/private'];
  const program = unpackedProgram(unpacked.folder, 'usr/bin/mysqlrouter', libraries);
  return withVersion(program, unpacked.folder, '--version');
}

export async function sysbenchProgram(): Promise<BenchProgram | Unavailable> {
  const unpacked = await unpackedPackages({ release: 'own', packages: ['sysbench'] });
  if (isUnavailable(unpacked)) return unpacked;
  const { folder } = unpacked;
  const program = unpackedProgram(folder, 'usr/bin/sysbench');
  // Its MariaDB client library would look for caching_sha2_password where an installed one has its plugins.
  const plugins = path.join(folder, 'usr/lib/x86_64-linux-gnu/libmariadb3/plugin');
  return withVersion({ ...program, env: { MARIADB_PLUGIN_DIR: plugins } }, folder, '--version');
}

async function withVersion(
  program: Program,
  folder: string,
  versionFlag: string,
): Promise<BenchProgram | Unavailable> {
  const line = await versionLine(program, versionFlag);
  if (typeof line !== 'string') return line;
  return { program, folder, version: /\d+\.\d+(\.\d+)?/.exec(line)?.[0] ?? line };
}
