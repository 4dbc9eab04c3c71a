/** Server-sent events (WHATWG HTML §9.2): the same text to everybody who listens, made once at a time. */
import type { IncomingMessage, ServerResponse } from 'node:http';

const MOST_LISTENERS = 50;

/** Bytes that a listener may be behind; it then misses what comes, and gets the next that there is room for. */
const MOST_BEHIND = 4 * 1024 * 1024;

/** Who reads nothing for so long leaves the place to another. */
const PATIENCE_MS = 30_000;

export class EventStream {
  readonly #event: string;
  readonly #intervalMs: number;
  readonly #text: () => string;
  /** When each was last seen to have read all. */
  readonly #listeners = new Map<ServerResponse, number>();
  #timer: NodeJS.Timeout | undefined;

  /** `text` must have no line breaks. It is asked for only while somebody listens. */
  constructor(event: string, intervalMs: number, text: () => string) {
    this.#event = event;
    this.#intervalMs = intervalMs;
    this.#text = text;
  }

  /** Answers with the latest at once, and with what follows until the listener goes away. */
  send(
    { method }: IncomingMessage,
    response: ServerResponse,
    headers: Readonly<Record<string, string>>,
  ): void {
    if (this.#listeners.size >= MOST_LISTENERS) {
      response.writeHead(503, { ...headers, 'Content-Type': 'text/plain; charset=utf-8' });
      response.end(`${MOST_LISTENERS} pages are open already. Close one of them.\n`);
      return;
    }
    response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream' });
    if (method === 'HEAD') {
      response.end();
      return;
    }
    this.#listeners.set(response, performance.now());
    response.on('error', () => {});
    response.on('close', () => {
      this.#listeners.delete(response);
      if (this.#listeners.size === 0) this.#stop();
    });
    response.write(this.#message());
    this.#timer ??= setInterval(() => this.#sendToAll(), this.#intervalMs).unref();
  }

  close(): void {
    this.#stop();
    for (const listener of this.#listeners.keys()) listener.end();
  }

  #sendToAll(): void {
    const message = this.#message();
    const now = performance.now();
    for (const [listener, readAllAt] of this.#listeners) {
      if (listener.writableLength === 0) this.#listeners.set(listener, now);
      else if (now - readAllAt > PATIENCE_MS) listener.destroy();
      if (listener.writableLength < MOST_BEHIND) listener.write(message);
    }
  }

  #message(): string {
    return `event: ${this.#event}\ndata: ${this.#text()}\n\n`;
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
