/**
 * Reads and writes whole packets on one leg until authentication is over.
 *
 * It takes exactly the bytes of one packet at a time out of the socket's own buffer, so nothing is ever over-read: what
 * follows a packet is still in the socket when it is upgraded to TLS or handed to the relay.
 */

import type { Socket } from 'node:net';
import type { CancelSignal } from '../cancellation.js';
import { ProxyError, toProxyError } from '../errors.js';
import type { LegBytes } from '../observe/events.js';
import { isTlsError, tlsFailure } from '../tls/failures.js';
import {
  decodeHeader,
  encodePacket,
  HEADER_LENGTH,
  MAX_HANDSHAKE_PAYLOAD_LENGTH,
  type Packet,
  type PacketHeader,
  payloadLengthAt,
} from '../wire/framing.js';
import { isProxySignature } from '../wire/proxy-protocol.js';
import { chunkReader } from './chunk-reader.js';

interface PendingRead {
  /** Gives the caller a packet that never was in the stream; undefined where it waits for something else. */
  readonly accept: ((packet: Packet) => void) | undefined;
  /** Gives the caller what it waits for, if that has arrived. */
  attempt(): void;
  reject(reason: unknown): void;
}

const NO_BYTES = Buffer.alloc(0);

/** From one look at what is only thrown away to the next, in milliseconds: in a flood each read takes time from sessions. */
const THROWN_AWAY_AFTER_MS = 2_000;

export class PacketPort {
  readonly socket: Socket;
  /** Counted up by each packet that is read or written. */
  readonly bytes: LegBytes;
  readonly #leg: 'client' | 'server';
  /** `HOST:PORT` of the peer, for messages. */
  readonly #peer: string;
  readonly #onGone: ((reason: ProxyError) => void) | undefined;
  #nextSequenceId: number;
  #turnSince = performance.now();
  /** The header of a packet whose payload has not arrived. */
  #header: PacketHeader | undefined;
  #pendingRead: PendingRead | undefined;
  /** The peer is gone: what is left is delivered, later reads are refused. */
  #failure: ProxyError | undefined;
  /** The peer sent a packet that is not to be read: nothing behind it can be. */
  #refusal: ProxyError | undefined;

