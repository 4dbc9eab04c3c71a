/** Clients of script languages, each run by a script that takes a job on its standard input. */
import path from 'node:path';
import { checkoutFolder } from './cache.js';
import { type ClientJob, type ClientResult, loginDeadlineMs, type RunJob } from './client-jobs.js';
import { type ClientProgram, php, pythonWithLibmysqlclient, pythonWithMariadb } from './client-programs.js';
import { isUnavailable, type Unavailable } from './programs.js';
import { run } from './run.js';

const scriptFolder = path.join(checkoutFolder, 'test/support/client-scripts');
const jobDeadlineMs = 2 * loginDeadlineMs;

/** PHP's mysqli, on mysqlnd. */
export const phpMysqli: RunJob = async (job) => runScript(await php(), ['mysqli.php'], job);

/** Python's PyMySQL, which speaks the protocol itself. It can neither change the user nor compress. */
export const pyMysql: RunJob = async (job) =>
  runScript(await pythonWithMariadb(), ['job.py', 'pymysql'], job);

/** Python's MySQLdb, on MariaDB's Connector/C. */
export const mysqlDb: RunJob = async (job) =>
  runScript(await pythonWithMariadb(), ['job.py', 'mysqldb'], job);

/** The C library of MySQL 9.x. */
export const libmysqlclient: RunJob = async (job) =>
  runScript(await pythonWithLibmysqlclient('with plugins'), ['job.py', 'libmysqlclient'], job);

/** As applications have it that were installed without the plugins: it does not know mysql_native_password. */
export const libmysqlclientWithoutPlugins: RunJob = async (job) =>
  runScript(await pythonWithLibmysqlclient('without plugins'), ['job.py', 'libmysqlclient'], job);

async function runScript(
  program: ClientProgram | Unavailable,
  [script, ...args]: readonly [string, ...string[]],
  job: ClientJob,
): Promise<ClientResult | Unavailable> {
  if (isUnavailable(program)) return program;
  const { interpreter } = program;
  const { code, stdout, stderr } = await run(
    interpreter.file,
    [...interpreter.args, path.join(scriptFolder, script), ...args],
    { env: interpreter.env, input: JSON.stringify(job), timeoutMs: jobDeadlineMs },
  );
  if (code !== 0) throw new Error(`${[script, ...args].join(' ')}: exit code ${code}: ${stderr.trim()}`);
  return JSON.parse(stdout) as ClientResult;
}
