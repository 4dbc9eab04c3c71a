/**
 * What follows a login: the bytes of both legs are passed on until the connection ends, with a stop at each COM_CHANGE_USER that the
 * proxy has to take part in.
 */
import type { Socket } from 'node:net';
import { isServerLegExposed } from '../auth/leg-security.js';
import type { CancelSignal } from '../cancellation.js';
import { ProxyError } from '../errors.js';
import type { CloseReason, ConnectionRecord, LoginAttempt, Observer } from '../observe/events.js';
import { isCompressed } from '../wire/capabilities.js';
import { COM_CHANGE_USER } from '../wire/change-user.js';
import { CommandTracker } from '../wire/command-tracker.js';
import type { BoundaryStop } from './boundary-stop.js';
import { changeUser } from './change-user.js';
import { commandMeter, countCommand } from './command-meter.js';
import type { Decision, SessionTerms } from './dialogue.js';
import { farewell } from './farewell.js';
import { watchIdle } from './idle-watch.js';
import type { ClientLeg, ServerLeg } from './legs.js';
import { PacketPort } from './packet-port.js';
import { passesWhenLost } from './plan.js';
import type { Route } from './route.js';
import type { ServerOrigin } from './server-origin.js';
import { splice } from './splice.js';

/**
 * Of the packet that answers a command. Libraries expect it of the next packet that they read, after their next command: some
 * take an unasked packet with the id 0 for a broken connection and do not show its error (PyMySQL).
 */
const SEQUENCE_ID_OF_REPLIES = 1;

export interface RelayOptions {
  readonly client: ClientLeg;
  readonly server: ServerLeg;
  /** Undefined where packets pass unseen. */
  readonly terms: SessionTerms | undefined;
  /** Set where the server's connection may serve another client afterwards. */
  readonly origin: ServerOrigin | undefined;
  readonly route: Route;
  /** For a COM_CHANGE_USER: whose passwords are taken back may not come in with them again. */
  readonly currentRoute: () => Route;
  readonly record: ConnectionRecord;
  readonly observer: Observer;
  /** Ends the relay in good order. */
  readonly boundaryStop: BoundaryStop;
  /** Cancelled when work for the client has no sense any more. */
  readonly signal: CancelSignal;
  readonly clientPort: (socket: Socket, nextSequenceId: number) => PacketPort;
  /** Runs what must be decided before the handshake timeout is over. */
  readonly inTime: <T>(work: () => Promise<T>) => Promise<T>;
}

/** Both sockets are closed, or the server's is kept for another client; or both legs are to be left in good order. */
export type RelayEnd = { readonly reason: CloseReason } | { readonly stoppedBy: ProxyError };

