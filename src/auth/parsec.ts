/**
 * parsec of MariaDB 11.6 and newer: the client answers the switch with nothing, the server sends how its key is derived,
 * `'P' | iterations u8 | salt`, and the client signs both nonces with the key that PBKDF2 makes of the password:
 * `client nonce 32 | Ed25519 signature 64`.
 * https://mariadb.com/kb/en/authentication-plugin-parsec/
 */
import { createPrivateKey, pbkdf2, randomBytes, sign } from 'node:crypto';
import { promisify } from 'node:util';

export const PARSEC = 'parsec';

const NONCE_LENGTH = 32;

/** A nonce of the client's and a signature. */
export const PARSEC_ANSWER_LENGTH = NONCE_LENGTH + 64;
const KEY_LENGTH = 32;
const LEAST_ITERATIONS = 1024;
/** 262,144 iterations take a core about 0.2 s; a server that asks for more is not one that anybody configured. */
const MAX_ITERATION_FACTOR = 8;
const PBKDF2_MARK = 'P'.charCodeAt(0);
/** What stands in front of the seed in the PKCS #8 form of an Ed25519 key (RFC 8410 §7). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');

/** `serverNonce`: of the switch, 32 bytes. Undefined where the server wants a derivation that is not known. */
export async function parsecAnswer(
  password: Buffer,
  serverNonce: Buffer,
  derivation: Buffer,
): Promise<Buffer | undefined> {
  const [mark, factor = 0] = derivation;
  if (mark !== PBKDF2_MARK || factor > MAX_ITERATION_FACTOR) return undefined;
  const salt = derivation.subarray(2);
  const seed = await promisify(pbkdf2)(password, salt, LEAST_ITERATIONS << factor, KEY_LENGTH, 'sha512');
  const encodedKey = Buffer.concat([PKCS8_HEAD, seed]);
  const key = createPrivateKey({ key: encodedKey, format: 'der', type: 'pkcs8' });
  seed.fill(0);
  encodedKey.fill(0);
  const clientNonce = randomBytes(NONCE_LENGTH);
  const signature = sign(null, Buffer.concat([serverNonce.subarray(0, NONCE_LENGTH), clientNonce]), key);
  return Buffer.concat([clientNonce, signature]);
}
