/** What the options of both legs have in common that choose what TLS may be negotiated. */
import type { DefaultContext } from '../option-definition.js';
import { tlsProfiles } from '../tls-profiles.js';
import { orderTlsVersions } from '../value-types.js';

export const profileDescription =
  'modern (TLSv1.3 only), intermediate (TLSv1.2 and TLSv1.3 with forward secrecy and authenticated encryption) or ' +
  'legacy (also TLSv1, TLSv1.1, CBC and RSA key exchange, as old programs need them; each use is counted and logged)';

/** The `tls_version` of MySQL servers is a list too, not a lowest version. */
export const tlsVersionList = { commas: true, arrange: orderTlsVersions } as const;

/** Of the leg's profile, which stands earlier in the table. */
export function versionsOfProfile(leg: 'client' | 'server', { value }: DefaultContext): string {
  const profile = Object.entries(tlsProfiles).find(([name]) => name === value(`${leg}-tls-profile`))?.[1];
  return (profile ?? tlsProfiles.intermediate).versions.join(',');
}
