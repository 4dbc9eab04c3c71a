/** In a worker: who gets in is decided in the main process, where the connections of all workers are counted. */
import type { ProxyError } from '../errors.js';
import type { Permit } from '../proxy/admission.js';
import type { Door } from '../proxy/core.js';
import type { Verdict } from './messages.js';
import type { Outbox } from './outbox.js';
import { receiveError } from './sent-error.js';

interface Asked {
  readonly resolve: (permit: Permit) => void;
  readonly reject: (error: ProxyError) => void;
}

/** Of one connection. */
export class RemoteDoor implements Door {
  readonly #id: number;
  readonly #outbox: Outbox;
  #asked: Asked | undefined;
  #verdict: Verdict | undefined;
  #hurry: (() => void) | undefined;

  /** `verdict`: where the main process knows enough of the client to have decided already. */
  constructor(id: number, verdict: Verdict | undefined, outbox: Outbox) {
    this.#id = id;
    this.#outbox = outbox;
    this.#verdict = verdict;
  }

  enter: Door['enter'] = (_route, client, hurry) => {
    this.#hurry = hurry;
    return new Promise((resolve, reject) => {
      this.#asked = { resolve, reject };
      if (this.#verdict === undefined) this.#outbox.add({ kind: 'enter', id: this.#id, client });
      else this.decide(this.#verdict);
    });
  };

  /** The answer to what was asked. */
  decide({ refusal }: Verdict): void {
    if (refusal === undefined) this.#asked?.resolve(this.#permit);
    else this.#asked?.reject(receiveError(refusal));
  }

  hurry(): void {
    this.#hurry?.();
  }

  readonly #permit: Permit = {
    handshakeEnded: (hasSession) => this.#outbox.add({ kind: 'handshake_ended', id: this.#id, hasSession }),
    // The end of the connection is told in any case.
    ended: () => {},
  };
}
