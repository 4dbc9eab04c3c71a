/**
 * A login on a server connection that was kept from an earlier client. The client is greeted in the server's words, but with
 * a nonce of the proxy's; its login becomes a COM_CHANGE_USER, and the server asks with a nonce of its own. Where the
 * client turns out to be another kind, or the connection to be dead, it gets a new one that asks in the same way.
 */

import { randomBytes } from 'node:crypto';
import { NONCE_LENGTH } from '../auth/nonce.js';
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
import type { Reservation } from './reservation.js';
import { fitOf, nonceKey, type ServerOrigin } from './server-origin.js';

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

/** What a server says of a session that it has ended by itself: stops, was killed (MariaDB, MySQL), idle for too long. */
const LAST_WORDS: ReadonlySet<number> = new Set([1053, 1927, 3169, 4031]);

/** The server's answer; undefined where it had closed the connection. */
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
  try {
    const packet = await server.port.read(signal);
    const reply = decode(server, packet);
    return reply.kind === 'err' && LAST_WORDS.has(reply.errno) ? undefined : packet;
  } catch (error) {
    if (error instanceof ProxyError && error.code === 'server_closed') return undefined;
    throw error;
  }
}

const decode = ({ name }: Pick<ServerOrigin, 'name'>, { payload }: Packet): AuthReply =>
  decodeServerPacket(name, () => decodeAuthReply(payload, false));

/** Or it would let someone in who has seen an earlier client's answer on the wire. */
function assertAsksAnew(first: Packet, reservation: Reservation): void {
  const { origin } = reservation;
  const reply = decode(origin, first);
  if (reply.kind === 'err') return;
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
