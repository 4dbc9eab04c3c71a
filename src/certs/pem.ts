/** What a PEM text holds, before OpenSSL reads it. */
import { messageOf } from '../errors.js';

/** The certificates of a PEM text, the first one first, unread: each may still be broken. */
export function pemCertificates(text: string): readonly string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
}

export function holdsPrivateKey(text: string): boolean {
  return /-----BEGIN ([A-Z0-9]+ )*PRIVATE KEY-----/.test(text);
}

/** Whether the private key in the text needs a passphrase. */
export function isEncrypted(text: string): boolean {
  return /BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(text);
}

/** OpenSSL's words for what it can't read, without its numbers; they never quote the file. */
export function opensslReason(error: unknown): string {
  return messageOf(error).replace(/^error:[0-9A-F]+:/, '');
}
