/** Stands between two programs on a TCP connection, passes everything on and keeps a copy. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface RecordingRelay {
  readonly host: string;
  readonly port: number;
  /** What has passed since the last call; one element for each direction. */
  takeBytes(): readonly Buffer[];
  close(): Promise<void>;
}

export async function startRecordingRelay(target: { host: string; port: number }): Promise<RecordingRelay> {
  const host = '127.0.0.1';
  let upstream: Buffer[] = [];
  let downstream: Buffer[] = [];
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
    near.on('data', (chunk) => upstream.push(chunk)).pipe(far);
    far.on('data', (chunk) => downstream.push(chunk)).pipe(near);
  });
  server.listen(0, host);
  await once(server, 'listening');
  return {
    host,
    port: (server.address() as AddressInfo).port,
    takeBytes: () => {
      const taken = [Buffer.concat(upstream), Buffer.concat(downstream)];
      [upstream, downstream] = [[], []];
      return taken;
    },
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
