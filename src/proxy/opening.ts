/**
 * How an authentication begins at the server: with what the client said of itself, with less, or with an identity from
 * the credentials file, after the proxy has checked the client itself.
 */
import { type KeyObject, timingSafeEqual } from 'node:crypto';
import {
  CACHING_SHA2_PASSWORD,
  FAST_AUTH_SUCCESS,
  isCachingSha2Scramble,
  PERFORM_FULL_AUTH,
} from '../auth/caching-sha2-password.js';
import { CLEAR_PASSWORD, decodeClearPassword } from '../auth/clear-password.js';
import { doubleSha1, isNativeScramble, NATIVE_PASSWORD } from '../auth/native-password.js';
import { scrambleOf } from '../auth/password-answer.js';
import { assertAnswerIsSafe, isEmptyPassword, isForOtherLeg } from '../auth/password-exposure.js';
import { SHA256_PASSWORD } from '../auth/sha256-password.js';
import type { UserCredential } from '../config/model.js';
import { ProxyError } from '../errors.js';
import { type Identity, NO_PLUGIN } from '../wire/login.js';
import { encodeAuthMoreData, encodeAuthSwitch } from '../wire/replies.js';
import type { Dialogue, Opening } from './authentication.js';
import { type ClientAbilities, receivePassword } from './client-password.js';
import type { ClientLeg } from './legs.js';

/** A login or a COM_CHANGE_USER, as far as its authentication goes. */
export interface AuthenticationRequest {
  readonly user: string;
  readonly userBytes: Buffer;
  readonly authResponse: Buffer;
  readonly abilities: ClientAbilities;
  /** The client sent no answer because it waits to be asked; the server is not to take that for an empty password. */
  readonly waitsToBeAsked: boolean;
  /** The server's default plugin, if it takes a scramble along with the request; undefined: it asks in any case. */
  readonly serverPlugin: string | undefined;
  /** The packet for the server: as the client sent it, or with another identity. */
  encode(identity?: Identity): Buffer;
}

export interface OpenedAuthentication {
  /** The packet that tells the server who wants in. */
  readonly packet: Buffer;
  readonly opening: Opening;
}

const NO_BYTES = Buffer.alloc(0);

/** Throws ProxyError where the answer that came with the request must not be sent on. */
export function openAsClient(
  request: AuthenticationRequest,
  { client, legs, route }: Dialogue,
): OpenedAuthentication {
  const { authResponse, abilities, userBytes } = request;
  const opening = { nonce: client.nonce, abilities, password: undefined, beforeOk: undefined };
  if (request.waitsToBeAsked || isForOtherLeg(abilities.plugin, authResponse, legs)) {
    const identity = { user: userBytes, authResponse: NO_BYTES, authPlugin: NO_PLUGIN };
    const packet = request.encode(identity);
    authResponse.fill(0);
    return { packet, opening: { ...opening, plugin: NO_PLUGIN } };
  }
  assertAnswerIsSafe(abilities.plugin, authResponse, { legs, allowCleartext: route.config.allowCleartext });
  const packet = request.encode();
  authResponse.fill(0);
  return { packet, opening: { ...opening, plugin: abilities.plugin } };
}

/**
 * Checks the client, and opens with the server's side of its credential. Rejects with ProxyError `access_denied`, or as
 * `PacketPort.read` does.
 */
export async function openWithCredential(
  credential: UserCredential,
  request: AuthenticationRequest,
  dialogue: Dialogue,
): Promise<OpenedAuthentication> {
  dialogue.record.authentication = 'credentials';
  const beforeOk = await checkClient(credential, request, dialogue);
  const password = credential.server.password.export();
  const { serverPlugin, abilities } = request;
  const { nonce } = dialogue.client;
  const authPlugin = serverPlugin ?? NO_PLUGIN;
  const identity = {
    user: Buffer.from(credential.server.user, 'utf8'),
    authResponse: scrambleOf(authPlugin, password, nonce) ?? NO_BYTES,
    authPlugin,
  };
  const packet = request.encode(identity);
  request.authResponse.fill(0);
  return { packet, opening: { plugin: authPlugin, nonce, abilities, password, beforeOk } };
}

