/** What the command line knows of a command: what it takes, and what it does. */
import type { Options, PositionalOptions } from 'yargs';
import type { Outcome } from './outcome.js';

/** What was given, by the names of flags and positionals; values are texts, true, or lists of texts. */
export type CommandValues = Readonly<Record<string, unknown>>;

export interface Command {
  /** In the notation of yargs, the name first: `create [dir]`. */
  readonly usage: string;
  /** Runs when no command is named. */
  readonly isDefault?: boolean;
  readonly summary: string;
  readonly flags: Readonly<Record<string, Options>>;
  readonly positionals?: Readonly<Record<string, PositionalOptions>>;
  /** Command lines, with `$0` for the program, and what each does. */
  readonly examples?: readonly (readonly [command: string, effect: string])[];
  /** Ends the help text. */
  readonly epilogue?: string;
  /** Rejects with UsageError. */
  run(values: CommandValues): Promise<Outcome>;
}

/** Commands of two words: `certs create`. */
export interface CommandGroup {
  readonly name: string;
  readonly summary: string;
  readonly commands: readonly Command[];
}

/** Wrong usage, as opposed to a failure while running. The message says what to change. */
export class UsageError extends Error {}
