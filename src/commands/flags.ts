/** The flags of the command line, from the table of options. */
import type { Options } from 'yargs';
import type { OptionDefinition } from '../config/option-definition.js';
import { type CommandValues, UsageError } from './command.js';

type Flags = Readonly<Record<string, Options>>;

/** Flags by name, as yargs takes them. Values stay texts: the table reads them, the same as those of a file. */
export function flagsOf(options: readonly OptionDefinition[]): Flags {
  return Object.fromEntries(options.map((option) => [option.name, optionFlag(option)] as const));
}

function optionFlag(option: OptionDefinition): Options {
  const group = { process: 'General', route: 'General', client: 'Client leg', server: 'Server leg' }[
    option.scope
  ];
  const repeat = option.list === undefined || option.list.commas ? '' : '; repeatable';
  const text = flag(option.metavar, option.description + repeat, group);
  const shown = option.defaultText ?? (option.metavar === '' ? undefined : defaultText(option));
  return shown === undefined ? text : { ...text, defaultDescription: shown };
}

/** @param metavar what to write instead of a value; empty for a flag without value. */
export function flag(metavar: string, description: string, group = 'General'): Options {
  if (metavar === '') return { type: 'boolean', describe: description, group: `${group}:` };
  return { type: 'string', requiresArg: true, describe: `${metavar}  ${description}`, group: `${group}:` };
}

function defaultText(option: OptionDefinition): string | undefined {
  if (option.default === undefined || typeof option.default === 'function') return undefined;
  return typeof option.default === 'string' ? option.default : option.default.join(', ');
}

/** Those of the named flags that were given. */
export function givenFlags(values: CommandValues, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    names.filter((name) => values[name] !== undefined).map((name) => [name, values[name]]),
  );
}

/** The value of a flag that takes one. @throws UsageError when it was given several times. */
export function oneText(values: CommandValues, name: string): string | undefined {
  const value = values[name];
  if (value === undefined || typeof value === 'string') return value;
  throw new UsageError(`--${name} is given several times; give one value`);
}
