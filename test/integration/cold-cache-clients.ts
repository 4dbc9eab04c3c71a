/** Real clients that log in to a caching_sha2_password account over a plaintext leg. */

import type { ClientJob, RunJob } from '../support/client-jobs.js';
import { mariadbCli, mysqlCli } from '../support/clients.js';
import { mysql2Client } from '../support/npm-clients.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import type { RunResult } from '../support/run.js';
import { mysqlDb, phpMysqli, pyMysql } from '../support/script-clients.js';
import type { Account } from './accounts.js';

export type LoginOutcome =
  | { readonly user: string }
  | { readonly error: { readonly errno: number; readonly message: string } };

export type LogIn = (
  target: { readonly host: string; readonly port: number },
  account: Account,
) => Promise<LoginOutcome | Unavailable>;

const question = 'SELECT CURRENT_USER()';

export const coldClients: Readonly<Record<string, LogIn>> = {
  mysql2: byJob(mysql2Client),
  'the mysql CLI': mysqlCliWith('--get-server-public-key'),
  'the mariadb CLI': mariadbCliWith({ tls: 'off' }),
  'PHP mysqli': byJob(phpMysqli),
  PyMySQL: byJob(pyMysql),
  MySQLdb: byJob(mysqlDb),
};

/** `tls` left out: the client is ready for TLS, and does without where it is not offered. */
export function mariadbCliWith({ tls }: { readonly tls?: 'off' }): LogIn {
  return async ({ host, port }, account) =>
    outcomeOfCli(await mariadbCli({ host, port, ...account, ...(tls && { tls }) }, question));
}

export function mysqlCliWith(...extraArgs: readonly string[]): LogIn {
  return async ({ host, port }, account) =>
    outcomeOfCli(await mysqlCli({ host, port, ...account, tls: 'off', extraArgs }, question));
}

function byJob(run: RunJob): LogIn {
  return async ({ host, port }, account) => {
    const job: ClientJob = { host, port, ...account, tls: 'off', steps: [{ query: question }] };
    const result = await run(job);
    if (isUnavailable(result)) return result;
    if ('connectError' in result) return { error: result.connectError };
    const [answer] = result.results;
    if (answer === undefined || 'error' in answer)
      throw new Error(`the query failed: ${answer?.error.message}`);
    return { user: answer.rows[0]?.[0] ?? '' };
  };
}

function outcomeOfCli(result: RunResult | Unavailable): LoginOutcome | Unavailable {
  if (isUnavailable(result)) return result;
  if (result.code === 0) return { user: result.stdout.split('\n')[1] ?? '' };
  const [, errno, message = result.stderr] = /^ERROR (\d+) \(\w+\): (.*)$/m.exec(result.stderr) ?? [];
  return { error: { errno: Number(errno), message } };
}
