/**
 * What the admin listener says of the running proxy, as JSON: `/state` (and the page, through `/events`), `/connections`
 * and `/plaintext`. Names of fields are those of metric labels and logs. Times are Unix time in milliseconds. An empty text
 * is: not known, or not there.
 */
import type { ErrorCode } from '../../errors.js';
import type { AuthenticationPath, ServerConnection } from '../events.js';

/** Of `/state`. */
export interface ProxyState {
  readonly version: string;
  readonly node: string;
  readonly openssl: string;
  readonly started_at: number;
  /** When this was written. */
  readonly at: number;
  /** Why /readyz says no; empty when it says yes. */
  readonly unready_reason: string;
  readonly routes: readonly RouteState[];
  readonly connections: ConnectionCounts;
  /** Logged-in connections by route, leg, version and cipher, most first. None is 0. */
  readonly tls: readonly TlsCount[];
  /** Oldest first, one each `history_step_seconds`, at most five minutes of them. */
  readonly history: readonly HistoryPoint[];
  readonly history_step_seconds: number;
  readonly servers: readonly ServerState[];
  /** Soonest to expire first. */
  readonly certificates: readonly CertificateState[];
  /** Newest first; equal ones are one entry with a count. */
  readonly failures: readonly FailureState[];
  /** With at most a hundred clients; `/plaintext` has all. */
  readonly plaintext: PlaintextReport;
  /** How many clients the whole report has, by what would happen to them. */
  readonly plaintext_outcomes: Readonly<Record<PlaintextClient['under_required'], number>>;
  readonly reloads: ReloadState;
}

export interface RouteState {
  readonly route: string;
  readonly listen: readonly string[];
  readonly servers: readonly string[];
  readonly client_ssl_mode: string;
  readonly server_ssl_mode: string;
  /** Those that wait for another client; null without `--reuse-server-connections`. */
  readonly kept_server_connections: number | null;
}

export interface ConnectionCounts {
  /** Open now, those still logging in included. */
  readonly active: number;
  /** `--max-connections`. */
  readonly limit: number;
  /** Accepted since the start. */
  readonly total: number;
  /** Ended before their login was accepted, since the start. */
  readonly rejected: number;
  readonly commands: number;
}

export interface TlsCount {
  readonly route: string;
  readonly leg: 'client' | 'server';
  /** `none` in plaintext, `passthrough` where the proxy does not see it. */
  readonly version: string;
  readonly cipher: string;
  readonly connections: number;
}

/** One step; rates are per second over the step. */
export interface HistoryPoint {
  readonly at: number;
  readonly active: number;
  readonly connections_per_second: number;
  readonly rejected_per_second: number;
  readonly commands_per_second: number;
  /** From clients to servers, MySQL protocol bytes. */
  readonly bytes_in_per_second: number;
  readonly bytes_out_per_second: number;
  /** Of commands answered in the step; null where there were none. */
  readonly p50_seconds: number | null;
  readonly p99_seconds: number | null;
}

export interface ServerState {
  readonly route: string;
  readonly server: string;
  /** False: the latest attempt to use it, or check of it, failed, and it is left out; null before the first. */
  readonly up: boolean | null;
  /** Open ones: being made, in use, or waiting for another client. */
  readonly connections: number;
  /** When it was first seen to be up, or down, after it was not; null before the first attempt. */
  readonly since: number | null;
  /** Of the latest attempt; null before the first. */
  readonly tried_at: number | null;
  /** How long it took to greet, as far as it is known; null where it is down. */
  readonly connect_seconds: number | null;
  /** As the server calls itself. */
  readonly server_version: string;
  /** Code of why it is down, with its cause and cure; empty unless down. */
  readonly code: ErrorCode | '';
  readonly cause: string;
  readonly cure: string;
}

