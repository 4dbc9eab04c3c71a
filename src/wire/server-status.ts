/**
 * The server's status flags at the end of a result, read in place: `at` is where the payload begins in `bytes`, and
 * nothing behind its `length` is looked at.
 */

const MIN_OK_LENGTH = 7;

/** 0 where the packet ends before: that of a client older than 4.1, which knows of no second result. */
export function statusOfOk(bytes: Buffer, at: number, length: number): number {
  const insertId = 1 + lengthOfInteger(bytes[at + 1] ?? 0);
  const status = insertId + lengthOfInteger(bytes[at + insertId] ?? 0);
  return length < status + 2 ? 0 : bytes.readUInt16LE(at + status);
}

/** Of an EOF packet, which has 5 bytes, or of an OK packet in its place, which has at least 7. */
export function statusOfEof(bytes: Buffer, at: number, length: number): number {
  if (length >= MIN_OK_LENGTH) return statusOfOk(bytes, at, length);
  return length < 5 ? 0 : bytes.readUInt16LE(at + 3);
}

/** Of a length-encoded integer, in bytes. */
export function lengthOfInteger(first: number): number {
  if (first < 0xfc) return 1;
  if (first === 0xfc) return 3;
  return first === 0xfd ? 4 : 9;
}
