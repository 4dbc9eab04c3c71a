/** How many connections a process can serve with the files that the system lets it have open. */
import { readFileSync } from 'node:fs';
import { ProxyError } from '../errors.js';

/** Those of Node.js itself, listeners, the admin server, certificates, health checks, server connections that are still being left. */
const OTHER_FILES = 40;

/** Of a hundred: clients that are being told that they can not come in, and a new worker. */
const SPARE_PERCENT = 5;

/** Client and server. */
const FILES_OF_CONNECTION = 2;

export interface OpenFiles {
  /** The soft limit of this process (`ulimit -n`), which Node.js has raised to the hard one at its start. */
  readonly limit: number;
  /** At least 1. */
  readonly connections: number;
}

/** Undefined where there is no limit, or the system does not tell: it does on Linux alone. */
export function openFiles(limitsFile = '/proc/self/limits'): OpenFiles | undefined {
  const limit = softLimit(limitsFile);
  if (limit === undefined) return undefined;
  const spare = OTHER_FILES + Math.ceil((limit * SPARE_PERCENT) / 100);
  return { limit, connections: Math.max(1, Math.floor((limit - spare) / FILES_OF_CONNECTION)) };
}

/** Told before a connection to the server fails for it, and while there are files left to tell it with. */
export function noFilesLeft({ limit, connections }: OpenFiles): ProxyError {
  return new ProxyError(
    'open_files_used_up',
    `Too many connections: the process has ${connections}, and may have no more than ${limit} files open`,
  );
}

function softLimit(file: string): number | undefined {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync(file, 'utf8')) ?? [];
    return soft === undefined ? undefined : Number(soft);
  } catch {
    return undefined;
  }
}
