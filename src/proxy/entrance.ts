/** The listeners of all routes. */
import type { Socket } from 'node:net';
import { type ClientEnd, clientEndOf } from '../admission/client-address.js';
import { type Address, formatAddress, type RouteConfig } from '../config/model.js';
import type { ListeningSockets } from '../listening-socket.js';
import { type Listener, listen } from './listener.js';

export interface BoundAddress {
  readonly route: string;
  /** `HOST:PORT` with the real port, or `unix:PATH`. */
  readonly address: string;
}

export interface Entrance {
  readonly addresses: readonly BoundAddress[];
  /** By `listenerKey`. */
  readonly sockets: ListeningSockets;
  /** Stops accepting; connections that exist go on. */
  close(isHandedOver?: boolean): Promise<void>;
}

/** `address`: as configured, so that port 0 is the same again. */
function listenerKey(route: string, address: Address): string {
  return `${route} ${formatAddress(address)}`;
}

/**
 * `onAccepted` gets paused sockets. `inherited` are used where an address is among them. Rejects as `listen` does, with all of
 * them closed.
 */
export async function openEntrance(
  routes: readonly RouteConfig[],
  onAccepted: (socket: Socket, client: ClientEnd, route: string) => void,
  inherited: ListeningSockets,
): Promise<Entrance> {
  const listeners: Listener[] = [];
  const addresses: BoundAddress[] = [];
  const sockets = new Map<string, number>();
  const close = async (isHandedOver = false) => {
    await Promise.all(listeners.map((listener) => listener.close(isHandedOver)));
  };
  try {
    for (const { name, listen: wanted, listenMode } of routes) {
      for (const address of wanted) {
        const isUnix = address.kind === 'unix';
        const key = listenerKey(name, address);
        const onConnection = (socket: Socket) => onAccepted(socket, clientEndOf(socket, isUnix), name);
        const listener = await listen(address, listenMode, onConnection, inherited.get(key));
        sockets.set(key, listener.fd);
        listeners.push(listener);
        addresses.push({ route: name, address: formatAddress(listener.address) });
      }
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { addresses, sockets, close };
}
