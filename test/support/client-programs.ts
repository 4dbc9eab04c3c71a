/** Script languages with their MySQL modules: where each comes from, and how it is started. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { unpackedPackages, unpackedProgram, type WantedPackages } from './debian-packages.js';
import { isUnavailable, type Program, type Unavailable, versionLine, withArgs } from './programs.js';

export interface ClientProgram {
  /** Runs the script that comes next on its command line; has nothing to do with the machine's own language. */
  interpreter: Program;
  /** Such as `Python 3.11.2`. */
  version: string;
}

const phpPackages = { release: 'own', packages: ['php-cli', 'php-mysql'] };
const pythonPackages = {
  release: 'own',
  // PyMySQL needs cryptography to encrypt a password with the server's RSA key.
  packages: ['python3-pymysql', 'python3-cryptography', 'python3-mysqldb'],
};
const libmysqlclientPackages = {
  release: 'sid',
  // The library's own package has another name with each of its versions; the plugins are in that of the clients.
  packages: ['python3', 'libmysqlclient-dev', 'mysql-client-core'],
};
const mysqlPlugins = 'usr/lib/mysql/plugin';
const mariadbPlugins = 'usr/lib/x86_64-linux-gnu/libmariadb3/plugin';

/** PHP with mysqli on mysqlnd. */
export async function php(): Promise<ClientProgram | Unavailable> {
  const unpacked = await unpackedPackages(phpPackages);
  if (isUnavailable(unpacked)) return unpacked;
  const { folder } = unpacked;
  const extensions = path.join('usr/lib/php', theOnlyName(path.join(folder, 'usr/lib/php'), /^\d{8}$/));
  const program = unpackedProgram(
    folder,
    path.join('usr/bin', theOnlyName(path.join(folder, 'usr/bin'), /^php\d+\.\d+$/)),
  );
  const settings = {
    extension_dir: path.join(folder, extensions),
    display_errors: 'stderr',
    // Else a stack trace would show the password.
    'zend.exception_ignore_args': '1',
  };
  const settingArgs = Object.entries(settings).flatMap(([name, value]) => ['-d', `${name}=${value}`]);
  const extensionArgs = ['mysqlnd.so', 'mysqli.so'].flatMap((name) => ['-d', `extension=${name}`]);
  return withVersion(withArgs(program, '-n', ...settingArgs, ...extensionArgs));
}

/** Python with PyMySQL and MySQLdb, the latter on MariaDB's Connector/C. */
export function pythonWithMariadb(): Promise<ClientProgram | Unavailable> {
  return python(pythonPackages, (folder) => ({ MARIADB_PLUGIN_DIR: path.join(folder, mariadbPlugins) }));
}

/** Python and the libmysqlclient of MySQL 9.x, which finds mysql_native_password only where its plugins are. */
export function pythonWithLibmysqlclient(
  plugins: 'with plugins' | 'without plugins',
): Promise<ClientProgram | Unavailable> {
  return python(libmysqlclientPackages, (folder) => ({
    LIBMYSQL_PLUGIN_DIR: path.join(folder, plugins === 'with plugins' ? mysqlPlugins : 'nowhere'),
  }));
}

async function python(
  packages: WantedPackages,
  environment: (folder: string) => Record<string, string>,
): Promise<ClientProgram | Unavailable> {
  const unpacked = await unpackedPackages(packages);
  if (isUnavailable(unpacked)) return unpacked;
  const { folder } = unpacked;
  const program = unpackedProgram(folder, 'usr/bin/python3');
  const env = {
    PYTHONHOME: path.join(folder, 'usr'),
    PYTHONPATH: path.join(folder, 'usr/lib/python3/dist-packages'),
    // Not beside the scripts, which are in the checkout.
    PYTHONPYCACHEPREFIX: path.join(folder, 'pycache'),
    PYTHONIOENCODING: 'utf-8',
    ...environment(folder),
  };
  return withVersion({ ...withArgs(program, '-s'), env });
}

async function withVersion(interpreter: Program): Promise<ClientProgram | Unavailable> {
  const line = await versionLine(interpreter);
  if (typeof line !== 'string') return line;
  return { interpreter, version: line.split('\n')[0] ?? line };
}

function theOnlyName(folder: string, pattern: RegExp): string {
  const [name, ...others] = readdirSync(folder).filter((found) => pattern.test(found));
  if (name === undefined || others.length > 0) throw new Error(`not one ${pattern.source} in ${folder}`);
  return name;
}
