/** The listeners of all routes. */
import type { Socket } from 'node:net';
import { formatAddress, type RouteConfig } from '../config/model.js';
import { type ClientEnd, clientEndOf } from './client-address.js';
import { type Listener, listen } from './listener.js';

export interface BoundAddress {
  readonly route: string;
  /** `HOST:PORT` with the real port, or `unix:PATH`. */
  readonly address: string;
}

export interface Entrance {
  readonly addresses: readonly BoundAddress[];
  /** Stops accepting; connections that exist go on. */
  close(): Promise<void>;
}

/** `onAccepted` gets paused sockets. Rejects as `listen` does, with all of them closed. */
export async function openEntrance(
  routes: readonly RouteConfig[],
  onAccepted: (socket: Socket, client: ClientEnd, route: string) => void,
): Promise<Entrance> {
  const listeners: Listener[] = [];
  const addresses: BoundAddress[] = [];
  const close = async () => {
    await Promise.all(listeners.map((listener) => listener.close()));
  };
  try {
    for (const { name, listen: wanted, listenMode } of routes) {
      for (const address of wanted) {
        const isUnix = address.kind === 'unix';
        const listener = await listen(address, listenMode, (socket) =>
          onAccepted(socket, clientEndOf(socket, isUnix), name),
        );
        listeners.push(listener);
        addresses.push({ route: name, address: formatAddress(listener.address) });
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { addresses, close };
}

/** Throws an Error where they are not the same: listeners stay as they are while the proxy runs. */
export function assertSameListeners(current: readonly RouteConfig[], next: readonly RouteConfig[]): void {
  const describe = (routes: readonly RouteConfig[]) =>
    routes.map(({ name, listen }) => `${name}: ${listen.map(formatAddress).join(' ')}`).join('; ');
  if (describe(current) === describe(next)) return;
  throw new Error(
    `routes and listen addresses can not change while the proxy runs (${describe(current)} → ${describe(next)}). Restart it.`,
  );
}
