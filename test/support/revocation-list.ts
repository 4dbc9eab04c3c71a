/** Makes certificate revocation lists (RFC 5280, version 2), which node-forge itself cannot. */
import { sign } from 'node:crypto';
import forge from 'node-forge';
import { type Identity, withUnixLines } from './certificates.js';

const { asn1, pki } = forge;
const { Class, Type } = asn1;
const dayMs = 24 * 60 * 60 * 1000;

/** The PEM text of the list of `ca`; `revoked` names serial numbers as `Identity` has them. */
export function makeCrl(
  ca: Identity,
  revoked: readonly string[],
  validity: { from?: Date; to?: Date } = {},
): string {
  const from = validity.from ?? new Date(Date.now() - dayMs);
  const to = validity.to ?? new Date(Date.now() + 30 * dayMs);
  const entries = revoked.map((serialNumber) => sequence(integer(serialNumber), utcTime(from)));
  const toBeSigned = sequence(
    integer('01'),
    sha256WithRsa(),
    pki.distinguishedNameToAsn1(pki.certificateFromPem(ca.certificate).subject),
    utcTime(from),
    utcTime(to),
    ...(entries.length > 0 ? [sequence(...entries)] : []),
    extensions(),
  );
  const signature = sign('sha256', Buffer.from(asn1.toDer(toBeSigned).getBytes(), 'binary'), ca.key);
  const noUnusedBits = '\0';
  const signatureBits = primitive(Type.BITSTRING, noUnusedBits + signature.toString('binary'));
  const body = asn1.toDer(sequence(toBeSigned, sha256WithRsa(), signatureBits)).getBytes();
  return withUnixLines(forge.pem.encode({ type: 'X509 CRL', body }));
}

/** Only the number of the list, which version 2 demands. */
function extensions(): forge.asn1.Asn1 {
  const number = asn1.toDer(integer('01')).getBytes();
  const crlNumber = sequence(objectIdentifier('2.5.29.20'), primitive(Type.OCTETSTRING, number));
  return asn1.create(Class.CONTEXT_SPECIFIC, 0, true, [sequence(crlNumber)]);
}

function sha256WithRsa(): forge.asn1.Asn1 {
  return sequence(objectIdentifier(pki.oids['sha256WithRSAEncryption'] ?? ''), primitive(Type.NULL, ''));
}

function sequence(...parts: forge.asn1.Asn1[]): forge.asn1.Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, parts);
}

function integer(hexadecimal: string): forge.asn1.Asn1 {
  return primitive(Type.INTEGER, forge.util.hexToBytes(hexadecimal));
}

function objectIdentifier(dotted: string): forge.asn1.Asn1 {
  return primitive(Type.OID, asn1.oidToDer(dotted).getBytes());
}

function utcTime(date: Date): forge.asn1.Asn1 {
  return primitive(Type.UTCTIME, asn1.dateToUtcTime(date));
}

function primitive(type: forge.asn1.Type, value: string): forge.asn1.Asn1 {
  return asn1.create(Class.UNIVERSAL, type, false, value);
}
