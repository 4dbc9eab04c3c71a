/**
 * What to answer a server's question with, when the password is known: the proxy in the place of a client.
 */
import { type AuthReply, startsPlugin } from '../wire/replies.js';
import {
  CACHING_SHA2_KEY_REQUEST,
  CACHING_SHA2_PASSWORD,
  cachingSha2Scramble,
  isFastAuthSuccess,
  isFullAuthRequest,
} from './caching-sha2-password.js';
import { CLEAR_PASSWORD, encodeClearPassword } from './clear-password.js';
import { ED25519, ed25519Signature } from './ed25519.js';
import { isPrivate, isSecure, type LegSecurity } from './leg-security.js';
import { NATIVE_PASSWORD, nativeScramble } from './native-password.js';
import { nonceIn } from './nonce.js';
import { PARSEC, parsecAnswer } from './parsec.js';
import { SHA256_KEY_REQUEST, SHA256_PASSWORD } from './sha256-password.js';

export type PasswordAnswer =
  /** To be sent, and overwritten afterwards. */
  | { readonly kind: 'packet'; readonly payload: Buffer }
  /** The password has to be encrypted: send the request, and `encryptPassword` for the key that comes back. */
  | { readonly kind: 'key-needed'; readonly request: Buffer }
  /** The server goes on by itself. */
  | { readonly kind: 'none' }
  /** The plugin can not be answered with a password, or not on this leg. `because`: to be appended to a message. */
  | { readonly kind: 'impossible'; readonly because: string };

const IMPOSSIBLE: PasswordAnswer = { kind: 'impossible', because: '' };
const EXPOSED: PasswordAnswer = { kind: 'impossible', because: ': the server leg is in plaintext' };

/** `plugin` is the one that the question belongs to, or switches to; `nonce` the data of the last switch. */
export async function answerWithPassword(
  question: AuthReply,
  plugin: string,
  password: Buffer,
  nonce: Buffer,
  serverLeg: LegSecurity,
): Promise<PasswordAnswer> {
  if (plugin === CACHING_SHA2_PASSWORD) {
    if (isFastAuthSuccess(plugin, question)) return { kind: 'none' };
    if (isFullAuthRequest(plugin, question)) return passwordItself(plugin, password, serverLeg);
  }
  if (plugin === PARSEC && (question.kind === 'plugin-data' || question.kind === 'auth-more-data')) {
    const answer = await parsecAnswer(password, nonce, question.data);
    return answer === undefined ? IMPOSSIBLE : { kind: 'packet', payload: answer };
  }
  if (!startsPlugin(question)) return IMPOSSIBLE;
  if (plugin === PARSEC) return { kind: 'packet', payload: Buffer.alloc(0) };
  if (plugin === SHA256_PASSWORD) return passwordItself(plugin, password, serverLeg);
  if (plugin === CLEAR_PASSWORD) {
    return isPrivate(serverLeg) ? { kind: 'packet', payload: encodeClearPassword(password) } : EXPOSED;
  }
  const payload = scrambleOf(plugin, password, nonce);
  return payload === undefined ? IMPOSSIBLE : { kind: 'packet', payload };
}

/**
 * The auth response of a login, where the server's default plugin takes a hash of the password; undefined: let the
 * server ask first.
 */
export function scrambleOf(plugin: string, password: Buffer, nonce: Buffer): Buffer | undefined {
  if (plugin === NATIVE_PASSWORD) return nativeScramble(password, nonceIn(nonce));
  if (plugin === CACHING_SHA2_PASSWORD) return cachingSha2Scramble(password, nonceIn(nonce));
  if (plugin === ED25519) return ed25519Signature(password, nonce);
  return undefined;
}

/**
 * The password itself, for a server that asked for it with caching_sha2_password or sha256_password: in clear where the
 * leg is secure, else only encrypted.
 */
export function passwordItself(plugin: string, password: Buffer, serverLeg: LegSecurity): PasswordAnswer {
  // An empty password is no secret, and servers know one only by this single byte.
  if (isSecure(serverLeg, plugin) || password.length === 0) {
    return { kind: 'packet', payload: encodeClearPassword(password) };
  }
  return {
    kind: 'key-needed',
    request: plugin === SHA256_PASSWORD ? SHA256_KEY_REQUEST : CACHING_SHA2_KEY_REQUEST,
  };
}
