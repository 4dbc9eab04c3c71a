/** Clients that connect and leave before their login is over, each in its own way. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { login, sslRequest } from '../support/packets.js';
import { frame } from '../support/scripted-peer.js';

export interface Target {
  readonly host: string;
  readonly port: number;
}

export type Abandon = (target: Target, index: number) => Promise<void>;

/** Every second connection ends with a reset, as those of port scanners do. */
function leave(socket: Socket, index: number): void {
  // The end of the other side comes behind what it has sent.
  if (index % 2 === 0) socket.resume().end();
  else socket.resetAndDestroy();
}

async function open({ host, port }: Target): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true });
  // What the other side does with a connection that is given up is not looked at.
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

async function openAndReadGreeting(target: Target): Promise<Socket> {
  const socket = await open(target);
  await once(socket, 'data');
  socket.resume();
  return socket;
}

async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await once(socket, 'close');
}

/** Leaves at once after having sent `bytes` behind the greeting. */
const afterSending =
  (bytes: () => Buffer): Abandon =>
  async (target, index) => {
    const socket = await openAndReadGreeting(target);
    await new Promise((resolve) => socket.write(bytes(), resolve));
    leave(socket, index);
    await closed(socket);
  };

const wholeLogin = () => frame(1, login({ user: 'app' }));
const httpRequest = () => Buffer.from('GET / HTTP/1.1\r\nHost: database\r\n\r\n');

/** Clients that have not said anything yet that a server would understand. */
export const waysToLeaveEarly: Readonly<Record<string, Abandon>> = {
  'at once': async (target, index) => {
    const socket = await open(target);
    leave(socket, index);
    await closed(socket);
  },
  'after reading the greeting': async (target, index) => {
    const socket = await openAndReadGreeting(target);
    leave(socket, index);
    await closed(socket);
  },
  'after half a login': afterSending(() => wholeLogin().subarray(0, 30)),
  'after an HTTP request': afterSending(httpRequest),
  'after random bytes': afterSending(() => randomBytes(300)),
  'after garbage and an answer to it': async (target) => {
    const socket = await openAndReadGreeting(target);
    // A packet of one byte, which is no login.
    socket.write(Buffer.from([1, 0, 0, 1, 0xee]));
    await closed(socket);
  },
  'after an SSLRequest': afterSending(() => frame(1, sslRequest())),
  'after an SSLRequest and no TLS': afterSending(() => Buffer.concat([frame(1, sslRequest()), wholeLogin()])),
};

/** Clients that leave the other side in the middle of TLS or of the authentication. */
export const waysToLeaveLate: Readonly<Record<string, Abandon>> = {
  'in the middle of the TLS handshake': async (target, index) => {
    const hello = await clientHello();
    const socket = await openAndReadGreeting(target);
    socket.write(Buffer.concat([frame(1, sslRequest()), hello]));
    await Promise.race([once(socket, 'data'), closed(socket)]);
    leave(socket, index);
    await closed(socket);
  },
  'after the TLS handshake': async (target, index) => {
    const socket = await openAndReadGreeting(target);
    socket.write(frame(1, sslRequest()));
    const secured = connectTls({ socket: socket.pause(), rejectUnauthorized: false }).on('error', () => {});
    await once(secured, 'secureConnect');
    leave(socket, index);
    await closed(socket);
  },
  'after a whole login': afterSending(wholeLogin),
  'while the server waits for an answer': async (target, index) => {
    const socket = await openAndReadGreeting(target);
    // An account of another plugin than the one that the login names: the server asks for the other.
    socket.write(frame(1, login({ user: 'app', plugin: 'no_such_plugin' })));
    await Promise.race([once(socket, 'data'), closed(socket)]);
    leave(socket, index);
    await closed(socket);
  },
};

/** What a TLS client sends first. */
async function clientHello(): Promise<Buffer> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as { port: number };
  const secured = connectTls({ host: '127.0.0.1', port }).on('error', () => {});
  const [accepted] = (await once(listener, 'connection')) as [Socket];
  const [hello] = (await once(accepted, 'data')) as [Buffer];
  accepted.on('error', () => {}).destroy();
  secured.destroy();
  listener.close();
  return hello;
}

/** Calls `visit` with 0 to `count` - 1, a few at a time. */
export async function inParallel(
  count: number,
  visit: (index: number) => Promise<void> | undefined,
): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) await visit(next++);
  };
  await Promise.all(Array.from({ length: 10 }, worker));
}
