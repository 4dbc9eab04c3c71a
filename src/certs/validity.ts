/** How long certificates are valid. */

export interface Validity {
  readonly notBefore: Date;
  readonly notAfter: Date;
}

export const DAY_MS = 24 * 60 * 60 * 1000;

/** Days. A CA is distributed to every client, so it should not change with each certificate. */
const CA_DAYS = 3653;

/**
 * From a day ago, because the yaSSL in MySQL 5.6 ignores seconds and so takes a certificate of this very minute for one
 * of the future, and because clocks differ.
 *
 * @param days from `now` on.
 */
export function validFor(days: number, now: Date): Validity {
  return {
    notBefore: new Date(now.getTime() - DAY_MS),
    notAfter: new Date(now.getTime() + days * DAY_MS),
  };
}

/** As long as the certificates that the CA signs, and at least ten years. */
export function caValidFor(leafDays: number, now: Date): Validity {
  return validFor(Math.max(CA_DAYS, leafDays), now);
}

/** Whole days until `end`, rounded down; negative after it. */
export function daysUntil(end: Date, now: Date): number {
  return Math.floor((end.getTime() - now.getTime()) / DAY_MS);
}

/** `2026-11-22`; a certificate may hold a date that nobody can read. */
export function dayOf(date: Date): string {
  return Number.isNaN(date.getTime()) ? 'unreadable' : date.toISOString().slice(0, 10);
}
