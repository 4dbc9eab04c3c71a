/** One client's connection from accept to the end: opens the server leg, runs the handshake, relays, tells observers. */

import type { Socket } from 'node:net';
import { isServerLegExposed } from '../auth/leg-security.js';
import { Cancellation } from '../cancellation.js';
import { ProxyError, serverRefusal, toProxyError } from '../errors.js';
import {
  type CloseReason,
  type ConnectionRecord,
  type LoginAttempt,
  newConnectionRecord,
  type Observer,
  PASSED_THROUGH,
  PLAINTEXT,
} from '../observe/events.js';
import { isCompressed } from '../wire/capabilities.js';
import { COM_CHANGE_USER } from '../wire/change-user.js';
import { CommandTracker } from '../wire/command-tracker.js';
import { isErr } from '../wire/replies.js';
import type { Stay } from './admission.js';
import { announcementOf } from './announce-client.js';
import { BoundaryStop } from './boundary-stop.js';
import { changeUser } from './change-user.js';
import { type ClientEnd, clientAddressOf, clientHostOf } from './client-address.js';
import { commandMeter, countCommand } from './command-meter.js';
import type { Decision, SessionTerms } from './dialogue.js';
import { isFaultOfServer, type OpenedServer, openOneOf } from './fail-over.js';
import { dismissClient, farewell } from './farewell.js';
import type { HandshakeContext } from './greet-client.js';
import { type HandshakeResult, handshake } from './handshake.js';
import { watchIdle } from './idle-watch.js';
import { handshakeOnKept } from './kept-login.js';
import { leaveServer } from './leave-server.js';
import { type ClientLeg, forgetFirstPackets, ignoreErrors, type ServerLeg } from './legs.js';
import { PacketPort } from './packet-port.js';
import { passFirstPackets } from './passthrough.js';
import { passesWhenLost } from './plan.js';
import type { Reservation } from './reservation.js';
import { mayStayPlaintext, type Route } from './route.js';
import type { ServerOrigin } from './server-origin.js';
import { splice } from './splice.js';
import { unlessCancelled } from './unless-cancelled.js';

const TOO_MANY_CONNECTIONS = 1040;

/**
 * Of the packet that answers a command. Libraries expect it of the next packet that they read, after their next command: some
 * take an unasked packet with the id 0 for a broken connection and do not show its error (PyMySQL).
 */
const SEQUENCE_ID_OF_REPLIES = 1;

export interface SessionOptions {
  readonly id: number;
  /** As the latest reload left it: whose passwords are taken back may not come in with them again. */
  readonly currentRoute: () => Route;
  readonly observer: Observer;
  /** Set: the connection is refused with it before a server is bothered. */
  readonly refusal: ProxyError | undefined;
  readonly client: ClientEnd;
  /** Asks to come in; see `Admission.enter`. */
  readonly enter: (hurry: () => void) => Stay;
}

export class Session {
  /** Resolves when the client's socket is closed, the server's too or kept for another client, and the observers know; never rejects. */
  readonly ended: Promise<void>;
  readonly #options: SessionOptions;
  /** For the login and what follows it; a COM_CHANGE_USER uses the one that is current then. */
  #route: Route;
  /** Undefined where it never asked to come in. */
  #stay: Stay | undefined;
  readonly #record: ConnectionRecord;
  readonly #client: ClientLeg;
  /** Cancelled by the deadline and by a shutdown: ends work on both legs. */
  readonly #deadline = new Cancellation();
  /** Cancelled by those, and when the client goes away: ends work for the client; the server is then left in good order. */
  readonly #clientWork = new Cancellation();
  /** Cancelled by `stop`: no time is left for good manners. */
  readonly #stopped = new Cancellation();
  #cutBy: ProxyError | undefined;
  /** Ends the relay in good order. */
  readonly #boundaryStop = new BoundaryStop();
  #relayed: readonly Socket[] = [];
  /** The connection to the server that is to be left in good order. */
  #server: Promise<ServerLeg> | undefined;
  /** The same, as far as it was made for this client. */
  #opened: OpenedServer | undefined;
  /** A kept one that the client may get. */
  #reservation: Reservation | undefined;
  /** Why servers that were tried did not answer. */
  readonly #unreachable: ProxyError[] = [];
  /** The COM_CHANGE_USER that came to nothing last. */
  #failedChange: LoginAttempt | undefined;

