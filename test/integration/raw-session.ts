/** A bare connection, for tests that must decide themselves when bytes are read. Shares no code with the proxy. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { FLAGS, login, sslRequest } from '../support/packets.js';
import { frame } from '../support/scripted-peer.js';
import type { Account } from './accounts.js';

export interface RawSessionOptions
  extends Pick<ConnectionOptions, 'ca' | 'session' | 'maxVersion' | 'ciphers'> {
  /** The whole field, with its length; in plaintext only. */
  readonly attributes?: Buffer;
  readonly characterSet?: number;
}

/**
 * Logged in with mysql_native_password, over TLS if there is a `ca`, the text of a certificate, and as the other options
 * of `tls.connect` say. Nothing is read unless someone asks for it.
 */
export async function openRawSession(
  target: { host: string; port: number; localAddress?: string },
  { user, password }: Account,
  { attributes, characterSet, ...tls }: RawSessionOptions = {},
): Promise<Socket> {
  const { host, port, localAddress } = target;
  let socket = connect({ host, port, noDelay: true, ...(localAddress && { localAddress }) });
  socket.on('error', () => {});
  const greeting = await readPacket(socket);
  const flags =
    FLAGS.mysql |
    FLAGS.protocol41 |
    FLAGS.secureConnection |
    FLAGS.pluginAuth |
    (attributes === undefined ? 0 : FLAGS.connectAttributes);
  const auth = nativeScramble(password, nonceOf(greeting));
  if (tls.ca === undefined) {
    const fields = { flags, user, auth, ...(characterSet === undefined ? {} : { characterSet }) };
    socket.write(frame(1, Buffer.concat([login(fields), attributes ?? Buffer.alloc(0)])));
  } else {
    socket.write(frame(1, sslRequest(flags | FLAGS.ssl)));
    socket = connectTls({ socket, ...tls });
    await once(socket, 'secureConnect');
    socket.write(frame(2, login({ flags: flags | FLAGS.ssl, user, auth })));
  }
  const answer = await readPacket(socket);
  if (answer[0] !== 0) throw new Error(`the login was not accepted: ${answer.subarray(3).toString()}`);
  return socket;
}

export function sendQuery(socket: Socket, sql: string): void {
  socket.write(frame(0, `\x03${sql}`));
}

/** The server closes the connection after it has answered what came before. */
export function sendQuit(socket: Socket): void {
  socket.write(frame(0, '\x01'));
}

/** The payload of the next packet. */
export async function readPacket(socket: Socket): Promise<Buffer> {
  const header = await readBytes(socket, 4);
  return readBytes(socket, header.readUIntLE(0, 3));
}

async function readBytes(socket: Socket, length: number): Promise<Buffer> {
  if (length === 0) return Buffer.alloc(0);
  for (;;) {
    const bytes: Buffer | null = socket.read(length);
    if (bytes?.length === length) return bytes;
    if (socket.readableEnded || socket.destroyed) throw new Error('the connection has ended');
    // Else the listeners of the two that did not happen would stay.
    const waiting = new AbortController();
    const { signal } = waiting;
    await Promise.race(['readable', 'end', 'close'].map((event) => once(socket, event, { signal })));
    waiting.abort();
  }
}

function nonceOf(greeting: Buffer): Buffer {
  const threadId = greeting.indexOf(0) + 1;
  const second = threadId + 31;
  return Buffer.concat([
    greeting.subarray(threadId + 4, threadId + 12),
    greeting.subarray(second, second + 12),
  ]);
}

function nativeScramble(password: string, nonce: Buffer): Buffer {
  const sha1 = (...parts: (Buffer | string)[]): Buffer => {
    const hash = createHash('sha1');
    for (const part of parts) hash.update(part);
    return hash.digest();
  };
  const stage1 = sha1(password);
  const mask = sha1(nonce, sha1(stage1));
  return Buffer.from(stage1.map((byte, index) => byte ^ (mask[index] ?? 0)));
}
