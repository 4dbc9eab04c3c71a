/**
 * PASSTHROUGH: client and server negotiate TLS with each other, and no byte is changed. Only how the client begins is
 * looked at: one that leaves, or speaks no MySQL, must not count as a broken handshake with the server. Once the server
 * has seen something of the client, the two are on their own.
 */
import type { CancelSignal } from '../cancellation.js';
import { ProxyError } from '../errors.js';
import type { ConnectionRecord } from '../observe/events.js';
import { versionForPeople } from '../wire/greeting.js';
import { decodeClientFlags, decodeLogin } from '../wire/login.js';
import { decodeErr, isErr } from '../wire/replies.js';
import { decodeClientPacket, decodeServerGreeting, decodeServerPacket } from './decoding.js';
import type { Decision } from './dialogue.js';
import type { ClientLeg, ServerLeg } from './legs.js';

/** First byte of the TLS record that holds a ClientHello. */
const TLS_HANDSHAKE_RECORD = 0x16;

/**
 * Passes the server's first packet on, and then the client's, if it is a login, or an SSLRequest that TLS follows. What is
 * decided then is unseen and counts as accepted, unless the server refused in place of a greeting. Rejects with a ProxyError of the client leg, or with the signal's reason.
 */
export async function passFirstPackets(
  client: ClientLeg,
  server: ServerLeg,
  record: ConnectionRecord,
  signal: CancelSignal,
): Promise<Decision> {
  client.port.write(server.firstPacket);
  client.stage = 'greeted';
  if (isErr(server.firstPacket)) {
    const { errno } = decodeServerPacket(server.name, () => decodeErr(server.firstPacket));
    server.stage = 'decided';
    return { accepted: false, errno };
  }
  const greeting = decodeServerGreeting(server.name, server.firstPacket);
  record.serverVersion = versionForPeople(greeting);
  record.serverThreadId = greeting.threadId;
  server.port.write(await receiveFirstPacket(client, greeting.capabilities, signal));
  server.stage = 'decided';
  return { accepted: true };
}

async function receiveFirstPacket(
  client: ClientLeg,
  serverCapabilities: number,
  signal: CancelSignal,
): Promise<Buffer> {
  const { payload } = await client.port.read(signal);
  const { capabilities, isProtocol41, wantsTls } = decodeClientPacket(() => decodeClientFlags(payload));
  client.isProtocol41 = isProtocol41;
  if (!wantsTls) {
    decodeClientPacket(() => decodeLogin(payload, capabilities & serverCapabilities));
    return payload;
  }
  const byte = await client.port.peekByte(signal);
  if (byte === TLS_HANDSHAKE_RECORD) return payload;
  throw new ProxyError('client_tls_failed', 'the client asked for TLS and went on with something else');
}
