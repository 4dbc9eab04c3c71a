/**
 * One connection from the server's greeting to the accepted login, read top to bottom. docs/handshake.md draws it.
 *
 * Each leg counts its own sequence ids: an SSLRequest on one leg shifts the other by one.
 */
import {
  assertAnswerIsSafe,
  assertQuestionIsSafe,
  isFastAuthSuccess,
  isServerLegExposed,
  type Legs,
} from '../auth/password-exposure.js';
import { ProxyError } from '../errors.js';
import type { ConnectionRecord, Observer } from '../observe/events.js';
import type { ClientLegTls } from '../tls/contexts.js';
import { acceptTls, connectTls } from '../tls/upgrade.js';
import { CLIENT_MULTI_FACTOR, CLIENT_PLUGIN_AUTH, forwardedToServer, has } from '../wire/capabilities.js';
import { decodeGreeting, type Greeting, withGreetingCapabilities } from '../wire/greeting.js';
import {
  decodeClientFlags,
  decodeLogin,
  isMariaDbConnectorC,
  type Login,
  sslRequestFor,
  withLoginCapabilities,
} from '../wire/login.js';
import { decodeAuthReply, decodeErr, isErr } from '../wire/replies.js';
import { decodeClientPacket, decodeServerPacket } from './decoding.js';
import type { ClientLeg, ServerLeg } from './legs.js';
import { PacketPort } from './packet-port.js';
import { planTls, type TlsPlan, useServerTls } from './plan.js';
import { mayStayPlaintext, type Route } from './route.js';

export interface HandshakeContext {
  readonly route: Route;
  readonly record: ConnectionRecord;
  readonly observer: Observer;
  /** Deadline and shutdown. */
  readonly deadline: AbortSignal;
  /** Those, and the client's disappearance. */
  readonly signal: AbortSignal;
  /** Called when the client goes away; aborts the signal. */
  readonly onClientGone: (reason: ProxyError) => void;
}

/** How the server decided; its OK or ERR has been passed on. */
export type Decision = { readonly accepted: true } | { readonly accepted: false; readonly errno: number };

/** Dialogues of Kerberos and PAM take under ten rounds; an endless one is a fault. */
const MAX_AUTHENTICATION_ROUNDS = 20;

/** Rejects with a ProxyError that the client has not been told of yet, or with the signal's reason. */
export async function handshake(
  client: ClientLeg,
  server: ServerLeg,
  context: HandshakeContext,
): Promise<Decision> {
  // In place of a greeting: too many connections, host blocked, host not allowed. It goes through as it is.
  if (isErr(server.firstPacket)) {
    const { errno } = decodeServerPacket(server.name, () => decodeErr(server.firstPacket));
    client.port.write(server.firstPacket);
    server.stage = 'decided';
    return { accepted: false, errno };
  }
  const greeting = decodeServerPacket(server.name, () => decodeGreeting(server.firstPacket));
  context.record.serverVersion = greeting.serverVersion;
  context.record.serverThreadId = greeting.threadId;
  const plan = planTls(greeting, context.route, server.name);
  client.port.write(withGreetingCapabilities(greeting, plan.offered));
  client.stage = 'greeted';
  const { login, clientCapabilities } = await receiveLogin(client, plan, context);
  const serverTls = useServerTls(greeting, context.route, client.isTls);
  const capabilities = forwardedToServer(clientCapabilities, plan.offered, serverTls);
  const plugin = pluginOf(login, greeting);
  const legs = await sendLogin(login, plugin, capabilities, serverTls, client, server, context);
  // Without CLIENT_MULTI_FACTOR, and at MariaDB, 0x02 begins a plugin's own data. On an exposed leg the client's view
  // counts, which whoever poses as the server may have been told another version of.
  const multiFactor =
    isServerLegExposed(legs) || (has(capabilities, CLIENT_MULTI_FACTOR) && !greeting.isMariaDb);
  return authenticate(plugin, multiFactor, legs, client, server, context.signal);
}

async function receiveLogin(
  client: ClientLeg,
  plan: TlsPlan,
  context: HandshakeContext,
): Promise<{ login: Login; clientCapabilities: number }> {
  let { payload } = await client.port.read(context.signal);
  // Where a client sends an SSLRequest, its flags count: some drivers set fewer in the login that follows.
  const flags = decodeClientPacket(() => decodeClientFlags(payload));
  client.isProtocol41 = flags.isProtocol41;
  if (flags.wantsTls) {
    if (!plan.offerTls || context.route.clientTls === undefined) {
      throw new ProxyError('client_tls_not_offered', 'the client asked for TLS, which it was not offered');
    }
    await secureClient(client, context.route.clientTls, context);
    payload = (await client.port.read(context.signal)).payload;
  }
  client.stage = 'answering';
  const login = decodeClientPacket(() => decodeLogin(payload, flags.capabilities & plan.offered));
  client.hidesClientErrors = isMariaDbConnectorC(login);
  context.record.user = login.user;
  if (!client.isTls && !mayStayPlaintext(context.route, client)) {
    throw new ProxyError(
      'client_tls_required',
      `connections from ${client.remoteAddress} using insecure transport are prohibited`,
    );
  }
  return { login, clientCapabilities: flags.capabilities };
}

