/** In a worker: who gets in is decided in the main process, where the connections of all workers are counted. */
import type { ProxyError } from '../errors.js';
import type { Permit } from '../proxy/admission.js';
import type { Door } from '../proxy/core.js';
import type { Outbox } from './outbox.js';

interface Asked {
  readonly resolve: (permit: Permit) => void;
  readonly reject: (error: ProxyError) => void;
}

/** Of one connection. */
export class RemoteDoor implements Door {
  readonly #id: number;
  readonly #outbox: Outbox;
  #asked: Asked | undefined;
  #verdict: ((asked: Asked) => void) | undefined;
  #hurry: (() => void) | undefined;

  constructor(id: number, outbox: Outbox) {
    this.#id = id;
    this.#outbox = outbox;
  }

  enter: Door['enter'] = (_route, client, hurry) => {
    this.#hurry = hurry;
    return new Promise((resolve, reject) => {
      this.#asked = { resolve, reject };
      if (this.#verdict === undefined) this.#outbox.add({ kind: 'enter', id: this.#id, client });
      else this.#verdict(this.#asked);
    });
  };

  /** May come before it was asked for: of most clients the main process knows enough. */
  decide(refusal: ProxyError | undefined): void {
    this.#verdict = ({ resolve, reject }) => {
      if (refusal === undefined) resolve(this.#permit);
      else reject(refusal);
    };
    if (this.#asked !== undefined) this.#verdict(this.#asked);
  }

  hurry(): void {
    this.#hurry?.();
  }

  readonly #permit: Permit = {
    handshakeEnded: () => this.#outbox.add({ kind: 'handshake_ended', id: this.#id }),
    // The end of the connection is told in any case.
    ended: () => {},
  };
}
