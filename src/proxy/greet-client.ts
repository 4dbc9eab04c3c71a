/** The client's side of a login: what it is greeted with, and what it answers, TLS included. */
import { ProxyError } from '../errors.js';
import { type Greeting, versionForPeople, withGreetingTerms, writeGreetingNonce } from '../wire/greeting.js';
import { decodeClientFlags, decodeLogin, isMariaDbConnectorC, type Login } from '../wire/login.js';
import { clientProgramOf } from './connection-attributes.js';
import { decodeClientPacket } from './decoding.js';
import { type ClientLeg, type ServerLeg, smallCopy } from './legs.js';
import { type HandshakePlan, planHandshake } from './plan.js';
import type { Route } from './route.js';
import { secureClient, type UpgradeContext } from './secure-legs.js';

export interface HandshakeContext extends UpgradeContext {
  readonly route: Route;
}

/** A login that has come, and that no server has seen yet. */
export interface ReceivedLogin {
  readonly login: Login;
  /** Of the client's SSLRequest, where it sent one, else of its login. */
  readonly clientCapabilities: number;
  /** What it was greeted with. */
  readonly plan: HandshakePlan;
}

/**
 * `greeting` is that of the server, of which TLS and compression are the proxy's to offer; `nonce` comes in the place of the
 * server's. Rejects with a ProxyError that the client has not been told of yet, or with the signal's reason.
 */
export async function greetClient(
  client: ClientLeg,
  server: Pick<ServerLeg, 'name' | 'address'>,
  greeting: Greeting,
  context: HandshakeContext,
  nonce?: Buffer,
): Promise<ReceivedLogin> {
  const plan = planHandshake(greeting, context.route, client, server);
  const payload = withGreetingTerms(greeting, plan.offered, plan.authPlugin);
  if (nonce !== undefined) writeGreetingNonce(payload, greeting, nonce);
  client.port.write(payload);
  client.stage = 'greeted';
  client.nativeNonce = smallCopy(nonce ?? greeting.nonce);
  return receiveLogin(client, plan, context);
}

/** Whom the client is connected to, in the words of the server's greeting. */
export function noteServer({ record }: HandshakeContext, name: string, greeting: Greeting): void {
  record.serverAddress = name;
  record.serverVersion = versionForPeople(greeting);
  record.serverThreadId = greeting.threadId;
}

async function receiveLogin(
  client: ClientLeg,
  plan: HandshakePlan,
  context: HandshakeContext,
): Promise<ReceivedLogin> {
  const { route, record, signal } = context;
  let { payload } = await client.port.read(signal);
  // Where a client sends an SSLRequest, its flags count: some drivers set fewer in the login that follows.
  const flags = decodeClientPacket(() => decodeClientFlags(payload));
  client.isProtocol41 = flags.isProtocol41;
  if (flags.wantsTls) {
    if (!plan.offerTls || route.clientTls === undefined) {
      throw new ProxyError('client_tls_not_offered', 'the client asked for TLS, which it was not offered');
    }
    await secureClient(client, route.clientTls, context);
    payload = (await client.port.read(signal)).payload;
  }
  client.stage = 'answering';
  const login = decodeClientPacket(() => decodeLogin(payload, flags.capabilities & plan.offered));
  client.hidesClientErrors = isMariaDbConnectorC(login);
  record.user = login.user;
  record.clientProgram = clientProgramOf(login);
  if (!client.isTls && !client.mayStayPlaintext) {
    throw new ProxyError(
      'client_tls_required',
      `connections from ${client.remoteAddress} using insecure transport are prohibited`,
    );
  }
  return { login, clientCapabilities: flags.capabilities, plan };
}
