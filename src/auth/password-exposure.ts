/**
 * Keeps passwords off plaintext wires while the proxy relays an authentication dialogue that it does not translate.
 *
 * Some plugins hand over the password itself where their leg is secure, and an RSA-encrypted one where it is not. With
 * one secure leg and one that is not, client and server disagree about which of the two comes: the server would take a
 * key request for a (wrong) password, or the password would travel in clear. Such a dialogue is refused. Pure.
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

/** The password, or a token as good as one, is sent as it is. */
const CLEARTEXT_PLUGINS: ReadonlySet<string> = new Set([
  'mysql_clear_password',
  'dialog',
  'authentication_openid_connect_client',
]);

/** AuthMoreData of caching_sha2_password: "I do not have your password in my cache, send it". */
const PERFORM_FULL_AUTHENTICATION = 0x04;

/** Checks a server's packet before the client sees it and answers. Throws ProxyError `password_exchange_unsupported`. */
export function assertQuestionIsSafe(plugin: string, question: AuthReply, legs: Legs): void {
  if (CLEARTEXT_PLUGINS.has(plugin) && !bothSecure(legs)) throw refusal(plugin);
  const asksForPassword =
    plugin === CACHING_SHA2 &&
    question.kind === 'auth-more-data' &&
    question.data.length === 1 &&
    question.data[0] === PERFORM_FULL_AUTHENTICATION;
  if (asksForPassword && isSecure(legs.client, plugin) !== isSecure(legs.server, plugin))
    throw refusal(plugin);
}

/**
 * Checks a client's answer, or the auth response of its login, before the server gets it. `plugin` is the one the answer
 * is for. Throws ProxyError `password_exchange_unsupported`.
 */
export function assertAnswerIsSafe(plugin: string, answer: Buffer, legs: Legs): void {
  if (isEmptyPassword(answer)) return;
  if (CLEARTEXT_PLUGINS.has(plugin) && !bothSecure(legs)) throw refusal(plugin);
  if (plugin === SHA256 && legs.client.tls !== legs.server.tls) throw refusal(plugin);
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
    `${plugin} would send the password over two legs of which one is not secure`,
  );
}
