/** In a worker: who gets in is decided in the main process, where the connections of all workers are counted. */

import type { Stay } from '../admission/handshake-queue.js';
import type { Door } from '../proxy/core.js';
import type { Verdict } from './messages.js';
import type { Outbox } from './outbox.js';
import { receiveError } from './sent-error.js';

/** Of one connection. */
export class RemoteDoor implements Door {
  readonly #id: number;
  readonly #outbox: Outbox;
  #verdict: Verdict | 'ask' | 'wait';
  #settle: (() => void) | undefined;
  #hurry: (() => void) | undefined;
  #refuse: (() => void) | undefined;

  /** `verdict`: see the message `connection`. */
  constructor(id: number, verdict: Verdict | 'ask' | 'wait', outbox: Outbox) {
    this.#id = id;
    this.#outbox = outbox;
    this.#verdict = verdict;
  }

  enter: Door['enter'] = (_route, client, hurry) => {
    this.#hurry = hurry;
    if (this.#verdict === 'ask') this.#outbox.add({ kind: 'enter', id: this.#id, client });
    return this.#stay();
  };

  decide(verdict: Verdict): void {
    this.#verdict = verdict;
    this.#settle?.();
  }

  hurry(): void {
    this.#hurry?.();
  }

  /** It may be. */
  refuse(): void {
    this.#refuse?.();
  }

  #stay(): Stay {
    const mayBegin = new Promise<void>((resolve, reject) => {
      this.#settle = () => {
        if (typeof this.#verdict === 'string') return;
        const { refusal } = this.#verdict;
        if (refusal === undefined) resolve();
        else reject(receiveError(refusal));
      };
    });
    this.#settle?.();
    const isWaiting = () => typeof this.#verdict === 'string';
    return {
      get isWaiting() {
        return isWaiting();
      },
      mayBegin,
      mayBeRefused: () => {
        this.#outbox.add({ kind: 'refusable', id: this.#id });
        return new Promise((resolve) => {
          this.#refuse = resolve;
        });
      },
      handshakeEnded: (isClientsFault) =>
        this.#outbox.add({ kind: 'handshake_ended', id: this.#id, isClientsFault }),
      // The end of the connection is told in any case.
      ended: () => {},
    };
  }
}
