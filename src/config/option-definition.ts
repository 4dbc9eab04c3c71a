import { UnusableValue } from './address.js';
import type { ValueType } from './value-types.js';

/**
 * What an option belongs to: the `process`, a `route`, or one leg of a route. In a file, an option of a leg stands
 * under `client:` or `server:` of its route, without the leg in its name.
 */
export type OptionScope = 'process' | 'route' | 'client' | 'server';

/** What a default may depend on. */
export interface DefaultContext {
  /** Whether the option was given for the same route (or, for an option of the process, at all). */
  readonly given: (name: string) => boolean;
  /** Value of an option that stands earlier in the table, for the same route. */
  readonly value: (name: string) => unknown;
  /** Whether logs go to a terminal. */
  readonly terminal: boolean;
  /** Environment of the command line; empty for programs. */
  readonly env: NodeJS.ProcessEnv;
}

/** The option takes a list: repeated flags, a list in a file, commas in an environment variable. */
export interface ListRule<Value> {
  /** Whether a single text, wherever it stands, may hold several values separated by commas. */
  readonly commas: boolean;
  /** Puts the whole list in order. @throws UnusableValue */
  readonly arrange?: (values: readonly Value[]) => readonly Value[];
}

/** Each value is given by itself; in an environment variable alone, commas separate them. */
export const repeatable = { commas: false } as const;

export interface OptionDefinition<
  Name extends string = string,
  Scope extends OptionScope = OptionScope,
  Value = unknown,
  Input = unknown,
  List extends ListRule<Value> | undefined = ListRule<Value> | undefined,
> {
  /** Kebab-case: the flag without its dashes. */
  readonly name: Name;
  readonly scope: Scope;
  readonly type: ValueType<Value, Input>;
  readonly list: List;
  /** What to write instead of a value in the usage text. */
  readonly metavar: string;
  /** For the help text and the documentation. Ends without a full stop. */
  readonly description: string;
  /** As a user would write it. A function may give undefined where there is no default. */
  readonly default?: string | readonly string[] | ((context: DefaultContext) => string | undefined);
  /** Says what a computed default is. */
  readonly defaultText?: string;
  /** The value is the path of a file to be read: made absolute, and checked to be readable. */
  readonly file: boolean;
  /** The value is the path of a directory that need not exist yet: made absolute. */
  readonly directory: boolean;
  /** The file holds a secret, so nobody else should be able to read it. */
  readonly secret: boolean;
  /** Whether a reload brings a change into effect, for new connections. */
  readonly reloadable: boolean;
  /** Version of the proxy that had it first. */
  readonly since: string;
}

type WithDefaults = 'list' | 'file' | 'directory' | 'secret' | 'reloadable' | 'since';

/** A row of the table; what is left out is: no list, no file or directory, no secret, reloadable, since 0.1.0. */
export function defineOption<
  const Name extends string,
  const Scope extends OptionScope,
  Value,
  Input,
  const List extends ListRule<Value> | undefined = undefined,
>(
  definition: Omit<OptionDefinition<Name, Scope, Value, Input, List>, WithDefaults> &
    Partial<Pick<OptionDefinition<Name, Scope, Value, Input, List>, WithDefaults>>,
): OptionDefinition<Name, Scope, Value, Input, List> {
  return {
    list: undefined as List,
    file: false,
    directory: false,
    secret: false,
    reloadable: true,
    since: '0.1.0',
    ...definition,
  };
}

/** A value that was read, or the reasons why it can't be used. */
export type ReadResult = { readonly value: unknown } | { readonly errors: readonly string[] };

/**
 * Reads what was given for an option.
 *
 * @param splitCommas whether a text may hold several values of a list, as an environment variable does.
 */
export function readOption(option: OptionDefinition, given: unknown, splitCommas: boolean): ReadResult {
  const list = option.list;
  if (list === undefined) {
    if (Array.isArray(given)) return { errors: ['takes one value, but several are given'] };
    return readOne(option, given);
  }
  const parts = (Array.isArray(given) ? given : [given]).flatMap((part: unknown) =>
    typeof part === 'string' && (splitCommas || list.commas)
      ? part.split(',').map((one) => one.trim())
      : [part],
  );
  if (parts.length === 0) return { errors: ['is an empty list; give at least one value or leave it out'] };
  const values: unknown[] = [];
  const errors: string[] = [];
  for (const part of parts) {
    const result = readOne(option, part);
    if ('errors' in result) errors.push(...result.errors);
    else values.push(result.value);
  }
  return errors.length > 0 ? { errors } : arrange(list, values);
}

function readOne(option: OptionDefinition, given: unknown): ReadResult {
  const result = option.type.schema.safeParse(given);
  if (result.success) return { value: result.data };
  return { errors: result.error.issues.map((issue) => issue.message) };
}

function arrange(list: ListRule<unknown>, values: readonly unknown[]): ReadResult {
  try {
    return { value: list.arrange === undefined ? values : list.arrange(values) };
  } catch (error) {
    if (!(error instanceof UnusableValue)) throw error;
    return { errors: [error.message] };
  }
}
