/** Why no connection came about, and what to do about it. */
import { printable } from '../printable.js';
import type { ClientError } from './connector.js';
import { errorCode, messageOf } from './failure-counts.js';
import { LoadError } from './load-error.js';
import { nameOf, type Role, type Side } from './side.js';

interface Explanation {
  /** Without one, the message of the error stands here. */
  readonly cause?: string;
  readonly cure: string;
}

const NOT_REACHED = 'Check the address in --ROLE, and that no firewall is in the way.';

/** By the number that a server sent, or the code of the client. `ROLE` and `PREFIX` become those of the side. */
const EXPLANATIONS: Readonly<Record<string, Explanation>> = {
  ECONNREFUSED: { cause: 'nothing listens there', cure: 'Start it, or correct the address in --ROLE.' },
  ENOENT: { cause: 'there is no such socket file', cure: 'Start it, or correct the path in --ROLE.' },
  EACCES: { cause: 'this user may not write to the socket file', cure: 'Run it as a user who may.' },
  ENOTFOUND: { cause: 'the name is not known', cure: 'Correct the name in --ROLE.' },
  EAI_AGAIN: { cause: 'the name servers do not answer', cure: 'Check the name servers of this machine.' },
  ETIMEDOUT: { cause: 'there is no answer within 10 s', cure: NOT_REACHED },
  EHOSTUNREACH: { cause: 'there is no way to that host', cure: NOT_REACHED },
  ENETUNREACH: { cause: 'there is no way to that network', cure: NOT_REACHED },
  EMFILE: {
    cause: 'this program may not open more files',
    cure: 'Raise the limit (ulimit -n) above the number of connections of both sides, or lower --connections.',
  },
  ENFILE: {
    cause: 'this machine has too many open files',
    cure: 'Raise fs.file-max, or lower --connections.',
  },
  EADDRNOTAVAIL: {
    cause: 'this machine has no free port left for connections to there',
    cure: 'Wait a minute until closed connections are forgotten, lower --connections, or widen ip_local_port_range.',
  },
  ECONNRESET: { cause: 'it broke the connection off', cure: 'Look at its log.' },
  PROTOCOL_CONNECTION_LOST: {
    cause: 'it closed the connection before the login was over',
    cure: 'Look at its log.',
  },
  HANDSHAKE_NO_SSL_SUPPORT: {
    cause: 'it offers no TLS',
    cure: 'Turn TLS on there, or choose --PREFIXssl-mode DISABLED or PREFERRED.',
  },
  HANDSHAKE_SSL_ERROR: {
    cure: 'mysql-tls-proxy doctor looks at it more closely; --PREFIXssl-ca must hold the CA that signed its certificate.',
  },
  1040: {
    cure:
      'Raise max_connections of the server (of a proxy: its --max-connections), or lower --connections: target and ' +
      'baseline keep that many open each, and one more.',
  },
  1044: { cure: 'GRANT the user rights on the database in --database, or name another one.' },
  1045: { cure: 'Check --user and --password-file; accounts that REQUIRE SSL need TLS up to the server.' },
  1049: { cure: 'Create the database in --database, or name one that exists.' },
  1129: {
    cure: 'Run FLUSH HOSTS in the server (MySQL 8 and newer: TRUNCATE performance_schema.host_cache).',
  },
  1130: { cure: "Create the account for the address that it comes from: 'name'@'%'." },
  1203: { cure: 'Raise max_user_connections of the account, or lower --connections.' },
  1226: { cure: 'Raise the limit of the account that the message names, or lower --connections.' },
  3159: { cure: 'Use TLS toward it: --PREFIXssl-mode REQUIRED.' },
};

const FALLBACK: Explanation = { cure: 'Look at its log.' };

/** @param already connections of this side that were open by then. */
export function connectFailure(side: Side, thrown: unknown, already: number): LoadError {
  const error: ClientError = thrown instanceof Error ? thrown : new Error(String(thrown));
  const code = errorCode(error);
  const { cause, cure } = (Object.hasOwn(EXPLANATIONS, code) ? EXPLANATIONS[code] : undefined) ?? FALLBACK;
  const after = already === 0 ? '' : ` after ${already} connections`;
  const why = cause === undefined ? `${withoutStop(messageOf(error))} (${code})` : `${cause} (${code})`;
  return new LoadError(
    'connecting',
    `no connection to ${nameOf(side)}${after}: ${why}. ${inWordsOf(side.role, cure)}`,
  );
}

/** The options of the target have no prefix. */
function inWordsOf(role: Role, cure: string): string {
  const prefix = role === 'target' ? '' : 'baseline-';
  return cure.replaceAll('PREFIX', prefix).replaceAll('ROLE', role);
}

function withoutStop(message: string): string {
  return printable(message, Number.POSITIVE_INFINITY).replace(/\.$/, '');
}
