/** The open connections as `/connections` and `/metrics/connections` show them, and the filters of the former. */
import { printable } from '../../printable.js';
import { connectionMetrics } from '../metrics/definitions.js';
import { busiest, type LiveConnection } from './live-connections.js';
import type { ConnectionList, ConnectionState } from './state.js';

/** Longest user name of any server is 128 characters (MariaDB); peers may send up to a packet of it. */
const LONGEST_TEXT = 128;

const DEFAULT_LIMIT = 100;
const MOST_AT_ONCE = 10_000;

export function connectionState({ record, isSession }: LiveConnection): ConnectionState {
  const { clientTls, serverTls, clientBytes, serverBytes } = record;
  return {
    id: record.id,
    route: record.route,
    state: isSession ? 'session' : 'login',
    client: record.clientAddress,
    client_program: shown(record.clientProgram),
    user: shown(record.user),
    server_user: shown(record.serverUser),
    server: record.serverAddress,
    server_version: shown(record.serverVersion),
    server_thread_id: record.serverThreadId,
    client_tls_version: clientTls.version,
    client_cipher: clientTls.cipher,
    client_tls_resumed: clientTls.resumed,
    client_certificate_subject: shown(clientTls.peerSubject),
    server_tls_version: serverTls.version,
    server_cipher: serverTls.cipher,
    server_tls_resumed: serverTls.resumed,
    server_certificate_subject: shown(serverTls.peerSubject),
    client_plugin: shown(record.clientPlugin),
    server_plugin: shown(record.serverPlugin),
    path: record.authentication,
    opened_at: record.openedAt,
    client_bytes_in: clientBytes.in,
    client_bytes_out: clientBytes.out,
    server_bytes_in: serverBytes.in,
    server_bytes_out: serverBytes.out,
    commands: record.commands,
  };
}

/** Each is a label of connection_info, too. What changes from one moment to the next is no filter. */
const filterNames: readonly string[] = connectionMetrics.connection_info
  .labels satisfies readonly (keyof ConnectionState)[];

/** Wrong parameters; the message says what to change. */
export class FilterError extends Error {}

/**
 * @param query `limit`, `search` (a text that any field holds, in whatever case), and fields with the value that they must
 *   have: `client_tls_version=none`. Throws FilterError.
 */
export function listConnections(
  connections: readonly LiveConnection[],
  query: URLSearchParams,
): ConnectionList {
  const matches = filterOf(query);
  const limit = limitOf(query.get('limit'));
  const matching = connections.filter((connection) => matches(connectionState(connection)));
  return {
    at: Date.now(),
    total: connections.length,
    matched: matching.length,
    connections: busiest(matching, limit).map(connectionState),
  };
}

function filterOf(query: URLSearchParams): (connection: ConnectionState) => boolean {
  const search = (query.get('search') ?? '').toLowerCase();
  const wanted = [...query].filter(([name]) => name !== 'search' && name !== 'limit');
  for (const [name] of wanted) {
    if (filterNames.includes(name)) continue;
    throw new FilterError(`There is no filter "${name}". Filters: search, limit, ${filterNames.join(', ')}`);
  }
  return (connection) => {
    const fields = new Map(Object.entries(connection).map(([name, value]) => [name, String(value)]));
    if (!wanted.every(([name, value]) => fields.get(name) === value)) return false;
    return search === '' || filterNames.some((name) => fields.get(name)?.toLowerCase().includes(search));
  };
}

function limitOf(text: string | null): number {
  if (text === null) return DEFAULT_LIMIT;
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 0 && limit <= MOST_AT_ONCE && text !== '') return limit;
  throw new FilterError(`limit must be a whole number from 0 to ${MOST_AT_ONCE}`);
}

function shown(text: string): string {
  return printable(text, LONGEST_TEXT);
}
