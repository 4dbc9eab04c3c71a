/** What a client of the scene does to the metrics: each function counts one thing that happened. */
import type { Tally } from './prometheus-tally.js';

export type LegTls = readonly [version: string, cipher: string];
export const PLAIN: LegTls = ['none', 'none'];
export const PASSED_THROUGH: LegTls = ['passthrough', 'passthrough'];

export interface RouteUnderTest {
  readonly name: string;
  readonly port: number;
  /** `HOST:PORT`. */
  readonly server: string;
  readonly serverTls: LegTls;
}

/** Counts a connection that the server greeted. */
export function countReached(tally: Tally, route: RouteUnderTest): void {
  countConnection(tally, route);
  tally.add('server_connect_duration_seconds', [route.name, route.server]);
}

export function countConnection(tally: Tally, { name }: RouteUnderTest): void {
  tally.add('connections_total', [name]);
  tally.add('connection_duration_seconds', [name]);
}

export function countRejected(tally: Tally, { name }: RouteUnderTest, reason: string): void {
  tally.add('connections_rejected_total', [name, reason]);
}

/** Counts the TLS handshake of a leg, unless it is in plaintext or not seen. */
export function countHandshake(
  tally: Tally,
  { name }: RouteUnderTest,
  leg: 'client' | 'server',
  tls: LegTls,
  resumed = false,
): void {
  if (tls === PLAIN || tls === PASSED_THROUGH) return;
  tally.add('tls_handshakes_total', [name, leg, ...tls, String(resumed)]);
  tally.add('tls_handshake_duration_seconds', [name, leg]);
}

/** Counts a login that was accepted, over these kinds of TLS, and the handshake of the server leg. */
export function countLogin(tally: Tally, route: RouteUnderTest, clientTls: LegTls): void {
  countHandshake(tally, route, 'server', route.serverTls);
  tally.add('server_connections_total', [route.name, route.server, 'fresh']);
  tally.add('tls_sessions_total', [route.name, 'client', ...clientTls]);
  tally.add('tls_sessions_total', [route.name, 'server', ...route.serverTls]);
}

const unanswered = ['COM_QUIT', 'COM_STMT_CLOSE'];

export function countCommands(
  tally: Tally,
  { name }: RouteUnderTest,
  commands: Readonly<Record<string, number>>,
): void {
  for (const [command, count] of Object.entries(commands)) {
    tally.add('commands_total', [name, command], count);
    if (!unanswered.includes(command)) tally.add('command_duration_seconds', [name, command], count);
  }
}

export type AuthPath = 'relayed' | 'translated' | 'bridged' | 'credentials';

/** Counts a login, or a change of user. */
export function countAuth(
  tally: Tally,
  { name }: RouteUnderTest,
  [clientPlugin, serverPlugin]: readonly [client: string, server: string],
  path: AuthPath,
  result: 'accepted' | 'refused' | 'failed',
): void {
  tally.add('auth_total', [name, clientPlugin, serverPlugin, path, result]);
}

/** Unix time in seconds. */
export function now(): number {
  return Date.now() / 1000;
}
