/**
 * PASSTHROUGH: client and server negotiate TLS with each other, and no byte is changed or read. Only how it begins is
 * watched: a client that leaves without a word must not count as a broken handshake with the server.
 */
import type { ConnectionRecord } from '../observe/events.js';
import { MalformedPacketError } from '../wire/bytes.js';
import { decodeGreeting } from '../wire/greeting.js';
import { isErr } from '../wire/replies.js';
import type { ClientLeg, ServerLeg } from './legs.js';

/**
 * Passes the server's first packet on and resolves with the client's first bytes still unread. Rejects with ProxyError
 * `client_gone` or the signal's reason.
 */
export async function passGreeting(
  client: ClientLeg,
  server: ServerLeg,
  record: ConnectionRecord,
  signal: AbortSignal,
): Promise<void> {
  client.port.write(server.firstPacket);
  client.stage = 'greeted';
  if (!isErr(server.firstPacket)) {
    try {
      const { serverVersion, threadId } = decodeGreeting(server.firstPacket);
      record.serverVersion = serverVersion;
      record.serverThreadId = threadId;
    } catch (error) {
      // A greeting of another version is none of the proxy's business here.
      if (!(error instanceof MalformedPacketError)) throw error;
    }
    await client.port.waitForBytes(signal);
  }
  server.stage = 'decided';
}
