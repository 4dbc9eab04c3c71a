/**
 * A login on a server connection that was kept from an earlier client. The client is greeted in the server's words, but with
 * a nonce of the proxy's; its login becomes a COM_CHANGE_USER, and the server asks with a nonce of its own. Where the
 * client turns out to be another kind, or the connection to be dead, it gets a new one that asks in the same way.
 */

import { randomBytes } from 'node:crypto';
import { CACHING_SHA2_PASSWORD } from '../auth/caching-sha2-password.js';
import { CLEAR_PASSWORD } from '../auth/clear-password.js';
import { NATIVE_PASSWORD } from '../auth/native-password.js';
import { NONCE_LENGTH } from '../auth/nonce.js';
import { SHA256_PASSWORD } from '../auth/sha256-password.js';
import type { CancelSignal } from '../cancellation.js';
import { ProxyError } from '../errors.js';
import { PLAINTEXT } from '../observe/events.js';
import { changeUserForLogin } from '../wire/change-user.js';
import type { Packet } from '../wire/framing.js';
import { type AuthReply, decodeAuthReply } from '../wire/replies.js';
import { authenticate } from './authentication.js';
import { decodeClientPacket, decodeServerPacket } from './decoding.js';
import type { Opening } from './dialogue.js';
import { greetClient, type HandshakeContext, noteServer, type ReceivedLogin } from './greet-client.js';
import { type HandshakeResult, handshakeLate } from './handshake.js';
import type { ClientLeg, ServerLeg } from './legs.js';
import { dialogueOf, type PreparedLogin, prepareLogin, sessionTerms } from './login-request.js';
import { openAuthentication } from './opening.js';
import { fitOf } from './origin-of-login.js';
import type { Reservation } from './reservation.js';
import { nonceKey, type ServerOrigin } from './server-origin.js';
import { timeLimit } from './time-limit.js';

export interface KeptLoginContext extends HandshakeContext {
  /** From here on the connection is the session's to leave. */
  readonly onServer: (server: ServerLeg) => void;
  /** A new connection, which becomes the session's in the same way. */
  readonly openServer: () => Promise<ServerLeg>;
}

/** Rejects with a ProxyError that the client has not been told of yet, or with the signal's reason. */
export async function handshakeOnKept(
  client: ClientLeg,
  reservation: Reservation,
  context: KeptLoginContext,
): Promise<HandshakeResult> {
  const { origin } = reservation;
  noteServer(context, origin.name, origin.greeting);
  const received = await greetClient(client, origin, origin.greeting, context, newNonce());
  try {
    const prepared = prepareLogin(client, origin, origin.greeting, received, context, true);
    if (fitOf(prepared, client, context.route) === origin.fit) {
      return await logIn(client, reservation, received, prepared, context);
    }
    reservation.discard();
    return await handshakeLate(client, await context.openServer(), received, undefined, context);
  } catch (error) {
    if (error instanceof ProxyError && error.code === 'client_can_not_switch') reservation.clientIsUnable();
    throw error;
  } finally {
    received.login.payload.fill(0);
  }
}

async function logIn(
  client: ClientLeg,
  reservation: Reservation,
  received: ReceivedLogin,
  prepared: PreparedLogin,
  context: KeptLoginContext,
): Promise<HandshakeResult> {
  const { record, signal } = context;
  const { origin } = reservation;
  let opening: Opening | undefined;
  const server = reservation.use(record.serverBytes);
  if (server !== undefined) {
    context.onServer(server);
    const dialogue = dialogueOf(prepared, client, server, context);
    opening = await openAuthentication(prepared.credential, prepared.request, dialogue);
    const first = await ask(server, prepared, opening, signal);
    if (first !== undefined) {
      assertAsksAnew(first, reservation);
      Object.assign(record, { serverTls: origin.tls, serverConnection: 'reused' });
      origin.clients += 1;
      const decision = await authenticate(opening, dialogue, first);
      // Servers that do not close it then wait for a command of the user before.
      if (!decision.accepted) server.stage = 'idle';
      return { server, decision, terms: sessionTerms(prepared), origin };
    }
    server.port.release().destroy();
    record.serverTls = PLAINTEXT;
  }
  return handshakeLate(client, await context.openServer(), received, opening, context);
}

