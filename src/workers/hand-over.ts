/**
 * Accepted connections on their way to a worker, and until they end there. A worker that dies loses only those that it has taken:
 * the others go to the next.
 */
import type { Socket } from 'node:net';
import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import type { Admission } from '../admission/admission.js';
import type { ClientEnd } from '../admission/client-address.js';
import { type Stay, WATCH_PACE_MS } from '../admission/handshake-queue.js';
import { Pace } from '../admission/pace.js';
import { type ProxyError, toProxyError } from '../errors.js';
import type { Observer } from '../observe/events.js';
import { ignoreErrors } from '../proxy/legs.js';
import { noFilesLeft, openFiles } from '../proxy/open-files.js';
import { type Arrival, turnAway } from '../proxy/turn-away.js';
import type { News, Verdict } from './messages.js';
import { sendError } from './sent-error.js';
import type { WorkerProcess } from './worker-process.js';

interface Held extends Arrival {
  /** Undefined as long as there is none to take it. */
  worker: WorkerProcess | undefined;
  /** This process has no hand in it any more; or it is turned away here. */
  isTaken: boolean;
  /** Undefined as long as nobody knows who the client is. */
  stay: Stay | undefined;
  /** Undefined as long as it is not decided whether it may come in. */
  verdict: Verdict | undefined;
}

/** How often is looked for connections without a worker, in milliseconds. */
const LOOK_MS = 20;

export interface HandOverOptions {
  readonly admission: Admission;
  readonly observer: Observer;
  /** Those that take connections, in the order of their places. */
  readonly readyWorkers: () => readonly WorkerProcess[];
  /** Whether the connection is made on behalf of somebody else. */
  readonly isBalancer: (route: string, client: ClientEnd) => boolean;
}

export class HandOver {
  readonly #options: HandOverOptions;
  readonly #held = new Map<number, Held>();
  /** Those for which there was no worker. */
  readonly #waiting = new Set<Held>();
  readonly #turnedAway = new Set<Promise<void>>();
  readonly #files = openFiles();
  /** Sockets that are open in this process. */
  #open = 0;
  readonly #watched = new Pace<Held>(WATCH_PACE_MS);
  #lastId = 0;

  constructor(options: HandOverOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#held.size;
  }

  /** Resolves when each connection has a worker. */
  async assigned(): Promise<void> {
    const isLeft = ({ worker, isTaken }: Held) => worker === undefined && !isTaken;
    while ([...this.#held.values()].some(isLeft)) await delay(LOOK_MS);
  }

  accept(socket: Socket, client: ClientEnd, route: string): void {
    ignoreErrors(socket);
    this.#lastId += 1;
    const held: Held = {
      id: this.#lastId,
      route,
      client,
      socket,
      worker: undefined,
      isTaken: false,
      stay: undefined,
      verdict: undefined,
    };
    this.#held.set(held.id, held);
    this.#open += 1;
    socket.once('close', () => {
      this.#open -= 1;
    });
    if (this.#files !== undefined && this.#open > this.#files.connections)
      this.#turnAway(held, noFilesLeft(this.#files));
    // Who it is for stands in a header, which only the worker reads: it asks again.
    else if (this.#options.isBalancer(route, client)) this.#assign(held);
    else this.#enter(held, client);
  }

  onNews(news: Exclude<News, { kind: 'event' }>): void {
    const held = this.#held.get(news.id);
    if (held === undefined) return;
    if (news.kind === 'taken') {
      held.isTaken = true;
      // Closes it in this process only.
      held.socket.destroy();
    } else if (news.kind === 'enter') {
      this.#enter(held, news.client);
    } else if (news.kind === 'refusable') {
      void held.stay?.mayBeRefused().then(() => held.worker?.send({ kind: 'refuse', id: held.id }));
    } else if (news.kind === 'handshake_ended') {
      held.stay?.handshakeEnded(news.isClientsFault);
    } else if (news.kind === 'ended') {
      this.#end(held);
    }
  }

  /** There is a worker again. */
  assignWaiting(): void {
    for (const held of this.#waiting) this.#assign(held);
  }

  /** It takes no connections any more, and those that it had are lost. */
  workerDied(worker: WorkerProcess): void {
    for (const held of [...this.#held.values()].filter((one) => one.worker === worker)) {
      if (held.isTaken) this.#end(held);
      else this.#assign(held);
    }
  }

  /** Those that no worker has taken are told `reason`. Resolves when all have ended. */
  async close(reason: ProxyError): Promise<void> {
    // Those that admission has refused just now are turned away in this turn.
    await setImmediate();
    for (const held of [...this.#held.values()]) {
      if (held.isTaken) continue;
      if (held.worker === undefined) this.#turnAway(held, reason);
      else held.socket.destroy();
    }
    await Promise.all(this.#turnedAway);
  }

  #enter(held: Held, client: ClientEnd): void {
    const hurry = () => held.worker?.send({ kind: 'hurry', id: held.id });
    const stay = this.#options.admission.enter(held.route, client, hurry);
    held.stay = stay;
    stay.mayBegin.then(
      () => {
        if (this.#held.has(held.id)) this.#decide(held, { refusal: undefined });
      },
      (error) => {
        if (!this.#held.has(held.id)) return;
        if (held.worker === undefined) this.#turnAway(held, toProxyError(error));
        else this.#decide(held, { refusal: sendError(toProxyError(error)) });
      },
    );
    // Its worker notices when it goes away meanwhile.
    if (stay.isWaiting && held.worker === undefined)
      this.#watched.add(held, () => {
        if (held.worker !== undefined || held.isTaken || !this.#held.has(held.id)) return false;
        this.#assign(held);
        return true;
      });
  }

  #decide(held: Held, verdict: Verdict): void {
    held.verdict = verdict;
    if (held.worker === undefined) this.#assign(held);
    else held.worker.send({ kind: 'verdict', id: held.id, verdict });
  }

  #turnAway(held: Held, error: ProxyError): void {
    held.isTaken = true;
    this.#waiting.delete(held);
    const turnedAway = turnAway(held, error, this.#options.observer).then(() => {
      this.#turnedAway.delete(turnedAway);
      this.#end(held);
    });
    this.#turnedAway.add(turnedAway);
  }

  #assign(held: Held): void {
    const [first, ...others] = this.#options.readyWorkers();
    if (first === undefined) {
      held.worker = undefined;
      this.#waiting.add(held);
      return;
    }
    this.#waiting.delete(held);
    const worker = others.reduce(
      (least, other) => (other.connections < least.connections ? other : least),
      first,
    );
    held.worker = worker;
    worker.connections += 1;
    const { id, route, client, socket } = held;
    const verdict = held.verdict ?? (held.stay === undefined ? 'ask' : 'wait');
    worker.handOver({ kind: 'connection', id, route, client, verdict }, socket);
  }

  #end(held: Held): void {
    this.#held.delete(held.id);
    this.#waiting.delete(held);
    if (held.worker !== undefined) held.worker.connections -= 1;
    held.stay?.ended();
  }
}
