/** The connections that are open now, and the bytes of those that were. */
import type { ConnectionRecord, LegBytes, Observer } from '../events.js';

export interface Traffic {
  readonly client: LegBytes;
  readonly server: LegBytes;
}

export interface LiveConnection {
  readonly record: ConnectionRecord;
  /** Its login was accepted. */
  readonly isSession: boolean;
}

export class LiveConnections {
  readonly #ended: ReadonlyMap<string, Traffic>;
  /** Whether the login was accepted, by connection. */
  readonly #open = new Map<ConnectionRecord, boolean>();

  constructor(routeNames: readonly string[]) {
    this.#ended = new Map(routeNames.map((route) => [route, noTraffic()]));
  }

  readonly observer: Observer = {
    opened: (connection) => void this.#open.set(connection, false),
    established: (connection) => void this.#open.set(connection, true),
    closed: (connection) => {
      if (this.#open.delete(connection)) add(this.#ended.get(connection.route), connection);
    },
  };

  get size(): number {
    return this.#open.size;
  }

  *all(): Generator<LiveConnection> {
    for (const [record, isSession] of this.#open) yield { record, isSession };
  }

  /** Those whose login was accepted. */
  *sessions(): Generator<ConnectionRecord> {
    for (const [record, isSession] of this.#open) if (isSession) yield record;
  }

  /** By route, since the start: of the connections that ended, and of the open ones as they are now. */
  traffic(): ReadonlyMap<string, Traffic> {
    const totals = new Map([...this.#ended].map(([route, total]) => [route, structuredClone(total)]));
    for (const connection of this.#open.keys()) add(totals.get(connection.route), connection);
    return totals;
  }
}

/** The `limit` that moved most bytes, the busiest first. */
export function busiest(connections: readonly LiveConnection[], limit: number): readonly LiveConnection[] {
  return connections.toSorted((a, b) => moved(b) - moved(a) || b.record.id - a.record.id).slice(0, limit);
}

function moved({ record: { clientBytes } }: LiveConnection): number {
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
