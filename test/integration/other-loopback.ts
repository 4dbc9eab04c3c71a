/**
 * Lets a server see its client as 127.0.0.2. Servers count broken connections for every host except 127.0.0.1, and the
 * kernel gives a connection to any address of 127.0.0.0/8 the source 127.0.0.1.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerKind } from '../support/downloads.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, type ServerOptions, startServer } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';

const otherLoopback = '127.0.0.2';

export interface Detour {
  /** Connect here to reach the server from the other address. */
  readonly host: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Passes bytes, ends and resets on as they come, both ways. */
export async function detourTo(server: RealServer): Promise<Detour> {
  const open = new Set<Socket>();
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connectFromOtherLoopback(server);
    open.add(near).add(far);
    passOn(near, far);
    passOn(far, near);
    for (const socket of [near, far]) socket.on('close', () => open.delete(socket));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as { port: number };
  const close = async (): Promise<void> => {
    listener.close();
    for (const socket of open) socket.destroy();
    await once(listener, 'close');
  };
  return { host: '127.0.0.1', port, close };
}

export function connectFromOtherLoopback({ host, port }: RealServer): Socket {
  return connect({ host, port, localAddress: otherLoopback, allowHalfOpen: true, noDelay: true });
}

function passOn(from: Socket, to: Socket): void {
  from.pipe(to);
  from.on('error', () => to.resetAndDestroy());
  from.on('close', () => to.destroySoon());
}

/** How many broken connections the server holds against the other address now; they are forgotten at 0. */
export async function countedErrors(server: RealServer): Promise<number> {
  const [row] = await server.sql(
    `SELECT SUM_CONNECT_ERRORS AS errors FROM performance_schema.host_cache WHERE IP = '${otherLoopback}'`,
  );
  return Number(row?.['errors'] ?? 0);
}

/** With these a server counts broken connections, and blocks a host that has had more than three of them. */
export const strictServer = {
  resolvesNames: true,
  extraArgs: ['--max-connect-errors=3', '--performance-schema=1'],
} as const satisfies ServerOptions;

/** Such a server, and the way to it on which broken connections are counted. */
export interface StrictServer {
  readonly server: RealServer;
  readonly detour: Detour;
  /** With the server's own favourite plugin. */
  readonly account: Account;
  /** Ends the detour and the server. */
  close(): Promise<void>;
}

/** `extraArgs` are given besides those that make it strict. */
export async function startStrictServer(
  kind: ServerKind,
  { extraArgs = [], ...options }: ServerOptions,
): Promise<StrictServer | Unavailable> {
  const args = [...strictServer.extraArgs, ...extraArgs];
  const server = await startServer(kind, { ...strictServer, ...options, extraArgs: args });
  if (isUnavailable(server)) return server;
  const detour = await detourTo(server);
  const account = await createAccount(server, 'app');
  const close = async () => {
    await detour.close();
    await server.stop();
  };
  return { server, detour, account, close };
}

export async function forgetErrors(server: RealServer): Promise<void> {
  await server.sql('TRUNCATE TABLE performance_schema.host_cache');
}

/** A connection that is broken off is counted when the server notices. */
export async function whenNoLoginIsPending(server: RealServer): Promise<void> {
  const pending = "SELECT 1 FROM information_schema.processlist WHERE user = 'unauthenticated user'";
  while ((await server.sql(pending)).length > 0) await delay(20);
}

/** Every connection from the other address was ended in good order. */
export async function assertNothingCounted(server: RealServer): Promise<void> {
  await whenNoLoginIsPending(server);
  assert.equal(await countedErrors(server), 0);
}
