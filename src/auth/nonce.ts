/** The random bytes that a scramble is made with, so that it is good for one login only. */

/** Of every plugin of MySQL; MariaDB's ed25519 and parsec take 32 bytes. */
export const NONCE_LENGTH = 20;

/** The nonce in the data of an AuthSwitchRequest, without the zero byte behind it. */
export function nonceIn(switchData: Buffer): Buffer {
  return switchData.subarray(0, NONCE_LENGTH);
}

/** Each byte of `bytes` XOR the one of `mask`, which is repeated as needed. An empty mask changes nothing. */
export function xor(bytes: Buffer, mask: Buffer): Buffer {
  const result = Buffer.from(bytes);
  for (let index = 0; index < result.length; index++) {
    result[index] = (result[index] ?? 0) ^ (mask[index % mask.length] ?? 0);
  }
  return result;
}
