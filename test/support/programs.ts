/** How a downloaded program is started: what to execute, and which arguments always come first. */
import { run } from './run.js';

export interface Program {
  file: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
}

/** Why something that a test needs is not there; tests skip with this one line. */
export interface Unavailable {
  unavailable: string;
}

export function isUnavailable<T extends object>(found: T | Unavailable): found is Unavailable {
  return 'unavailable' in found;
}

export function withArgs(program: Program, ...args: readonly string[]): Program {
  return { ...program, args: [...program.args, ...args] };
}

/** The version line of a program, or why it does not run on this machine. */
export async function versionLine(
  program: Program,
  versionFlag = '--version',
): Promise<string | Unavailable> {
  const result = await run(program.file, [...program.args, versionFlag], { env: program.env });
  if (result.code === 0) return result.stdout.trim();
  const reason = result.stderr.trim().split('\n')[0] ?? '';
  return { unavailable: `${program.file} does not run here: exit code ${result.code} ${reason}` };
}
