/**
 * One connection from the server's greeting to the accepted login, read top to bottom. docs/handshake.md draws it.
 *
 * Each leg counts its own sequence ids: an SSLRequest on one leg shifts the other by one.
 */
import { ProxyError } from '../errors.js';
import { CLIENT_PLUGIN_AUTH, has } from '../wire/capabilities.js';
import type { Greeting } from '../wire/greeting.js';
import { sslRequestFor } from '../wire/login.js';
import { decodeErr, isErr } from '../wire/replies.js';
import { announceLate } from './announce-client.js';
import { authenticate } from './authentication.js';
import { decodeServerGreeting, decodeServerPacket } from './decoding.js';
import type { Decision, Opening, SessionTerms } from './dialogue.js';
import { greetClient, type HandshakeContext, noteServer, type ReceivedLogin } from './greet-client.js';
import { refusalBehindGreeting } from './header-refusal.js';
import type { ClientLeg, ServerLeg } from './legs.js';
import { dialogueOf, type PreparedLogin, prepareLogin, sessionTerms } from './login-request.js';
import { openAuthentication } from './opening.js';
import { fitOf, originOf } from './origin-of-login.js';
import { planHandshake } from './plan.js';
import { secureServer } from './secure-legs.js';
import type { ServerOrigin } from './server-origin.js';

export interface HandshakeResult {
  readonly server: ServerLeg;
  readonly decision: Decision;
  /** Undefined where the server greeted with an ERR. */
  readonly terms?: SessionTerms;
  /** Undefined where the server's connection can not serve another client afterwards. */
  readonly origin?: ServerOrigin | undefined;
}

/** Rejects with a ProxyError that the client has not been told of yet, or with the signal's reason. */
export async function handshake(
  client: ClientLeg,
  server: ServerLeg,
  context: HandshakeContext,
): Promise<HandshakeResult> {
  if (isErr(server.firstPacket)) return passRefusal(client, server);
  const greeting = decodeServerGreeting(server.name, server.firstPacket);
  noteServer(context, server.name, greeting);
  const received = await greetClient(client, server, greeting, context);
  const prepared = prepareLogin(client, server, greeting, received, context);
  return logIn(client, server, greeting, prepared, context);
}

/**
 * A login of a client that was greeted in the name of another connection, whose nonce its answer was made with: the server
 * asks anew. `opening`: where the login has been opened already. Rejects as `handshake` does.
 */
export async function handshakeLate(
  client: ClientLeg,
  server: ServerLeg,
  received: ReceivedLogin,
  opening: Opening | undefined,
  context: HandshakeContext,
): Promise<HandshakeResult> {
  if (isErr(server.firstPacket)) return passRefusal(client, server);
  const greeting = decodeServerGreeting(server.name, server.firstPacket);
  noteServer(context, server.name, greeting);
  const { offered } = planHandshake(greeting, context.route, client, server);
  if (offered !== received.plan.offered) {
    throw new ProxyError(
      'server_not_as_greeted',
      `${server.name} offers other capabilities than the kept connection had that the client was greeted for`,
    );
  }
  const prepared = prepareLogin(client, server, greeting, received, context, true);
  // Before the server hears of a login that can only be refused.
  if (!has(prepared.capabilities, CLIENT_PLUGIN_AUTH)) {
    throw new ProxyError('client_can_not_switch', `${server.name} can not ask for the password anew`);
  }
  return logIn(client, server, greeting, prepared, context, opening);
}

/** In place of a greeting: too many connections, host blocked, host not allowed. It goes through as it is. */
function passRefusal(client: ClientLeg, server: ServerLeg, refusal = server.firstPacket): HandshakeResult {
  const { errno } = decodeServerPacket(server.name, () => decodeErr(refusal));
  client.port.write(refusal);
  server.stage = 'decided';
  return { server, decision: { accepted: false, errno } };
}

async function logIn(
  client: ClientLeg,
  server: ServerLeg,
  greeting: Greeting,
  prepared: PreparedLogin,
  context: HandshakeContext,
  opened?: Opening,
): Promise<HandshakeResult> {
  const { login, credential, request, capabilities, tail, serverTls } = prepared;
  const { route } = context;
  const dialogue = dialogueOf(prepared, client, server, context);
  // From the login's head, which is overwritten below.
  const fit = route.kept === undefined ? undefined : fitOf(prepared, client, route);
  let opening: Opening;
  try {
    opening = opened ?? (await openAuthentication(credential, request, dialogue));
    const refusal = refusalBehindGreeting(server);
    if (refusal !== undefined) return passRefusal(client, server, refusal);
    announceLate(server, context.record.clientTls);
    if (serverTls) {
      if (route.serverTls === undefined) throw new Error('the route has no TLS settings for its server leg');
      const request = sslRequestFor(login, capabilities);
      await secureServer(server, route.serverTls, request, context);
    }
    server.port.writeSecret(request.encode(opening.identity));
  } finally {
    // The auth response may be the password itself, and stand in the tail if it was written by other flags than are agreed on.
    for (const bytes of [login.payload, tail]) bytes.fill(0);
  }
  server.stage = 'login-sent';
  const origin = fit === undefined ? undefined : originOf(server, greeting, prepared, fit, context);
  server.nonces = origin?.nonces;
  const decision = await authenticate(opening, dialogue);
  return { server, decision, terms: sessionTerms(prepared), origin };
}
