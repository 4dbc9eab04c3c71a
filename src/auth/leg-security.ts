/** Which legs a password may cross in clear. Pure. */
import { CACHING_SHA2_PASSWORD } from './caching-sha2-password.js';
import { SHA256_PASSWORD } from './sha256-password.js';

export interface LegSecurity {
  readonly tls: boolean;
  /** On a socket file the bytes stay inside the machine. */
  readonly unix: boolean;
}

export interface Legs {
  readonly client: LegSecurity;
  readonly server: LegSecurity;
}

/** caching_sha2_password trusts a unix socket as much as TLS, at both ends; sha256_password does not. */
export function isSecure(leg: LegSecurity, plugin: string): boolean {
  return leg.tls || (leg.unix && plugin === CACHING_SHA2_PASSWORD);
}

/**
 * Client and server expect the password in the same form, so it can pass from one to the other as it is. Not so on an
 * exposed leg: some clients trust a socket file more than the plugin does, and say in clear what would go out there.
 */
export function legsAreEqual(legs: Legs, plugin: string): boolean {
  return isSecure(legs.client, plugin) === isSecure(legs.server, plugin) && !isServerLegExposed(legs);
}

/** The same for every plugin that sends a password in one form or the other. */
export function legsAreEqualForAll(legs: Legs): boolean {
  return legsAreEqual(legs, CACHING_SHA2_PASSWORD) && legsAreEqual(legs, SHA256_PASSWORD);
}

/** What is sent on it stays between the peer and the proxy. */
export function isPrivate(leg: LegSecurity): boolean {
  return leg.tls || leg.unix;
}

/** The client believes its leg to be secure, and what it says would go out on a plaintext wire. */
export function isServerLegExposed({ client, server }: Legs): boolean {
  return isPrivate(client) && !isPrivate(server);
}
