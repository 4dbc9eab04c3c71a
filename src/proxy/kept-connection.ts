/**
 * A server connection between two clients. Its session is emptied first, so that nobody waits for the locks, tables and
 * transactions of a client that is gone; then it waits, and whatever the server says or does ends it.
 */
import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { CLIENT_QUERY_ATTRIBUTES, has } from '../wire/capabilities.js';
import { encodePacket, HEADER_LENGTH, payloadLengthAt } from '../wire/framing.js';
import { isErr, OK_HEADER } from '../wire/replies.js';
import type { ServerOrigin } from './server-origin.js';

/** Which MySQL knows since 5.7.3, and MariaDB since 10.2.4. */
const RESET_CONNECTION = encodePacket(0, Buffer.from([0x1f]));

/**
 * Sets FOUND_ROWS() to the 0 of a new session, unless the user may have only so many connections: then a row is affected. A
 * connection that waits would be one of those.
 */
const FIND_NO_ROWS = 'SELECT 0 FROM DUAL WHERE @@max_user_connections INTO @a';

/** Takes away what was traced, which shows the statements of a session, literals and all. MariaDB knows neither. */
const DROP_TRACES = 'SET @a = 0 /*!50703 , optimizer_trace_offset = -1 */';

/**
 * All at once: first what neither a reset nor a change of user touches; the reset takes the warning of the first away. Each
 * is answered with one OK.
 */
const EMPTY_SESSION = emptySession('');
/** With CLIENT_QUERY_ATTRIBUTES: no attributes, in one set. */
const EMPTY_SESSION_WITH_ATTRIBUTES = emptySession('\x00\x01');
const REPLIES = 3;

function emptySession(attributes: string): Buffer {
  const queries = [FIND_NO_ROWS, DROP_TRACES].map((sql) =>
    encodePacket(0, Buffer.from(`\x03${attributes}${sql}`, 'latin1')),
  );
  return Buffer.concat([...queries, RESET_CONNECTION]);
}

const UNKNOWN_COMMAND = 1047;

/**
 * It closed, or said what it was not asked for; or did not empty the session; or does not know how to; or it would count
 * against a limit of its user.
 */
export type LossReason = 'closed' | 'not emptied' | 'reset unknown' | 'user limited';

export interface KeptConnectionEvents {
  /** The server has emptied the session. */
  readonly onReady: (connection: KeptConnection) => void;
  /** The connection is released already. */
  readonly onLost: (connection: KeptConnection, reason: LossReason) => void;
}

export class KeptConnection {
  readonly origin: ServerOrigin;
  /** Milliseconds of performance.now(): the end of its last session. */
  readonly keptAt = performance.now();
  readonly socket: Socket;
  readonly #events: KeptConnectionEvents;
  #repliesLeft = REPLIES;
  #isReleased = false;
  /** The beginning of a reply that has not come whole. */
  #rest: Buffer | undefined;

  /** The session waits for a command, and nobody else listens to the socket but for errors. */
  constructor(socket: Socket, origin: ServerOrigin, events: KeptConnectionEvents) {
    this.socket = socket;
    this.origin = origin;
    this.#events = events;
    socket.on('data', this.#onData);
    socket.on('end', this.#onEnd);
    socket.on('close', this.#onEnd);
    const hasAttributes = has(origin.capabilities, CLIENT_QUERY_ATTRIBUTES);
    socket.write(hasAttributes ? EMPTY_SESSION_WITH_ATTRIBUTES : EMPTY_SESSION);
    socket.resume();
    // What happened before these listeners were there is not said again.
    if (socket.readableEnded || socket.destroyed) process.nextTick(this.#onEnd);
  }

  /** Its session is as good as new, and the server has not been heard of since. */
  get isReady(): boolean {
    return this.#repliesLeft === 0 && !this.#isReleased;
  }

  /** Gives the paused socket to someone else; undefined where the connection was lost before. */
  release(): Socket | undefined {
    if (this.#isReleased) return undefined;
    this.#detach();
    this.socket.pause();
    return this.socket;
  }

  readonly #onData = (bytes: Buffer): void => {
    if (this.#repliesLeft === 0) {
      this.#lose('closed');
      return;
    }
    let rest = this.#rest === undefined ? bytes : Buffer.concat([this.#rest, bytes]);
    while (rest.length > HEADER_LENGTH && rest.length >= HEADER_LENGTH + payloadLengthAt(rest, 0)) {
      const failure = this.#failureOf(rest.subarray(HEADER_LENGTH, HEADER_LENGTH + payloadLengthAt(rest, 0)));
      if (failure !== undefined) {
        this.#lose(failure);
        return;
      }
      this.#repliesLeft -= 1;
      rest = rest.subarray(HEADER_LENGTH + payloadLengthAt(rest, 0));
    }
    if (rest.length > 0 && this.#repliesLeft === 0) {
      this.#lose('closed');
      return;
    }
    this.#rest = rest.length === 0 ? undefined : rest;
    if (this.#repliesLeft === 0) this.#events.onReady(this);
  };

  #failureOf(reply: Buffer): LossReason | undefined {
    if (this.#repliesLeft === REPLIES && reply[0] === OK_HEADER && reply[1] !== 0) return 'user limited';
    if (this.#repliesLeft > 0 && reply[0] === OK_HEADER) return undefined;
    // It may be asked to stop just now, or the user to do no more: that says nothing of the server's abilities.
    const errno = isErr(reply) && reply.length >= 3 ? reply.readUInt16LE(1) : undefined;
    const isUnknown = this.#repliesLeft === 1 && errno === UNKNOWN_COMMAND;
    return isUnknown ? 'reset unknown' : 'not emptied';
  }

  readonly #onEnd = (): void => this.#lose('closed');

  #lose(reason: LossReason): void {
    if (this.#isReleased) return;
    this.#detach();
    this.#events.onLost(this, reason);
  }

  #detach(): void {
    this.#isReleased = true;
    this.socket.off('data', this.#onData);
    this.socket.off('end', this.#onEnd);
    this.socket.off('close', this.#onEnd);
  }
}
