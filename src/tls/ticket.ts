/** TLS sessions as OpenSSL serializes them, to be resumed later. */

const SEQUENCE = 0x30;
/** `[3] EXPLICIT Certificate OPTIONAL`, the peer's. */
const PEER_CERTIFICATE = 0xa3;

/**
 * The session without the server's certificate in it. Reading that again for each connection is a tenth of what a
 * connection costs, and no one looks at it: what matters of a certificate is kept beside the session.
 *
 * SSL_SESSION_ASN1 in OpenSSL's ssl/ssl_asn1.c: a DER sequence of integers, octet strings and tagged fields. For TLS 1.3
 * alone: before, Node takes a session without certificate for one that was never verified. Whatever does not look as
 * expected is returned as it is.
 */
export function withoutCertificate(session: Buffer): Buffer {
  const outer = elementAt(session, 0);
  if (outer === undefined || outer.tag !== SEQUENCE || outer.end !== session.length) return session;
  for (let at = outer.contentStart; at < outer.end; ) {
    const element = elementAt(session, at);
    if (element === undefined) return session;
    if (element.tag === PEER_CERTIFICATE) {
      const content = [session.subarray(outer.contentStart, at), session.subarray(element.end)];
      const length = outer.end - outer.contentStart - (element.end - at);
      return Buffer.concat([Buffer.from([SEQUENCE, 0x82, length >>> 8, length & 0xff]), ...content]);
    }
    at = element.end;
  }
  return session;
}

interface DerElement {
  readonly tag: number;
  readonly contentStart: number;
  readonly end: number;
}

/** With a tag of one byte and at most two bytes of length, as all of them have. */
function elementAt(der: Buffer, at: number): DerElement | undefined {
  const [tag, first] = [der[at], der[at + 1]];
  if (tag === undefined || first === undefined) return undefined;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (lengthBytes > 2 || at + 2 + lengthBytes > der.length) return undefined;
  const length = lengthBytes === 0 ? first : der.readUIntBE(at + 2, lengthBytes);
  const contentStart = at + 2 + lengthBytes;
  const end = contentStart + length;
  return end > der.length ? undefined : { tag, contentStart, end };
}
