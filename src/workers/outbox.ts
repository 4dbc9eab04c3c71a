/** Collects what a worker has to say in one turn of the event loop: each message by itself would cost both processes much more. */
import type { FromWorker, News } from './messages.js';

export class Outbox {
  readonly #send: (message: FromWorker) => void;
  #news: News[] = [];

  constructor(send: (message: FromWorker) => void) {
    this.#send = send;
  }

  add(news: News): void {
    this.#news.push(news);
    if (this.#news.length === 1) setImmediate(() => this.flush());
  }

  /** What was added so far goes before the next message. */
  flush(): void {
    if (this.#news.length === 0) return;
    const news = this.#news;
    this.#news = [];
    this.#send({ kind: 'news', news });
  }
}
