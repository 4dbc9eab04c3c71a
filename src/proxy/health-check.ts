/**
 * One health check of a server: what a client's connection goes through, as far as the proxy can do that by itself. It is
 * left in such order that the server does not count it against max_connect_errors.
 */
import { performance } from 'node:perf_hooks';
import { Cancellation, type CancelSignal } from '../cancellation.js';
import type { Address, ServerSslMode } from '../config/model.js';
import { ProxyError, serverRefusal, toProxyError } from '../errors.js';
import type { ServerCheck } from '../observe/events.js';
import type { ServerLegTls } from '../tls/contexts.js';
import { CLIENT_SSL, has } from '../wire/capabilities.js';
import { isErr } from '../wire/replies.js';
import { ACCOUNT_ERRORS } from './authentication.js';
import { type LastWord, leaveServer } from './leave-server.js';
import { legSecurity, type ServerLeg } from './legs.js';
import { greetingOf, ownRecord, secureOwn, verdictOnTls } from './own-connection.js';
import { logInOwn, type OwnLogin } from './own-login.js';
import { assertOffersTls } from './plan.js';
import { beginCommand } from './server-probe.js';
import { openServer } from './servers.js';
import { timeLimit } from './time-limit.js';

export interface CheckTerms {
  readonly sslMode: ServerSslMode;
  /** Undefined: the server leg stays in plaintext, or is none of the proxy's business (PASSTHROUGH). */
  readonly serverTls: ServerLegTls | undefined;
  /** Sent before the server has said anything: a PROXY header of the proxy's own. */
  readonly header: Buffer | undefined;
  readonly login: OwnLogin | undefined;
  /** Milliseconds, for the TCP connection and the greeting. */
  readonly connectTimeout: number;
  /** Milliseconds, for everything after that. */
  readonly handshakeTimeout: number;
}

export interface CheckOutcome extends Pick<ServerCheck, 'result' | 'error' | 'greetedAfter'> {
  /** The server counts it against max_connect_errors, as it does with every TLS handshake that is broken off. */
  readonly isCounted: boolean;
  /** The server may still get to the connection; resolves when it has, or is given up. */
  readonly late: Promise<void> | undefined;
}

/**
 * How long one connection waits for a server that has accepted and does not greet, in milliseconds. As long as it does there is
 * no other: one that hangs for a day must not find more of them broken off than it forgives.
 */
const LATE_GREETING_MS = 600_000;

/** The server's part ends in good order, also when the proxy stops. */
const NO_HURRY = new Cancellation();

const COM_PING = Buffer.from([0x0e]);

/** Never rejects. */
export async function checkServer(
  address: Address,
  terms: CheckTerms,
  signal: CancelSignal,
): Promise<CheckOutcome> {
  const started = performance.now();
  let late: Promise<void> | undefined;
  let server: ServerLeg;
  try {
    server = await openServer(address, {
      connectTimeout: terms.connectTimeout,
      signal,
      header: terms.header,
      late: {
        timeout: LATE_GREETING_MS,
        onWait: (left) => {
          late = left;
        },
      },
    });
  } catch (thrown) {
    const error = toProxyError(thrown);
    return { result: 'failure', error, greetedAfter: undefined, isCounted: false, late };
  }
  const greetedAfter = (performance.now() - started) / 1000;
  const limit = timeLimit(
    terms.handshakeTimeout,
    () => new ProxyError('server_timeout', `${server.name} did not decide a health check in time`),
    signal,
  );
  let error: ProxyError | undefined;
  try {
    await goOn(server, terms, limit.signal);
  } catch (thrown) {
    error = toProxyError(thrown);
  } finally {
    limit.clear();
  }
  const isCounted = server.stage === 'upgrading';
  const isOver = error !== undefined || terms.login !== undefined;
  const lastWord = await leaveServer(server, NO_HURRY);
  error ??= isOver ? undefined : verdictOn(lastWord, server);
  const result = error === undefined ? 'success' : isDenial(error) ? 'denied' : 'failure';
  return { result, error, greetedAfter, isCounted, late };
}

async function goOn(server: ServerLeg, terms: CheckTerms, signal: CancelSignal): Promise<void> {
  const { sslMode, serverTls, login } = terms;
  const greeting = greetingOf(server);
  assertOffersTls(greeting, sslMode, server.name);
  const isTls = serverTls !== undefined && has(greeting.capabilities, CLIENT_SSL);
  if (isTls) await secureOwn(server, serverTls, greeting, ownRecord(server.name), signal);
  if (login === undefined) return;
  const refusal = await logInOwn(server, greeting, login, legSecurity(server, isTls), signal);
  if (refusal !== undefined) throw refusedLogin(server, refusal.errno, refusal.message);
  beginCommand(server);
  server.port.write(COM_PING);
  const { payload } = await server.port.read(signal);
  if (isErr(payload)) {
    throw new ProxyError('server_closed', `${server.name} answers a COM_PING with an error`);
  }
  beginCommand(server);
}

/** Limits of the account, beside what is wrong with its password. */
const ACCOUNT_LIMITS: readonly number[] = [1203, 1226];

function refusedLogin({ name }: ServerLeg, errno: number, message: string): ProxyError {
  const isOfAccount = ACCOUNT_ERRORS.has(errno) || ACCOUNT_LIMITS.includes(errno);
  const code = isOfAccount ? 'server_refused_health_check' : (serverRefusal(errno) ?? 'server_closed');
  return new ProxyError(code, `${name} refuses the login of health checks with error ${errno}: ${message}`);
}

/** What a server works as well with, for everyone else. */
function isDenial({ code }: ProxyError): boolean {
  return (
    code === 'server_refused_health_check' ||
    code === 'server_plugin_unsupported' ||
    code === 'server_rsa_key_unusable' ||
    code === 'authentication_too_long'
  );
}

/** On the login that is meant to be refused. */
function verdictOn(lastWord: LastWord, { name, sslRequest }: ServerLeg): ProxyError | undefined {
  if (sslRequest !== undefined) {
    const verdict = verdictOnTls(lastWord);
    if (verdict !== undefined) return verdict;
  }
  if (lastWord === undefined || lastWord instanceof ProxyError) return lastWord;
  const { errno, message } = lastWord;
  // A check goes without TLS where it depends on the client.
  const code = serverRefusal(errno);
  if (code === undefined || code === 'server_requires_tls') return undefined;
  return new ProxyError(code, `${name} refuses with error ${errno}: ${message}`);
}
