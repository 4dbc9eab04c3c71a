/**
 * sha256_password: the password itself on every login, NUL-terminated over TLS, else (also on a unix socket) encrypted
 * with the server's RSA key, for which the client asks with `01`. One zero byte stands for an empty password.
 * https://dev.mysql.com/doc/refman/9.0/en/sha256-pluggable-authentication.html
 */
export const SHA256_PASSWORD = 'sha256_password';

/** The client's packet that asks for the RSA key. */
export const SHA256_KEY_REQUEST = Buffer.from([0x01]);
