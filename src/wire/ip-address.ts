/** IP addresses as text and as the bytes that stand in a PROXY header. Text comes out as RFC 5952 and Node.js write it. */

/** 4 or 16 bytes, in network order; undefined where the text is no address. A zone (`%eth0`) is none. */
export function ipToBytes(text: string): Buffer | undefined {
  return text.includes(':') ? ipv6ToBytes(text) : ipv4ToBytes(text);
}

/** Of 4 or 16 bytes. */
export function bytesToIp(bytes: Buffer): string {
  return bytes.length === 4 ? bytes.join('.') : ipv6Text(bytes);
}

function ipv4ToBytes(text: string): Buffer | undefined {
  const parts = text.split('.');
  if (parts.length !== 4) return undefined;
  // A leading zero means octal to some programs.
  if (!parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)) return undefined;
  return Buffer.from(parts.map(Number));
}

function ipv6ToBytes(text: string): Buffer | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, index) => groupsOf(half, index === halves.length - 1));
  if (head === undefined || (halves.length === 2 && tail === undefined)) return undefined;
  const groups = [...head, ...(tail ?? [])];
  // `::` stands for at least one group.
  if (halves.length === 2 ? groups.length > 7 : groups.length !== 8) return undefined;
  const bytes = Buffer.alloc(16);
  for (const [at, group] of head.entries()) bytes.writeUInt16BE(group, 2 * at);
  for (const [at, group] of (tail ?? []).entries())
    bytes.writeUInt16BE(group, 16 - 2 * ((tail?.length ?? 0) - at));
  return bytes;
}

/** The last part of the whole address may be an IPv4 address, which stands for two groups. */
function groupsOf(half: string, isLast: boolean): number[] | undefined {
  if (half === '') return [];
  const groups: number[] = [];
  const parts = half.split(':');
  for (const [at, part] of parts.entries()) {
    if (isLast && at === parts.length - 1 && part.includes('.')) {
      const ipv4 = ipv4ToBytes(part);
      if (ipv4 === undefined) return undefined;
      groups.push(ipv4.readUInt16BE(0), ipv4.readUInt16BE(2));
    } else if (/^[0-9a-f]{1,4}$/i.test(part)) {
      groups.push(Number.parseInt(part, 16));
    } else return undefined;
  }
  return groups;
}

function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(2 * at));
  const isMapped = groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0);
  if (isMapped) return `::ffff:${bytes.subarray(12).join('.')}`;
  const { start, length } = longestZeroRun(groups);
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':');
  if (length < 2) return text(groups);
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

/** The first, where several are equally long. */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 };
  let length = 0;
  for (const [at, group] of groups.entries()) {
    length = group === 0 ? length + 1 : 0;
    if (length > longest.length) longest = { start: at - length + 1, length };
  }
  return longest;
}
