/** A client that sends what no ordinary one does, and keeps all that it gets. Its account has no password. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { packet } from '../support/command-phase.js';
import { FLAGS, login } from '../support/packets.js';

const MULTI_STATEMENTS = 0x0001_0000;
const MULTI_RESULTS = 0x0002_0000;
const PS_MULTI_RESULTS = 0x0004_0000;
const LOCAL_FILES = 0x80;
const OFFSET_OF_MARIADB_FLAGS = 28;

export interface RawClientOptions {
  user: string;
  plugin: string;
  /** Beside those that every client here sets. */
  flags?: number;
  /** Bits 32-63. With any of them CLIENT_MYSQL is not set. */
  mariadbFlags?: number;
}

export class RawClient {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
  }

  static async open(port: number, options: RawClientOptions): Promise<RawClient> {
    const { user, plugin, mariadbFlags = 0 } = options;
    const always =
      FLAGS.protocol41 |
      FLAGS.secureConnection |
      FLAGS.pluginAuth |
      MULTI_STATEMENTS |
      MULTI_RESULTS |
      PS_MULTI_RESULTS |
      LOCAL_FILES;
    const flags = always | (options.flags ?? 0) | (mariadbFlags === 0 ? FLAGS.mysql : 0);
    const response = login({ flags, user, plugin, auth: Buffer.alloc(0) });
    response.writeUInt32LE(mariadbFlags, OFFSET_OF_MARIADB_FLAGS);
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const client = new RawClient(socket);
    await once(socket, 'connect');
    await client.until((bytes) => bytes.length > 4);
    client.take();
    client.send(packet(1, response));
    await client.until((bytes) => bytes.length > 4);
    const answer = client.take();
    if (answer[4] !== 0)
      throw new Error(`the login was not accepted: ${answer.subarray(4).toString('latin1')}`);
    return client;
  }

  send(bytes: Buffer): void {
    this.#socket.write(bytes);
  }

  /** All that has come since the last time. */
  take(): Buffer {
    const taken = this.#received;
    this.#received = Buffer.alloc(0);
    return taken;
  }

  async until(isThere: (received: Buffer) => boolean): Promise<void> {
    const deadline = Date.now() + 20_000;
    while (!isThere(this.#received)) {
      if (this.#socket.closed || Date.now() > deadline) {
        throw new Error(`waited in vain; there is ${this.#received.subarray(0, 200).toString('latin1')}`);
      }
      await delay(1);
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}
