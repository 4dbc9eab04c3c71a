/** What becomes of a PROXY header that a server does not take, or with which it does not let the client in. */
import { ProxyError } from '../errors.js';
import { isAnswerInPlaintext } from '../tls/failures.js';
import { decodeErr, isErr } from '../wire/replies.js';
import { decodeServerPacket } from './decoding.js';
import type { ServerLeg } from './legs.js';

/**
 * The ERR of a server that got its header at once and does not let its client in, which comes behind the greeting; undefined
 * where there is none so far. Throws ProxyError `server_refused_proxy_header` where it is the header that it does not take.
 */
export function refusalBehindGreeting({ name, port, isAnnounced }: ServerLeg): Buffer | undefined {
  if (isAnnounced !== true) return undefined;
  const refused = (how: string, cause?: Error) =>
    new ProxyError('server_refused_proxy_header', `${name} does not take the PROXY header: ${how}`, {
      cause,
    });
  const payload = port.takeArrived()?.payload;
  if (payload === undefined) {
    try {
      port.assertOpen();
    } catch (error) {
      // Closed with unread bytes, its words may have been lost on the way.
      throw refused('it closed the connection behind its greeting', error as Error);
    }
    return undefined;
  }
  if (!isErr(payload)) {
    throw new ProxyError('server_protocol_error', `${name} sent a packet in plaintext behind its greeting`);
  }
  const { errno, message } = decodeServerPacket(name, () => decodeErr(payload));
  if (errno === PACKETS_OUT_OF_ORDER || HEADER_NOT_ACCEPTED.test(message)) throw refused(message);
  return payload;
}

/** Why TLS failed: a server that answers in plaintext answers what it got before, which can not be read any more. */
export function failureBehindHeader({ name, isAnnounced }: ServerLeg, error: unknown): unknown {
  if (isAnnounced !== true) return error;
  if (!isAnswerInPlaintext(error)) {
    if (!(error instanceof ProxyError) || error.code !== 'server_refused_tls') return error;
    // Words of a server that closes with unread bytes may be lost.
    return new ProxyError(error.code, `${error.what}, perhaps because it takes no PROXY header from here`, {
      cause: error,
    });
  }
  const what = `${name} takes no PROXY header from here, or does not let the client in that it names`;
  return new ProxyError('server_refused_proxy_header', what, { cause: error });
}

/** MySQL takes the header for a packet with a wrong number. */
const PACKETS_OUT_OF_ORDER = 1156;
/** MariaDB, under the number for hosts that are not allowed. */
const HEADER_NOT_ACCEPTED = /^Proxy header is not accepted/;
