/** The kinds of values that options have: how each is read, checked and written. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { parseAddress, UnusableValue } from './address.js';
import { type Address, formatAddress, type Rate, type TlsProfile, type TlsVersion } from './model.js';
import { parseCidr } from './networks.js';
import { didYouMean } from './suggestion.js';

/** `Input` is what a flag, variable, file or program may give; `Value` is what the proxy works with. */
export interface ValueType<Value, Input> {
  readonly schema: z.ZodType<Value, Input>;
  /** As it would be written in a file; reading that again gives the same value. */
  readonly format: (value: Value) => string | number | boolean;
}

function valueType<Value, Input>(
  input: z.ZodType<Input, Input>,
  read: (input: Input) => Value,
  format: (value: Value) => string | number | boolean,
): ValueType<Value, Input> {
  const schema = input.transform((given, context) => {
    try {
      return read(given);
    } catch (error) {
      if (!(error instanceof UnusableValue)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });
  return { schema, format };
}

const text = (meta: Record<string, unknown> = {}) => z.string({ error: 'must be a text' }).meta(meta);
const textOrNumber = (meta: Record<string, unknown> = {}) =>
  z.union([z.string().meta(meta), z.number()], { error: 'must be a text or a number' });

const DURATION = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h)?$/;
const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;

/** In milliseconds. `otherwise`: what the option takes besides durations. Throws UnusableValue. */
function readDuration(given: string | number, least: number, longest: number, otherwise = ''): number {
  const match = DURATION.exec(String(given).trim());
  if (match === null)
    throw new UnusableValue(`"${given}" is not a duration; write for example 500ms, 9s or 1m${otherwise}`);
  const milliseconds = Math.round(Number(match[1]) * UNITS[(match[2] ?? 's') as keyof typeof UNITS]);
  if (milliseconds < least || milliseconds > longest) {
    throw new UnusableValue(
      `"${given}" is out of range; use ${formatDuration(least)} to ${formatDuration(longest)}${otherwise}`,
    );
  }
  return milliseconds;
}

function formatDuration(milliseconds: number): string {
  if (milliseconds > 0 && milliseconds % UNITS.h === 0) return `${milliseconds / UNITS.h}h`;
  return milliseconds % UNITS.s === 0 ? `${milliseconds / UNITS.s}s` : `${milliseconds}ms`;
}

const durationText = (meta: Record<string, unknown> = {}) =>
  textOrNumber({
    pattern: '^[0-9]+(\\.[0-9]+)?(ms|s|m|h)?$',
    examples: ['500ms', '9s', '1m'],
    ...meta,
  });

/** Milliseconds. `500ms`, `9s`, `1m`, `1h`; a number without unit is in seconds. From 1 ms to 1 hour. */
export const duration: ValueType<number, string | number> = valueType(
  durationText(),
  (given) => readDuration(given, 1, UNITS.h),
  formatDuration,
);

/** As `duration`, or 0. */
export const durationOrZero: ValueType<number, string | number> = valueType(
  durationText({ examples: ['0', '500ms', '9s'] }),
  (given) => readDuration(given, 0, UNITS.h),
  formatDuration,
);

const durationOrOffBetween = (
  shortest: number,
  longest: number,
  examples: readonly string[],
): ValueType<number | undefined, string | number | boolean> =>
  valueType(
    z.union(
      [
        text({ pattern: '^(off|[0-9]+(\\.[0-9]+)?(ms|s|m|h)?)$', examples: [...examples] }),
        z.number(),
        z.boolean(),
      ],
      { error: 'must be a duration or off' },
    ),
    (given): number | undefined => {
      if (given === false || String(given).toLowerCase() === 'off') return undefined;
      if (given === true) throw new UnusableValue('must be a duration or off');
      return readDuration(given, shortest, longest, ', or off');
    },
    (milliseconds) => (milliseconds === undefined ? 'off' : formatDuration(milliseconds)),
  );

/** As `duration`. Undefined stands for `off`. */
export const durationOrOff = durationOrOffBetween(1, UNITS.h, ['10s', 'off']);

/** The same up to a week. */
export const longDurationOrOff = durationOrOffBetween(1, 7 * 24 * UNITS.h, ['off', '10m', '8h']);

/** What systems take: whole seconds, up to 32,767. */
export const keepAliveTime = durationOrOffBetween(UNITS.s, 8 * UNITS.h, ['60s', 'off']);

/** `50/s`, `600/m`, `10000/h`. */
export const rate: ValueType<Rate, string> = valueType<Rate, string>(
  text({ pattern: '^[0-9]+/(s|m|h)$', examples: ['50/s', '600/m'] }),
  (given) => {
    const [, number, unit] = /^(\d{1,9})\/(s|m|h)$/.exec(given.trim()) ?? [];
    if (Number(number ?? 0) < 1)
      throw new UnusableValue(`"${given}" is not a rate; write for example 50/s or 600/m`);
    return { count: Number(number), periodMs: UNITS[unit as 's' | 'm' | 'h'] };
  },
  ({ count, periodMs }) => `${count}/${Object.entries(UNITS).find(([, ms]) => ms === periodMs)?.[0]}`,
);

/** A name as servers know it. */
export const userName: ValueType<string, string> = valueType(
  text(),
  (given) => {
    if (given === '') throw new UnusableValue('is empty; write the name of an account');
    if (given.includes('\0')) throw new UnusableValue('must not hold a zero byte');
    return given;
  },
  (name) => name,
);

/** A whole number of at least 1. */
export const count: ValueType<number, string | number> = valueType(
  textOrNumber({ pattern: '^[0-9]+$' }),
  (given) => {
    const number = /^\d{1,9}$/.test(String(given)) ? Number(given) : 0;
    if (number < 1) throw new UnusableValue(`"${given}" is not a whole number from 1 to 999999999`);
    return number;
  },
  (number) => number,
);

/** A whole number of at least 1, or `auto`. */
export const countOrAuto: ValueType<number | 'auto', string | number> = valueType(
  textOrNumber({ pattern: '^([0-9]+|auto)$' }),
  (given) => {
    if (String(given).toLowerCase() === 'auto') return 'auto';
    const number = /^\d{1,4}$/.test(String(given)) ? Number(given) : 0;
    if (number < 1) throw new UnusableValue(`"${given}" is neither auto nor a whole number from 1 to 9999`);
    return number;
  },
  (number) => number,
);

export const switchedOn: ValueType<boolean, string | boolean> = valueType(
  z.union([z.boolean(), z.string()], { error: 'must be true or false' }),
  (given) => {
    const word = String(given).toLowerCase();
    if (['true', 'yes', 'on', '1'].includes(word)) return true;
    if (['false', 'no', 'off', '0'].includes(word)) return false;
    throw new UnusableValue(`"${given}" is neither true nor false`);
  },
  (on) => on,
);

/** Mode bits. A text is octal (`0660`, `660`, `0o660`); a number, from a program, is the bits themselves. */
export const fileMode: ValueType<number, string | number> = valueType(
  textOrNumber({ pattern: '^(0|0o)?[0-7]{3}$', examples: ['0660'] }),
  (given) => {
    const octal = /^(?:0o?)?([0-7]{3})$/.exec(String(given))?.[1];
    const mode = typeof given === 'number' ? given : Number.parseInt(octal ?? 'NaN', 8);
    if (!Number.isInteger(mode) || mode < 0 || mode > 0o777) {
      throw new UnusableValue(`"${given}" is not a file mode; write three octal digits, as in 0660`);
    }
    return mode;
  },
  (mode) => `0${mode.toString(8).padStart(3, '0')}`,
);

export const listenAddress: ValueType<Address, string> = valueType(
  text({ examples: ['127.0.0.1:3307', '[::1]:3307', 'unix:/run/mysqld/mysqld.sock'] }),
  (given) => parseAddress(given, 'listen'),
  formatAddress,
);

export const serverAddress: ValueType<Address, string> = valueType(
  text({ examples: ['db.example.com:3306', '[2001:db8::1]:3306'] }),
  (given) => parseAddress(given, 'connect', 3306),
  formatAddress,
);

/** Undefined stands for `off`: listen nowhere. */
export const listenAddressOrOff: ValueType<Address | undefined, string | boolean> = valueType(
  z.union([text({ examples: ['127.0.0.1:9307', 'off'] }), z.boolean()], {
    error: 'must be HOST:PORT or off',
  }),
  (given): Address | undefined => {
    if (given === false || String(given).toLowerCase() === 'off') return undefined;
    if (given === true) throw new UnusableValue('must be HOST:PORT or off');
    const address = parseAddress(given, 'listen');
    if (address.kind === 'unix') throw new UnusableValue('must be HOST:PORT or off, not a socket file');
    return address;
  },
  (address) => (address === undefined ? 'off' : formatAddress(address)),
);

/** CIDR notation; a single address gets the prefix length of one. */
export const network: ValueType<string, string> = valueType(
  text({ examples: ['10.0.0.0/8', '192.0.2.7', '::1/128'] }),
  (given) => {
    const cidr = parseCidr(given);
    if (cidr !== undefined) return cidr;
    throw new UnusableValue(`"${given}" is not a network; write for example 10.0.0.0/8 or 192.0.2.7`);
  },
  (cidr) => cidr,
);

/** A path, not yet made absolute. */
export const filePath: ValueType<string, string> = valueType(
  text(),
  (given) => {
    if (given.includes('-----BEGIN')) throw new UnusableValue('must be the path of a file, not its contents');
    if (given === '') throw new UnusableValue('is empty; write the path of a file');
    return given;
  },
  (path) => path,
);

/** A path, not yet made absolute, of a directory that need not exist. */
export const directoryPath: ValueType<string, string> = valueType(
  text({ examples: ['/var/lib/mysql-tls-proxy'] }),
  (given) => {
    if (given === '') throw new UnusableValue('is empty; write the path of a directory');
    if (given.includes('\0')) throw new UnusableValue('must not hold a zero byte');
    return given;
  },
  (path) => path,
);

/** A list in the notation of OpenSSL; what the names mean is checked later. */
export const cipherList: ValueType<string, string> = valueType(
  text({ pattern: '^\\S+$' }),
  (given) => {
    if (/^[\x21-\x7e]+$/.test(given)) return given;
    throw new UnusableValue('must be names separated by colons, without blanks');
  },
  (list) => list,
);

export const serverName: ValueType<string, string> = valueType(
  text(),
  (given) => {
    if (isIP(given) !== 0) {
      throw new UnusableValue(
        `"${given}" is an IP address; TLS sends host names only (RFC 6066), leave it out`,
      );
    }
    if (!/^[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})$/.test(given)) {
      throw new UnusableValue(`"${given}" is not a host name`);
    }
    return given;
  },
  (name) => name,
);

