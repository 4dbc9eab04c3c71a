/** Bounds-checked reading of MySQL's little-endian fields. Every decoder stands on it, so none can read past its packet. */

/**
 * Thrown by every decoder for bytes that do not have the expected layout. The wire layer does not know whose packet
 * it reads; whoever asked for the decoding turns it into a ProxyError that names the leg.
 */
export class MalformedPacketError extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'MalformedPacketError';
  }
}

/** Reads one payload from front to back; throws MalformedPacketError instead of reading past its end. */
export class ByteReader {
  readonly bytes: Buffer;
  offset: number;

  constructor(bytes: Buffer, offset = 0) {
    this.bytes = bytes;
    this.offset = offset;
  }

  get remaining(): number {
    return this.bytes.length - this.offset;
  }

  uint8(field: string): number {
    return this.bytes.readUInt8(this.take(1, field));
  }

  uint16(field: string): number {
    return this.bytes.readUInt16LE(this.take(2, field));
  }

  uint24(field: string): number {
    return this.bytes.readUIntLE(this.take(3, field), 3);
  }

  uint32(field: string): number {
    return this.bytes.readUInt32LE(this.take(4, field));
  }

  /** The next `length` bytes, not copied. */
  slice(length: number, field: string): Buffer {
    const start = this.take(length, field);
    return this.bytes.subarray(start, start + length);
  }

  /** Everything up to the end, not copied; may be empty. */
  rest(): Buffer {
    const start = this.offset;
    this.offset = this.bytes.length;
    return this.bytes.subarray(start);
  }

  /** Up to the next zero byte, which is consumed but not returned. */
  nulTerminated(field: string): Buffer {
    const end = this.bytes.indexOf(0, this.offset);
    if (end === -1) throw new MalformedPacketError(`${field} has no terminating zero byte`);
    const value = this.bytes.subarray(this.offset, end);
    this.offset = end + 1;
    return value;
  }

  /** As `nulTerminated`, but the end of the packet ends the field too: some peers leave the last zero byte out. */
  nulTerminatedOrRest(): Buffer {
    const end = this.bytes.indexOf(0, this.offset);
    if (end === -1) return this.rest();
    const value = this.bytes.subarray(this.offset, end);
    this.offset = end + 1;
    return value;
  }

  /** Length-encoded integer: one byte below 0xfb, else 0xfc + 2, 0xfd + 3 or 0xfe + 8 bytes. */
  lengthEncodedInteger(field: string): number {
    const first = this.uint8(field);
    if (first < 0xfb) return first;
    if (first === 0xfc) return this.uint16(field);
    if (first === 0xfd) return this.uint24(field);
    if (first === 0xfe) {
      const value = this.bytes.readBigUInt64LE(this.take(8, field));
      if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new MalformedPacketError(`${field} is too large`);
      return Number(value);
    }
    throw new MalformedPacketError(`${field} starts with 0x${first.toString(16)}, which is no length`);
  }

  /** A length-encoded integer and as many bytes, not copied. */
  lengthEncodedBytes(field: string): Buffer {
    return this.slice(this.lengthEncodedInteger(field), field);
  }

  /** Claims `length` bytes and returns where they start. */
  private take(length: number, field: string): number {
    if (length > this.remaining) {
      throw new MalformedPacketError(
        `${field} needs ${length} bytes, the packet of ${this.bytes.length} has ${this.remaining} left`,
      );
    }
    const start = this.offset;
    this.offset += length;
    return start;
  }
}
