/** Decides what each leg is offered, from the server's greeting, the route and where the client is. Pure. */
import { type Legs, legsAreEqualForAll } from '../auth/leg-security.js';
import { NATIVE_PASSWORD } from '../auth/native-password.js';
import type { ServerSslMode } from '../config/model.js';
import { ProxyError } from '../errors.js';
import { CLIENT_SSL, COMPRESSION_FLAGS, has, offeredToClient, withFlags } from '../wire/capabilities.js';
import type { Greeting } from '../wire/greeting.js';
import type { SessionTerms } from './dialogue.js';
import { type ClientLeg, legSecurity, type ServerLeg } from './legs.js';
import { type Route, takesPartInLogin } from './route.js';

export interface HandshakePlan {
  /** Capability flags of the greeting that the client gets. */
  readonly offered: number;
  readonly offerTls: boolean;
  /** Default plugin of the greeting that the client gets; empty where the server names none. */
  readonly authPlugin: string;
}

/** Throws ProxyError `server_tls_not_offered`: a leg that must be encrypted never falls back to plaintext. */
export function planHandshake(
  greeting: Greeting,
  route: Route,
  client: Pick<ClientLeg, 'isUnix' | 'mayStayPlaintext'>,
  server: Pick<ServerLeg, 'name' | 'address'>,
): HandshakePlan {
  const serverOffersTls = has(greeting.capabilities, CLIENT_SSL);
  const { sslMode } = route.config.server;
  assertOffersTls(greeting, sslMode, server.name);
  // AS_CLIENT: a client must not be promised TLS that would end at the proxy.
  const offerTls = route.clientTls !== undefined && (sslMode !== 'AS_CLIENT' || serverOffersTls);
  // A COM_CHANGE_USER that the proxy has to take part in can not be found in compressed bytes, and once compression is
  // offered the client uses it. So it is not offered where the legs may turn out unequal.
  const clientTls = [...(offerTls ? [true] : []), ...(client.mayStayPlaintext ? [false] : [])];
  const alwaysEqual = clientTls.every((isTls) =>
    legsAreEqualForAll({
      client: legSecurity(client, isTls),
      server: legSecurity(server, useServerTls(greeting, route, isTls)),
    }),
  );
  const mayLogIn = takesPartInLogin(route);
  return {
    offered: offeredToClient(greeting.capabilities, {
      offerTls,
      offerCompression: alwaysEqual && !mayLogIn,
    }),
    offerTls,
    // Old libraries give up at a name that they do not know, before they have said who they are.
    authPlugin: mayLogIn && greeting.authPlugin !== '' ? NATIVE_PASSWORD : greeting.authPlugin,
  };
}

/** Throws ProxyError `server_tls_not_offered` where the mode demands it. */
export function assertOffersTls(greeting: Greeting, sslMode: ServerSslMode, server: string): void {
  if (has(greeting.capabilities, CLIENT_SSL)) return;
  if (sslMode === 'DISABLED' || sslMode === 'PREFERRED' || sslMode === 'AS_CLIENT') return;
  throw new ProxyError('server_tls_not_offered', `${server} offers no TLS, and the route demands ${sslMode}`);
}

/** The flags of the plan, now that it is known what the legs are: compression may pass after all. */
export function offeredOnLegs(greeting: Greeting, plan: HandshakePlan, legs: Legs, route: Route): number {
  if (!legsAreEqualForAll(legs) || takesPartInLogin(route)) return plan.offered;
  return withFlags(plan.offered, greeting.capabilities & COMPRESSION_FLAGS);
}

/** Whether the server leg becomes TLS, now that it is known what the client leg is. */
export function useServerTls(greeting: Greeting, route: Route, clientIsTls: boolean): boolean {
  const { sslMode } = route.config.server;
  if (sslMode === 'DISABLED') return false;
  if (sslMode === 'AS_CLIENT') return clientIsTls;
  return sslMode !== 'PREFERRED' || has(greeting.capabilities, CLIENT_SSL);
}

/**
 * Whether a session goes on unlooked at where its packets can not be followed any more: between two TLS legs nobody can have
 * made that happen, and no password is in danger.
 */
export function passesWhenLost({ legs }: SessionTerms, route: Route): boolean {
  return legs.client.tls && legs.server.tls && !takesPartInLogin(route);
}
