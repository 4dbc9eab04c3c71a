/** Follows `/events`, and finds its way back by itself when the proxy goes away. */
import type { ProxyState } from '../../state/state.js';

export interface StateListener {
  /** A state arrived. */
  state(state: ProxyState): void;
  /** The connection broke; comes again with each attempt that fails. `answer`: what the proxy said instead, if it did. */
  lost(answer: string): void;
}

/** The proxy sends one every 2 seconds. */
const silenceMs = 10_000;
const retryMs = 2_000;
const longestAnswer = 300;

export class StateStream {
  readonly #listener: StateListener;
  #source: EventSource | undefined;
  #timer = 0;
  #asking: AbortController | undefined;

  constructor(listener: StateListener) {
    this.#listener = listener;
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
    source.addEventListener('error', () => {
      if (source.readyState === EventSource.CLOSED) void this.#failWithAnswer();
      else this.#fail(retryMs, '');
    });
    this.#expectMore();
  }

  stop(): void {
    this.#source?.close();
    this.#asking?.abort();
    this.#asking = undefined;
    clearTimeout(this.#timer);
    this.#timer = 0;
  }

  /** A machine that is switched off says nothing, and so does its connection. */
  #expectMore(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#fail(0, ''), silenceMs);
  }

  /** The browser keeps to itself what the proxy answered, so it is asked once more. */
  async #failWithAnswer(): Promise<void> {
    this.stop();
    const asking = new AbortController();
    this.#asking = asking;
    const answer = await answerInstead(asking).catch(() => '');
    if (this.#asking !== asking) return;
    this.#asking = undefined;
    this.#fail(retryMs, answer);
  }

  #fail(pauseMs: number, answer: string): void {
    this.stop();
    this.#listener.lost(answer);
    this.#timer = setTimeout(() => this.start(), pauseMs);
  }
}

/** Empty where the stream is there again. */
async function answerInstead(asking: AbortController): Promise<string> {
  const signal = AbortSignal.any([asking.signal, AbortSignal.timeout(silenceMs)]);
  const response = await fetch('events', { signal });
  if (!response.ok) return (await response.text()).trim().slice(0, longestAnswer);
  asking.abort();
  return '';
}
