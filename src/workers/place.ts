/** A worker's place: when the worker in it dies, another one takes it. */
import { ProxyError } from '../errors.js';
import type { CommandChange } from '../observe/command-statistics.js';
import type { Observer } from '../observe/events.js';
import { EventReceiver } from './event-messages.js';
import type { News, ToWorker } from './messages.js';
import { WorkerProcess } from './worker-process.js';

/** A worker that lived for less than this, in milliseconds, is followed by the next one later each time. */
const SHORT_LIFE_MS = 10_000;
const FIRST_BACK_OFF_MS = 500;
const LONGEST_BACK_OFF_MS = 30_000;

export interface PlaceOptions {
  readonly observer: Observer;
  /** With the configuration as it is then. */
  readonly startMessage: () => Promise<Extract<ToWorker, { kind: 'start' }>>;
  readonly onNews: (news: Exclude<News, { kind: 'event' }>) => void;
  /** Its worker takes connections: it has started, or answers again. Called with each report. */
  readonly onReady: () => void;
  /** Of its worker, since it reported last. */
  readonly onCommands: (route: string, changes: readonly CommandChange[]) => void;
  /** Its worker has none any more. */
  readonly onDied: (worker: WorkerProcess) => void;
}

export class Place {
  readonly #slot: number;
  readonly #options: PlaceOptions;
  readonly #receiver: EventReceiver;
  #worker: WorkerProcess | undefined;
  #starting: Promise<void> = Promise.resolve();
  #restarts = 0;
  #shortLives = 0;
  #restart: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** `slot`: from 1 on. */
  constructor(slot: number, options: PlaceOptions) {
    this.#slot = slot;
    this.#options = options;
    this.#receiver = new EventReceiver(options.observer);
  }

  /** Undefined while there is none. */
  get worker(): WorkerProcess | undefined {
    return this.#worker;
  }

  /** Settles when no worker is about to start. */
  get settled(): Promise<void> {
    return this.#starting.catch(() => {});
  }

  /** Rejects with an Error that says what to change. */
  start(): Promise<void> {
    this.#starting = this.#start();
    return this.#starting;
  }

  /** Has its worker report. Resolves when it has, or is gone. */
  async refresh(): Promise<void> {
    await this.#worker?.report();
  }

  /** No other worker follows. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#restart);
  }

  async #start(): Promise<void> {
    const message = await this.#options.startMessage();
    const worker = new WorkerProcess(this.#slot, {
      onNews: (news) => {
        if (news.kind === 'event') this.#receiver.receive(news.event);
        else this.#options.onNews(news);
      },
      onReport: ({ counters, commands }) => {
        this.#receiver.receiveCounters(counters);
        for (const [route, changes] of commands) this.#options.onCommands(route, changes);
        this.#options.onReady();
      },
      onExit: (how) => this.#exited(worker, how),
    });
    this.#worker = worker;
    try {
      await worker.start(message);
    } catch (error) {
      worker.kill('SIGKILL');
      throw error;
    }
    this.#options.observer.workerStarted?.(this.#slot, worker.pid, this.#restarts);
    this.#options.onReady();
  }

  #exited(worker: WorkerProcess, how: string): void {
    this.#worker = undefined;
    this.#options.onDied(worker);
    const died = new ProxyError('worker_died', `worker ${this.#slot}, which served the connection, ${how}`);
    this.#receiver.lose(died);
    if (this.#isClosed) return;
    const isShort = performance.now() - worker.startedAt < SHORT_LIFE_MS;
    this.#restarts += 1;
    this.#shortLives = isShort ? this.#shortLives + 1 : 0;
    const backOff = FIRST_BACK_OFF_MS * 2 ** (this.#shortLives - 1);
    const waitMs = isShort ? Math.min(backOff, LONGEST_BACK_OFF_MS) : 0;
    this.#options.observer.workerLost?.(this.#slot, how, waitMs / 1000);
    this.#restart = setTimeout(() => void this.start().catch(() => {}), waitMs);
  }
}
