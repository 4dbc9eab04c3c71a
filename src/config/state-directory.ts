/** Where the proxy may keep what must be the same after a restart. */
import { accessSync, constants, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';

const FOLDER_NAME = 'mysql-tls-proxy';

/**
 * The directory that systemd made for the service, else that of the user. An empty variable counts as not set.
 * Undefined: there is none, or it is relative, which says nothing in a service.
 */
export function defaultStateDirectory(env: NodeJS.ProcessEnv): string | undefined {
  const directory = firstOf(env['STATE_DIRECTORY']) ?? userStateDirectory(env);
  return directory !== undefined && isAbsolute(directory) ? directory : undefined;
}

/** systemd lists several, separated by colons, when the unit names several. */
function firstOf(list: string | undefined): string | undefined {
  return list?.split(':')[0] || undefined;
}

function userStateDirectory(env: NodeJS.ProcessEnv): string | undefined {
  const { XDG_STATE_HOME, HOME } = env;
  if (XDG_STATE_HOME) return join(XDG_STATE_HOME, FOLDER_NAME);
  return HOME ? join(HOME, '.local/state', FOLDER_NAME) : undefined;
}

/**
 * Why files can't be kept in a directory that exists, or, if it does not, can't be made where it should be; undefined
 * if they can. Makes nothing.
 *
 * @param directory absolute.
 */
export function whyNotWritable(directory: string): string | undefined {
  for (let folder = directory; ; folder = dirname(folder)) {
    try {
      if (!statSync(folder).isDirectory()) return `"${folder}" is not a directory`;
      accessSync(folder, constants.W_OK | constants.X_OK);
      return undefined;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
      if (!isMissing || folder === dirname(folder)) {
        return `"${folder}" can't be written by the user that runs the proxy`;
      }
    }
  }
}
