/** How many TLS sessions MySQL 9 itself says were resumed. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { FLAGS, sslRequest } from '../support/packets.js';
import { frame } from '../support/scripted-peer.js';
import type { RealServer } from '../support/servers.js';
import { readPacket } from './raw-session.js';

export async function cacheHits(mysql: RealServer): Promise<number> {
  const [status] = await mysql.sql("SHOW GLOBAL STATUS LIKE 'Ssl_session_cache_hits'");
  return Number(status?.['Value']);
}

/**
 * OpenSSL, whose number this is, counts a session once for each ClientHello: twice for a client whose key share MySQL does
 * not take. The proxy sends one that it takes.
 */
export async function hitsPerResumption(mysql: RealServer): Promise<number> {
  const { session } = await handshake(mysql);
  const before = await cacheHits(mysql);
  const { isReused } = await handshake(mysql, session);
  if (!isReused) throw new Error('MySQL did not resume the session');
  return (await cacheHits(mysql)) - before;
}

/** Resolves when the other side has said that it is done, too: its tickets come after that. */
export async function handshake(
  { host, port }: Pick<RealServer, 'host' | 'port'>,
  session?: Buffer,
): Promise<{ session: Buffer; isReused: boolean; serialNumber: string }> {
  const socket = connect(port, host);
  await readPacket(socket);
  socket.write(frame(1, sslRequest(FLAGS.mysql | FLAGS.protocol41 | FLAGS.ssl)));
  const tls = connectTls({
    socket,
    rejectUnauthorized: false,
    ecdhCurve: 'P-256',
    ...(session && { session }),
  });
  // MySQL complains of a client that leaves without a login.
  tls.on('error', () => {});
  const ticketed = once(tls, 'session');
  await once(tls, 'secureConnect');
  const isReused = tls.isSessionReused();
  // Node gives no other ticket to a client that has used one.
  const [ticket] = session !== undefined && isReused ? [session] : await ticketed;
  const { serialNumber } = tls.getPeerCertificate();
  tls.destroy();
  return { session: ticket, isReused, serialNumber };
}