/**
 * Milliseconds that the server has for its question, which takes it a round trip. A server that has vanished without a word is
 * to be noticed while there is still time to try a new connection and, by --connect-timeout, the next server.
 */
const PATIENCE_MS = 2_000;

/** What a server says of a session that it has ended by itself: stops, was killed (MariaDB, MySQL), idle for too long. */
const LAST_WORDS: ReadonlySet<number> = new Set([1053, 1927, 3169, 4031]);

/** Whose questions are known: with a nonce of 20 bytes, or none because the answer is the password itself. */
const KNOWN_PLUGINS: readonly string[] = [
  NATIVE_PASSWORD,
  CACHING_SHA2_PASSWORD,
  SHA256_PASSWORD,
  CLEAR_PASSWORD,
];

/** The server's answer; undefined where it had closed the connection, does not answer, or asks in a way that is not known. */
async function ask(
  server: ServerLeg,
  { login, tail }: PreparedLogin,
  { identity }: Opening,
  signal: CancelSignal,
): Promise<Packet | undefined> {
  if (identity === undefined)
    throw new Error('an answer to the nonce of the proxy was to be sent to the server');
  server.port.writeSecret(decodeClientPacket(() => changeUserForLogin(login, identity, tail)));
  server.stage = 'login-sent';
  const limit = timeLimit(PATIENCE_MS, () => new Error('the server did not ask in time'), signal);
  try {
    const packet = await server.port.read(limit.signal);
    const reply = decode(server, packet);
    const isEnd = reply.kind === 'err' && LAST_WORDS.has(reply.errno);
    // Any client can have this by the name of such an account: nothing is to be held against the server.
    const isUnknown = reply.kind === 'auth-switch' && !KNOWN_PLUGINS.includes(reply.plugin);
    return isEnd || isUnknown ? undefined : packet;
  } catch (error) {
    const isSilent = limit.signal.isCancelled && !signal.isCancelled;
    if (isSilent || (error instanceof ProxyError && error.code === 'server_closed')) return undefined;
    throw error;
  } finally {
    limit.clear();
  }
}

const decode = ({ name }: Pick<ServerOrigin, 'name'>, { payload }: Packet): AuthReply =>
  decodeServerPacket(name, () => decodeAuthReply(payload, false));

/** Or it would let someone in who has seen an earlier client's answer on the wire. */
function assertAsksAnew(first: Packet, reservation: Reservation): void {
  const { origin } = reservation;
  const reply = decode(origin, first);
  if (reply.kind === 'err') return;
  // There is no answer to an earlier question.
  if (reply.kind === 'auth-switch' && reply.plugin === CLEAR_PASSWORD) return;
  const isFresh =
    reply.kind === 'auth-switch' &&
    reply.data.length === NONCE_LENGTH + 1 &&
    !origin.nonces.has(nonceKey(reply.data));
  if (isFresh) return;
  reservation.distrust('it did not ask with a fresh nonce at a change of user');
  throw new ProxyError(
    'server_asks_nothing_new',
    `${origin.name} did not ask with a fresh nonce for a login on a kept connection`,
  );
}

/** As servers make theirs: 7-bit, and without the bytes that end a text or begin a field in a hash. */
function newNonce(): Buffer {
  const nonce = randomBytes(NONCE_LENGTH);
  for (let index = 0; index < NONCE_LENGTH; index++) {
    const byte = (nonce[index] ?? 0) & 0x7f;
    nonce[index] = byte === 0 || byte === 0x24 ? byte + 1 : byte;
  }
  return nonce;
}
