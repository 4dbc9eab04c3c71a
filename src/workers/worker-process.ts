/** One worker process, as the main process sees it. */
import { type ChildProcess, fork } from 'node:child_process';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { FromWorker, News, Report, ToWorker } from './messages.js';

const mainFile = fileURLToPath(new URL('./worker-main.js', import.meta.url));

/** A worker that has not answered for so long, in milliseconds, gets no new connections until it does. */
const PATIENCE_MS = 5_000;

export interface WorkerEvents {
  onNews(news: News): void;
  onReport(report: Report): void;
  /** The process has ended, or could not be started; called once. `how` is to be put behind "worker 1 ". */
  onExit(how: string): void;
}

export class WorkerProcess {
  /** From 1 on: a worker that takes the place of another one has its number. */
  readonly slot: number;
  /** Connections that it has, or is about to get. */
  connections = 0;
  latestReport: Report | undefined;
  readonly startedAt = performance.now();
  readonly #child: ChildProcess;
  readonly #events: WorkerEvents;
  readonly #reports = new Map<number, () => void>();
  #waiting: ((message: FromWorker) => void) | undefined;
  #isReady = false;
  #hasExited = false;
  #lastRequest = 0;
  #oldestUnanswered: number | undefined;

  constructor(slot: number, events: WorkerEvents) {
    this.slot = slot;
    this.#events = events;
    this.#child = fork(mainFile, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // Each process that is debugged needs a port of its own.
      execArgv: process.execArgv.filter((argument) => !argument.startsWith('--inspect')),
    });
    this.#child.on('message', (message: FromWorker) => this.#receive(message));
    this.#child.on('error', (error) => this.#exited(`could not be started: ${error.message}`));
    this.#child.on('exit', (code, signal) => this.#exited(describeExit(code, signal)));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** It takes new connections. */
  get isReady(): boolean {
    if (!this.#isReady) return false;
    return this.#oldestUnanswered === undefined || performance.now() - this.#oldestUnanswered < PATIENCE_MS;
  }

  /** Resolves when it can take connections. Rejects with an Error that says what to change. */
  async start(message: Extract<ToWorker, { kind: 'start' }>): Promise<void> {
    const answer = await this.#ask(message);
    if (answer.kind !== 'started') throw new Error(reasonOf(answer));
    this.#isReady = true;
  }

  /** Rejects with an Error that says what to change; nothing has changed then. */
  async prepare(message: Extract<ToWorker, { kind: 'prepare' }>): Promise<void> {
    const answer = await this.#ask(message);
    if (answer.kind !== 'prepared') throw new Error(reasonOf(answer));
  }

  /** Resolves when it has nothing open any more, with how many connections were cut. It exits then. */
  async end(timeoutMs: number): Promise<number> {
    this.#isReady = false;
    const answer = await this.#ask({ kind: 'end', timeoutMs });
    return answer.kind === 'ended' ? answer.cut : this.connections;
  }

  send(message: ToWorker): void {
    if (this.#child.connected) this.#child.send(message, ignoreFailure);
  }

  /** The socket stays open here, too, so that it is not lost with the worker; to be destroyed when it has been taken. */
  handOver(message: Extract<ToWorker, { kind: 'connection' }>, socket: Socket): void {
    if (this.#child.connected) this.#child.send(message, socket, { keepOpen: true }, ignoreFailure);
  }

  /** Resolves when it has reported, or is gone. */
  report(): Promise<void> {
    if (!this.#isReady || !this.#child.connected) return Promise.resolve();
    this.#lastRequest += 1;
    const request = this.#lastRequest;
    this.#oldestUnanswered ??= performance.now();
    return new Promise((resolve) => {
      this.#reports.set(request, resolve);
      this.send({ kind: 'report', request });
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** One question at a time. */
  #ask(message: ToWorker): Promise<FromWorker> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
      if (this.#hasExited) resolve({ kind: 'not_started', message: 'the process has ended' });
      else this.send(message);
    });
  }

  #receive(message: FromWorker): void {
    if (message.kind === 'news') {
      for (const news of message.news) this.#events.onNews(news);
    } else if (message.kind === 'report') {
      this.latestReport = message.report;
      this.#oldestUnanswered = undefined;
      this.#events.onReport(message.report);
      for (const [request, resolve] of this.#reports) {
        if (request > message.request) break;
        this.#reports.delete(request);
        resolve();
      }
    } else {
      this.#waiting?.(message);
      this.#waiting = undefined;
    }
  }

  #exited(how: string): void {
    if (this.#hasExited) return;
    this.#hasExited = true;
    this.#isReady = false;
    for (const resolve of this.#reports.values()) resolve();
    this.#waiting?.({ kind: 'not_started', message: how });
    this.#events.onExit(how);
  }
}

function reasonOf(answer: FromWorker): string {
  return 'message' in answer ? answer.message : `a worker answered with ${answer.kind}`;
}

function describeExit(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `ended with exit code ${code}` : `was killed by ${signal}`;
}

/** Whoever waits for an answer hears of the end of the process. */
function ignoreFailure(): void {}
