/** The flags of the command line, from the table of options. */
import type { Options } from 'yargs';
import { commandLineOptions } from '../config/command-line-options.js';
import type { OptionDefinition } from '../config/option-definition.js';
import { options } from '../config/option-table.js';

/** Flags by name, as yargs takes them. Values stay texts: the table reads them, the same as those of a file. */
export const startFlags: Readonly<Record<string, Options>> = Object.fromEntries([
  ...commandLineOptions.map(
    ({ name, metavar, description }) => [name, flag(metavar, description, 'General')] as const,
  ),
  ...options.map((option) => [option.name, optionFlag(option)] as const),
]);

export const startFlagNames: readonly string[] = Object.keys(startFlags);

function optionFlag(option: OptionDefinition): Options {
  const group = { process: 'General', route: 'General', client: 'Client leg', server: 'Server leg' }[
    option.scope
  ];
  const repeat = option.list === undefined || option.list.commas ? '' : '; repeatable';
  const text = flag(option.metavar, option.description + repeat, group);
  const shown = option.defaultText ?? (option.metavar === '' ? undefined : defaultText(option));
  return shown === undefined ? text : { ...text, defaultDescription: shown };
}

function flag(metavar: string, description: string, group: string): Options {
  if (metavar === '') return { type: 'boolean', describe: description, group: `${group}:` };
  return { type: 'string', requiresArg: true, describe: `${metavar}  ${description}`, group: `${group}:` };
}

function defaultText(option: OptionDefinition): string | undefined {
  if (option.default === undefined || typeof option.default === 'function') return undefined;
  return typeof option.default === 'string' ? option.default : option.default.join(', ');
}
