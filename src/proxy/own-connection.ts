/** What the doctor and health checks share: a connection to a server that the proxy makes for itself, without a client. */
import type { CancelSignal } from '../cancellation.js';
import { errorTable, ProxyError, serverRefusal } from '../errors.js';
import { type ConnectionRecord, newConnectionRecord } from '../observe/events.js';
import type { ServerLegTls } from '../tls/contexts.js';
import { clientCertificateFailure } from '../tls/failures.js';
import {
  CLIENT_PLUGIN_AUTH,
  CLIENT_PROTOCOL_41,
  CLIENT_SECURE_CONNECTION,
  CLIENT_SSL,
} from '../wire/capabilities.js';
import type { Greeting } from '../wire/greeting.js';
import { encodeLoginHead } from '../wire/login.js';
import { decodeErr, isErr } from '../wire/replies.js';
import { decodeServerGreeting, decodeServerPacket } from './decoding.js';
import type { LastWord } from './leave-server.js';
import type { ServerLeg } from './legs.js';
import { secureServer } from './secure-legs.js';

/** Throws the ProxyError of a server that refuses in place of a greeting, or does not greet as MySQL servers do. */
export function greetingOf({ name, firstPacket }: ServerLeg): Greeting {
  const refusal = refusalInPlaceOfGreeting({ name, firstPacket });
  if (refusal !== undefined) throw refusal;
  return decodeServerGreeting(name, firstPacket);
}

/** Undefined where the first packet is something else than an ERR. Throws where that can not be read. */
export function refusalInPlaceOfGreeting({
  name,
  firstPacket,
}: Pick<ServerLeg, 'name' | 'firstPacket'>): ProxyError | undefined {
  if (!isErr(firstPacket)) return undefined;
  const { errno, message } = decodeServerPacket(name, () => decodeErr(firstPacket));
  return new ProxyError(
    serverRefusal(errno) ?? 'server_closed',
    `${name} refuses with error ${errno}: ${message}`,
  );
}

/** Flags of what the proxy itself says to a server. */
const OWN_FLAGS = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH;

/** Of a login; behind an SSLRequest it has to be that packet. */
export function ownLoginHead({ capabilities, characterSet }: Greeting): Buffer {
  return encodeLoginHead((capabilities & OWN_FLAGS) >>> 0, characterSet);
}

/** Returns what was negotiated. Rejects with the ProxyError of the leg, or with the signal's reason. */
export async function secureOwn(
  server: ServerLeg,
  tls: ServerLegTls,
  { capabilities, characterSet }: Greeting,
  record: ConnectionRecord,
  signal: CancelSignal,
): Promise<void> {
  const request = encodeLoginHead((capabilities & (OWN_FLAGS | CLIENT_SSL)) >>> 0, characterSet);
  await secureServer(server, tls, request, {
    record,
    observer: {},
    deadline: signal,
    signal,
    onClientGone: () => {},
  });
}

/** No client's: it only takes what was negotiated. */
export function ownRecord(server: string): ConnectionRecord {
  const record = newConnectionRecord({ id: 0, route: '', clientAddress: '' });
  record.serverAddress = server;
  return record;
}

/**
 * With TLS 1.3 a server refuses a client certificate after the handshake: by an alert, or by closing without a word. A
 * proxy of this kind sends an ERR, which others send for nothing else.
 */
export function verdictOnTls(lastWord: LastWord): ProxyError | undefined {
  if (lastWord instanceof ProxyError)
    return /^server_(re(fused|quires)_|closed$)/.test(lastWord.code) ? lastWord : undefined;
  if (lastWord?.errno !== errorTable.client_certificate_rejected.errno) return undefined;
  const isMissing = lastWord.message.includes(clientCertificateFailure(undefined).what);
  return new ProxyError(isMissing ? 'server_requires_key_pair' : 'server_refused_key_pair', lastWord.message);
}
