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
import {
  assertAnswerIsSafe,
  assertQuestionIsSafe,
  type ExposurePolicy,
  isEmptyPassword,
  isUnusableForServer,
} from '../auth/password-exposure.js';
import { SHA256_PASSWORD } from '../auth/sha256-password.js';
import { wellFormed } from '../auth/well-formed.js';
import type { UserCredential } from '../config/model.js';
import { ProxyError } from '../errors.js';
import { NO_PLUGIN } from '../wire/login.js';
import { encodeAuthMoreData, encodeAuthSwitch } from '../wire/replies.js';
import { accessDenied } from './access-denied.js';
import { receivePassword } from './client-password.js';
import type { AuthenticationRequest, Dialogue, Opening } from './dialogue.js';

const NO_BYTES = Buffer.alloc(0);

/**
 * Rejects with ProxyError where the answer that came with the request must not be sent on, `access_denied` where it is
 * not that of the credential, or as `PacketPort.read` does.
 */
export async function openAuthentication(
  credential: UserCredential | undefined,
  request: AuthenticationRequest,
  dialogue: Dialogue,
): Promise<Opening> {
  return credential === undefined
    ? openAsClient(request, dialogue)
    : openWithCredential(credential, request, dialogue);
}

function openAsClient(request: AuthenticationRequest, { client, legs, route }: Dialogue): Opening {
  const { authResponse, abilities, userBytes, expectsSwitch } = request;
  const { plugin } = abilities;
  const opening = { nonce: client.nativeNonce, abilities, storedPassword: undefined, beforeOk: undefined };
  if (expectsSwitch || isUnusableForServer(plugin, authResponse, legs)) {
    const identity = { user: userBytes, authResponse: NO_BYTES, authPlugin: NO_PLUGIN };
    return { ...opening, identity, plugin: NO_PLUGIN };
  }
  assertAnswerIsSafe(plugin, authResponse, { legs, allowCleartext: route.config.allowCleartext });
  const checked = wellFormed(plugin, authResponse);
  const identity =
    checked === authResponse ? undefined : { user: userBytes, authResponse: checked, authPlugin: plugin };
  return { ...opening, identity, plugin };
}

/** Checks the client, and opens with the server's side of its credential. */
async function openWithCredential(
  credential: UserCredential,
  request: AuthenticationRequest,
  dialogue: Dialogue,
): Promise<Opening> {
  dialogue.record.authentication = 'credentials';
  const beforeOk = await checkClient(credential, request, dialogue);
  dialogue.record.serverUser = credential.server.user;
  const { serverPlugin, abilities, user, userBytes } = request;
  const nonce = dialogue.client.nativeNonce;
  const plugin = serverPlugin ?? NO_PLUGIN;
  const { server } = credential;
  const password = server.password.export();
  const identity = {
    // The server reads it in the character set of the client.
    user: server.user === user ? userBytes : Buffer.from(server.user, 'utf8'),
    authResponse: scrambleOf(plugin, password, nonce) ?? NO_BYTES,
    authPlugin: plugin,
  };
  password.fill(0);
  return { identity, plugin, nonce, abilities, storedPassword: server.password, beforeOk };
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
  const nonce = client.nativeNonce;
  let answer = request.authResponse;
  // Some clients only say what they can do, and wait to be asked. A COM_CHANGE_USER is always answered with a question.
  const isToBeAsked =
    plugin !== abilities.plugin || isEmptyPassword(answer) || request.serverPlugin === undefined;
  if (isToBeAsked && abilities.canSwitch) {
    assertQuestionIsSafe(plugin, { kind: 'auth-switch', plugin, data: nonce }, policyTowardProxy(dialogue));
    client.port.write(encodeAuthSwitch(plugin, nonce));
    ({ payload: answer } = await client.port.read(signal));
  }
  const usesPassword = !isEmptyPassword(answer);
  const { isRight, beforeOk } = await check(credential, answer, plugin, dialogue);
  answer.fill(0);
  if (isRight) return beforeOk;
  const denied = accessDenied(request.user, client, usesPassword);
  throw new ProxyError('access_denied', denied, { clientText: denied });
}

interface CheckResult {
  readonly isRight: boolean;
  readonly beforeOk?: Buffer;
}

async function check(
  { client: expected }: UserCredential,
  answer: Buffer,
  plugin: string,
  dialogue: Dialogue,
): Promise<CheckResult> {
  const { client, signal } = dialogue;
  const nonce = client.nativeNonce;
  const hash = 'doubleSha1' in expected ? expected.doubleSha1.export() : hashOf(expected.password);
  try {
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
  } finally {
    hash.fill(0);
  }
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
  // What is no answer of its plugin is no password either.
  if (plugin !== CLEAR_PASSWORD) return receivePassword(answer, plugin, nonce, dialogue);
  assertAnswerIsSafe(plugin, answer, policyTowardProxy(dialogue));
  return Buffer.from(decodeClearPassword(answer));
}

/** For what goes no further than to the proxy. */
function policyTowardProxy({ legs, route }: Dialogue): ExposurePolicy {
  const toProxy = { client: legs.client, server: { tls: true, unix: false } };
  return { legs: toProxy, allowCleartext: route.config.allowCleartext };
}
