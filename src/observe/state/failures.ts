/** The newest failures, for the page: equal ones are one entry with a count. */
import { type ErrorCode, errorTable, type ProxyError } from '../../errors.js';
import { printable, printableName } from '../../printable.js';
import { clientHost } from '../client-host.js';
import type { ConnectionRecord, LoginAttempt, Observer } from '../events.js';
import { codeOfRefusal } from '../failure-code.js';
import type { FailureState } from './state.js';

export interface RecentFailures {
  readonly observer: Observer;
  /** Newest first. */
  list(): readonly FailureState[];
}

const MOST_ENTRIES = 50;
const LONGEST_CAUSE = 512;

/** The observers see the number of the server's error alone; its text goes to the client. */
const LOGIN_REFUSED_CURE =
  'The client shows the text of the server. For 1045 run mysql-tls-proxy doctor --server … --user … --password-file …: it ' +
  'tells a wrong password from an account that demands TLS or a certificate.';

type Failure = Pick<FailureState, 'code' | 'leg' | 'cause' | 'cure'>;

export function recentFailures(now: () => number = Date.now): RecentFailures {
  /** The newest comes last. */
  const entries = new Map<string, FailureState>();
  const add = (connection: ConnectionRecord, failure: Failure, { user }: LoginAttempt = connection) => {
    const about = {
      route: connection.route,
      client_address: clientHost(connection.clientAddress),
      user: printableName(user),
      server: connection.serverAddress,
    };
    const key = JSON.stringify([failure.code, failure.leg, ...Object.values(about)]);
    const before = entries.get(key);
    const at = now();
    entries.delete(key);
    entries.set(key, {
      first_at: before?.first_at ?? at,
      last_at: at,
      count: (before?.count ?? 0) + 1,
      ...about,
      ...failure,
    });
    const [oldest] = entries.keys();
    if (entries.size > MOST_ENTRIES && oldest !== undefined) entries.delete(oldest);
  };
  return {
    observer: {
      failed: (connection, error, attempt) => {
        if (!isQuiet(error)) add(connection, failureOf(error.code, error.what), attempt);
      },
      refused: (connection, errno) => add(connection, refusalOf(errno, 'the login')),
      userChangeRefused: (connection, errno, attempt) =>
        add(connection, refusalOf(errno, 'a change of the user'), attempt),
    },
    list: () => [...entries.values()].reverse(),
  };
}

/** Clients that leave on their own account, as health checks do. */
function isQuiet({ definition }: ProxyError): boolean {
  return definition.logLevel === 'debug';
}

function refusalOf(errno: number, what: string): Failure {
  const code = codeOfRefusal(errno);
  const cause = `the server refused ${what} with error ${errno}`;
  if (code !== 'login_refused') return failureOf(code, cause);
  return { code, leg: 'server', cause, cure: LOGIN_REFUSED_CURE };
}

function failureOf(code: ErrorCode, cause: string): Failure {
  const { leg, cure } = errorTable[code];
  return { code, leg, cause: printable(cause, LONGEST_CAUSE), cure };
}
