/** Runs the servers' own command line clients. */
import { mariadb, mariadb11, mysql9, type ServerProgram } from './downloads.js';
import { isUnavailable, type Unavailable } from './programs.js';
import { type RunResult, run } from './run.js';

export interface ClientOptions {
  host: string;
  port: number;
  user: string;
  password?: string;
  database?: string;
  /** What the client does by itself unless told otherwise. */
  tls?: 'off' | ClientTls;
  extraArgs?: readonly string[];
}

/** TLS or nothing. With a `ca` the server's certificate is checked, with `checkName` also its name. */
export interface ClientTls {
  ca?: string;
  cert?: string;
  key?: string;
  checkName?: boolean;
}

const clientDeadlineMs = 30_000;

/** The client of MariaDB. */
export async function mariadbCli(options: ClientOptions, sql: string): Promise<RunResult | Unavailable> {
  return runClient(await mariadb(), options, mariadbTlsArgs(options.tls), sql);
}

/** The client of MariaDB 11.8 or newer. */
export async function mariadb11Cli(options: ClientOptions, sql: string): Promise<RunResult | Unavailable> {
  return runClient(await mariadb11(), options, mariadbTlsArgs(options.tls), sql);
}

/** The client of MySQL 9.x. */
export async function mysqlCli(options: ClientOptions, sql: string): Promise<RunResult | Unavailable> {
  return runClient(await mysql9(), options, mysqlTlsArgs(options.tls), sql);
}

async function runClient(
  program: ServerProgram | Unavailable,
  options: ClientOptions,
  tlsArgs: readonly string[],
  sql: string,
): Promise<RunResult | Unavailable> {
  if (isUnavailable(program)) return program;
  const { client } = program;
  if (client === undefined) return { unavailable: `${program.kind} comes without a client` };
  const args = [
    ...client.args,
    '--protocol=TCP',
    `--host=${options.host}`,
    `--port=${options.port}`,
    `--user=${options.user}`,
    '--batch',
    ...tlsArgs,
    ...(options.extraArgs ?? []),
    `--execute=${sql}`,
    ...(options.database === undefined ? [] : [options.database]),
  ];
  const env = { ...client.env, MYSQL_PWD: options.password ?? '' };
  return run(client.file, args, { env, timeoutMs: clientDeadlineMs });
}

function mariadbTlsArgs(tls: ClientOptions['tls']): string[] {
  if (tls === undefined) return [];
  if (tls === 'off') return ['--skip-ssl'];
  // Without a CA there is nothing to check, but from 11.4 on the client checks unless told not to.
  const check = tls.checkName ? '--ssl-verify-server-cert' : '--skip-ssl-verify-server-cert';
  return ['--ssl', ...fileArgs(tls), check];
}

function mysqlTlsArgs(tls: ClientOptions['tls']): string[] {
  if (tls === undefined) return [];
  if (tls === 'off') return ['--ssl-mode=DISABLED'];
  if (tls.ca === undefined) return ['--ssl-mode=REQUIRED', ...fileArgs(tls)];
  return [`--ssl-mode=${tls.checkName ? 'VERIFY_IDENTITY' : 'VERIFY_CA'}`, ...fileArgs(tls)];
}

function fileArgs(tls: ClientTls): string[] {
  const files = { '--ssl-ca': tls.ca, '--ssl-cert': tls.cert, '--ssl-key': tls.key };
  return Object.entries(files).flatMap(([name, file]) => (file === undefined ? [] : [`${name}=${file}`]));
}
