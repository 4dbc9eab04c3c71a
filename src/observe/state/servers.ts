/** How each server of each route is. */
import type { ProxyError } from '../../errors.js';
import { printableName } from '../../printable.js';
import type { Observer } from '../events.js';
import type { ServerState } from './state.js';

/** A route and its servers as they are configured. */
export interface RouteServers {
  readonly route: string;
  readonly servers: readonly string[];
}

/** What is not the pool's to know. */
export type KnownServer = Omit<ServerState, 'connections'>;

export class Servers {
  #states: Map<string, KnownServer>;

  constructor(routes: readonly RouteServers[]) {
    this.#states = unknownStates(routes);
  }

  readonly observer: Observer = {
    serverReached: ({ route }, server, seconds) => this.#update(route, server, { connect_seconds: seconds }),
    serverUnreachable: ({ route }, server) => this.#update(route, server, {}),
    serverHealth: ({ route, server, error }) =>
      this.#update(
        route,
        server,
        error === undefined ? { up: true, code: '', cause: '', cure: '' } : downBecause(error),
      ),
    serverChecked: ({ route, server, result, greetedAfter }) =>
      this.#update(
        route,
        server,
        result === 'failure' || greetedAfter === undefined ? {} : { connect_seconds: greetedAfter },
      ),
    established: ({ route, serverAddress, serverVersion }) => {
      const key = serverKey(route, serverAddress);
      const state = this.#states.get(key);
      if (state === undefined || state.server_version === serverVersion) return;
      this.#states.set(key, { ...state, server_version: printableName(serverVersion) });
    },
  };

  all(): readonly KnownServer[] {
    return [...this.#states.values()];
  }

  /** After a reload. What is known of servers that stay is kept. */
  setRoutes(routes: readonly RouteServers[]): void {
    const next = unknownStates(routes);
    for (const key of next.keys()) {
      const known = this.#states.get(key);
      if (known !== undefined) next.set(key, known);
    }
    this.#states = next;
  }

  #update(route: string, server: string, change: Partial<KnownServer>): void {
    const key = serverKey(route, server);
    const state = this.#states.get(key);
    // A connection from before a reload may tell of a server that is not configured any more.
    if (state === undefined) return;
    const now = Date.now();
    const since = change.up === undefined || change.up === state.up ? state.since : now;
    this.#states.set(key, { ...state, ...change, tried_at: now, since });
  }
}

function downBecause(error: ProxyError): Partial<KnownServer> {
  return {
    up: false,
    connect_seconds: null,
    code: error.code,
    cause: error.what,
    cure: error.definition.cure,
  };
}

function unknownStates(routes: readonly RouteServers[]): Map<string, KnownServer> {
  return new Map(
    routes.flatMap(({ route, servers }) =>
      servers.map((server) => [
        serverKey(route, server),
        {
          route,
          server,
          up: null,
          since: null,
          tried_at: null,
          connect_seconds: null,
          server_version: '',
          code: '',
          cause: '',
          cure: '',
        } satisfies KnownServer,
      ]),
    ),
  );
}

/** For maps of the servers of all routes. */
export function serverKey(route: string, server: string): string {
  return `${route}\0${server}`;
}
