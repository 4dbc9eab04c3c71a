/**
 * Connection attributes: what a client says of itself behind the fields of its login or COM_CHANGE_USER.
 * https://dev.mysql.com/doc/refman/en/performance-schema-connection-attribute-tables.html
 *
 * length-encoded total | {length-encoded name | length-encoded value}*
 */
import { ByteReader, MalformedPacketError } from './bytes.js';

/** A server answers a longer field with 1043 "Bad handshake": MySQL 5.6 and 9, MariaDB. */
const MAX_ATTRIBUTES_LENGTH = 65_535;
const MAX_PROGRAM_LENGTH = 128;
/** The command line tools of MySQL, which are released together with the library that they stand on. */
const MYSQL_TOOL = /^mysql[a-z_]*$/;

/** In the order in which they are written. */
export type AddedAttributes = readonly (readonly [name: string, value: string])[];

interface Attribute {
  readonly name: Buffer;
  readonly value: Buffer;
  /** Both, with their lengths. */
  readonly bytes: Buffer;
}

export interface ConnectionAttributes {
  /** Those that servers read: up to one that is malformed or has no name. */
  readonly read: readonly Attribute[];
  /** What is left of the field behind them, mostly nothing. */
  readonly unread: Buffer;
  /** Behind the field: a zstd level, bytes that the proxy does not know. */
  readonly rest: Buffer;
}

/** `tail`: what follows the plugin's name. Undefined where it does not begin with a whole field. */
export function decodeAttributes(tail: Buffer): ConnectionAttributes | undefined {
  if (tail.length === 0) return undefined;
  const reader = new ByteReader(tail);
  const field = unlessMalformed(() => reader.lengthEncodedBytes('connection attributes'));
  if (field === undefined) return undefined;
  const inside = new ByteReader(field);
  const read: Attribute[] = [];
  let end = 0;
  // Up to its end, which is no fault: an error costs more than all else here.
  while (inside.remaining > 0) {
    const attribute = unlessMalformed(() => decodeAttribute(inside));
    if (attribute === undefined || attribute.name.length === 0) break;
    read.push(attribute);
    end = inside.offset;
  }
  return { read, unread: field.subarray(end), rest: reader.rest() };
}

function decodeAttribute(reader: ByteReader): Attribute {
  const start = reader.offset;
  const name = reader.lengthEncodedBytes('name of an attribute');
  const value = reader.lengthEncodedBytes('value of an attribute');
  return { name, value, bytes: reader.bytes.subarray(start, reader.offset) };
}

function unlessMalformed<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof MalformedPacketError) return undefined;
    throw error;
  }
}

/**
 * The tail with more attributes behind the client's own, of which those that servers may show under one of `names` are
 * left out, so that they never show the client's word there. Nothing is added to a field that would become too long.
 */
export function withAttributes(
  { read, unread, rest }: ConnectionAttributes,
  names: readonly string[],
  added: AddedAttributes,
): Buffer {
  const own = read
    .filter(({ name }) => !names.some((taken) => isShownAs(name, taken)))
    .map(({ bytes }) => bytes);
  const more = added.flatMap(([name, value]) => [lengthEncoded(name), lengthEncoded(value)]);
  // In front of what is unread: servers see nothing behind it.
  const longer = [...own, ...more, unread];
  const field = lengthOf(longer) <= MAX_ATTRIBUTES_LENGTH ? longer : [...own, unread];
  return Buffer.concat([encodeLength(lengthOf(field)), ...field, rest]);
}

function lengthOf(parts: readonly Buffer[]): number {
  return parts.reduce((sum, { length }) => sum + length, 0);
}

/**
 * Servers cut a name after 32 characters and (MySQL) at a byte that the client's character set does not have, and compare
 * (MySQL 5.6, MariaDB) without the spaces at its end.
 */
function isShownAs(name: Buffer, taken: string): boolean {
  if (name.toString('latin1', 0, taken.length) !== taken) return false;
  const next = name[taken.length];
  const continues = next !== undefined && next > 0x20 && next < 0x7f;
  return !continues;
}

function lengthEncoded(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([encodeLength(bytes.length), bytes]);
}

function encodeLength(length: number): Buffer {
  if (length < 0xfb) return Buffer.from([length]);
  if (length <= 0xffff) return Buffer.from([0xfc, length & 0xff, length >>> 8]);
  return Buffer.from([0xfd, length & 0xff, (length >>> 8) & 0xff, length >>> 16]);
}

/**
 * The client's program and library, as it names them: `mysql 9.1.0`, `php-cli (mysqlnd 8.2.20)`, `Node-MySQL-2 3.24.6`;
 * empty where it names neither. At most 128 characters.
 */
export function clientProgram({ read }: ConnectionAttributes): string {
  const textOf = (name: string): string => {
    const found = read.find((attribute) => attribute.name.toString('latin1') === name);
    return found === undefined ? '' : found.value.toString('utf8').trim();
  };
  const program = textOf('program_name').replace(/^.*[/\\]/s, '');
  const text = programText(program, textOf('_client_name'), textOf('_client_version'));
  // By code points: half a surrogate pair is no text.
  return Array.from(text).slice(0, MAX_PROGRAM_LENGTH).join('');
}

function programText(program: string, library: string, version: string): string {
  const named = (name: string): string => `${name} ${version}`.trim();
  if (library === '') return program;
  if (program === '') return named(library);
  if (library === 'libmysql' && MYSQL_TOOL.test(program)) return named(program);
  return `${program} (${named(library)})`;
}
