/** What a server connection can be for other clients, judged by the login of the first one. */
import { performance } from 'node:perf_hooks';
import { isServerLegExposed } from '../auth/leg-security.js';
import { NONCE_LENGTH } from '../auth/nonce.js';
import { peerCertificate } from '../tls/upgrade.js';
import {
  CLIENT_CONNECT_WITH_DB,
  CLIENT_PLUGIN_AUTH,
  CLIENT_PROTOCOL_41,
  CLIENT_SECURE_CONNECTION,
  isCompressed,
  withoutFlags,
} from '../wire/capabilities.js';
import type { Greeting } from '../wire/greeting.js';
import type { HandshakeContext } from './greet-client.js';
import type { ClientLeg, ServerLeg } from './legs.js';
import type { PreparedLogin } from './login-request.js';
import type { Route } from './route.js';
import { nonceKey, type ServerOrigin } from './server-origin.js';

const NEEDED = CLIENT_PROTOCOL_41 | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH;

/** Undefined where another client can not be served by it. */
export function originOf(
  server: ServerLeg,
  greeting: Greeting,
  { capabilities, legs }: PreparedLogin,
  fit: string,
  { record }: HandshakeContext,
): ServerOrigin | undefined {
  const isUsable =
    withoutFlags(NEEDED, capabilities) === 0 &&
    !isCompressed(capabilities) &&
    greeting.nonce.length === NONCE_LENGTH &&
    greeting.capabilitiesHighOffset !== undefined &&
    // Whoever is on that wire may say anything, of nonces too.
    !isServerLegExposed(legs);
  if (!isUsable) return undefined;
  return {
    address: server.address,
    name: server.name,
    greeting,
    capabilities,
    fit,
    tls: record.serverTls,
    nonces: new Set([nonceKey(greeting.nonce)]),
    openedAt: performance.now(),
    clients: 1,
  };
}

/**
 * What a client must have in common with the first one of a server connection. The schema is named by each COM_CHANGE_USER;
 * all else that a login's head says, its largest packet and MariaDB's flags among it, the server does not hear again.
 */
export function fitOf(
  { login, capabilities }: PreparedLogin,
  client: ClientLeg,
  { clientTls }: Route,
): string {
  const { payload } = login;
  const flags = withoutFlags(capabilities, CLIENT_CONNECT_WITH_DB);
  const head = payload.toString('latin1', 4, 8) + payload.toString('latin1', 9, 32);
  const certificate =
    client.isTls && clientTls?.requestCertificate
      ? peerCertificate(client.port.socket)?.fingerprint256
      : undefined;
  return `${flags} ${client.isTls ? 'TLS' : ''} ${certificate ?? ''} ${head}`;
}
