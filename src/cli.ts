#!/usr/bin/env node
/** The command line. The only place that sets the exit code. */
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { startFlagNames, startFlags } from './commands/flags.js';
import type { Outcome } from './commands/outcome.js';
import { start } from './commands/start.js';
import { kebabCase } from './config/option-names.js';
import { didYouMean } from './config/suggestion.js';
import { packageVersion } from './version.js';

/** Wrong usage, as opposed to a failure while running. */
class UsageError extends Error {}

async function main(words: readonly string[]): Promise<Outcome> {
  let outcome: Outcome = { exitCode: 0 };
  const parser = yargs([...words])
    .scriptName('mysql-tls-proxy')
    .locale('en')
    .parserConfiguration({
      'dot-notation': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'strip-dashed': false,
      'camel-case-expansion': true,
    })
    .usage('Usage: $0 [start] --server HOST[:PORT] [options]')
    .usage('')
    .usage('Lets MySQL clients that cannot speak modern TLS reach a server that demands it.')
    .usage(
      'The client leg is the connection from the application to the proxy, the server leg the one from the proxy',
    )
    .usage('to the MySQL server.')
    .command(
      ['start', '$0'],
      'Run the proxy',
      (command) => command.options(startFlags),
      async (values) => {
        outcome = await start({
          sources: {
            flags: givenFlags(values),
            env: process.env,
            cwd: process.cwd(),
            terminal: process.stdout.isTTY === true,
            ...configFile(values['config']),
          },
          checkConfig: values['check-config'] === true,
          printConfig: values['print-config'] === true,
        });
      },
    )
    .example(
      '$0 --server db.example.com --server-ssl-ca ca.pem',
      'Plaintext clients on this machine, TLS to the server, whose certificate is verified (server-only)',
    )
    .example(
      '$0 --server db.example.com --server-ssl-ca ca.pem --server-ssl-cert client-cert.pem --server-ssl-key client-key.pem',
      'The same for accounts that REQUIRE X509 (key pair)',
    )
    .example(
      '$0 --listen 0.0.0.0:3307 --client-ssl-cert proxy.pem --client-ssl-key proxy-key.pem --server db.example.com',
      'TLS for clients from other machines too',
    )
    .example('$0 --config proxy.yaml --check-config', 'Say all that is wrong with a configuration')
    .epilogue(
      'Each option is also a key of the --config file and an environment variable, such as ' +
        'MYSQL_TLS_PROXY_SERVER_SSL_CA; flags come first, then the environment, then the file. ' +
        'Exit codes: 0 clean, 1 failure while running, 2 wrong usage or configuration.',
    )
    .version(packageVersion())
    .help()
    .group(['help', 'version'], 'General:')
    .strict()
    .wrap(Math.min(110, process.stdout.columns ?? 110))
    .exitProcess(false)
    .fail((message, error) => {
      if (error !== undefined && !(error instanceof UsageError) && error.name !== 'YError') throw error;
      throw new UsageError(withSuggestion(message ?? error?.message ?? 'wrong usage', words));
    });
  try {
    await parser.parseAsync();
    return outcome;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`mysql-tls-proxy: ${error.message}\nTry: mysql-tls-proxy --help\n`);
    return { exitCode: 2 };
  }
}

/** What yargs found, without its own entries and the camelCase doubles. */
function givenFlags(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const notOptions = ['config', 'check-config', 'print-config'];
  const names = startFlagNames.filter((name) => !notOptions.includes(name) && values[name] !== undefined);
  return Object.fromEntries(names.map((name) => [name, values[name]]));
}

function configFile(path: unknown): { file?: string } {
  if (path === undefined) return {};
  if (typeof path === 'string') return { file: path };
  throw new UsageError('--config is given several times; give one file');
}

function withSuggestion(message: string, words: readonly string[]): string {
  const unknown = /^Unknown (?:arguments?|commands?): (.*)$/.exec(message)?.[1];
  if (unknown === undefined) return message;
  // An unknown flag is listed in both spellings, and without its dashes.
  const names = [...new Set(unknown.split(', ').map(kebabCase))];
  const flags = [...startFlagNames, 'help', 'version'];
  return names
    .map((name) =>
      words.some((word) => kebabCase(word).startsWith(`--${name}`))
        ? `unknown option --${name}${didYouMean(
            `--${name}`,
            flags.map((flag) => `--${flag}`),
          )}`
        : `unknown command "${name}"${didYouMean(name, ['start'])}`,
    )
    .join('; ');
}

try {
  const { exitCode, force = false } = await main(hideBin(process.argv));
  process.exitCode = exitCode;
  if (force) process.exit(exitCode);
} catch (error) {
  process.stderr.write(`mysql-tls-proxy: ${error instanceof Error ? error.stack : error}\n`);
  process.exitCode = 1;
}
