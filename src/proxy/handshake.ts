/**
 * One connection from the server's greeting to the accepted login, read top to bottom. docs/handshake.md draws it.
 *
 * Each leg counts its own sequence ids: an SSLRequest on one leg shifts the other by one.
 */
import { CACHING_SHA2_PASSWORD } from '../auth/caching-sha2-password.js';
import { isServerLegExposed } from '../auth/leg-security.js';
import { NATIVE_PASSWORD } from '../auth/native-password.js';
import { findUser } from '../config/model.js';
import { ProxyError } from '../errors.js';
import {
  CLIENT_MULTI_FACTOR,
  CLIENT_PLUGIN_AUTH,
  CLIENT_PROTOCOL_41,
  CLIENT_SECURE_CONNECTION,
  forwardedToServer,
  has,
  isCompressed,
  withoutFlags,
} from '../wire/capabilities.js';
import { type Greeting, versionForPeople, withGreetingTerms } from '../wire/greeting.js';
import {
  decodeClientFlags,
  decodeLogin,
  isMariaDbClient,
  isMariaDbConnectorC,
  type Login,
  sslRequestFor,
  withLoginCapabilities,
  withLoginIdentity,
} from '../wire/login.js';
import { decodeErr, isErr } from '../wire/replies.js';
import { authenticate } from './authentication.js';
import { clientProgramOf, tailForServer } from './connection-attributes.js';
import { decodeClientPacket, decodeServerGreeting, decodeServerPacket } from './decoding.js';
import type { AuthenticationRequest, Decision, Opening, SessionTerms } from './dialogue.js';
import { type ClientLeg, legSecurity, type ServerLeg } from './legs.js';
import { openAuthentication } from './opening.js';
import { type HandshakePlan, offeredOnLegs, planHandshake, useServerTls } from './plan.js';
import { mayStayPlaintext, type Route } from './route.js';
import { secureClient, secureServer, type UpgradeContext } from './secure-legs.js';

export interface HandshakeContext extends UpgradeContext {
  readonly route: Route;
}

export interface HandshakeResult {
  readonly decision: Decision;
  /** Undefined where the server greeted with an ERR. */
  readonly terms?: SessionTerms;
}

/** Rejects with a ProxyError that the client has not been told of yet, or with the signal's reason. */
export async function handshake(
  client: ClientLeg,
  server: ServerLeg,
  context: HandshakeContext,
): Promise<HandshakeResult> {
  // In place of a greeting: too many connections, host blocked, host not allowed. It goes through as it is.
  if (isErr(server.firstPacket)) {
    const { errno } = decodeServerPacket(server.name, () => decodeErr(server.firstPacket));
    client.port.write(server.firstPacket);
    server.stage = 'decided';
    return { decision: { accepted: false, errno } };
  }
  const { route, record, signal } = context;
  const greeting = decodeServerGreeting(server.name, server.firstPacket);
  record.serverVersion = versionForPeople(greeting);
  record.serverThreadId = greeting.threadId;
  const plan = planHandshake(greeting, route, client, server);
  client.port.write(withGreetingTerms(greeting, plan.offered, plan.authPlugin));
  client.stage = 'greeted';
  client.nativeNonce = Buffer.from(greeting.nonce);
  const { login, clientCapabilities } = await receiveLogin(client, plan, context);

  const serverTls = useServerTls(greeting, route, client.isTls);
  const legs = { client: legSecurity(client, client.isTls), server: legSecurity(server, serverTls) };
  if (isServerLegExposed(legs)) assertReadable(login, greeting, server.name);
  const offered = offeredOnLegs(greeting, plan, legs, route);
  assertNoUnofferedCompression(clientCapabilities, greeting, offered);
  const credential = findUser(route.users, login.user, route.config.name);
  const capabilities = forwardedToServer(clientCapabilities, offered, {
    useTls: serverTls,
    // What the proxy says of itself when it logs in with a password that it knows.
    logsInItself: credential !== undefined,
  });
  // Without CLIENT_MULTI_FACTOR, and at MariaDB, 0x02 begins a plugin's own data.
  const multiFactor = has(capabilities, CLIENT_MULTI_FACTOR) && !greeting.isMariaDb;
  const dialogue = { client, server, legs, route, record, multiFactor, signal };
  const tail = tailForServer(login, { client, record, route });
  const request = loginRequest(login, capabilities, tail, plan, greeting);
  record.clientPlugin = request.abilities.plugin;
  let opening: Opening;
  try {
    opening = await openAuthentication(credential, request, dialogue);
    if (serverTls) {
      if (route.serverTls === undefined) throw new Error('the route has no TLS settings for its server leg');
      await secureServer(server, route.serverTls, sslRequestFor(login, capabilities), context);
    }
    server.port.writeSecret(request.encode(opening.identity));
  } finally {
    // The auth response may be the password itself, and stand in the tail if it was written by other flags than are agreed on.
    for (const bytes of [login.payload, tail]) bytes.fill(0);
  }
  server.stage = 'login-sent';
  const decision = await authenticate(opening, dialogue);
  const terms = {
    capabilities,
    clientCapabilities: login.capabilities,
    clientIsMariaDb: request.abilities.isMariaDb,
    legs,
    multiFactor,
  };
  return { decision, terms };
}