/** One of a few words, in any case, with `-` for `_`. An alias is a further spelling that users bring along. */
export function oneOf<Word extends string>(
  words: readonly Word[],
  aliases: Readonly<Record<string, Word>> = {},
): ValueType<Word, string> {
  const canonical = (word: string) => word.toLowerCase().replace(/-/g, '_');
  const known = new Map<string, Word>(
    Object.entries(aliases).map(([alias, word]) => [canonical(alias), word]),
  );
  for (const word of words) known.set(canonical(word), word);
  const spellings = [...words, ...Object.keys(aliases)].flatMap((word) => [
    word,
    word.toLowerCase(),
    word.toLowerCase().replace(/_/g, '-'),
  ]);
  return valueType(
    text({ enum: [...new Set(spellings)] }),
    (given) => {
      const word = known.get(canonical(given.trim()));
      if (word !== undefined) return word;
      throw new UnusableValue(
        `"${given}" is unknown${didYouMean(given, [...words, ...Object.keys(aliases)])}; use ${words.join(', ')}`,
      );
    },
    (word) => word,
  );
}

export const tlsProfile: ValueType<TlsProfile, string> = oneOf(['modern', 'intermediate', 'legacy']);

const tlsVersions: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

export const tlsVersion: ValueType<TlsVersion, string> = oneOf(tlsVersions, { 'TLSv1.0': 'TLSv1' });

/**
 * Lowest first, each once.
 *
 * @throws UnusableValue for a gap, which OpenSSL, being given a lowest and a highest version, would fill.
 */
export function orderTlsVersions(given: readonly TlsVersion[]): readonly TlsVersion[] {
  const ordered = tlsVersions.filter((version) => given.includes(version));
  const lowest = tlsVersions.indexOf(ordered[0] ?? 'TLSv1');
  const highest = tlsVersions.indexOf(ordered.at(-1) ?? 'TLSv1');
  const missing = tlsVersions.slice(lowest, highest + 1).filter((version) => !ordered.includes(version));
  if (missing.length > 0) {
    throw new UnusableValue(`${ordered.join(',')} leaves a gap; add ${missing.join(' and ')}`);
  }
  return ordered;
}