async function secureClient(client: ClientLeg, tls: ClientLegTls, context: HandshakeContext): Promise<void> {
  const { record, observer, signal } = context;
  const { nextSequenceId } = client.port;
  client.stage = 'upgrading';
  const raw = client.port.release();
  const upgraded = await reportingTlsFailure('client', context, acceptTls(raw, tls, signal));
  client.port = new PacketPort(upgraded.socket, {
    leg: 'client',
    peer: record.clientAddress,
    nextSequenceId,
    onGone: context.onClientGone,
  });
  client.isTls = true;
  client.stage = 'answering';
  record.clientTls = upgraded.description;
  if (upgraded.rejection === undefined) return observer.tlsEstablished?.(record, 'client');
  observer.tlsFailed?.(record, 'client', upgraded.rejection);
  // The client looks for an error only after it has sent its login.
  await client.port.read(signal);
  throw upgraded.rejection;
}

/** The plugin that the auth response in the login is for. */
function pluginOf(login: Login, greeting: Greeting): string {
  if (login.authPlugin !== '') return login.authPlugin;
  if (!login.isProtocol41) return 'mysql_old_password';
  return has(login.capabilities, CLIENT_PLUGIN_AUTH) ? greeting.authPlugin : 'mysql_native_password';
}

/** Upgrades the server leg if it is to be TLS, and sends the login. Returns what passwords may be sent over. */
async function sendLogin(
  login: Login,
  plugin: string,
  capabilities: number,
  serverTls: boolean,
  client: ClientLeg,
  server: ServerLeg,
  context: HandshakeContext,
): Promise<Legs> {
  const legs: Legs = {
    client: { tls: client.isTls, unix: client.isUnix },
    server: { tls: serverTls, unix: server.address.kind === 'unix' },
  };
  assertAnswerIsSafe(plugin, login.authResponse, legs);
  if (serverTls) await secureServer(server, sslRequestFor(login, capabilities), context);
  server.port.write(withLoginCapabilities(login, capabilities));
  server.stage = 'login-sent';
  return legs;
}

async function secureServer(server: ServerLeg, sslRequest: Buffer, context: HandshakeContext): Promise<void> {
  const { route, record, observer, deadline, signal } = context;
  if (route.serverTls === undefined)
    throw new Error('the server leg is to be TLS and the route has no settings for it');
  server.port.assertOpen();
  // Nothing may be said between greeting and TLS; taken for part of what comes encrypted, it would be an injection.
  const early = server.port.socket.readableLength;
  if (early > 0) {
    throw new ProxyError(
      'server_protocol_error',
      `${server.name} sent ${early} bytes in plaintext behind its greeting`,
    );
  }
  server.port.write(sslRequest);
  server.sslRequest = sslRequest;
  const { nextSequenceId } = server.port;
  server.stage = 'upgrading';
  const raw = server.port.release();
  const host = server.address.kind === 'tcp' ? server.address.host : 'localhost';
  const upgraded = await reportingTlsFailure(
    'server',
    context,
    // Not to be broken off when the client goes away: the server would count it as a broken handshake.
    connectTls(raw, route.serverTls, host, server.name, deadline),
  );
  server.port = new PacketPort(upgraded.socket, { leg: 'server', peer: server.name, nextSequenceId });
  server.stage = 'upgraded';
  record.serverTls = upgraded.description;
  if (upgraded.rejection !== undefined) {
    observer.tlsFailed?.(record, 'server', upgraded.rejection);
    throw upgraded.rejection;
  }
  observer.tlsEstablished?.(record, 'server');
  signal.throwIfAborted();
}

async function authenticate(
  loginPlugin: string,
  multiFactor: boolean,
  legs: Legs,
  client: ClientLeg,
  server: ServerLeg,
  signal: AbortSignal,
): Promise<Decision> {
  let plugin = loginPlugin;
  for (let round = 0; round < MAX_AUTHENTICATION_ROUNDS; round++) {
    const { payload } = await server.port.read(signal);
    const reply = decodeServerPacket(server.name, () => decodeAuthReply(payload, multiFactor));
    if (reply.kind === 'ok' || reply.kind === 'err') {
      server.stage = 'decided';
      client.port.write(payload);
      return reply.kind === 'ok' ? { accepted: true } : { accepted: false, errno: reply.errno };
    }
    if (reply.kind === 'auth-switch' || reply.kind === 'next-factor') plugin = reply.plugin;
    if (reply.kind === 'old-auth-switch') plugin = 'mysql_old_password';
    const wantsAnswer = !isFastAuthSuccess(plugin, reply);
    if (wantsAnswer) server.stage = 'asking';
    assertQuestionIsSafe(plugin, reply, legs);
    client.port.write(payload);
    if (!wantsAnswer) continue;
    const answer = await client.port.read(signal);
    assertAnswerIsSafe(plugin, answer.payload, legs);
    server.port.write(answer.payload);
    server.stage = 'login-sent';
  }
  throw new ProxyError(
    'authentication_too_long',
    `${server.name} asked for more than ${MAX_AUTHENTICATION_ROUNDS} answers with ${plugin}`,
  );
}

async function reportingTlsFailure<T>(
  leg: 'client' | 'server',
  { record, observer }: HandshakeContext,
  upgrade: Promise<T>,
): Promise<T> {
  try {
    return await upgrade;
  } catch (error) {
    // A client that goes away while the server leg negotiates is no failure of that leg.
    if (error instanceof ProxyError && error.definition.leg === leg) observer.tlsFailed?.(record, leg, error);
    throw error;
  }
}
