/** Numbers as people read them. */
import type { Spread } from './spread.js';

/** `12,345` */
export function countText(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

/** Three to four digits: `0.123`, `12.3`, `1,234`. */
export function millisecondsText(value: number): string {
  if (value >= 1000) return countText(value);
  if (Number.isInteger(value)) return String(value);
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 3);
}

/** `0.120 (0.110 - 0.140)`; `-` where no round ran to its end. */
export function spreadText(spread: Spread | undefined, text: (value: number) => string): string {
  return spread === undefined ? '-' : `${text(spread.median)} (${text(spread.min)} - ${text(spread.max)})`;
}
