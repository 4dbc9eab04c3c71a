/** Stands between two programs on a TCP connection, passes everything on and keeps a copy. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Turn {
  readonly from: 'client' | 'server';
  readonly bytes: Buffer;
}

export interface RecordingRelay {
  readonly host: string;
  readonly port: number;
  /** What has passed since the last call of this or of `takeTurns`; one element for each direction. */
  takeBytes(): readonly Buffer[];
  /** The same in the order in which it passed, all that one side said before the other did as one turn. */
  takeTurns(): readonly Turn[];
  close(): Promise<void>;
}

export async function startRecordingRelay(target: { host: string; port: number }): Promise<RecordingRelay> {
  const host = '127.0.0.1';
  let chunks: Turn[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ host: target.host, port: target.port, noDelay: true });
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroySoon();
      });
    }
    near.on('data', (bytes) => chunks.push({ from: 'client', bytes })).pipe(far);
    far.on('data', (bytes) => chunks.push({ from: 'server', bytes })).pipe(near);
  });
  server.listen(0, host);
  await once(server, 'listening');
  const takeChunks = () => {
    const taken = chunks;
    chunks = [];
    return taken;
  };
  return {
    host,
    port: (server.address() as AddressInfo).port,
    takeBytes: () => {
      const taken = takeChunks();
      return (['client', 'server'] as const).map((side) => joined(taken.filter(({ from }) => from === side)));
    },
    takeTurns: () => turnsOf(takeChunks()),
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function turnsOf(chunks: readonly Turn[]): Turn[] {
  const turns: Turn[][] = [];
  for (const chunk of chunks) {
    const latest = turns.at(-1);
    if (latest !== undefined && latest[0]?.from === chunk.from) latest.push(chunk);
    else turns.push([chunk]);
  }
  return turns.map((turn) => ({ from: turn[0]?.from ?? 'client', bytes: joined(turn) }));
}

function joined(chunks: readonly Turn[]): Buffer {
  return Buffer.concat(chunks.map(({ bytes }) => bytes));
}
