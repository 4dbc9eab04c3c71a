/** The proxy itself, as its users start it: the built command line in a process of its own. */
import { fileURLToPath } from 'node:url';
import { makeTemporaryFolder } from '../../test/support/clean-up.js';
import { runCli } from '../../test/support/cli-process.js';
import type { Unavailable } from '../../test/support/programs.js';
import { freePort } from '../../test/support/servers.js';
import type { Database } from './database.js';
import { startListening } from './program-system.js';
import type { Legs, System } from './system.js';

export interface OurOptions {
  /** Flags besides those for addresses and certificates. */
  readonly args?: readonly string[];
  /** Processes that serve connections; 1 unless told otherwise: no row depends on the number of cores. */
  readonly workers?: number;
  /** Path of another Node.js than this one. */
  readonly node?: string;
  /** Flags of Node.js. */
  readonly nodeArgs?: readonly string[];
  /** Defaults to a free one. */
  readonly adminPort?: number;
}

const cliFile = fileURLToPath(new URL('../../src/cli.js', import.meta.url));

/** Default settings but for the number of workers, metrics on. */
export function ours(name: string, options: OurOptions = {}): System {
  return {
    name,
    start: async (database, legs) => {
      const args = ['--workers', String(options.workers ?? 1), ...(options.args ?? [])];
      const missing = await missingOption(args);
      if (missing !== undefined) return missing;
      const admin = `127.0.0.1:${options.adminPort ?? (await freePort())}`;
      const [port, legArgs] = [await freePort(), legOptions(database, legs)];
      const folder = makeTemporaryFolder();
      const node = options.node ?? process.execPath;
      return startListening({
        // Its RSA key is kept here, not in the home of whoever runs the bench.
        program: {
          file: node,
          args: [...(options.nodeArgs ?? []), cliFile],
          env: { XDG_STATE_HOME: folder },
        },
        args: [
          ...['--listen', `127.0.0.1:${port}`, '--admin-listen', admin, '--log-format', 'json'],
          ...flags(legArgs),
          ...args,
        ],
        port,
        clientTls: legs.client === 'TLS',
        folder,
        readyText: '"msg":"ready"',
      });
    },
  };
}

export const oursWithOneWorker: System = ours('ours');

/** A main process that accepts, and two that serve. */
export const oursWithTwoWorkers: System = ours('ours, 2 workers', { workers: 2 });

/** As the options are called in a file: the flags have the same names. */
function legOptions(database: Database, legs: Legs): Record<string, string> {
  const { ca, server } = database.certificates;
  return {
    server: `127.0.0.1:${database.port}`,
    ...(legs.server === 'TLS' ? { 'server-ssl-ca': ca.certificateFile } : { 'server-ssl-mode': 'DISABLED' }),
    ...(legs.client === 'TLS'
      ? { 'client-ssl-cert': server.certificateFile, 'client-ssl-key': server.keyFile }
      : {}),
  };
}

const flags = (options: Record<string, string>): string[] =>
  Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);

let helpText: Promise<string> | undefined;

/** A row may name an option that a build does not have. */
async function missingOption(args: readonly string[]): Promise<Unavailable | undefined> {
  const names = args.filter((arg) => arg.startsWith('--'));
  if (names.length === 0) return undefined;
  helpText ??= runCli(['start', '--help']).then(({ stdout }) => stdout);
  const help = await helpText;
  const missing = names.find((name) => !new RegExp(`${name}\\b(?!-)`).test(help));
  return missing === undefined ? undefined : { unavailable: `this build has no ${missing}` };
}
