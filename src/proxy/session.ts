/** One client's connection from accept to the end: opens the server leg, runs the handshake, relays, tells observers. */

import type { Socket } from 'node:net';
import { type ClientEnd, clientHostOf } from '../admission/client-address.js';
import { PATIENCE_MS, type Stay } from '../admission/handshake-queue.js';
import { Cancellation, type CancelSignal } from '../cancellation.js';
import { type ErrorCode, ProxyError, serverRefusal, toProxyError } from '../errors.js';
import {
  type CloseReason,
  type ConnectionRecord,
  type Observer,
  PASSED_THROUGH,
  PLAINTEXT,
} from '../observe/events.js';
import { isErr } from '../wire/replies.js';
import { announcementOf } from './announce-client.js';
import { BoundaryStop } from './boundary-stop.js';
import { newClientRecord } from './client-record.js';
import { isFaultOfServer, type OpenedServer, openOneOf } from './fail-over.js';
import { dismissClient } from './farewell.js';
import type { HandshakeContext } from './greet-client.js';
import { type HandshakeResult, handshake } from './handshake.js';
import { handshakeOnKept } from './kept-login.js';
import { leaveServer } from './leave-server.js';
import { type ClientLeg, forgetFirstPackets, ignoreErrors, type ServerLeg } from './legs.js';
import { PacketPort } from './packet-port.js';
import { passFirstPackets } from './passthrough.js';
import { Relay } from './relay.js';
import type { Reservation } from './reservation.js';
import { mayStayPlaintext, type Route } from './route.js';
import { unlessCancelled } from './unless-cancelled.js';

const TOO_MANY_CONNECTIONS = 1040;

/** What clients are told that do not speak MySQL. */
const NO_MYSQL_CLIENTS: ReadonlySet<ErrorCode> = new Set([
  'client_malformed_packet',
  'client_packet_too_large',
  'client_packet_out_of_order',
  'client_proxy_header_refused',
] as const);

export interface SessionOptions {
  readonly id: number;
  /** As the latest reload left it: whose passwords are taken back may not come in with them again. */
  readonly currentRoute: () => Route;
  readonly observer: Observer;
  readonly client: ClientEnd;
  /** It may still be waiting. */
  readonly stay: Stay;
}

export class Session {
  /** Resolves when the client's socket is closed, the server's too or kept for another client, and the observers know; never rejects. */
  readonly ended: Promise<void>;
  readonly #options: SessionOptions;
  /** For the login and what follows it; a COM_CHANGE_USER uses the one that is current then. */
  #route: Route;
  readonly #record: ConnectionRecord;
  readonly #client: ClientLeg;
  /** Cancelled by the deadline and by a shutdown: ends work on both legs. */
  readonly #deadline = new Cancellation();
  /** Cancelled by those, and when the client goes away: ends work for the client; the server is then left in good order. */
  readonly #clientWork = new Cancellation();
  /** Cancelled by `stop`: no time is left for good manners. */
  readonly #stopped = new Cancellation();
  readonly #boundaryStop = new BoundaryStop();
  /** Undefined until the login has been accepted. */
  #relay: Relay | undefined;
  /** The connection to the server that is to be left in good order. */
  #server: Promise<ServerLeg> | undefined;
  /** The same, as far as it was made for this client. */
  #opened: OpenedServer | undefined;
  /** A kept one that the client may get. */
  #reservation: Reservation | undefined;
  /** Why servers that were tried did not answer. */
  readonly #unreachable: ProxyError[] = [];