/** Plugins whose answers can be checked with the password, or with its double hash. */
const CHECKABLE: readonly string[] = [
  NATIVE_PASSWORD,
  CACHING_SHA2_PASSWORD,
  SHA256_PASSWORD,
  CLEAR_PASSWORD,
];

/** Returns what the client's plugin expects in front of OK. */
async function checkClient(
  credential: UserCredential,
  request: AuthenticationRequest,
  dialogue: Dialogue,
): Promise<Buffer | undefined> {
  const { client, signal } = dialogue;
  const { abilities } = request;
  const plugin = CHECKABLE.includes(abilities.plugin) ? abilities.plugin : NATIVE_PASSWORD;
  let answer = request.authResponse;
  const { nonce } = client;
  // Some clients only say what they can do, and wait to be asked. A COM_CHANGE_USER is always answered with a question.
  const isToBeAsked =
    plugin !== abilities.plugin || isEmptyPassword(answer) || request.serverPlugin === undefined;
  if (isToBeAsked && abilities.canSwitch) {
    client.port.write(encodeAuthSwitch(plugin, nonce));
    ({ payload: answer } = await client.port.read(signal));
  }
  const usesPassword = !isEmptyPassword(answer);
  const { isRight, beforeOk } = await check(credential, answer, plugin, nonce, dialogue);
  if (isRight) return beforeOk;
  throw new ProxyError('access_denied', accessDenied(request.user, client, usesPassword));
}

interface CheckResult {
  readonly isRight: boolean;
  readonly beforeOk?: Buffer;
}

async function check(
  { client: expected }: UserCredential,
  answer: Buffer,
  plugin: string,
  nonce: Buffer,
  dialogue: Dialogue,
): Promise<CheckResult> {
  const { client, signal } = dialogue;
  const hash = 'doubleSha1' in expected ? expected.doubleSha1.export() : hashOf(expected.password);
  if (plugin === NATIVE_PASSWORD && !isEmptyPassword(answer)) {
    return { isRight: isNativeScramble(answer, nonce, hash) };
  }
  let last = answer;
  if (plugin === CACHING_SHA2_PASSWORD && !isEmptyPassword(answer)) {
    if ('password' in expected) {
      const password = expected.password.export();
      const isRight = isCachingSha2Scramble(answer, nonce, password);
      password.fill(0);
      return { isRight, beforeOk: FAST_AUTH_SUCCESS };
    }
    client.port.write(encodeAuthMoreData(PERFORM_FULL_AUTH));
    ({ payload: last } = await client.port.read(signal));
  }
  const password = await passwordIn(last, plugin, nonce, dialogue);
  const isRight = timingSafeEqual(doubleSha1(password), hash);
  password.fill(0);
  return { isRight };
}

function hashOf(secret: KeyObject): Buffer {
  const password = secret.export();
  const hash = doubleSha1(password);
  password.fill(0);
  return hash;
}

function passwordIn(
  answer: Buffer,
  plugin: string,
  nonce: Buffer,
  dialogue: Dialogue,
): Promise<Buffer> | Buffer {
  if (plugin !== CLEAR_PASSWORD) {
    // What is no answer of its plugin is no password either.
    return receivePassword(answer, plugin, nonce, dialogue);
  }
  const { legs, route } = dialogue;
  const toProxy = { client: legs.client, server: { tls: true, unix: false } };
  assertAnswerIsSafe(plugin, answer, { legs: toProxy, allowCleartext: route.config.allowCleartext });
  return Buffer.from(decodeClearPassword(answer));
}

/** The words of MySQL, so that what looks for them in a client's log finds them. */
function accessDenied(user: string, { isUnix, remoteAddress }: ClientLeg, usesPassword: boolean): string {
  const host = isUnix ? 'localhost' : remoteAddress.replace(/^::ffff:/, '');
  return `Access denied for user '${user}'@'${host}' (using password: ${usesPassword ? 'YES' : 'NO'})`;
}