async function receiveLogin(
  client: ClientLeg,
  plan: HandshakePlan,
  context: HandshakeContext,
): Promise<{ login: Login; clientCapabilities: number }> {
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
  if (!client.isTls && !mayStayPlaintext(route, client)) {
    throw new ProxyError(
      'client_tls_required',
      `connections from ${client.remoteAddress} using insecure transport are prohibited`,
    );
  }
  return { login, clientCapabilities: flags.capabilities };
}

function loginRequest(
  login: Login,
  capabilities: number,
  tail: Buffer,
  plan: HandshakePlan,
  { authPlugin }: Greeting,
): AuthenticationRequest {
  const canSwitch = has(login.capabilities, CLIENT_PLUGIN_AUTH);
  const plugin = pluginOf(login, canSwitch, plan);
  return {
    user: login.user,
    userBytes: login.userBytes,
    authResponse: login.authResponse,
    abilities: {
      plugin,
      canSwitch,
      isMariaDb: isMariaDbClient(login),
    },
    // It sent no answer to a greeting that names another plugin than the server did.
    expectsSwitch:
      canSwitch &&
      login.authResponse.length === 0 &&
      plan.authPlugin !== authPlugin &&
      plan.authPlugin !== plugin,
    serverPlugin: takesScramble(authPlugin),
    encode: (identity) =>
      identity === undefined
        ? withLoginCapabilities(login, capabilities, tail)
        : decodeClientPacket(() => withLoginIdentity(login, capabilities, identity, tail)),
  };
}

/** A server that names no plugin is older than plugins. */
function takesScramble(authPlugin: string): string | undefined {
  if (authPlugin === '') return NATIVE_PASSWORD;
  return [NATIVE_PASSWORD, CACHING_SHA2_PASSWORD].includes(authPlugin) ? authPlugin : undefined;
}

/**
 * Clients lay out their login by flags of their own, too. Whoever poses as the server may leave some of them out of the
 * greeting, so that the login is read differently from how it was written, and a password in it is taken for a scramble.
 */
function assertReadable(login: Login, greeting: Greeting, server: string): void {
  const flags = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION;
  const isOld = withoutFlags(flags, greeting.capabilities) !== 0 || !login.isProtocol41;
  const namesNoPlugin = login.authPlugin === '' && login.tail.length > 0;
  if (!isOld && !namesNoPlugin) return;
  throw new ProxyError(
    'unknown_exchange_refused',
    `${server} offers less than any server since MySQL 4.1, or the client sent more than it was offered`,
  );
}

/** PHP's mysqlnd, for one, compresses when it is told to, whatever it was offered, and waits for compressed answers. */
function assertNoUnofferedCompression(clientCapabilities: number, greeting: Greeting, offered: number): void {
  const withheld = withoutFlags(greeting.capabilities, offered);
  if (!isCompressed(clientCapabilities & withheld)) return;
  throw new ProxyError(
    'client_compression_not_offered',
    'the client compresses although it was not offered, and one leg is in plaintext or the proxy takes part in logins',
  );
}

/** The plugin that the auth response in the login is for. */
function pluginOf(login: Login, canSwitch: boolean, plan: HandshakePlan): string {
  if (login.authPlugin !== '') return login.authPlugin;
  if (!login.isProtocol41) return 'mysql_old_password';
  return canSwitch ? plan.authPlugin : NATIVE_PASSWORD;
}
