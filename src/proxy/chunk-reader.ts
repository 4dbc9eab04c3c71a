/**
 * Hands what a socket receives to a function, read into one buffer that all sockets share. It is never replaced: a socket
 * goes on reading into the buffer that it was given last. So whoever keeps bytes for later has to copy them.
 *
 * As a stream, Node allocates 64 KiB for every read, cuts it down to what came, and leaves it to the garbage collector:
 * 15 % of what a small query costs the proxy, and 45 % of a large result (docs/decisions/0019). A buffer of one's own is
 * documented, as `onread`, for sockets that are made to connect. Accepted sockets and TLS sockets take one in the same
 * way, but by fields without documentation. Where a Node lacks one of them, sockets are read as streams.
 */
import { Socket, type SocketConstructorOpts } from 'node:net';

const SHARED_BUFFER_LENGTH = 65_536;

export interface ChunkReader {
  /**
   * From now on `onChunk` gets what comes, beginning with what the stream holds already, whenever the socket is not paused.
   * The bytes are only there until it returns; `ChunkWriter` sends them on.
   */
  start(onChunk: (bytes: Buffer) => void): void;
  /**
   * From now on `take` is shown what comes before the stream gets it, and returns whether it took it all. The bytes are only
   * there until it returns, and are overwritten then: a password may be among them.
   */
  offer(take: (bytes: Buffer) => boolean): void;
  /** From now on the stream gets what comes. */
  stop(): void;
}

interface Fields {
  readonly buffer: symbol;
  readonly callback: symbol;
}

type SocketFields = Socket & {
  readonly _handle: { useUserBuffer(buffer: Buffer): void } | null;
  [field: symbol]: unknown;
};

const fields = findFields();
const readers = new WeakMap<Socket, ChunkReader>();
const shared = Buffer.allocUnsafeSlow(SHARED_BUFFER_LENGTH);

/** Always the same of one socket. */
export function chunkReader(socket: Socket): ChunkReader {
  let reader = readers.get(socket);
  if (reader === undefined) {
    const { _handle: handle } = socket as SocketFields;
    const isPossible = fields !== undefined && typeof handle?.useUserBuffer === 'function';
    reader = isPossible ? new SharedBufferReader(socket as SocketFields, fields) : new StreamReader(socket);
    readers.set(socket, reader);
  }
  return reader;
}

class SharedBufferReader implements ChunkReader {
  readonly #socket: Socket;
  #onChunk: ((bytes: Buffer) => void) | undefined;
  #take: ((bytes: Buffer) => boolean) | undefined;

  constructor(socket: SocketFields, { buffer, callback }: Fields) {
    this.#socket = socket;
    socket[buffer] = shared;
    socket[callback] = this.#onRead;
    socket._handle?.useUserBuffer(shared);
  }

  start(onChunk: (bytes: Buffer) => void): void {
    this.#take = undefined;
    this.#onChunk = onChunk;
    // Handed the first of them, it may want no more.
    while (this.#onChunk === onChunk) {
      const bytes: Buffer | null = this.#socket.read();
      if (bytes === null) return;
      onChunk(bytes);
    }
  }

  offer(take: (bytes: Buffer) => boolean): void {
    this.#onChunk = undefined;
    this.#take = take;
  }

  stop(): void {
    this.#onChunk = undefined;
    this.#take = undefined;
  }

  /** Returns whether to go on reading. */
  readonly #onRead = (length: number, buffer: Buffer): boolean => {
    const bytes = buffer.subarray(0, length);
    if (this.#onChunk !== undefined) {
      this.#onChunk(bytes);
      return !this.#socket.isPaused();
    }
    const goOn = this.#take?.(bytes) === true || this.#socket.push(Buffer.from(bytes));
    bytes.fill(0);
    return goOn;
  };
}

class StreamReader implements ChunkReader {
  readonly #socket: Socket;
  #onChunk: ((bytes: Buffer) => void) | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  start(onChunk: (bytes: Buffer) => void): void {
    this.#onChunk = onChunk;
    this.#socket.on('data', onChunk);
  }

  offer(): void {
    this.stop();
  }

  stop(): void {
    if (this.#onChunk !== undefined) this.#socket.off('data', this.#onChunk);
    this.#onChunk = undefined;
  }
}

/** Named by Node on a socket that was made in the documented way. */
function findFields(): Fields | undefined {
  const onread = { buffer: Buffer.alloc(1), callback: () => true };
  const documented = new Socket({ onread } as SocketConstructorOpts);
  const symbols = Object.getOwnPropertySymbols(documented);
  const named = (name: string) => symbols.find(({ description }) => description === name);
  const [buffer, callback] = [named('kBuffer'), named('kBufferCb')];
  return buffer === undefined || callback === undefined ? undefined : { buffer, callback };
}
