/** On what a run was made: without it no figure means anything. */
import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { checkoutFolder } from '../../test/support/cache.js';

export interface Machine {
  /** YYYY-MM-DD. */
  readonly date: string;
  /** Short; `unknown` where there is no git, and `with changes` when the working tree has some. */
  readonly commit: string;
  readonly cpu: string;
  readonly cores: number;
  /** GB. */
  readonly memory: number;
  readonly kernel: string;
  readonly node: string;
  readonly openssl: string;
  /** Name and version of servers, peers and sysbench. */
  readonly programs: readonly string[];
}

export function thisMachine(programs: readonly string[]): Machine {
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: commit(),
    cpu: os.cpus()[0]?.model.trim() ?? 'unknown',
    cores: os.availableParallelism(),
    memory: Math.round(os.totalmem() / 1e9),
    kernel: `${os.type()} ${os.release().split('-')[0]}`,
    node: process.versions.node,
    openssl: process.versions.openssl,
    programs,
  };
}

function commit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', args, {
      cwd: checkoutFolder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    const changes = git('status', '--porcelain', '--untracked-files=no');
    return git('rev-parse', '--short', 'HEAD') + (changes === '' ? '' : ' with changes');
  } catch {
    return 'unknown';
  }
}
