/** Reaches one of a route's servers for a client that has not seen anything yet: where one fails, the next is tried. */
import { performance } from 'node:perf_hooks';
import { Cancellation, type CancelSignal } from '../cancellation.js';
import { ProxyError, toProxyError } from '../errors.js';
import type { LegBytes } from '../observe/events.js';
import { leaveServer } from './leave-server.js';
import type { ServerLeg } from './legs.js';
import { greetingOf, refusalInPlaceOfGreeting } from './own-connection.js';
import { assertOffersTls } from './plan.js';
import type { Route } from './route.js';
import type { ServerAttempt } from './server-pool.js';
import { isShutdown, openServer } from './servers.js';

export interface FailOverOptions {
  /** Milliseconds, for each server. */
  readonly connectTimeout: number;
  readonly signal: CancelSignal;
  /** Cancelled by that, and when the client goes away: it waits no more for its turn. */
  readonly clientSignal: CancelSignal;
  /** Sent before the server has said anything: a PROXY header. */
  readonly header: Buffer | undefined;
  /** Counted up by what is read and written. */
  readonly bytes: LegBytes;
  /** `HOST:PORT` of the server that goes before the others, if it is not left out. */
  readonly preferred: string | undefined;
  /** `seconds` from the beginning of the attempt to the server's first packet. */
  readonly onReached: (server: string, seconds: number) => void;
  readonly onUnreachable: (server: string, error: ProxyError) => void;
}

export interface OpenedServer {
  readonly server: ServerLeg;
  readonly attempt: ServerAttempt;
}

type Outcome = OpenedServer & { readonly failure?: ProxyError };

/** A server that is not used after all is left in good order. */
const NO_HURRY = new Cancellation();

/**
 * The first packet of the server is a greeting or, where no server greets, the ERR of one that sent it in place of a
 * greeting. Rejects with a ProxyError that names every server and its failure, or with the signal's reason.
 */
export async function openOneOf(route: Route, options: FailOverOptions): Promise<OpenedServer> {
  const { pool } = route;
  const made: ServerAttempt[] = [];
  const failures: ProxyError[] = [];
  let refused: OpenedServer | undefined;
  const turn = {
    patienceMs: options.connectTimeout,
    signal: options.clientSignal,
    onFull: () => route.kept?.endOldest(),
  };
  for (;;) {
    const attempt = await pool.chooseInTurn(made, options.preferred, turn);
    if (attempt === undefined) break;
    made.push(attempt);
    try {
      const outcome = await tryOne(attempt, route, options);
      if (outcome.failure === undefined) return outcome;
      failures.push(outcome.failure);
      refused ??= outcome;
    } catch (error) {
      failures.push(noteFailure(attempt, error, options));
    }
  }
  if (refused !== undefined) return refused;
  throw allFailed(failures);
}

/** `failure`: the server sent an ERR in place of a greeting. Rejects where it did neither, or not as the route wants it. */
async function tryOne(attempt: ServerAttempt, route: Route, options: FailOverOptions): Promise<Outcome> {
  const { connectTimeout, signal, header, bytes, onReached, onUnreachable } = options;
  const started = performance.now();
  const server = await openServer(attempt.address, {
    connectTimeout,
    signal,
    tcpKeepAlive: route.config.tcpKeepAlive,
    header,
    bytes,
    onClosed: attempt.closed,
  });
  onReached(server.name, (performance.now() - started) / 1000);
  const failure = refusalOf(server, route);
  if (failure !== undefined) {
    server.port.socket.destroy();
    attempt.failed(failure);
    // Those that wait for clients may be the ones that are too many.
    if (failure.code === 'server_too_many_connections') route.kept?.makeRoom(server.name);
    if (route.pool.size > 1) onUnreachable(server.name, failure);
    return { server, attempt, failure };
  }
  attempt.greeted();
  return { server, attempt };
}

/** Throws the ProxyError of a server that is not as the route wants it: of an only one the client is told by the handshake. */
function refusalOf(server: ServerLeg, { config, pool }: Route): ProxyError | undefined {
  try {
    const refusal = refusalInPlaceOfGreeting(server);
    if (refusal !== undefined || pool.size === 1) return refusal;
    assertOffersTls(greetingOf(server), config.server.sslMode, server.name);
    return undefined;
  } catch (error) {
    void leaveServer(server, NO_HURRY);
    throw error;
  }
}

function noteFailure(
  attempt: ServerAttempt,
  error: unknown,
  { signal, onUnreachable }: FailOverOptions,
): ProxyError {
  if (isShutdown(signal.reason)) throw signal.reason;
  const failure = toProxyError(error);
  onUnreachable(attempt.name, failure);
  // The time was up for the client, of which earlier servers may have had most.
  if (signal.isCancelled) throw signal.reason;
  // The next client may find one to open: the server has nothing to do with it.
  if (failure.code !== 'open_files_used_up') attempt.failed(failure);
  return failure;
}

function allFailed(failures: readonly ProxyError[]): ProxyError {
  const [first] = failures;
  if (first === undefined) throw new Error('the route has no server');
  if (failures.length === 1) return first;
  const isSame = failures.every(({ code }) => code === first.code);
  return new ProxyError(
    isSame ? first.code : 'server_unreachable',
    `no server answers: ${failures.map(({ what }) => what).join('; ')}`,
  );
}

/**
 * Whether a connection that greeted failed for something that the next one would meet as well. Not what one client may
 * bring about, such as a server that closes on it or that takes long to decide.
 */
export function isFaultOfServer({ code, definition }: ProxyError, { stage }: ServerLeg): boolean {
  if (definition.leg !== 'server') return false;
  // With TLS 1.3 that comes behind the login only.
  if (code === 'server_requires_key_pair' || code.startsWith('server_refused_key_pair')) return true;
  if (stage === 'greeted') {
    return ['server_not_mysql', 'server_x_protocol', 'server_tls_not_offered'].includes(code);
  }
  return (stage === 'upgrading' || stage === 'upgraded') && code !== 'server_timeout';
}
