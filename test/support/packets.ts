/** Packets for scripted peers, built byte by byte from the protocol's pages, without the proxy's own encoders. */

export const FLAGS = {
  mysql: 0x1,
  connectWithDb: 0x8,
  protocol41: 0x200,
  ssl: 0x800,
  secureConnection: 0x8000,
  pluginAuth: 0x80000,
  connectAttributes: 0x100000,
  lenencAuth: 0x200000,
} as const;

export const CLIENT_FLAGS =
  FLAGS.mysql |
  FLAGS.protocol41 |
  FLAGS.secureConnection |
  FLAGS.pluginAuth |
  FLAGS.lenencAuth |
  FLAGS.connectWithDb;
export const SERVER_FLAGS = CLIENT_FLAGS | FLAGS.ssl | FLAGS.connectAttributes;

export const NONCE = Buffer.from('abcdefghijklmnopqrst', 'latin1');

export function greeting(
  options: { flags?: number; plugin?: string; version?: string; threadId?: number } = {},
): Buffer {
  const {
    flags = SERVER_FLAGS,
    plugin = 'mysql_native_password',
    version = '9.9.9-test',
    threadId = 4711,
  } = options;
  const head = Buffer.alloc(4);
  head.writeUInt32LE(threadId);
  const low = Buffer.alloc(2);
  low.writeUInt16LE(flags & 0xffff);
  const high = Buffer.alloc(2);
  high.writeUInt16LE(flags >>> 16);
  return Buffer.concat([
    Buffer.from([10]),
    Buffer.from(`${version}\0`),
    head,
    NONCE.subarray(0, 8),
    Buffer.from([0]),
    low,
    Buffer.from([45, 2, 0]),
    high,
    Buffer.from([21]),
    Buffer.alloc(10),
    NONCE.subarray(8),
    Buffer.from([0]),
    Buffer.from(`${plugin}\0`),
  ]);
}

/** The flags stand where a greeting keeps them; the version string is the test's own. */
export function flagsOfGreeting(payload: Buffer): number {
  const v = payload.indexOf(0) + 1;
  return (payload.readUInt16LE(v + 13) | (payload.readUInt16LE(v + 18) << 16)) >>> 0;
}

export interface LoginFields {
  flags?: number;
  /** Bits 32-63, which only MariaDB's clients have. */
  extendedFlags?: number;
  characterSet?: number;
  user?: string;
  auth?: Buffer;
  schema?: string;
  plugin?: string;
}

export function login(fields: LoginFields = {}): Buffer {
  const { flags = CLIENT_FLAGS, user = 'app', auth = Buffer.alloc(20, 0xaa), schema = 'shop' } = fields;
  const { plugin = 'mysql_native_password' } = fields;
  const head = sslRequest(flags);
  head.writeUInt32LE(fields.extendedFlags ?? 0, 28);
  head.writeUInt8(fields.characterSet ?? 45, 8);
  return Buffer.concat([
    head,
    Buffer.from(`${user}\0`),
    Buffer.from([auth.length]),
    auth,
    Buffer.from(flags & FLAGS.connectWithDb ? `${schema}\0` : ''),
    Buffer.from(flags & FLAGS.pluginAuth ? `${plugin}\0` : ''),
  ]);
}

/** Text of one byte a character, behind its length. */
export function lengthEncoded(text: string): Buffer {
  return Buffer.concat([encodedLength(text.length), Buffer.from(text, 'latin1')]);
}

export function attribute(name: string, value: string): Buffer {
  return Buffer.concat([lengthEncoded(name), lengthEncoded(value)]);
}

/** Stands behind a login's plugin. */
export function attributesField(attributes: readonly Buffer[]): Buffer {
  const bytes = Buffer.concat(attributes);
  return Buffer.concat([encodedLength(bytes.length), bytes]);
}

function encodedLength(length: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(length);
  if (length < 251) return bytes.subarray(0, 1);
  return length < 0x10000
    ? Buffer.concat([Buffer.from([0xfc]), bytes.subarray(0, 2)])
    : Buffer.concat([Buffer.from([0xfd]), bytes.subarray(0, 3)]);
}

/** 32 bytes; the same bytes begin a login. */
export function sslRequest(flags: number = CLIENT_FLAGS | FLAGS.ssl): Buffer {
  const head = Buffer.alloc(32);
  head.writeUInt32LE(flags >>> 0, 0);
  head.writeUInt32LE(0x01000000, 4);
  head.writeUInt8(45, 8);
  return head;
}

export const OK = Buffer.from([0, 0, 0, 2, 0, 0, 0]);

export function err(errno: number, text: string, sqlState?: string): Buffer {
  const state = sqlState === undefined ? '' : `#${sqlState}`;
  return Buffer.concat([Buffer.from([0xff, errno & 0xff, errno >> 8]), Buffer.from(`${state}${text}`)]);
}

export function readErr(payload: Buffer): { errno: number; sqlState: string | undefined; text: string } {
  if (payload[0] !== 0xff) throw new Error(`not an ERR packet: ${payload.toString('hex')}`);
  const rest = payload.subarray(3).toString();
  const hasState = rest.startsWith('#');
  return {
    errno: payload.readUInt16LE(1),
    sqlState: hasState ? rest.slice(1, 6) : undefined,
    text: hasState ? rest.slice(6) : rest,
  };
}

export function authSwitch(plugin: string, data: Buffer = Buffer.concat([NONCE, Buffer.from([0])])): Buffer {
  return Buffer.concat([Buffer.from([0xfe]), Buffer.from(`${plugin}\0`), data]);
}
