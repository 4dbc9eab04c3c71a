/** Gets the password itself from a client, in the form that its leg allows: clear inside TLS, else encrypted with RSA. */
import {
  CACHING_SHA2_KEY_REQUEST,
  CACHING_SHA2_PASSWORD,
  PERFORM_FULL_AUTH,
} from '../auth/caching-sha2-password.js';
import { decodeClearPassword } from '../auth/clear-password.js';
import { ED25519 } from '../auth/ed25519.js';
import { isSecure } from '../auth/leg-security.js';
import { NATIVE_PASSWORD } from '../auth/native-password.js';
import { NONCE_LENGTH, nonceIn } from '../auth/nonce.js';
import { PARSEC } from '../auth/parsec.js';
import { isEmptyPassword } from '../auth/password-exposure.js';
import { decryptPassword, keyLengthBytes } from '../auth/rsa-exchange.js';
import type { RsaKey } from '../auth/rsa-key.js';
import { SHA256_KEY_REQUEST, SHA256_PASSWORD } from '../auth/sha256-password.js';
import { ProxyError } from '../errors.js';
import { encodeAuthMoreData, encodeAuthSwitch } from '../wire/replies.js';
import type { ClientAbilities, Dialogue } from './dialogue.js';
import type { Route } from './route.js';

/**
 * Whether a server's switch to `plugin` is answered by the proxy with a password that it gets from the client: the client
 * may not have the plugin, and its library would give up. Nothing of the password is stored.
 */
export function canBeBridged(plugin: string, abilities: ClientAbilities, route: Route): boolean {
  if (route.config.authBridge !== 'sha256' || !abilities.canSwitch) return false;
  const isNew = [CACHING_SHA2_PASSWORD, SHA256_PASSWORD].includes(abilities.plugin);
  // An old library, or one that followed the greeting: those can not be told apart.
  const isOld = abilities.plugin === NATIVE_PASSWORD;
  if (plugin === CACHING_SHA2_PASSWORD) return isOld;
  // Libraries of MySQL 9 come without it.
  if (plugin === NATIVE_PASSWORD) return isNew;
  return [ED25519, PARSEC].includes(plugin) && (isOld || isNew) && !abilities.isMariaDb;
}

/**
 * Switches the client to a plugin that hands over the password. `serverNonce`: of the server's switch, which the client
 * does not see. To be overwritten by the caller after use.
 */
export async function askForPassword(
  abilities: ClientAbilities,
  serverNonce: Buffer,
  dialogue: Dialogue,
): Promise<Buffer> {
  const { client, signal } = dialogue;
  const plugin = abilities.plugin === CACHING_SHA2_PASSWORD ? CACHING_SHA2_PASSWORD : SHA256_PASSWORD;
  // The same for both legs where it fits: it is what both may use again for a COM_CHANGE_USER.
  const nonce = serverNonce.length === NONCE_LENGTH + 1 ? nonceIn(serverNonce) : client.nativeNonce;
  client.port.write(encodeAuthSwitch(plugin, nonce));
  let { payload: answer } = await client.port.read(signal);
  if (plugin === CACHING_SHA2_PASSWORD && !isEmptyPassword(answer)) {
    client.port.write(encodeAuthMoreData(PERFORM_FULL_AUTH));
    ({ payload: answer } = await client.port.read(signal));
  }
  return receivePassword(answer, plugin, nonce, dialogue);
}

/**
 * The password in a client's answer, which may ask for the RSA key first. `nonce`: of the last switch. What can not be
 * made out becomes a password that is certainly wrong. To be overwritten by the caller after use. Rejects with ProxyError
 * `cleartext_refused` when it came in clear over a plaintext wire, and the route does not allow that.
 */
export async function receivePassword(
  answer: Buffer,
  plugin: string,
  nonce: Buffer,
  { client, legs, route, signal }: Dialogue,
): Promise<Buffer> {
  if (isEmptyPassword(answer)) return Buffer.alloc(0);
  // Some clients ask inside TLS, too. There it is no password: that would end with a zero byte.
  const asksForKey = answer.equals(
    plugin === SHA256_PASSWORD ? SHA256_KEY_REQUEST : CACHING_SHA2_KEY_REQUEST,
  );
  if (isSecure(legs.client, plugin) && !asksForKey) {
    return takeClearPassword(answer);
  }
  const key = await route.rsaKey();
  if (!asksForKey) {
    if (!isClearPassword(answer, key)) return decryptPassword(key, answer, nonceIn(nonce));
    const password = takeClearPassword(answer);
    if (route.config.allowCleartext) return password;
    password.fill(0);
    throw sentInClear(plugin);
  }
  client.port.write(encodeAuthMoreData(key.publicKeyPem));
  const { payload: encrypted } = await client.port.read(signal);
  return decryptPassword(key, encrypted, nonceIn(nonce));
}

function takeClearPassword(answer: Buffer): Buffer {
  const password = Buffer.from(decodeClearPassword(answer));
  answer.fill(0);
  return password;
}

/**
 * MariaDB's Connector/C up to 3.3, as in Debian 12, sends the password as it is where it was ready for TLS and got none: no
 * key request, and not as long as what the key encrypts.
 */
function isClearPassword(answer: Buffer, key: RsaKey): boolean {
  return answer.length !== keyLengthBytes(key.privateKey) && answer.at(-1) === 0;
}

function sentInClear(plugin: string): ProxyError {
  return new ProxyError(
    'cleartext_refused',
    `the client leg is in plaintext, and the client sent its password for ${plugin} in the clear: it was ready for TLS, and asks for the RSA key only when it is not (--skip-ssl)`,
  );
}
