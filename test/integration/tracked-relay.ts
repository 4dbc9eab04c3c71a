/** A relay without TLS between real clients and a real server, which shows all that it relays to a tracker. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { CommandTracker } from '../../src/wire/command-tracker.js';
import { flagsOfGreeting } from '../support/packets.js';

const GREETING = 0x0a;
const OK = 0x00;

export class RelayedConnection {
  readonly client: Socket;
  readonly server: Socket;
  /** Undefined until the login has succeeded. */
  tracker: CommandTracker | undefined;
  /** How often the client sent something while the tracker believed that it was owed a reply. */
  sentWhileBusy = 0;
  #greetingFlags = 0;
  #clientFlags: number | undefined;
  /** Of the login, in which packets are told apart without the tracker's help. */
  #loginBytes: Buffer = Buffer.alloc(0);
  #held: Buffer = Buffer.alloc(0);

  constructor(client: Socket, server: Socket) {
    this.client = client;
    this.server = server;
    client.on('data', (chunk: Buffer) => this.#onClientBytes(chunk));
    server.on('data', (chunk: Buffer) => this.#onServerBytes(chunk));
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('error', () => {});
      from.on('end', () => to.end());
      from.on('close', () => to.destroySoon());
    }
  }

  #onClientBytes(chunk: Buffer): void {
    if (this.tracker === undefined) {
      this.#clientFlags ??= chunk.readUInt32LE(4);
      this.server.write(chunk);
      return;
    }
    if (!this.tracker.isIdle && !this.tracker.isStream) this.sentWhileBusy++;
    const offered = Buffer.concat([this.#held, chunk]);
    const allowed = this.tracker.fromClient(offered);
    this.#held = offered.subarray(allowed);
    this.server.write(offered.subarray(0, allowed));
  }

  #onServerBytes(chunk: Buffer): void {
    if (this.tracker === undefined) this.#onLoginBytes(chunk);
    else this.tracker.fromServer(chunk);
    this.client.write(chunk);
  }

  #onLoginBytes(chunk: Buffer): void {
    this.#loginBytes = Buffer.concat([this.#loginBytes, chunk]);
    while (this.tracker === undefined && this.#loginBytes.length > 4) {
      const end = 4 + this.#loginBytes.readUIntLE(0, 3);
      if (this.#loginBytes.length < end) return;
      const payload = this.#loginBytes.subarray(4, end);
      this.#loginBytes = this.#loginBytes.subarray(end);
      if (payload[0] === GREETING && this.#clientFlags === undefined)
        this.#greetingFlags = flagsOfGreeting(payload);
      else if (payload[0] === OK)
        this.tracker = new CommandTracker(this.#greetingFlags & (this.#clientFlags ?? 0));
    }
    if (this.#loginBytes.length > 0) this.tracker?.fromServer(this.#loginBytes);
  }
}

export interface TrackedRelay {
  readonly host: string;
  readonly port: number;
  readonly connections: readonly RelayedConnection[];
  close(): Promise<void>;
}

export async function startTrackedRelay(target: { host: string; port: number }): Promise<TrackedRelay> {
  const connections: RelayedConnection[] = [];
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    const server = connect({ port: target.port, host: target.host, allowHalfOpen: true, noDelay: true });
    connections.push(new RelayedConnection(client, server));
  }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as { port: number };
  return {
    host: '127.0.0.1',
    port,
    connections,
    close: async () => {
      for (const { client, server } of connections) {
        client.destroy();
        server.destroy();
      }
      listener.close();
      await once(listener, 'close');
    },
  };
}
