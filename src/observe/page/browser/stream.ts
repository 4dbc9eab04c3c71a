/** Follows `/events`, and finds its way back by itself when the proxy goes away. */
import type { ProxyState } from '../../state/state.js';

export interface StateListener {
  /** A state arrived. */
  state(state: ProxyState): void;
  /** The connection broke; comes again with each attempt that fails. */
  lost(): void;
}

/** The proxy sends one every 2 seconds. */
const silenceMs = 10_000;
const retryMs = 2_000;

export class StateStream {
  readonly #listener: StateListener;
  #source: EventSource | undefined;
  #timer = 0;

  constructor(listener: StateListener) {
    this.#listener = listener;
  }

  get isRunning(): boolean {
    return this.#timer !== 0;
  }

  start(): void {
    this.stop();
    const source = new EventSource('events');
    this.#source = source;
    source.addEventListener('state', (event: MessageEvent<string>) => {
      this.#expectMore();
      this.#listener.state(JSON.parse(event.data));
    });
    // The browser's own attempts end for good when it gets an HTTP error, so these are the page's own.
    source.addEventListener('error', () => this.#fail(retryMs));
    this.#expectMore();
  }

  stop(): void {
    this.#source?.close();
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  /** A machine that is switched off says nothing, and so does its connection. */
  #expectMore(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(0), silenceMs);
  }

  #fail(pauseMs: number): void {
    this.stop();
    this.#listener.lost();
    this.#timer = setTimeout(() => this.start(), pauseMs);
  }
}