  constructor(socket: Socket, options: SessionOptions) {
    this.#options = options;
    ignoreErrors(socket);
    const { isUnix, remoteAddress } = options.client;
    this.#route = options.currentRoute();
    this.#record = newConnectionRecord({
      id: options.id,
      route: this.#route.config.name,
      clientAddress: clientAddressOf(options.client),
      via: options.client.proxied?.via ?? '',
    });
    this.#client = {
      port: this.#clientPort(socket),
      isUnix,
      remoteAddress,
      mayStayPlaintext: false,
      stage: 'accepted',
      isProtocol41: false,
      hidesClientErrors: false,
      isTls: false,
      nativeNonce: Buffer.alloc(0),
    };
    this.#useRoute(this.#route);
    this.ended = this.#run();
  }

  /**
   * Ends the connection between two commands outside of a transaction, when no command has come for `quietMs` milliseconds.
   * A client that is in its handshake is let in first. Nothing happens where commands can not be seen.
   */
  drain(reason: ProxyError, quietMs: number): void {
    this.#boundaryStop.want({ reason, quietMs, evenInTransaction: false });
  }

  /** Ends the connection: a client in its handshake is told why, one that is relayed is cut off. */
  stop(reason: ProxyError): void {
    this.#endWork(reason);
    this.#cutOff(reason);
  }

  async #run(): Promise<void> {
    const { observer } = this.#options;
    observer.opened?.(this.#record);
    const reason = await this.#serve();
    observer.closed?.(this.#record, reason);
    this.#stay?.ended();
  }

  async #serve(): Promise<CloseReason> {
    const { observer } = this.#options;
    try {
      this.#assertNotRefused();
      await this.#enter();
      this.#assertTlsOnOffer();
      const { server, decision, terms, origin } = await this.#inTime(() => this.#logIn());
      this.#stay?.handshakeEnded(decision.accepted);
      if (!decision.accepted) return this.#refuse(server, decision.errno);
      forgetFirstPackets(server);
      this.#record.isSession = true;
      observer.established?.(this.#record);
      return await this.#relay(server, terms, origin);
    } catch (thrown) {
      return this.#fail(toProxyError(thrown));
    }
  }

  /** Resolves when the handshake may begin. */
  async #enter(): Promise<void> {
    const { enter, currentRoute } = this.#options;
    this.#stay = enter(() => this.#hurry());
    if (!this.#stay.isWaiting) return this.#stay.mayBegin;
    const spoken = new Cancellation();
    void this.#watchUngreeted(this.#stay, spoken);
    try {
      await unlessCancelled(this.#stay.mayBegin, this.#clientWork);
    } finally {
      spoken.cancel(new Error('is not waited for any more'));
    }
    const route = currentRoute();
    // A reload came meanwhile.
    if (route !== this.#route) this.#useRoute(route);
  }

  #useRoute(route: Route): void {
    this.#route = route;
    this.#client.mayStayPlaintext = mayStayPlaintext(route, this.#options.client);
    const tls = route.config.client.sslMode === 'PASSTHROUGH' ? PASSED_THROUGH : PLAINTEXT;
    Object.assign(this.#record, { clientTls: tls, serverTls: tls });
  }

  async #watchUngreeted(stay: Stay, signal: Cancellation): Promise<void> {
    const { port } = this.#client;
    try {
      await port.peekByte(signal);
    } catch {
      return;
    }
    stay.spoke(port.refuseUnasked());
  }

  async #logIn(): Promise<HandshakeResult> {
    const { kept, pool } = this.#route;
    const host = clientHostOf(this.#client);
    const server = kept === undefined ? undefined : pool.nextName;
    if (server !== undefined) this.#reservation = kept?.take(host, server);
    if (this.#reservation !== undefined) pool.useKept(this.#reservation.origin.name);
    const result = await this.#negotiate(this.#reservation);
    if (result.decision.accepted && result.origin !== undefined) kept?.learn(host, result.origin);
    this.#noteHealth(result);
    return result;
  }

  async #negotiate(reservation: Reservation | undefined): Promise<HandshakeResult> {
    const { observer } = this.#options;
    const route = this.#route;
    const context: HandshakeContext = {
      route,
      record: this.#record,
      observer,
      deadline: this.#deadline,
      signal: this.#clientWork,
      onClientGone: this.#onClientGone,
    };
    if (reservation !== undefined) {
      return handshakeOnKept(this.#client, reservation, {
        ...context,
        onServer: (server) => {
          this.#server = Promise.resolve(server);
        },
        // The client was greeted in the name of this one.
        openServer: () => this.#openServer(reservation.origin.name),
      });
    }
    const server = await this.#openServer();
    if (route.config.client.sslMode === 'PASSTHROUGH') {
      this.#record.serverAddress = server.name;
      return {
        server,
        decision: await passFirstPackets(this.#client, server, this.#record, this.#clientWork),
      };
    }
    return handshake(this.#client, server, context);
  }

  #openServer(preferred?: string): Promise<ServerLeg> {
    const { observer } = this.#options;
    const route = this.#route;
    const record = this.#record;
    const announcement = announcementOf(
      route.config.server.proxyProtocol,
      this.#options.client,
      this.#client.port.socket,
    );
    this.#server = openOneOf(route, {
      connectTimeout: route.timeouts.connectTimeout,
      signal: this.#deadline,
      clientSignal: this.#clientWork,
      header: announcement.atOnce,
      bytes: record.serverBytes,
      preferred,
      onReached: (address, seconds) => observer.serverReached?.(record, address, seconds),
      onUnreachable: (address, error) => {
        this.#unreachable.push(error);
        observer.serverUnreachable?.(record, address, error);
      },
    }).then(({ server, attempt }) => {
      record.serverAddress = server.name;
      server.lateHeader = announcement.late;
      this.#opened = { server, attempt };
      return server;
    });
    return unlessCancelled(this.#server, this.#clientWork);
  }

  /** A login, however it was decided, says that the server works: unless there was no place for it. */
  #noteHealth({ server, decision }: HandshakeResult): void {
    const attempt = this.#opened?.attempt;
    // That it greeted with an error is known already.
    if (attempt === undefined || isErr(server.firstPacket)) return;
    if (decision.accepted || decision.errno !== TOO_MANY_CONNECTIONS) attempt.succeeded();
    else attempt.failed(new ProxyError('server_too_many_connections', `${server.name} is full (error 1040)`));
  }

  /**
   * Until the connection ends, with a stop at each COM_CHANGE_USER that the proxy has to take part in. `origin`: the server's
   * connection may serve another client afterwards.
   */
  async #relay(
    server: ServerLeg,
    terms: SessionTerms | undefined,
    origin: ServerOrigin | undefined,
  ): Promise<CloseReason> {
    const { kept } = this.#route;
    const stopsAtQuit = origin !== undefined && kept?.wants(origin) === true;
    const tracker = terms && this.#trackerFor(terms, stopsAtQuit);
    const endIdleWatch = this.#watchIdle(tracker);
    try {
      return await this.#relayUntilEnd(server, terms, origin, tracker);
    } finally {
      endIdleWatch?.();
    }
  }

  async #relayUntilEnd(
    server: ServerLeg,
    terms: SessionTerms | undefined,
    origin: ServerOrigin | undefined,
    tracker: CommandTracker | undefined,
  ): Promise<CloseReason> {
    const { kept } = this.#route;
    for (;;) {
      const [client, upstream] = [this.#client.port.release(), server.port.release()];
      this.#relayed = [client, upstream];
      const { reason } = this.#deadline;
      if (reason !== undefined) this.#cutOff(toProxyError(reason));
      const end = await splice(client, upstream, this.#record, tracker, this.#boundaryStop);
      if (end === 'quit' && origin !== undefined) {
        this.#relayed = [client];
        kept?.offer(upstream, origin);
        await farewell(client);
        return 'client_closed';
      }
      if (end !== 'change_user' && end !== 'lost' && end !== 'quit' && end !== 'stopped')
        return this.#cutBy?.code ?? end;
      this.#relayed = [];
      this.#client.port = this.#clientPort(client, end === 'stopped' ? SEQUENCE_ID_OF_REPLIES : 0);
      server.port = new PacketPort(upstream, {
        leg: 'server',
        peer: server.name,
        bytes: this.#record.serverBytes,
      });
      server.stage = 'idle';
      const { terms: stop } = this.#boundaryStop;
      if (end === 'stopped' && stop !== undefined) {
        await this.#leaveBoth(stop.reason);
        return stop.reason.code;
      }
      if (terms === undefined || tracker === undefined)
        throw new Error('a COM_CHANGE_USER that no one looked for');
      if (end === 'lost') {
        throw new ProxyError(
          'unknown_exchange_refused',
          `the packets of ${server.name} and of the client do not fit together any more, so that a password could pass unseen`,
        );
      }
      await this.#changeUser(server, terms, tracker);
    }
  }

  /** Undefined where clients may be idle for as long as they like. */
  #watchIdle(tracker: CommandTracker | undefined): (() => void) | undefined {
    const { idleTimeout } = this.#route.config;
    if (idleTimeout === undefined) return undefined;
    const { clientBytes, serverBytes } = this.#record;
    const reason = new ProxyError(
      'session_idle',
      `the client sent no command for more than ${idleTimeout / 1000} s`,
    );
    return watchIdle({
      timeoutMs: idleTimeout,
      received: () => clientBytes.in + serverBytes.in,
      isWaiting: () => tracker === undefined || tracker.isLost || tracker.isIdle,
      onIdle: () => {
        // Where commands can not be seen, no packet of the proxy's own would be understood either.
        if (tracker === undefined || tracker.isLost) this.#cutOff(reason);
        else this.#boundaryStop.tryNow({ reason, quietMs: 0, evenInTransaction: true });
      },
    });
  }

  /** Undefined where packets can not be seen. */
  #trackerFor(terms: SessionTerms, stopsAtQuit: boolean): CommandTracker | undefined {
    if (isCompressed(terms.capabilities)) return undefined;
    return new CommandTracker(terms.capabilities, {
      isExposed: isServerLegExposed(terms.legs),
      passesWhenLost: passesWhenLost(terms, this.#route),
      stopsAtQuit,
      meter: commandMeter(this.#record, this.#options.observer),
    });
  }

  async #changeUser(server: ServerLeg, terms: SessionTerms, tracker: CommandTracker): Promise<void> {
    const { currentRoute, observer } = this.#options;
    if (tracker.isLost || !tracker.isIdle) {
      throw new ProxyError(
        'client_out_of_step',
        tracker.isLost
          ? 'a COM_CHANGE_USER came where the proxy could not follow commands and replies any more'
          : 'the client sent COM_CHANGE_USER while replies to earlier commands were outstanding, and they did not come',
      );
    }
    const before = loginOf(this.#record);
    // Nobody has said yet who wants in.
    Object.assign(this.#record, { clientPlugin: '', serverPlugin: '' });
    const context = {
      route: currentRoute(),
      record: this.#record,
      signal: this.#clientWork,
      onRead: () => countCommand(this.#record, observer, COM_CHANGE_USER),
    };
    let decision: Decision | undefined;
    try {
      decision = await this.#inTime(() => changeUser(this.#client, server, terms, context));
    } finally {
      if (decision?.accepted !== true) {
        this.#failedChange = loginOf(this.#record);
        Object.assign(this.#record, before);
      }
    }
    tracker.changeUserDone();
    if (decision.accepted) observer.userChanged?.(this.#record);
    // Some servers end the session then, others go on with the user as it was.
    else observer.userChangeRefused?.(this.#record, decision.errno, this.#failedChange ?? before);
    this.#failedChange = undefined;
  }

  /** Runs a login or a COM_CHANGE_USER, which must be decided before the handshake timeout is over. */
  async #inTime<T>(work: () => Promise<T>): Promise<T> {
    const timer = setTimeout(() => this.#endWork(this.#timeout()), this.#route.timeouts.handshakeTimeout);
    try {
      return await work();
    } finally {
      clearTimeout(timer);
    }
  }

  /** The server refused the login, and the client has its ERR. */
  async #refuse(server: ServerLeg, errno: number): Promise<CloseReason> {
    this.#options.observer.refused?.(this.#record, errno);
    // Those that wait for clients may be the ones that are too many.
    if (errno === TOO_MANY_CONNECTIONS) this.#route.kept?.makeRoom(server.name);
    await Promise.all([dismissClient(this.#client), leaveServer(server, this.#stopped)]);
    return serverRefusal(errno) ?? 'login_refused';
  }

  async #fail(error: ProxyError): Promise<CloseReason> {
    this.#options.observer.failed?.(this.#record, error, this.#failedChange);
    if (this.#opened !== undefined && isFaultOfServer(error, this.#opened.server)) {
      this.#opened.attempt.failed(error);
    }
    await this.#leaveBoth(error);
    return error.code;
  }

  async #leaveBoth(error: ProxyError): Promise<void> {
    // A client that leaves while its server is still being reached must leave the server in good order all the same.
    const leaving = this.#leaveServer();
    this.#reservation?.giveBack();
    await Promise.all([dismissClient(this.#client, error), leaving]);
  }

  /** Until then it counts as one that may be in its handshake: the server has it. */
  async #leaveServer(): Promise<void> {
    const server = await this.#server?.catch(() => undefined);
    if (server !== undefined) await leaveServer(server, this.#stopped);
    this.#stay?.handshakeEnded(false);
  }

  #assertNotRefused(): void {
    const { refusal } = this.#options;
    if (refusal !== undefined) throw refusal;
    // Many health checks break the connection off with a reset.
    if (!this.#client.isUnix && this.#client.remoteAddress === '')
      throw new ProxyError('client_gone', 'the client was gone before it was accepted');
  }

  /** Plaintext can be refused without a server where TLS is not even on offer. */
  #assertTlsOnOffer(): void {
    if (this.#route.config.client.sslMode !== 'DISABLED' || this.#client.mayStayPlaintext) return;
    throw new ProxyError(
      'client_tls_required',
      `connections from ${this.#client.remoteAddress} using insecure transport are prohibited, and the route offers no TLS`,
    );
  }

  #clientPort(socket: Socket, nextSequenceId = 0): PacketPort {
    return new PacketPort(socket, {
      leg: 'client',
      peer: this.#record.clientAddress,
      bytes: this.#record.clientBytes,
      nextSequenceId,
      onGone: this.#onClientGone,
    });
  }

  readonly #onClientGone = (reason: ProxyError): void => this.#clientWork.cancel(reason);

  #cutOff(reason: ProxyError): void {
    this.#cutBy ??= reason;
    this.#stopped.cancel(reason);
    for (const socket of this.#relayed) socket.destroy();
  }

  #endWork(reason: ProxyError): void {
    this.#deadline.cancel(reason);
    this.#clientWork.cancel(reason);
  }

  /** Others wait: ends a handshake that waits for its client. */
  #hurry(): void {
    if (this.#record.isSession || !this.#isClientsTurn()) return;
    const what = 'the client kept silent in its handshake while other clients were waiting for theirs';
    this.#endWork(new ProxyError('client_too_slow', what));
  }

  #isClientsTurn(): boolean {
    return this.#client.stage === 'upgrading' || this.#client.port.isReading;
  }

  #timeout(): ProxyError {
    const seconds = this.#route.timeouts.handshakeTimeout / 1000;
    if (this.#isClientsTurn()) {
      return new ProxyError(
        'client_timeout',
        `the client did not finish its authentication within ${seconds} s`,
      );
    }
    const { serverAddress } = this.#record;
    if (serverAddress !== '') {
      const what = `${serverAddress} did not decide the authentication within ${seconds} s`;
      return new ProxyError('server_timeout', what);
    }
    const tried = this.#unreachable.map(({ what }) => what).join('; ');
    const what = `no server answered within ${seconds} s${tried === '' ? '' : ` (${tried})`}`;
    return new ProxyError('server_silent', what);
  }
}

function loginOf(record: ConnectionRecord): LoginAttempt {
  const { user, serverUser, clientPlugin, serverPlugin, authentication, clientProgram } = record;
  return { user, serverUser, clientPlugin, serverPlugin, authentication, clientProgram };
}
