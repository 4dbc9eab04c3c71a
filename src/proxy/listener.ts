/** Opens the addresses that a route listens on. A socket file gets its mode, and takes the place of a dead one only. */
import { chmodSync, lstatSync, renameSync, rmSync, unlinkSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { type Address, formatAddress } from '../config/model.js';
import { fdOf } from '../listening-socket.js';
import { SOCKET_OPTIONS } from './legs.js';

export interface Listener {
  /** With the real port, where 0 was asked for. */
  readonly address: Address;
  /** Of the socket that listens, to be inherited by another process, which then listens as well. */
  readonly fd: number;
  /** Stops accepting; connections that exist go on. `isHandedOver`: another process goes on listening. */
  close(isHandedOver?: boolean): Promise<void>;
}

/**
 * `listenMode`: mode bits of a socket file. Rejects with an Error that names the address and says what to do, when it is
 * in use or not to be had. `inheritedFd`: of the socket that another process has opened there.
 */
export async function listen(
  address: Address,
  listenMode: number,
  onConnection: (socket: Socket) => void,
  inheritedFd?: number,
): Promise<Listener> {
  const server = createServer({ ...SOCKET_OPTIONS, pauseOnConnect: true }, onConnection);
  if (inheritedFd !== undefined) {
    await bind(server, address, () => server.listen({ fd: inheritedFd, backlog: BACKLOG }));
    return listenerOf(server, address);
  }
  if (address.kind === 'unix') {
    await removeDeadSocketFile(address.path);
    await bindSocketFile(server, address.path, listenMode);
    return listenerOf(server, address);
  }
  await bind(server, address, () =>
    server.listen({ host: address.host, port: address.port, backlog: BACKLOG }),
  );
  return listenerOf(server, address);
}

function listenerOf(server: Server, wanted: Address): Listener {
  const bound = server.address();
  const isPort = wanted.kind === 'tcp' && typeof bound === 'object' && bound !== null;
  return {
    address: isPort ? { ...wanted, port: bound.port } : wanted,
    fd: fdOf(server),
    close: (isHandedOver = false) => {
      if (wanted.kind === 'unix' && !isHandedOver) rmSync(wanted.path, { force: true });
      return closeServer(server);
    },
  };
}

/** Connections that wait to be accepted; the kernel may cap it (net.core.somaxconn). */
const BACKLOG = 1024;

function bind(server: Server, address: Address, start: () => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: Error) => reject(listenError(address, error));
    server.once('error', onError);
    server.once('listening', () => {
      server.off('error', onError);
      // Without files left a connection can not be accepted; the next one may be.
      server.on('error', () => {});
      resolve();
    });
    start();
  });
}

/**
 * The file is born with its final mode: opened wider and narrowed afterwards, it would let others in for a moment. It is born under
 * another name, because closing the socket removes the file of that name, although another process may listen there by then.
 */
async function bindSocketFile(server: Server, path: string, mode: number): Promise<void> {
  const draft = `${path}~`;
  rmSync(draft, { force: true });
  await bind(server, { kind: 'unix', path }, () => {
    const umask = process.umask(0o777 & ~mode);
    try {
      server.listen({ path: draft, backlog: BACKLOG });
    } finally {
      process.umask(umask);
    }
  });
  chmodSync(draft, mode);
  renameSync(draft, path);
}

async function removeDeadSocketFile(path: string): Promise<void> {
  const file = lstatSync(path, { throwIfNoEntry: false });
  if (file === undefined) return;
  if (!file.isSocket()) {
    throw new Error(
      `can not listen on unix:${path}: a file that is no socket is in its place. Choose another path.`,
    );
  }
  if (await isAlive(path)) {
    throw new Error(
      `can not listen on unix:${path}: another program listens there. Stop it, or choose another path.`,
    );
  }
  unlinkSync(path);
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    const finish = (alive: boolean) => {
      probe.destroy();
      resolve(alive);
    };
    probe.on('connect', () => finish(true));
    // Anything but a refusal (EACCES, a full backlog) may hide someone who listens.
    probe.on('error', (error: NodeJS.ErrnoException) => finish(error.code !== 'ECONNREFUSED'));
  });
}

const CURES: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'Another program listens there: stop it, or choose another port.'],
  ['EACCES', 'The proxy may not use it: choose a port above 1023, or a folder that it may write to.'],
  ['EADDRNOTAVAIL', 'No network interface has this address.'],
  ['ENOENT', 'The folder of the socket file does not exist.'],
  ['ENOTFOUND', 'The name is not known.'],
]);

function listenError(address: Address, error: NodeJS.ErrnoException): Error {
  const cure = CURES.get(error.code ?? '') ?? '';
  return new Error(`can not listen on ${formatAddress(address)}: ${error.message}. ${cure}`.trimEnd(), {
    cause: error,
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
