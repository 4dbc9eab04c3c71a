/** File descriptors of sockets that listen: what another process inherits to go on listening. */
import type { Server } from 'node:net';

/** By a name that both processes know. */
export type ListeningSockets = ReadonlyMap<string, number>;

/** -1 where there is none, as on Windows. Node has it on a field without documentation. */
export function fdOf(server: Server): number {
  const { _handle: handle } = server as unknown as { readonly _handle: { readonly fd?: number } | null };
  return handle?.fd ?? -1;
}
