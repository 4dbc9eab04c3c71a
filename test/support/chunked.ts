/** The ways in which a network may cut a byte stream, and sockets to send the pieces through. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** Every way to cut the bytes into two pieces, neither of them empty. */
export function* splitsInTwo(bytes: Buffer): Generator<readonly [Buffer, Buffer]> {
  for (let at = 1; at < bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)];
}

export function singleBytes(bytes: Buffer): readonly Buffer[] {
  return Array.from(bytes, (_byte, at) => bytes.subarray(at, at + 1));
}

/** Every beginning of the bytes that is not all of them, the empty one included. */
export function* truncations(bytes: Buffer): Generator<Buffer> {
  for (let length = 0; length < bytes.length; length++) yield bytes.subarray(0, length);
}

/** Sends each piece only when the other end has taken all before it, so that no two arrive together. */
export async function sendApart(from: Socket, to: Socket, pieces: Iterable<Buffer>): Promise<void> {
  let expected = to.bytesRead;
  for (const piece of pieces) {
    from.write(piece);
    expected += piece.length;
    await arrived(to, expected);
  }
}

/** Resolves when the socket has taken so many bytes from the network since it was opened. */
export async function arrived(socket: Socket, totalBytes: number): Promise<void> {
  while (socket.bytesRead < totalBytes && !socket.destroyed) await nextTurn();
}

/** Whether the promise is still open when everything that was on its way over loopback has arrived. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const mark = () => {
    settled = true;
  };
  promise.then(mark, mark);
  for (let turn = 0; turn < 10; turn++) await nextTurn();
  return !settled;
}

export interface SocketPair {
  readonly near: Socket;
  readonly far: Socket;
  /** Resolves when both ends are closed. */
  close(): Promise<void>;
}

/** Two ends of one TCP connection over loopback, both half-open as in the proxy. `near` is the accepted one. */
export async function openSocketPair(): Promise<SocketPair> {
  const listener = createServer({ allowHalfOpen: true, noDelay: true }).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as { port: number };
  const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  const [[near]] = (await Promise.all([once(listener, 'connection'), once(far, 'connect')])) as [
    [Socket],
    unknown,
  ];
  listener.close();
  // What a test does to one end must not end the process by way of the other.
  for (const socket of [near, far]) socket.on('error', () => {});
  return {
    near,
    far,
    close: async () => {
      const open = [near, far].filter(({ closed }) => !closed);
      const closed = open.map((socket) => once(socket, 'close'));
      for (const socket of open) socket.destroy();
      await Promise.all(closed);
    },
  };
}