export class Relay {
  readonly #options: RelayOptions;
  readonly #tracker: CommandTracker | undefined;
  #sockets: readonly Socket[] = [];
  #cutBy: ProxyError | undefined;
  #failedChange: LoginAttempt | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#tracker = trackerFor(options);
  }

  /** The COM_CHANGE_USER that came to nothing, behind a rejection. */
  get failedChange(): LoginAttempt | undefined {
    return this.#failedChange;
  }

  /** Rejects with a ProxyError for which both legs are to be left. */
  async run(): Promise<RelayEnd> {
    const endIdleWatch = this.#watchIdle();
    try {
      return await this.#untilEnd();
    } finally {
      endIdleWatch?.();
    }
  }

  /** Ends it without good manners. Nothing happens while a COM_CHANGE_USER is under way: it has its own ends. */
  cutOff(reason: ProxyError): void {
    this.#cutBy ??= reason;
    for (const socket of this.#sockets) socket.destroy();
  }

  async #untilEnd(): Promise<RelayEnd> {
    const { client, server, terms, origin, route, record, boundaryStop, clientPort } = this.#options;
    for (;;) {
      const [below, above] = [client.port.release(), server.port.release()];
      this.#sockets = [below, above];
      if (this.#cutBy !== undefined) this.cutOff(this.#cutBy);
      const end = await splice(below, above, record, this.#tracker, boundaryStop);
      if (end === 'quit' && origin !== undefined) {
        this.#sockets = [below];
        route.kept?.offer(above, origin);
        await farewell(below);
        return { reason: 'client_closed' };
      }
      if (end !== 'change_user' && end !== 'lost' && end !== 'quit' && end !== 'stopped')
        return { reason: this.#cutBy?.code ?? end };
      this.#sockets = [];
      client.port = clientPort(below, end === 'stopped' ? SEQUENCE_ID_OF_REPLIES : 0);
      server.port = new PacketPort(above, { leg: 'server', peer: server.name, bytes: record.serverBytes });
      server.stage = 'idle';
      const { terms: stop } = boundaryStop;
      if (end === 'stopped' && stop !== undefined) return { stoppedBy: stop.reason };
      if (terms === undefined || this.#tracker === undefined)
        throw new Error('a COM_CHANGE_USER that no one looked for');
      if (end === 'lost') {
        throw new ProxyError(
          'unknown_exchange_refused',
          `the packets of ${server.name} and of the client do not fit together any more, so that a password could pass unseen`,
        );
      }
      await this.#changeUser(terms, this.#tracker);
    }
  }

  /** Undefined where clients may be idle for as long as they like. */
  #watchIdle(): (() => void) | undefined {
    const { route, record, boundaryStop } = this.#options;
    const { idleTimeout } = route.config;
    if (idleTimeout === undefined) return undefined;
    const tracker = this.#tracker;
    const what = `the client sent no command for more than ${idleTimeout / 1000} s`;
    const reason = new ProxyError('session_idle', what);
    return watchIdle({
      timeoutMs: idleTimeout,
      received: () => record.clientBytes.in + record.serverBytes.in,
      isWaiting: () => tracker === undefined || tracker.isLost || tracker.isIdle,
      onIdle: () => {
        // Where commands can not be seen, no packet of the proxy's own would be understood either.
        if (tracker === undefined || tracker.isLost) this.cutOff(reason);
        else boundaryStop.tryNow({ reason, quietMs: 0, evenInTransaction: true });
      },
    });
  }

  async #changeUser(terms: SessionTerms, tracker: CommandTracker): Promise<void> {
    const { client, server, currentRoute, record, observer, signal, inTime } = this.#options;
    if (tracker.isLost || !tracker.isIdle) {
      throw new ProxyError(
        'client_out_of_step',
        tracker.isLost
          ? 'a COM_CHANGE_USER came where the proxy could not follow commands and replies any more'
          : 'the client sent COM_CHANGE_USER while replies to earlier commands were outstanding, and they did not come',
      );
    }
    const before = loginOf(record);
    // Nobody has said yet who wants in.
    Object.assign(record, { clientPlugin: '', serverPlugin: '' });
    const context = {
      route: currentRoute(),
      record,
      signal,
      onRead: () => countCommand(record, observer, COM_CHANGE_USER),
    };
    let decision: Decision | undefined;
    try {
      decision = await inTime(() => changeUser(client, server, terms, context));
    } finally {
      if (decision?.accepted !== true) {
        this.#failedChange = loginOf(record);
        Object.assign(record, before);
      }
    }
    tracker.changeUserDone();
    if (decision.accepted) observer.userChanged?.(record);
    // Some servers end the session then, others go on with the user as it was.
    else observer.userChangeRefused?.(record, decision.errno, this.#failedChange ?? before);
    this.#failedChange = undefined;
  }
}

/** Undefined where packets can not be seen. */
function trackerFor({ terms, origin, route, record, observer }: RelayOptions): CommandTracker | undefined {
  if (terms === undefined || isCompressed(terms.capabilities)) return undefined;
  return new CommandTracker(terms.capabilities, {
    isExposed: isServerLegExposed(terms.legs),
    passesWhenLost: passesWhenLost(terms, route),
    stopsAtQuit: origin !== undefined && route.kept?.wants(origin) === true,
    meter: commandMeter(record, observer),
  });
}

function loginOf(record: ConnectionRecord): LoginAttempt {
  const { user, serverUser, clientPlugin, serverPlugin, authentication, clientProgram } = record;
  return { user, serverUser, clientPlugin, serverPlugin, authentication, clientProgram };
}
