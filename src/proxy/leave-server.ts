/**
 * Leaves a server whose login is not decided, without it counting a broken handshake against the proxy's host. After
 * max_connect_errors of those (100 by default) a server refuses every connection of the host with error 1129: a port
 * scan or a health check through the proxy would lock everyone out. A refused login is not counted, so the proxy sends
 * one that no server accepts and waits for the refusal.
 */

import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { CACHING_SHA2_PASSWORD, isFastAuthSuccess } from '../auth/caching-sha2-password.js';
import { NATIVE_PASSWORD } from '../auth/native-password.js';
import type { CancelSignal } from '../cancellation.js';
import { ProxyError } from '../errors.js';
import { CLIENT_PLUGIN_AUTH, CLIENT_PROTOCOL_41, CLIENT_SECURE_CONNECTION } from '../wire/capabilities.js';
import { encodePacket } from '../wire/framing.js';
import { decodeGreeting, type Greeting } from '../wire/greeting.js';
import { encodeLogin41, encodeLoginHead } from '../wire/login.js';
import { type AuthReply, decodeAuthReply } from '../wire/replies.js';
import type { ServerLeg } from './legs.js';
import { timeLimit } from './time-limit.js';

/** How long the refusal may take, in milliseconds. */
const PATIENCE_MS = 2_000;

/** More rounds than the decoy dialogues that servers play for unknown users. */
const MAX_ROUNDS = 6;

/** At most 16 bytes, the limit of MySQL 5.6. Seen by the server's administrator in "Access denied" notes. */
export const USER_OF_ABANDONED_LOGINS = 'proxy_abandoned';

const COM_QUIT = Buffer.from([0x01]);

/** Its ERR to the login, or what it did instead: with TLS 1.3 the verdict on a client certificate comes only now. */
export type LastWord = Extract<AuthReply, { kind: 'err' }> | ProxyError | undefined;

/** Always ends with the server's socket closed, at the latest when `hurry` is cancelled; never rejects. */
export async function leaveServer(server: ServerLeg, hurry: CancelSignal): Promise<LastWord> {
  const { port } = server;
  const limit = timeLimit(PATIENCE_MS, () => new Error('the server did not refuse in time'), hurry);
  const { signal } = limit;
  try {
    if (server.stage === 'idle') {
      await quit(port.release(), signal);
    } else if (server.stage === 'greeted' || server.stage === 'upgraded') {
      port.write(loginToBeRefused(server));
      server.stage = 'login-sent';
    } else if (server.stage === 'asking') {
      // The server waits for an answer that the client will not give any more.
      port.write(wrongAnswer());
      server.stage = 'login-sent';
    }
    if (server.stage === 'login-sent') {
      return await awaitRefusal(server, signal);
    }
    return undefined;
  } catch (error) {
    // The server is gone, does not answer, or is none of MySQL 4.1 or newer: nothing can be spared it.
    return error instanceof ProxyError ? error : undefined;
  } finally {
    limit.clear();
    port.release().destroy();
  }
}

async function awaitRefusal({ port }: ServerLeg, signal: CancelSignal): Promise<LastWord> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const { payload } = await port.read(signal);
    const reply = decodeAuthReply(payload, false);
    if (reply.kind === 'err') return reply;
    // An anonymous account without a password lets anyone in.
    if (reply.kind === 'ok') {
      await quit(port.release(), signal);
      return undefined;
    }
    if (!isFastAuthSuccess(CACHING_SHA2_PASSWORD, reply)) port.write(wrongAnswer());
  }
  return undefined;
}

/** Ends a session that waits for a command. Resolves when the socket is closed, soon in any case. */
export async function quitServer(socket: Socket, hurry?: CancelSignal): Promise<void> {
  const limit = timeLimit(PATIENCE_MS, () => new Error('the server did not close in time'), hurry);
  try {
    await quit(socket, limit.signal);
  } finally {
    limit.clear();
    socket.destroy();
  }
}

/** Servers close the connection in answer. Resolves then, or when the signal is cancelled. */
function quit(socket: Socket, signal: CancelSignal): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    socket.once('close', () => resolve());
    signal.onCancel(resolve);
    socket.end(encodePacket(0, COM_QUIT));
    // The end of a stream is only told to someone who reads.
    socket.resume();
  });
}

/** Throws MalformedPacketError where the server sent no greeting, or is too old. */
function loginToBeRefused({ firstPacket, sslRequest }: ServerLeg): Buffer {
  return encodeLogin41(sslRequest ?? headOfPlaintextLogin(decodeGreeting(firstPacket)), {
    user: USER_OF_ABANDONED_LOGINS,
    authResponse: wrongAnswer(),
    authPlugin: NATIVE_PASSWORD,
  });
}

function headOfPlaintextLogin({ capabilities, characterSet }: Greeting): Buffer {
  const flags = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH;
  return encodeLoginHead((capabilities & flags) >>> 0, characterSet);
}

/** As long as a native scramble; no zero byte in the middle, no length that means something to a plugin. */
export function wrongAnswer(): Buffer {
  return Buffer.from(randomBytes(20).map((byte) => byte | 1));
}
