/** The command line. The only place that sets the exit code. */
import yargs, { type Argv } from 'yargs';
import { hideBin } from 'yargs/helpers';
import { benchCommand } from './commands/bench.js';
import { certsCommands } from './commands/certs.js';
import { type Command, type CommandGroup, UsageError } from './commands/command.js';
import { doctorCommand } from './commands/doctor.js';
import type { Outcome } from './commands/outcome.js';
import { reportCommand } from './commands/report.js';
import { startCommand } from './commands/start.js';
import { kebabCase } from './config/option-names.js';
import { didYouMean } from './config/suggestion.js';
import { packageVersion } from './version.js';

const commands: readonly (Command | CommandGroup)[] = [
  startCommand,
  doctorCommand,
  benchCommand,
  reportCommand,
  certsCommands,
];

async function main(words: readonly string[]): Promise<Outcome> {
  let outcome: Outcome = { exitCode: 0 };
  const add = (parser: Argv, command: Command): Argv =>
    parser.command(
      command.isDefault ? [command.usage, '$0'] : command.usage,
      command.summary,
      (own) => describe(own, command),
      async (values) => {
        outcome = await command.run(values);
      },
    );
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
  for (const command of commands) {
    if (!('commands' in command)) add(parser, command);
    else {
      parser.command(command.name, command.summary, (own) => {
        for (const inner of command.commands) add(own, inner);
        return own
          .usage(`Usage: $0 ${command.name} <command>\n\n${command.summary}.`)
          .demandCommand(1, `say which: ${namesOf(command.commands).join(', ')}`);
      });
    }
  }
  try {
    await parser.parseAsync();
    return outcome;
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`mysql-tls-proxy: ${error.message}\nTry: ${helpFor(words)}\n`);
    return { exitCode: 2 };
  }
}

function describe(parser: Argv, command: Command): Argv {
  if (command.isDefault) {
    parser
      .usage('Usage: $0 [start] --server HOST[:PORT] [options]')
      .usage('')
      .usage('Lets MySQL clients that cannot speak modern TLS reach a server that demands it.')
      .usage(
        'The client leg is the connection from the application to the proxy, the server leg the one from the proxy',
      )
      .usage('to the MySQL server.');
  }
  for (const [name, positional] of Object.entries(command.positionals ?? {}))
    parser.positional(name, positional);
  parser.options(command.flags);
  for (const [line, effect] of command.examples ?? []) parser.example(line, effect);
  return command.epilogue === undefined ? parser : parser.epilogue(command.epilogue);
}

/** What shows the options of the command that the words name. */
function helpFor(words: readonly string[]): string {
  const group = commands.find((command) => nameOf(command) === words[0]);
  const named = group === undefined ? [] : [nameOf(group)];
  if (group !== undefined && 'commands' in group) {
    named.push(...namesOf(group.commands).filter((name) => name === words[1]));
  }
  return ['mysql-tls-proxy', ...named, '--help'].join(' ');
}

function nameOf(command: Command | CommandGroup): string {
  return 'name' in command ? command.name : (command.usage.split(' ')[0] ?? '');
}

function namesOf(list: readonly (Command | CommandGroup)[]): string[] {
  return list.map(nameOf);
}

/** The command that the words name, and the names that were possible in its place. */
function commandNamed(words: readonly string[]): { command: Command; names: readonly string[] } {
  const found = commands.find((command) => nameOf(command) === words[0]);
  if (found === undefined) return { command: startCommand, names: namesOf(commands) };
  if (!('commands' in found)) return { command: found, names: namesOf(commands) };
  const inner = found.commands.find((command) => nameOf(command) === words[1]);
  return { command: inner ?? startCommand, names: namesOf(found.commands) };
}

function withSuggestion(message: string, words: readonly string[]): string {
  const unknown = /^Unknown (?:arguments?|commands?): (.*)$/.exec(message)?.[1];
  if (unknown === undefined) return message;
  // An unknown flag is listed in both spellings, and without its dashes.
  const unknownNames = [
    ...new Set(unknown.split(', ').map((name) => (words.includes(name) ? name : kebabCase(name)))),
  ];
  const { command, names } = commandNamed(words);
  const flags = [...Object.keys(command.flags), 'help', 'version'];
  return unknownNames
    .map((name) =>
      words.some((word) => kebabCase(word).startsWith(`--${name}`))
        ? `unknown option --${name}${didYouMean(
            `--${name}`,
            flags.map((known) => `--${known}`),
          )}`
        : `unknown command "${name}"${didYouMean(name, names)}`,
    )
    .join('; ');
}

/** A reader that has seen enough, as `| head` has, is no failure. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') process.exitCode = 1;
});

try {
  const { exitCode, force = false } = await main(hideBin(process.argv));
  process.exitCode = exitCode;
  if (force) process.exit(exitCode);
} catch (error) {
  process.stderr.write(`mysql-tls-proxy: ${error instanceof Error ? error.stack : error}\n`);
  process.exitCode = 1;
}
