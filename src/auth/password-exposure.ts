/**
 * Keeps passwords off plaintext wires while the proxy relays an authentication dialogue that it does not translate.
 *
 * Some plugins hand over the password itself where their leg is secure, and an RSA-encrypted one where it is not. With
 * one secure leg and one that is not, client and server disagree about which of the two comes: the server would take a
 * key request for a (wrong) password, or the password would travel in clear. Such a dialogue is refused.
 *
 * Where the client's leg is secure and the server's is plaintext TCP, whoever sits on that wire can pose as the server
 * and ask for anything. There only what is known to give nothing away passes. Pure.
 */
import { ProxyError } from '../errors.js';
import type { AuthReply } from '../wire/replies.js';

export interface LegSecurity {
  readonly tls: boolean;
  /** On a socket file the bytes stay inside the machine. */
  readonly unix: boolean;
}

export interface Legs {
  readonly client: LegSecurity;
  readonly server: LegSecurity;
}

const CACHING_SHA2 = 'caching_sha2_password';
const SHA256 = 'sha256_password';
const CACHING_SHA2_SCRAMBLE_LENGTH = 32;

/** The password, or a token as good as one, is sent as it is. */
const CLEARTEXT_PLUGINS: ReadonlySet<string> = new Set([
  'mysql_clear_password',
  'dialog',
  'authentication_openid_connect_client',
]);

/** Every answer is a hash, a signature or a ticket that is good for this nonce only, whatever the question was. */
const CHALLENGE_RESPONSE_PLUGINS: ReadonlySet<string> = new Set([
  'mysql_native_password',
  'mysql_old_password',
  'client_ed25519',
  'parsec',
  'auth_gssapi_client',
  'authentication_kerberos_client',
  'authentication_ldap_sasl_client',
  'authentication_windows_client',
  'authentication_webauthn_client',
  'authentication_fido_client',
  'authentication_oci_client',
]);

/** The client believes its leg to be secure, and what it says would go out on a plaintext wire. */
export function isServerLegExposed({ client, server }: Legs): boolean {
  return (client.tls || client.unix) && !server.tls && !server.unix;
}

/**
 * Checks a server's packet before the client sees it and answers. `plugin` is the one that the packet belongs to, or
 * switches to. Throws ProxyError `password_exchange_unsupported`.
 */
export function assertQuestionIsSafe(plugin: string, question: AuthReply, legs: Legs): void {
  if (CLEARTEXT_PLUGINS.has(plugin) && !bothSecure(legs)) throw refusal(plugin);
  if (plugin === CACHING_SHA2 && isSecure(legs.client, plugin) !== isSecure(legs.server, plugin)) {
    // A switch is answered with a scramble and a success with nothing; anything else asks for the password.
    if (!startsDialogue(question) && !isFastAuthSuccess(plugin, question)) throw refusal(plugin);
  }
  if (
    isServerLegExposed(legs) &&
    ![CACHING_SHA2, SHA256].includes(plugin) &&
    !CHALLENGE_RESPONSE_PLUGINS.has(plugin)
  ) {
    throw refusal(plugin);
  }
}

/**
 * Checks a client's answer, or the auth response of its login, before the server gets it. `plugin` is the one that the
 * answer is for. Throws ProxyError `password_exchange_unsupported`.
 */
export function assertAnswerIsSafe(plugin: string, answer: Buffer, legs: Legs): void {
  if (isEmptyPassword(answer)) return;
  if (CLEARTEXT_PLUGINS.has(plugin) && !bothSecure(legs)) throw refusal(plugin);
  if (plugin === SHA256 && legs.client.tls !== legs.server.tls) throw refusal(plugin);
  if (!isServerLegExposed(legs) || CHALLENGE_RESPONSE_PLUGINS.has(plugin)) return;
  if (plugin !== CACHING_SHA2 || answer.length !== CACHING_SHA2_SCRAMBLE_LENGTH) throw refusal(plugin);
}

/** caching_sha2_password: "your password was in my cache". The one packet that no answer follows; OK comes next. */
export function isFastAuthSuccess(plugin: string, reply: AuthReply): boolean {
  return (
    plugin === CACHING_SHA2 &&
    reply.kind === 'auth-more-data' &&
    reply.data.length === 1 &&
    reply.data[0] === 0x03
  );
}

function startsDialogue(question: AuthReply): boolean {
  return question.kind === 'auth-switch' || question.kind === 'next-factor';
}

function isEmptyPassword(answer: Buffer): boolean {
  return answer.length === 0 || (answer.length === 1 && answer[0] === 0);
}

function bothSecure({ client, server }: Legs): boolean {
  return (client.tls || client.unix) && (server.tls || server.unix);
}

/** caching_sha2_password trusts a unix socket as much as TLS, at both ends; sha256_password does not. */
function isSecure(leg: LegSecurity, plugin: string): boolean {
  return leg.tls || (leg.unix && plugin === CACHING_SHA2);
}

function refusal(plugin: string): ProxyError {
  return new ProxyError(
    'password_exchange_unsupported',
    `${plugin.slice(0, 64)} could send the password over two legs of which one is not secure`,
  );
}
