/**
 * Keeps passwords off plaintext wires while client and server authenticate through the proxy.
 *
 * Plugins that send the password, or a token, in clear pass only between secure legs, or where the route allows it.
 *
 * Where the client's leg is secure and the server's is plaintext TCP, whoever sits on that wire can pose as the server
 * and ask for anything. There only what is known to give nothing away passes. What caching_sha2_password and
 * sha256_password send on unequal legs never comes here: the proxy translates it. Pure.
 */
import { ProxyError } from '../errors.js';
import { NO_PLUGIN } from '../wire/login.js';
import { AUTH_NEXT_FACTOR_HEADER, type AuthReply, startsPlugin } from '../wire/replies.js';
import {
  CACHING_SHA2_PASSWORD,
  CACHING_SHA2_SCRAMBLE_LENGTH,
  isFastAuthSuccess,
  isFullAuthRequest,
} from './caching-sha2-password.js';
import { CLEAR_PASSWORD } from './clear-password.js';
import { ED25519, ED25519_SIGNATURE_LENGTH } from './ed25519.js';
import { isPrivate, isServerLegExposed, type Legs, legsAreEqual } from './leg-security.js';
import { NATIVE_PASSWORD, NATIVE_SCRAMBLE_LENGTH } from './native-password.js';
import { PARSEC, PARSEC_ANSWER_LENGTH } from './parsec.js';
import { SHA256_PASSWORD } from './sha256-password.js';

/** MariaDB's plugin for PAM: prompts and answers. */
const DIALOG = 'dialog';

/** The password, or a token as good as one, is sent as it is. LDAP's simple form uses mysql_clear_password. */
const CLEARTEXT_PLUGINS: ReadonlySet<string> = new Set([
  CLEAR_PASSWORD,
  DIALOG,
  'authentication_openid_connect_client',
]);

/**
 * Every answer is a hash or a signature that is good for this nonce only, and of one of these lengths in bytes. Clients
 * have been seen to answer other questions than a switch with the password of the login.
 */
const SCRAMBLE_LENGTHS: ReadonlyMap<string, readonly number[]> = new Map([
  [NATIVE_PASSWORD, [NATIVE_SCRAMBLE_LENGTH]],
  ['mysql_old_password', [8, 9]],
  [ED25519, [ED25519_SIGNATURE_LENGTH]],
  [PARSEC, [PARSEC_ANSWER_LENGTH]],
  [CACHING_SHA2_PASSWORD, [CACHING_SHA2_SCRAMBLE_LENGTH]],
]);

/** Tickets and signatures of any length, in dialogues of several questions. */
const TICKET_PLUGINS: ReadonlySet<string> = new Set([
  'auth_gssapi_client',
  'authentication_kerberos_client',
  'authentication_ldap_sasl_client',
  'authentication_windows_client',
  'authentication_webauthn_client',
  'authentication_fido_client',
  'authentication_oci_client',
]);

export interface ExposurePolicy {
  readonly legs: Legs;
  /** The route lets clear text through wherever a client sends it. */
  readonly allowCleartext: boolean;
}

/**
 * Checks a server's packet before the client sees it and answers. `plugin` is the one that the packet belongs to, or
 * switches to. Throws ProxyError `cleartext_refused` or `unknown_exchange_refused`.
 */
export function assertQuestionIsSafe(plugin: string, question: AuthReply, policy: ExposurePolicy): void {
  if (CLEARTEXT_PLUGINS.has(plugin)) {
    assertMayGoInClear(plugin, policy);
    return;
  }
  if (!isServerLegExposed(policy.legs)) return;
  if (!isKnownQuestion(plugin, question)) throw unknownExchange(plugin);
}

/** All that is not exactly a question whose answer is known to give nothing away is none, whatever clients make of it. */
function isKnownQuestion(plugin: string, question: AuthReply): boolean {
  // Some clients take it for another factor although none was agreed on.
  if (question.kind === 'plugin-data' && question.data[0] === AUTH_NEXT_FACTOR_HEADER) return false;
  if (TICKET_PLUGINS.has(plugin)) return true;
  if (plugin === SHA256_PASSWORD) return startsPlugin(question);
  if (!SCRAMBLE_LENGTHS.has(plugin)) return false;
  if (startsPlugin(question) || question.kind === 'old-auth-switch') return true;
  if (plugin === PARSEC) return question.kind === 'plugin-data' || question.kind === 'auth-more-data';
  return isFastAuthSuccess(plugin, question) || isFullAuthRequest(plugin, question);
}

/**
 * Checks a client's answer, or the auth response of its login, before the server gets it as it is. `plugin` is the one
 * that the answer is for. Throws ProxyError `cleartext_refused` or `unknown_exchange_refused`.
 */
export function assertAnswerIsSafe(plugin: string, answer: Buffer, policy: ExposurePolicy): void {
  if (isEmptyPassword(answer)) return;
  if (CLEARTEXT_PLUGINS.has(plugin)) {
    assertMayGoInClear(plugin, policy);
    return;
  }
  if (!isServerLegExposed(policy.legs) || TICKET_PLUGINS.has(plugin)) return;
  if (!SCRAMBLE_LENGTHS.get(plugin)?.includes(answer.length)) throw unknownExchange(plugin);
}

/**
 * Whether the first answer of a client, which it gave without being asked, is of no use for this server: the password
 * in the form of the client's leg. To be withheld, so that the server asks for it.
 */
export function isUnusableForServer(plugin: string, answer: Buffer, legs: Legs): boolean {
  return plugin === SHA256_PASSWORD && !legsAreEqual(legs, plugin) && !isEmptyPassword(answer);
}

/** Whether the client's answer to this question is the password, in clear or encrypted. */
export function asksForPassword(plugin: string, question: AuthReply): boolean {
  if (plugin === SHA256_PASSWORD) return startsPlugin(question);
  return isFullAuthRequest(plugin, question);
}

/** Nothing, or the single zero byte of sha256_password. */
export function isEmptyPassword(answer: Buffer): boolean {
  return answer.length === 0 || (answer.length === 1 && answer[0] === 0);
}

function areBothPrivate({ client, server }: Legs): boolean {
  return isPrivate(client) && isPrivate(server);
}

/** Throws ProxyError `cleartext_refused`. */
function assertMayGoInClear(plugin: string, { legs, allowCleartext }: ExposurePolicy): void {
  if (allowCleartext || areBothPrivate(legs)) return;
  const plaintext = [
    ...(isPrivate(legs.client) ? [] : ['client']),
    ...(isPrivate(legs.server) ? [] : ['server']),
  ];
  throw new ProxyError(
    'cleartext_refused',
    `${plugin} sends the password in clear, and the ${plaintext.join(' leg and the ')} leg is in plaintext`,
  );
}

function unknownExchange(plugin: string): ProxyError {
  return new ProxyError(
    'unknown_exchange_refused',
    `the server wants something of the client${plugin === NO_PLUGIN ? '' : ` with ${plugin.slice(0, 64)}`} that may be a password, and the server leg is in plaintext`,
  );
}
