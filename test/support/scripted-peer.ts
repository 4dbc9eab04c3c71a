/**
 * A MySQL client or server that says exactly what a test tells it to, over real sockets. It shares no code with the
 * proxy's own packet reading, so that a fault there can't hide here.
 */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type SecureContext, TLSSocket } from 'node:tls';

export interface ScriptedPacket {
  readonly sequenceId: number;
  readonly payload: Buffer;
}

export class ScriptedPeer {
  socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #ended = false;
  #error: Error | undefined;
  #wake: () => void = () => {};

  constructor(socket: Socket) {
    this.socket = socket;
    this.#attach();
  }

  static async connect(address: { host: string; port: number } | { path: string }): Promise<ScriptedPeer> {
    const socket = connect({ ...address, allowHalfOpen: true, noDelay: true });
    await once(socket, 'connect');
    return new ScriptedPeer(socket);
  }

  #attach(): void {
    this.socket.on('data', this.#onData);
    this.socket.on('end', this.#onEnd);
    this.socket.on('close', this.#onEnd);
    this.socket.on('error', this.#onError);
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#received = Buffer.concat([this.#received, chunk]);
    this.#wake();
  };
  readonly #onEnd = (): void => {
    this.#ended = true;
    this.#wake();
  };
  readonly #onError = (error: Error): void => {
    this.#error = error;
    this.#ended = true;
    this.#wake();
  };

  /** Waits until `take` finds what it looks for; rejects when the other side has gone without having sent it. */
  async #until<T>(take: () => T | undefined, what: string): Promise<T> {
    for (;;) {
      const taken = take();
      if (taken !== undefined) return taken;
      if (this.#ended) {
        throw new Error(
          `the connection ended (${this.#error?.message ?? 'FIN'}) while waiting for ${what}; ` +
            `left over: ${this.#received.toString('hex')}`,
        );
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  packet(): Promise<ScriptedPacket> {
    return this.#until(() => {
      if (this.#received.length < 4) return undefined;
      const length = this.#received.readUIntLE(0, 3);
      if (this.#received.length < 4 + length) return undefined;
      const packet = {
        sequenceId: this.#received[3] ?? 0,
        payload: Buffer.from(this.#received.subarray(4, 4 + length)),
      };
      this.#received = this.#received.subarray(4 + length);
      return packet;
    }, 'a packet');
  }

  bytes(length: number): Promise<Buffer> {
    return this.#until(() => {
      if (this.#received.length < length) return undefined;
      const bytes = Buffer.from(this.#received.subarray(0, length));
      this.#received = this.#received.subarray(length);
      return bytes;
    }, `${length} bytes`);
  }

  send(sequenceId: number, payload: Buffer | string): void {
    this.sendRaw(frame(sequenceId, payload));
  }

  sendRaw(bytes: Buffer): void {
    this.socket.write(bytes);
  }

  /** Resolves with what came before the other side closed or broke the connection. */
  async ended(): Promise<Buffer> {
    while (!this.#ended) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#received;
  }

  async startTlsAsClient(options: ConnectionOptions = {}): Promise<TLSSocket> {
    const secured = connectTls({
      ...options,
      socket: this.#detach(),
      rejectUnauthorized: options.rejectUnauthorized ?? false,
    });
    return this.#continueOn(secured, 'secureConnect');
  }

  async startTlsAsServer(secureContext: SecureContext, requestCert = false): Promise<TLSSocket> {
    const secured = new TLSSocket(this.#detach(), {
      isServer: true,
      secureContext,
      requestCert,
      rejectUnauthorized: false,
    });
    return this.#continueOn(secured, 'secure');
  }

  #detach(): Socket {
    this.socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onEnd);
    this.socket.pause();
    if (this.#received.length > 0) this.socket.unshift(this.#received);
    this.#received = Buffer.alloc(0);
    return this.socket;
  }

  async #continueOn(secured: TLSSocket, event: string): Promise<TLSSocket> {
    this.socket = secured;
    secured.on('error', this.#onError);
    await Promise.race([
      once(secured, event),
      once(secured, 'close').then(() => {
        throw this.#error ?? new Error('the connection was closed during the TLS handshake');
      }),
    ]);
    this.#attach();
    return secured;
  }

  /** FIN: this side sends no more. */
  finish(): void {
    this.socket.end();
  }

  /** RST; on a TLS socket, where Node has no such thing, FIN without close_notify. */
  reset(): void {
    if (this.socket instanceof TLSSocket) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  close(): void {
    this.socket.destroy();
  }
}

export function frame(sequenceId: number, payload: Buffer | string): Buffer {
  const bytes = Buffer.from(payload);
  return Buffer.concat([
    Buffer.from([bytes.length & 0xff, (bytes.length >> 8) & 0xff, bytes.length >> 16, sequenceId]),
    bytes,
  ]);
}

/** Accepts connections of the proxy one by one. */
export class ScriptedServer {
  readonly port: number;
  /** All that were accepted, in order. */
  readonly accepted: ScriptedPeer[] = [];
  readonly #server: Server;
  #waiting: ((peer: ScriptedPeer) => void)[] = [];
  #next = 0;

  private constructor(server: Server) {
    this.#server = server;
    this.port = (server.address() as { port: number }).port;
    server.on('connection', (socket: Socket) => {
      const peer = new ScriptedPeer(socket);
      this.accepted.push(peer);
      const waiter = this.#waiting.shift();
      if (waiter !== undefined) {
        this.#next += 1;
        waiter(peer);
      }
    });
  }

  static async listen(host = '127.0.0.1'): Promise<ScriptedServer> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.listen(0, host);
    await once(server, 'listening');
    return new ScriptedServer(server);
  }

  connection(): Promise<ScriptedPeer> {
    const peer = this.accepted[this.#next];
    if (peer !== undefined) {
      this.#next += 1;
      return Promise.resolve(peer);
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    for (const peer of this.accepted) peer.close();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
