/** An empty data folder for each kind of server: made once in `.cache/`, then copied for every start. */
import { cp, mkdir, readFile, realpath, rm } from 'node:fs/promises';
import path from 'node:path';
import { builtOnce } from './cache.js';
import type { ServerKind, ServerProgram } from './downloads.js';
import { run } from './run.js';

/** A server started by root refuses to run as root unless told to; anybody else cannot choose a user. */
export const userArgs: readonly string[] = process.getuid?.() === 0 ? ['--user=root'] : [];

/** Small enough to copy, large enough for rows of several MB. */
export const storageArgs: Readonly<Record<ServerKind, readonly string[]>> = {
  mysql56: [
    '--innodb-log-file-size=16M',
    '--innodb-buffer-pool-size=16M',
    '--explicit-defaults-for-timestamp=1',
  ],
  mysql9: ['--innodb-redo-log-capacity=16M', '--innodb-buffer-pool-size=32M'],
  mariadb: ['--innodb-log-file-size=16M', '--innodb-buffer-pool-size=16M'],
  mariadb11: ['--innodb-log-file-size=16M', '--innodb-buffer-pool-size=16M'],
};

/** Fills `folder` with a fresh data folder: root@localhost without a password, and no database. */
export async function copyFreshDataFolder(program: ServerProgram, folder: string): Promise<void> {
  const template = await builtOnce(`data-${program.kind}-${program.version}`, (built) =>
    fill(program, built),
  );
  // A link would be copied as a link: the server would then run on the template of everybody else.
  await cp(await realpath(template), folder, { recursive: true });
  // Holds the server's UUID, which must differ between two servers; every server makes its own when it is missing.
  await rm(path.join(folder, 'auto.cnf'), { force: true });
}

export function dataFolderTemplate(program: ServerProgram): Promise<string> {
  return builtOnce(`data-${program.kind}-${program.version}`, (folder) => fill(program, folder));
}

async function fill(program: ServerProgram, folder: string): Promise<void> {
  const common = [`--datadir=${folder}`, ...userArgs, ...storageArgs[program.kind]];
  if (program.kind === 'mysql9') return runServer(program, [...common, '--initialize-insecure'], '');
  await mkdir(path.join(folder, 'mysql'));
  return runServer(program, [...common, '--bootstrap'], await bootstrapSql(program));
}

/** What the servers' own install scripts feed to `--bootstrap`, without the accounts for other hosts and the anonymous ones. */
async function bootstrapSql(program: ServerProgram): Promise<string> {
  // MariaDB 11 renamed its files.
  const prefix = program.kind === 'mariadb11' ? 'mariadb' : 'mysql';
  const parts =
    program.kind === 'mysql56'
      ? ['mysql_system_tables.sql', 'mysql_system_tables_data.sql']
      : [
          `${prefix}_system_tables.sql`,
          `${prefix}_performance_tables.sql`,
          `${prefix}_system_tables_data.sql`,
          'maria_add_gis_sp_bootstrap.sql',
          `${prefix}_sys_schema.sql`,
        ];
  const accountTable = program.kind === 'mysql56' ? 'user' : 'global_priv';
  const files = parts.map((name) => readFile(path.join(program.shareFolder, name), 'utf8'));
  return [
    'USE mysql;',
    // MariaDB then gives root an empty password instead of asking the operating system who it is.
    'SET @auth_root_socket = NULL;',
    ...(await Promise.all(files)),
    // `--bootstrap` takes one statement a line; the last file leaves another database in use.
    'USE mysql;',
    `DELETE FROM ${accountTable} WHERE User = '' OR Host <> 'localhost';`,
    '',
  ].join('\n');
}

async function runServer({ kind, server }: ServerProgram, args: string[], input: string): Promise<void> {
  process.stderr.write(`    ${kind}: making an empty data folder\n`);
  const result = await run(server.file, [...server.args, ...args], { env: server.env, input });
  if (result.code !== 0)
    throw new Error(`${kind} could not make a data folder:\n${result.stderr.slice(-2000)}`);
}
