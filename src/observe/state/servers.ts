/** Whether each server of each route answered when it was asked last. */
import type { ProxyError } from '../../errors.js';
import { printableName } from '../../printable.js';
import type { Observer } from '../events.js';
import type { ServerState } from './state.js';

/** A route and its servers as they are configured. */
export interface RouteServers {
  readonly route: string;
  readonly servers: readonly string[];
}

export class Servers {
  #states: Map<string, ServerState>;

  constructor(routes: readonly RouteServers[]) {
    this.#states = unknownStates(routes);
  }

  readonly observer: Observer = {
    serverReached: ({ route }, server, seconds) =>
      this.#update(route, server, { up: true, connect_seconds: seconds, code: '', cause: '', cure: '' }),
    serverUnreachable: ({ route }, server, error) => this.#update(route, server, downBecause(error)),
    established: ({ route, serverAddress, serverVersion }) => {
      const key = serverKey(route, serverAddress);
      const state = this.#states.get(key);
      if (state === undefined || state.server_version === serverVersion) return;
      this.#states.set(key, { ...state, server_version: printableName(serverVersion) });
    },
  };

  all(): readonly ServerState[] {
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

  #update(route: string, server: string, change: Partial<ServerState>): void {
    const key = serverKey(route, server);
    const state = this.#states.get(key);
    // A connection from before a reload may tell of a server that is not configured any more.
    if (state === undefined) return;
    const now = Date.now();
    const since = change.up === state.up ? state.since : now;
    this.#states.set(key, { ...state, ...change, tried_at: now, since });
  }
}

function downBecause(error: ProxyError): Partial<ServerState> {
  return {
    up: false,
    connect_seconds: null,
    code: error.code,
    cause: error.what,
    cure: error.definition.cure,
  };
}

function unknownStates(routes: readonly RouteServers[]): Map<string, ServerState> {
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
        } satisfies ServerState,
      ]),
    ),
  );
}

/** For maps of the servers of all routes. */
export function serverKey(route: string, server: string): string {
  return `${route}\0${server}`;
}