  constructor(socket: Socket, options: SessionOptions) {
    this.#options = options;
    ignoreErrors(socket);
    const { isUnix, remoteAddress } = options.client;
    this.#route = options.currentRoute();
    this.#record = newClientRecord(options.id, this.#route.config.name, options.client);
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

  /** Others wait: ends a handshake whose client keeps silent. One that is far away has its time for each answer. */
  hurry(): void {
    if (this.#record.isSession || !this.#isClientsTurn()) return;
    if (performance.now() - this.#client.port.turnSince < PATIENCE_MS) return;
    const what = 'the client kept silent in its handshake while other clients were waiting for theirs';
    this.#endWork(new ProxyError('client_too_slow', what));
  }

  /** Ends the connection: a client in its handshake is told why, one that is relayed is cut off. */
  stop(reason: ProxyError): void {
    this.#endWork(reason);
    this.#stopped.cancel(reason);
    this.#relay?.cutOff(reason);
  }

  async #run(): Promise<void> {
    const { observer } = this.#options;
    observer.opened?.(this.#record);
    const reason = await this.#serve();
    observer.closed?.(this.#record, reason);
    this.#options.stay.ended();
  }

  async #serve(): Promise<CloseReason> {
    const { observer } = this.#options;
    try {
      this.#assertNotGone();
      await this.#enter();
      this.#assertTlsOnOffer();
      const result = await this.#inTime(() => this.#logIn());
      const { server, decision } = result;
      this.#options.stay.handshakeEnded(!decision.accepted);
      if (!decision.accepted) return this.#refuse(server, decision.errno);
      forgetFirstPackets(server);
      this.#record.isSession = true;
      observer.established?.(this.#record);
      this.#relay = this.#relayOf(result);
      const end = await this.#relay.run();
      if ('reason' in end) return end.reason;
      await Promise.all([dismissClient(this.#client, end.stoppedBy), this.#leaveServer(false)]);
      return end.stoppedBy.code;
    } catch (thrown) {
      return this.#fail(toProxyError(thrown));
    }
  }

  /** Resolves when the handshake may begin. */
  async #enter(): Promise<void> {
    const { stay, currentRoute } = this.#options;
    if (!stay.isWaiting) return stay.mayBegin;
    const begins = new Cancellation();
    try {
      const mayBegin = Promise.race([stay.mayBegin, this.#refusedUngreeted(begins)]);
      await unlessCancelled(mayBegin, this.#clientWork);
    } finally {
      begins.cancel(new Error('its handshake begins'));
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

  /** Rejects when the client sends something, which no MySQL client does before it is greeted. */
  async #refusedUngreeted(signal: CancelSignal): Promise<never> {
    const { port } = this.#client;
    await port.peekByte(signal);
    throw port.refusalOfUnasked();
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

  #relayOf({ server, terms, origin }: HandshakeResult): Relay {
    const { currentRoute, observer } = this.#options;
    const relay = new Relay({
      client: this.#client,
      server,
      terms,
      origin,
      route: this.#route,
      currentRoute,
      record: this.#record,
      observer,
      boundaryStop: this.#boundaryStop,
      signal: this.#clientWork,
      clientPort: (socket, nextSequenceId) => this.#clientPort(socket, nextSequenceId),
      inTime: (work) => this.#inTime(work),
    });
    // The proxy may stop just as the login is over.
    const { reason } = this.#deadline;
    if (reason !== undefined) relay.cutOff(toProxyError(reason));
    return relay;
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
    const leaving = this.#leaveServer(error.definition.blame === 'client');
    if (!this.#record.isSession && NO_MYSQL_CLIENTS.has(error.code)) await this.#mayBeRefused();
    this.#options.observer.failed?.(this.#record, error, this.#relay?.failedChange);
    if (this.#opened !== undefined && isFaultOfServer(error, this.#opened.server)) {
      this.#opened.attempt.failed(error);
    }
    await Promise.all([dismissClient(this.#client, error), leaving]);
    return error.code;
  }

  /** Resolves when there is time to tell the client; also when it goes away, or the proxy stops. */
  async #mayBeRefused(): Promise<void> {
    this.#client.port.throwAway();
    await unlessCancelled(this.#options.stay.mayBeRefused(), this.#clientWork).catch(() => {});
  }

  /**
   * Until then it counts as one that may be in its handshake: the server has it. A client that leaves while its server is still being
   * reached leaves the server in good order all the same.
   */
  async #leaveServer(isClientsFault: boolean): Promise<void> {
    this.#reservation?.giveBack();
    const server = await this.#server?.catch(() => undefined);
    if (server !== undefined) await leaveServer(server, this.#stopped);
    this.#options.stay.handshakeEnded(isClientsFault);
  }

  /** Many health checks break the connection off with a reset. */
  #assertNotGone(): void {
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

  #endWork(reason: ProxyError): void {
    this.#deadline.cancel(reason);
    this.#clientWork.cancel(reason);
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
