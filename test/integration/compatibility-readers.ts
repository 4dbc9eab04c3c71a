/** Clients that read a table through the proxy, and ask the server how it sees their connection. */
import assert from 'node:assert/strict';
import type { RunJob } from '../support/client-jobs.js';
import type { ClientOptions } from '../support/clients.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import type { RunResult } from '../support/run.js';
import { itemRows } from './compatibility-servers.js';
import type { ClientRefusal, Outcome, SessionSeen, Task } from './compatibility-task.js';

type Leg = 'plaintext' | 'TLS 1.3';
type Cli = (options: ClientOptions, sql: string) => Promise<RunResult | Unavailable>;

const questions = ['SELECT id, name FROM shop.item ORDER BY id', 'SELECT * FROM shop.session'];

export async function readWithJob(run: RunJob, leg: Leg, task: Task): Promise<Outcome | Unavailable> {
  const { host, port } = task.side.proxy;
  const tls = leg === 'plaintext' ? 'off' : { ca: caOf(task), verify: true };
  const steps = questions.map((query) => ({ query }));
  const result = await run({ host, port, ...task.account, tls, steps });
  if (isUnavailable(result)) return result;
  if ('connectError' in result) return { refusal: result.connectError };
  const [items, session] = result.results;
  assert.deepEqual(items, { rows: itemRows });
  assert.ok(session && 'rows' in session, JSON.stringify(session));
  return { session: sessionOf(session.rows[0]) };
}

export async function readWithCli(
  run: Cli,
  leg: Leg,
  args: readonly string[],
  task: Task,
): Promise<Outcome | Unavailable> {
  const { host, port } = task.side.proxy;
  const tls = leg === 'plaintext' ? 'off' : { ca: caOf(task), checkName: true };
  const extraArgs = ['--default-character-set=utf8mb4', ...args];
  const result = await run({ host, port, ...task.account, tls, extraArgs }, questions.join(';'));
  if (isUnavailable(result)) return result;
  if (result.code !== 0) return { refusal: refusalOf(result.stderr) };
  const rows = result.stdout.split('\n').map((line) => line.split('\t'));
  assert.deepEqual(rows.slice(0, 4), [['id', 'name'], ...itemRows, ['user', 'version', 'cipher']]);
  return { session: sessionOf(rows[4]) };
}

/** The only one that they trust: success says that they were shown the ECDSA certificate. */
function caOf({ certificates }: Task): string {
  return certificates.forNewClients.ca.certificateFile;
}

function sessionOf([user = '', sslVersion = '', sslCipher = '']: readonly string[] = []): SessionSeen {
  return { user, sslVersion, sslCipher };
}

function refusalOf(stderr: string): ClientRefusal {
  const [, errno, message = stderr] = /^ERROR (\d+) \(\w+\)(?: at line \d+)?: (.*)$/m.exec(stderr) ?? [];
  return { errno: Number(errno), message };
}