  /**
   * `onGone` is called at most once, when the peer closes or breaks the connection, whether or not a read is pending.
   * Pending input is delivered first.
   */
  constructor(
    socket: Socket,
    options: {
      leg: 'client' | 'server';
      peer: string;
      bytes?: LegBytes;
      nextSequenceId?: number;
      onGone?: ((reason: ProxyError) => void) | undefined;
    },
  ) {
    this.socket = socket;
    this.bytes = options.bytes ?? { in: 0, out: 0 };
    this.#leg = options.leg;
    this.#peer = options.peer;
    this.#nextSequenceId = options.nextSequenceId ?? 0;
    this.#onGone = options.onGone;
    chunkReader(socket).offer(this.#onBytes);
    socket.on('readable', this.#onReadable);
    socket.on('end', this.#onEnd);
    socket.on('error', this.#onError);
    socket.on('close', this.#onEnd);
  }

  /** The id that the next packet of this leg has, whoever sends it: 0-255. */
  get nextSequenceId(): number {
    return this.#nextSequenceId;
  }

  /**
   * The next packet; one read at a time. Rejects with a ProxyError (peer gone, packet too large or out of order) or
   * with the signal's reason. A packet that has arrived in part stays for the next read.
   */
  read(signal: CancelSignal): Promise<Packet> {
    return this.#whenArrived(() => this.#takePacket(), signal, true);
  }

  /** The next packet, where it has come whole already. Throws as `read` rejects. */
  takeArrived(): Packet | undefined {
    return this.#takePacket();
  }

  /** The next byte, which stays unread. Rejects as `read` does. */
  peekByte(signal: CancelSignal): Promise<number> {
    return this.#whenArrived(() => {
      const bytes = this.#take(1);
      if (bytes === undefined) return undefined;
      this.socket.unshift(bytes);
      return bytes[0];
    }, signal);
  }

  /** What a client is told that has sent something although it was not its turn: see `peekByte`. */
  refusalOfUnasked(): ProxyError {
    try {
      this.#takeHeader();
    } catch (error) {
      return toProxyError(error);
    }
    return new ProxyError(
      'client_packet_out_of_order',
      'the client sent something before it was greeted, which no MySQL client does',
    );
  }

  /**
   * What the peer has sent is thrown away, and what it sends from now on, once in a while, so that its end is noticed and nothing
   * else; one that goes on and on is cut off.
   */
  throwAway(): void {
    this.socket.read();
    let thrownAway = 0;
    chunkReader(this.socket).offer(({ length }) => {
      thrownAway += length;
      if (thrownAway > MAX_HANDSHAKE_PAYLOAD_LENGTH) this.socket.destroy();
      else this.socket.pause();
      setTimeout(() => this.socket.resume(), THROWN_AWAY_AFTER_MS).unref();
      return true;
    });
  }

  /** Whether someone waits for a packet: tells whose turn it was when time ran out. */
  get isReading(): boolean {
    return this.#pendingRead !== undefined;
  }

  /** When the latest packet was read or awaited, in milliseconds as of `performance.now`: the peer's turn began then, if it is its turn. */
  get turnSince(): number {
    return this.#turnSince;
  }

  /** Sends one payload under the leg's next sequence id. */
  write(payload: Buffer): void {
    this.#corkForThisTurn();
    this.socket.write(encodePacket(this.#nextSequenceId, payload));
    this.bytes.out += HEADER_LENGTH + payload.length;
    this.#nextSequenceId = (this.#nextSequenceId + 1) & 0xff;
  }

  /** Sends bytes that are no packet, ahead of the next one. */
  writeUnframed(bytes: Buffer): void {
    this.#corkForThisTurn();
    this.socket.write(bytes);
  }

  /** As `write`, and overwrites the payload at once, and its copy as soon as it has been handed to the system or to TLS. */
  writeSecret(payload: Buffer): void {
    const packet = encodePacket(this.#nextSequenceId, payload);
    payload.fill(0);
    this.#corkForThisTurn();
    this.socket.write(packet, () => packet.fill(0));
    this.bytes.out += packet.length;
    this.#nextSequenceId = (this.#nextSequenceId + 1) & 0xff;
  }

  /** Throws if the peer has already closed or broken the connection. */
  assertOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.socket.destroyed || this.socket.readableEnded) throw this.#gone();
  }

  /** Gives the socket back; bytes not read yet are still in it. The port is of no use after that. */
  release(): Socket {
    this.#uncork();
    chunkReader(this.socket).stop();
    this.socket.off('readable', this.#onReadable);
    this.socket.off('end', this.#onEnd);
    this.socket.off('error', this.#onError);
    this.socket.off('close', this.#onEnd);
    return this.socket;
  }

  /** What is written in one turn of the event loop, such as the two packets of a fast authentication, leaves in one segment. */
  #corkForThisTurn(): void {
    if (this.socket.writableCorked > 0) return;
    this.socket.cork();
    process.nextTick(this.#uncork);
  }

  readonly #uncork = (): void => {
    if (this.socket.writableCorked > 0) this.socket.uncork();
  };

  #whenArrived<T>(take: () => T | undefined, signal: CancelSignal, isPacket = false): Promise<T> {
    this.#turnSince = performance.now();
    return new Promise((resolve, reject) => {
      const settle = (action: () => void) => {
        this.#pendingRead = undefined;
        signal.offCancel(onCancel);
        action();
      };
      const onCancel = () => settle(() => reject(signal.reason));
      this.#pendingRead = {
        accept: isPacket ? (packet) => settle(() => resolve(packet as T)) : undefined,
        attempt: () => {
          const taken = take();
          if (taken !== undefined) settle(() => resolve(taken));
        },
        reject: (reason) => settle(() => reject(reason)),
      };
      signal.onCancel(onCancel);
      if (!signal.isCancelled) this.#onReadable();
    });
  }

  /** Most packets come whole and alone when they are waited for: those need not go through the stream. */
  readonly #onBytes = (bytes: Buffer): boolean => {
    const pending = this.#pendingRead;
    if (pending?.accept === undefined || this.#header !== undefined || this.socket.readableLength > 0)
      return false;
    if (bytes.length < HEADER_LENGTH || bytes.length !== HEADER_LENGTH + payloadLengthAt(bytes, 0))
      return false;
    const header = decodeHeader(bytes);
    if (this.#refusalOf(header) !== undefined) return false;
    pending.accept(this.#received(header, Buffer.from(bytes.subarray(HEADER_LENGTH))));
    return true;
  };

  readonly #onReadable = (): void => {
    try {
      this.#pendingRead?.attempt();
    } catch (error) {
      this.#pendingRead?.reject(error);
    }
    // A stream says `end` only to someone who reads: find out that the peer has gone although no packet is due.
    if (this.socket.readableLength === 0) this.socket.read(0);
    if (this.#pendingRead === undefined) return;
    if (this.#failure !== undefined) this.#pendingRead.reject(this.#failure);
    else if (this.socket.destroyed || this.socket.readableEnded) this.#fail(this.#gone());
  };

  readonly #onEnd = (): void => this.#fail(this.#gone());

  readonly #onError = (error: Error): void => {
    this.#fail(isTlsError(error) ? tlsFailure(this.#leg, this.#peer, error) : this.#gone(error));
  };

  #gone(error?: Error): ProxyError {
    const how = error === undefined ? 'closed the connection' : `broke the connection (${error.message})`;
    return this.#leg === 'client'
      ? new ProxyError('client_gone', `the client ${how} before its login was over`, { cause: error })
      : new ProxyError('server_closed', `${this.#peer} ${how} before the login was over`, { cause: error });
  }

  #fail(failure: ProxyError): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#pendingRead?.reject(failure);
    this.#onGone?.(failure);
  }

  #takePacket(): Packet | undefined {
    if (this.#refusal !== undefined) throw this.#refusal;
    this.#header ??= this.#takeHeader();
    if (this.#header === undefined) return undefined;
    const header = this.#header;
    const { payloadLength } = header;
    const payload = payloadLength === 0 ? NO_BYTES : this.#take(payloadLength);
    if (payload === undefined) return undefined;
    this.#header = undefined;
    return this.#received(header, payload);
  }

  #received({ sequenceId }: PacketHeader, payload: Buffer): Packet {
    this.bytes.in += HEADER_LENGTH + payload.length;
    this.#turnSince = performance.now();
    this.#nextSequenceId = (sequenceId + 1) & 0xff;
    return { sequenceId, payload };
  }

  #takeHeader(): PacketHeader | undefined {
    const bytes = this.#take(HEADER_LENGTH);
    if (bytes === undefined) return undefined;
    const header = decodeHeader(bytes);
    this.#refusal = this.#refusalOf(header);
    if (this.#refusal !== undefined) throw this.#refusal;
    return header;
  }

  #refusalOf({ payloadLength, sequenceId }: PacketHeader): ProxyError | undefined {
    if (this.#leg === 'client' && isProxySignature(payloadLength, sequenceId)) {
      return new ProxyError(
        'client_proxy_header_refused',
        'the client began with a PROXY header, and its address is not in --proxy-protocol-from',
      );
    }
    if (payloadLength > MAX_HANDSHAKE_PAYLOAD_LENGTH) {
      const what = `a packet of ${payloadLength} bytes before the login was over`;
      return this.#leg === 'client'
        ? new ProxyError('client_packet_too_large', `the client announced ${what}`)
        : new ProxyError('server_protocol_error', `${this.#peer} announced ${what}`);
    }
    // Servers refuse such a client with the same number. A server's ids are taken as they come.
    if (this.#leg === 'client' && sequenceId !== this.#nextSequenceId) {
      return new ProxyError(
        'client_packet_out_of_order',
        `the client sent packet ${sequenceId} where packet ${this.#nextSequenceId} was due`,
      );
    }
    return undefined;
  }

  /** Exactly `length` bytes, or none. */
  #take(length: number): Buffer | undefined {
    const bytes: Buffer | null = this.socket.read(length);
    if (bytes === null) return undefined;
    // At its end a stream gives whatever is left.
    return bytes.length === length ? bytes : undefined;
  }
}
