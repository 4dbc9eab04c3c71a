/** What a server is to be asked for a login that has come: by what flags, on what legs, with what answer. Pure. */
import { CACHING_SHA2_PASSWORD } from '../auth/caching-sha2-password.js';
import { isServerLegExposed, type Legs } from '../auth/leg-security.js';
import { NATIVE_PASSWORD } from '../auth/native-password.js';
import { findUser, type UserCredential } from '../config/model.js';
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
import type { Greeting } from '../wire/greeting.js';
import { isMariaDbClient, type Login, withLoginCapabilities, withLoginIdentity } from '../wire/login.js';
import { tailForServer } from './connection-attributes.js';
import { decodeClientPacket } from './decoding.js';
import type { AuthenticationRequest, Dialogue, SessionTerms } from './dialogue.js';
import type { HandshakeContext, ReceivedLogin } from './greet-client.js';
import { type ClientLeg, legSecurity, type ServerLeg } from './legs.js';
import { type HandshakePlan, offeredOnLegs, useServerTls } from './plan.js';

export interface PreparedLogin {
  readonly login: Login;
  /** Undefined where the client logs in itself. */
  readonly credential: UserCredential | undefined;
  readonly request: AuthenticationRequest;
  readonly legs: Legs;
  /** 0x02 begins an AuthNextFactor rather than a plugin's own data. */
  readonly multiFactor: boolean;
  /** Flags for the server. */
  readonly capabilities: number;
  /** What follows the plugin, as the server gets it. */
  readonly tail: Buffer;
  readonly serverTls: boolean;
}

/**
 * `withholdsAnswer`: the client's answer was made for another nonce than the server's, which is to ask anew. Throws the
 * ProxyError with which the login must not go on.
 */
export function prepareLogin(
  client: ClientLeg,
  server: Pick<ServerLeg, 'name' | 'address'>,
  greeting: Greeting,
  { login, clientCapabilities, plan }: ReceivedLogin,
  { route, record }: HandshakeContext,
  withholdsAnswer = false,
): PreparedLogin {
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
  const tail = tailForServer(login, { client, record, route });
  const request = loginRequest(login, capabilities, tail, plan, greeting);
  record.clientPlugin = request.abilities.plugin;
  return {
    login,
    credential,
    request: withholdsAnswer ? { ...request, expectsSwitch: true, serverPlugin: undefined } : request,
    legs,
    multiFactor,
    capabilities,
    tail,
    serverTls,
  };
}

export function dialogueOf(
  { legs, multiFactor }: PreparedLogin,
  client: ClientLeg,
  server: ServerLeg,
  { route, record, signal }: HandshakeContext,
): Dialogue {
  return { client, server, legs, route, record, multiFactor, signal };
}

export function sessionTerms(prepared: PreparedLogin): SessionTerms {
  const { login, request, capabilities, legs, multiFactor } = prepared;
  return {
    capabilities,
    clientCapabilities: login.capabilities,
    clientIsMariaDb: request.abilities.isMariaDb,
    legs,
    multiFactor,
  };
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
export function takesScramble(authPlugin: string): string | undefined {
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
