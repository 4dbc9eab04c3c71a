/** Certificates, each once: several routes often use the same. */
import type { CertificateState } from '../../state/state.js';
import { day } from './format.js';

export interface CertificateInUse extends CertificateState {
  readonly routes: readonly string[];
}

/** `unreadable`: as far as is known it is valid, but it holds a date that can not be read. */
export type Validity = 'broken' | 'warning' | 'unreadable' | 'fine';

export const unreadableDate = 'date can not be read';

const warningDays = 30;

/** In their order. */
export function distinctCertificates(certificates: readonly CertificateState[]): CertificateInUse[] {
  const distinct = new Map<string, CertificateInUse>();
  for (const certificate of certificates) {
    const { route, ...others } = certificate;
    const key = JSON.stringify(others);
    const routes = distinct.get(key)?.routes ?? [];
    distinct.set(key, { ...certificate, routes: [...new Set([...routes, route])] });
  }
  return [...distinct.values()];
}

export function validityOf({ not_before: from, not_after: until }: CertificateState, now: number): Validity {
  if ((from !== null && now < from) || (until !== null && until <= now)) return 'broken';
  if (from === null || until === null) return 'unreadable';
  return daysLeft(until, now) < warningDays ? 'warning' : 'fine';
}

/** Whole ones. */
export const daysLeft = (until: number, now: number): number => Math.floor((until - now) / day);
