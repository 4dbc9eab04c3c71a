/** The open connections as `/connections` and `/metrics/connections` show them, and the filters of the former. */
import { printableName } from '../../printable.js';
import type { ConnectionRecord } from '../events.js';
import { connectionMetrics } from '../metrics/definitions.js';
import { busiest } from './live-connections.js';
import type { ConnectionList, ConnectionState } from './state.js';

const DEFAULT_LIMIT = 100;
const MOST_AT_ONCE = 1_000;

export function connectionState(connection: ConnectionRecord): ConnectionState {
  const { clientBytes, serverBytes, openedAt, commands } = connection;
  const said = fieldsOf(connection);
  return {
    ...said,
    client_program: printableName(said.client_program),
    user: printableName(said.user),
    server_user: printableName(said.server_user),
    server_version: printableName(said.server_version),
    client_certificate_subject: printableName(said.client_certificate_subject),
    server_certificate_subject: printableName(said.server_certificate_subject),
    client_plugin: printableName(said.client_plugin),
    server_plugin: printableName(said.server_plugin),
    opened_at: openedAt,
    client_bytes_in: clientBytes.in,
    client_bytes_out: clientBytes.out,
    server_bytes_in: serverBytes.in,
    server_bytes_out: serverBytes.out,
    commands,
  };
}

/** What can be asked for, as peers said it. */
function fieldsOf(record: ConnectionRecord) {
  const { clientTls, serverTls } = record;
  return {
    id: record.id,
    route: record.route,
    state: record.isSession ? 'session' : 'login',
    client: record.clientAddress,
    client_program: record.clientProgram,
    user: record.user,
    server_user: record.serverUser,
    server: record.serverAddress,
    server_version: record.serverVersion,
    server_thread_id: record.serverThreadId,
    server_connection: record.serverConnection,
    client_tls_version: clientTls.version,
    client_cipher: clientTls.cipher,
    client_tls_resumed: clientTls.resumed,
    client_certificate_subject: clientTls.peerSubject,
    server_tls_version: serverTls.version,
    server_cipher: serverTls.cipher,
    server_tls_resumed: serverTls.resumed,
    server_certificate_subject: serverTls.peerSubject,
    client_plugin: record.clientPlugin,
    server_plugin: record.serverPlugin,
    path: record.authentication,
  } as const;
}

/** Each is a label of connection_info, too. What changes from one moment to the next is no filter. */
const filterNames = connectionMetrics.connection_info.labels;
type FilterName = (typeof filterNames)[number];

/** Wrong parameters; the message says what to change. */
export class FilterError extends Error {}

/**
 * @param query `limit`, `search` (a text that any field holds, in whatever case), and fields with the value that they must
 *   have: `client_tls_version=none`. Throws FilterError.
 */
export function listConnections(
  connections: readonly ConnectionRecord[],
  query: URLSearchParams,
): ConnectionList {
  const matches = filterOf(query);
  const limit = limitOf(query.get('limit'));
  const matching = matches === undefined ? connections : connections.filter(matches);
  return {
    at: Date.now(),
    total: connections.length,
    matched: matching.length,
    connections: busiest(matching, limit).map(connectionState),
  };
}

/** Undefined where all match. With thousands of connections each field that need not be looked at counts. */
function filterOf(query: URLSearchParams): ((connection: ConnectionRecord) => boolean) | undefined {
  const search = (query.get('search') ?? '').toLowerCase();
  const wanted = new Map<FilterName, string>();
  for (const [name, value] of query) {
    if (name === 'search' || name === 'limit') continue;
    const known = filterNames.find((filter) => filter === name);
    if (known === undefined) {
      const filter = printableName(name);
      throw new FilterError(
        `There is no filter "${filter}". Filters: search, limit, ${filterNames.join(', ')}`,
      );
    }
    if (wanted.has(known)) throw new FilterError(`The filter ${known} stands there twice`);
    wanted.set(known, value);
  }
  if (search === '' && wanted.size === 0) return undefined;
  return (connection) => {
    const fields = fieldsOf(connection);
    for (const [name, value] of wanted) if (printableName(String(fields[name])) !== value) return false;
    return search === '' || filterNames.some((name) => String(fields[name]).toLowerCase().includes(search));
  };
}

function limitOf(text: string | null): number {
  if (text === null) return DEFAULT_LIMIT;
  if (/^\d{1,5}$/.test(text) && Number(text) <= MOST_AT_ONCE) return Number(text);
  throw new FilterError(`limit must be a whole number from 0 to ${MOST_AT_ONCE}`);
}