export interface CertificateState {
  readonly route: string;
  readonly leg: 'client' | 'server';
  /** Of the proxy (`own`), a CA that peers are verified with (`ca`), or as a server showed it (`peer`). */
  readonly role: CertificateRole;
  readonly subject: string;
  /** Null where the certificate holds a date that nobody can read. */
  readonly not_before: number | null;
  readonly not_after: number | null;
  /** The file, or `HOST:PORT` of the server. */
  readonly source: string;
  /** The option that names the file; empty for a server's own. */
  readonly option: string;
}

export type CertificateRole = 'own' | 'ca' | 'peer';

export interface FailureState {
  readonly first_at: number;
  readonly last_at: number;
  readonly count: number;
  readonly code: ErrorCode | 'login_refused';
  readonly leg: 'client' | 'server' | 'none';
  readonly route: string;
  /** Without the port; `unix` for a socket file. */
  readonly client_address: string;
  readonly user: string;
  readonly server: string;
  readonly cause: string;
  readonly cure: string;
}

export interface ReloadState {
  readonly succeeded: number;
  readonly failed: number;
  /** At the start, too, files were read. */
  readonly last_success_at: number;
  /** Null where none failed. */
  readonly last_failure_at: number | null;
  /** What was wrong then, and what to change; empty where none failed. */
  readonly last_failure: string;
}

/** Of `/plaintext`: the clients that are not on TLS 1.2 or newer, where `--report-plaintext` is on. */
export interface PlaintextReport {
  /** Routes that keep the report. Empty: it is off. */
  readonly routes: readonly string[];
  /** Since when; a restart begins anew. */
  readonly since: number;
  /** Those that would be refused first, then those of whom it is not known; of each kind those with most connections first. */
  readonly clients: readonly PlaintextClient[];
  /** How many clients were left out, or forgotten in favour of newer ones, because the table was full. */
  readonly dropped: number;
}

export interface PlaintextClient {
  readonly route: string;
  /** Without the port; `unix` for a socket file. */
  readonly client_address: string;
  readonly user: string;
  /** As the client says in its connection attributes, the latest one. */
  readonly client_program: string;
  /** `none`, `TLSv1` or `TLSv1.1`; one of each kind that the client comes with has an entry of its own. */
  readonly client_tls_version: string;
  readonly client_cipher: string;
  readonly first_seen: number;
  readonly last_seen: number;
  readonly connections: number;
  /** Of them, those that the proxy refused already, because they were in plaintext. */
  readonly refused: number;
  /** Open now. */
  readonly active: number;
  /** What would happen with `--client-ssl-mode REQUIRED`. */
  readonly under_required: 'refused' | 'accepted' | 'unknown';
  /** One sentence for a person: why, and what to do. */
  readonly advice: string;
}

/** Of `/connections`. */
export interface ConnectionList {
  readonly at: number;
  /** Open now. */
  readonly total: number;
  /** Of them, those that the filters let through. */
  readonly matched: number;
  /** The busiest first, at most `limit`. */
  readonly connections: readonly ConnectionState[];
}

/** One connection; each field but the numbers that change is also a label of `connection_info`, and a filter. */
export interface ConnectionState {
  readonly id: number;
  readonly route: string;
  /** `login` until the login is accepted, then `session`. */
  readonly state: 'login' | 'session';
  /** With the port; `unix` for a socket file. */
  readonly client: string;
  readonly client_program: string;
  readonly user: string;
  /** Where the proxy logged in with the credentials file: as whom. */
  readonly server_user: string;
  readonly server: string;
  readonly server_version: string;
  readonly server_thread_id: number;
  readonly server_connection: ServerConnection;
  readonly client_tls_version: string;
  readonly client_cipher: string;
  readonly client_tls_resumed: boolean;
  readonly client_certificate_subject: string;
  readonly server_tls_version: string;
  readonly server_cipher: string;
  readonly server_tls_resumed: boolean;
  readonly server_certificate_subject: string;
  readonly client_plugin: string;
  readonly server_plugin: string;
  readonly path: AuthenticationPath;
  readonly opened_at: number;
  readonly client_bytes_in: number;
  readonly client_bytes_out: number;
  readonly server_bytes_in: number;
  readonly server_bytes_out: number;
  readonly commands: number;
}
