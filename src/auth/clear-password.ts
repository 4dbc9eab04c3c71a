/**
 * A password as C programs pass it on: its bytes and a zero byte. mysql_clear_password is nothing but that;
 * caching_sha2_password and sha256_password do it over TLS.
 */
export const CLEAR_PASSWORD = 'mysql_clear_password';

/** A copy of the password with the zero byte, without which servers cut the last character off. */
export function encodeClearPassword(password: Buffer): Buffer {
  return Buffer.concat([password, Buffer.from([0])]);
}

/**
 * The password up to the first zero byte, not copied. What has none was sent by no client that servers understand: they
 * drop its last byte, and so it is wrong here, too.
 */
export function decodeClearPassword(answer: Buffer): Buffer {
  const end = answer.indexOf(0);
  return answer.subarray(0, end === -1 ? Math.max(0, answer.length - 1) : end);
}
