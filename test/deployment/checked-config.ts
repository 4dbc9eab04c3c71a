/** --check-config as a service runs it: as a user of its own, with the files that root hands to it. */
import { chmodSync, chownSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { checkoutFolder } from '../support/cache.js';
import { type RunResult, run } from '../support/run.js';

const cliFile = path.join(checkoutFolder, 'dist/src/cli.js');
export const valid: RunResult = { code: 0, stdout: 'configuration is valid\n', stderr: '' };

/** One that owns nothing. Undefined where we are not root, or it could not read the program: all is then done as ourselves. */
export const serviceUser: number | undefined =
  isReadableForAll(cliFile) && process.getuid?.() === 0 ? 65532 : undefined;

export function checkConfig(file: string, env: Record<string, string>): Promise<RunResult> {
  const command = [process.execPath, cliFile, '--config', file, '--check-config'];
  const [program = '', ...args] = [...asServiceUser(), ...command];
  return run(program, args, { env });
}

/** To be written in front of a command. */
function asServiceUser(): string[] {
  if (serviceUser === undefined) return [];
  return ['setpriv', `--reuid=${serviceUser}`, `--regid=${serviceUser}`, '--clear-groups', '--'];
}

/** A file that only the service can read: its own, or one of root that its group can read. */
export function writeSecret(file: string, text: string, owner: 'service' | 'root'): void {
  writeFileSync(file, text);
  if (serviceUser !== undefined) chownSync(file, owner === 'root' ? 0 : serviceUser, serviceUser);
  chmodSync(file, owner === 'root' && serviceUser !== undefined ? 0o440 : 0o400);
}

function isReadableForAll(file: string): boolean {
  const isReadable = (statSync(file).mode & 0o005) === 0o005;
  return isReadable && (file === '/' || isReadableForAll(path.dirname(file)));
}
