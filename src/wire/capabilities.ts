/**
 * Capability flags of the connection phase, as unsigned 32-bit numbers.
 * https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html
 */

/** Set by every MySQL; MariaDB clears it to say that bits 32-63 (its extended capabilities) are in use. */
export const CLIENT_MYSQL = 0x0000_0001;
export const CLIENT_CONNECT_WITH_DB = 0x0000_0008;
export const CLIENT_COMPRESS = 0x0000_0020;
export const CLIENT_PROTOCOL_41 = 0x0000_0200;
export const CLIENT_SSL = 0x0000_0800;
export const CLIENT_SECURE_CONNECTION = 0x0000_8000;
export const CLIENT_PLUGIN_AUTH = 0x0008_0000;
export const CLIENT_CONNECT_ATTRS = 0x0010_0000;
export const CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA = 0x0020_0000;
export const CLIENT_DEPRECATE_EOF = 0x0100_0000;
export const CLIENT_ZSTD_COMPRESSION = 0x0400_0000;
export const CLIENT_QUERY_ATTRIBUTES = 0x0800_0000;
export const CLIENT_MULTI_FACTOR = 0x1000_0000;
/** Means something to the peer that sets it only; servers set it together with CLIENT_SSL. */
export const CLIENT_SSL_VERIFY_SERVER_CERT = 0x4000_0000;

/** zlib and zstd. */
export const COMPRESSION_FLAGS = CLIENT_COMPRESS | CLIENT_ZSTD_COMPRESSION;

export function has(capabilities: number, flag: number): boolean {
  return (capabilities & flag) !== 0;
}

export function withFlags(capabilities: number, flags: number): number {
  return (capabilities | flags) >>> 0;
}

export function withoutFlags(capabilities: number, flags: number): number {
  return (capabilities & ~flags) >>> 0;
}

/**
 * What the client is offered: the server's own flags, but TLS is the proxy's to offer on this leg, and compression may
 * have to be left out. Query attributes and everything else that both ends agree on by themselves stays.
 */
export function offeredToClient(
  serverCapabilities: number,
  { offerTls, offerCompression }: { offerTls: boolean; offerCompression: boolean },
): number {
  const flags = offerCompression ? serverCapabilities : withoutFlags(serverCapabilities, COMPRESSION_FLAGS);
  return offerTls
    ? withFlags(flags, CLIENT_SSL)
    : withoutFlags(flags, CLIENT_SSL | CLIENT_SSL_VERIFY_SERVER_CERT);
}

/**
 * What the server is told that the client can do. Clients send flags that they were not offered (libmysqlclient and
 * MariaDB Connector/C lay out their login by the server's flags but send their own unmasked), hence the AND.
 * CLIENT_MYSQL says which family the client belongs to, not what was agreed on: it passes as the client set it.
 * `logsInItself`: the proxy logs in itself, and can do what the client may not.
 */
export function forwardedToServer(
  clientCapabilities: number,
  offered: number,
  { useTls, logsInItself }: { useTls: boolean; logsInItself: boolean },
): number {
  const own = logsInItself ? CLIENT_PLUGIN_AUTH | CLIENT_SECURE_CONNECTION : 0;
  const agreed = withFlags(clientCapabilities, own) & withFlags(offered, CLIENT_MYSQL);
  const common = withoutFlags(agreed, CLIENT_SSL | CLIENT_SSL_VERIFY_SERVER_CERT);
  return useTls ? withFlags(common, CLIENT_SSL) : common;
}

/** Bytes after the login are compressed, with zlib or zstd. */
export function isCompressed(capabilities: number): boolean {
  return has(capabilities, COMPRESSION_FLAGS);
}
