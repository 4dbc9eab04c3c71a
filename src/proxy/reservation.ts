/** A kept server connection that one client has been promised, until it is known whether it can have it. */
import type { LegBytes } from '../observe/events.js';
import type { KeptConnection } from './kept-connection.js';
import type { ServerLeg } from './legs.js';
import { PacketPort } from './packet-port.js';
import type { ServerOrigin } from './server-origin.js';

/** Who keeps the connections. */
export interface Keeper {
  /** Nobody gets it any more. */
  discard(kept: KeptConnection, reason: 'client_differs'): void;
  /** Others may get it. */
  giveBack(kept: KeptConnection): void;
  /** Clients of that host get new connections. */
  neverServe(host: string): void;
  /** `because`: a clause that begins with the server. */
  distrust(origin: ServerOrigin, because: string): void;
}

export class Reservation {
  readonly #keeper: Keeper;
  readonly #kept: KeptConnection;
  readonly #host: string;
  #isOver = false;

  /** `host`: of the client. */
  constructor(keeper: Keeper, kept: KeptConnection, host: string) {
    this.#keeper = keeper;
    this.#kept = kept;
    this.#host = host;
  }

  get origin(): ServerOrigin {
    return this.#kept.origin;
  }

  /** The client gets it; undefined where the server has closed it. `bytes` counts for the client's session. */
  use(bytes: LegBytes): ServerLeg | undefined {
    this.#isOver = true;
    const socket = this.#kept.release();
    if (socket === undefined) return undefined;
    const { address, name, greeting, nonces } = this.origin;
    const port = new PacketPort(socket, { leg: 'server', peer: name, bytes });
    return {
      port,
      address,
      name,
      firstPacket: greeting.payload,
      stage: 'idle',
      sslRequest: undefined,
      nonces,
    };
  }

  /** The client can not have it, but knows its thread id by now: nobody else may get it any more. */
  discard(): void {
    this.#isOver = true;
    this.#keeper.discard(this.#kept, 'client_differs');
  }

  /** The client has gone without a login. Does nothing after `use` or `discard`. */
  giveBack(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#keeper.giveBack(this.#kept);
  }

  /** The client can not answer anew: others of its address get new connections. */
  clientIsUnable(): void {
    this.#keeper.neverServe(this.#host);
  }

  /** The server did what makes reuse unsafe. `because`: a clause that begins with it. */
  distrust(because: string): void {
    this.#keeper.distrust(this.origin, because);
  }
}
