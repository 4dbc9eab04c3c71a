/** The connections that are open now, and the bytes of those that were. */
import type { ConnectionRecord, LegBytes, Observer } from '../events.js';

export interface Traffic {
  readonly client: LegBytes;
  readonly server: LegBytes;
}

export class LiveConnections {
  readonly #ended: ReadonlyMap<string, Traffic>;
  readonly #open = new Set<ConnectionRecord>();

  constructor(routeNames: readonly string[]) {
    this.#ended = new Map(routeNames.map((route) => [route, noTraffic()]));
  }

  readonly observer: Observer = {
    opened: (connection) => void this.#open.add(connection),
    closed: (connection) => {
      if (this.#open.delete(connection)) add(this.#ended.get(connection.route), connection);
    },
  };

  get size(): number {
    return this.#open.size;
  }

  all(): IterableIterator<ConnectionRecord> {
    return this.#open.values();
  }

  /** Those whose login was accepted. */
  *sessions(): Generator<ConnectionRecord> {
    for (const connection of this.#open) if (connection.isSession) yield connection;
  }

  /** By route, since the start: of the connections that ended, and of the open ones as they are now. */
  traffic(): ReadonlyMap<string, Traffic> {
    const totals = new Map([...this.#ended].map(([route, total]) => [route, structuredClone(total)]));
    for (const connection of this.#open) add(totals.get(connection.route), connection);
    return totals;
  }
}

/** The `limit` that moved most bytes, the busiest first. */
export function busiest(
  connections: readonly ConnectionRecord[],
  limit: number,
): readonly ConnectionRecord[] {
  return connections.toSorted((a, b) => moved(b) - moved(a) || b.id - a.id).slice(0, limit);
}

function moved({ clientBytes }: ConnectionRecord): number {
  return clientBytes.in + clientBytes.out;
}

function noTraffic(): Traffic {
  return { client: { in: 0, out: 0 }, server: { in: 0, out: 0 } };
}

function add(total: Traffic | undefined, { clientBytes, serverBytes }: ConnectionRecord): void {
  if (total === undefined) return;
  total.client.in += clientBytes.in;
  total.client.out += clientBytes.out;
  total.server.in += serverBytes.in;
  total.server.out += serverBytes.out;
}
