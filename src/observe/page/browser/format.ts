/** Numbers, sizes and times as a person reads them. The same in every browser, so the language is fixed. */

const wholeNumber = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

export const count = (value: number): string => wholeNumber.format(value);

/** `1 client`, `2 clients`. */
export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${count(value)} ${value === 1 ? one : many}`;

/** Three digits are enough to compare: 1,204; 12.4; 0.35. */
export function rate(value: number): string {
  if (value === 0) return '0';
  if (value >= 100) return count(value);
  return new Intl.NumberFormat('en', { maximumSignificantDigits: value >= 10 ? 3 : 2 }).format(value);
}

const sizeUnits = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

export function bytes(value: number): string {
  let unit = 0;
  let scaled = value;
  while (scaled >= 999.5 && unit < sizeUnits.length - 1) {
    scaled /= 1000;
    unit++;
  }
  return `${rate(unit === 0 ? Math.round(scaled) : scaled)} ${sizeUnits[unit]}`;
}

export function latency(seconds: number): string {
  if (seconds >= 1) return `${rate(seconds)} s`;
  if (seconds >= 0.001) return `${rate(seconds * 1000)} ms`;
  return `${rate(Math.round(seconds * 1_000_000))} µs`;
}

const second = 1000;
const minute = 60 * second;
const hour = 60 * minute;
export const day = 24 * hour;

/** The two largest units: `4 min 12 s`, `3 d 4 h`; from ten minutes on, without seconds. */
export function duration(milliseconds: number): string {
  const ms = Math.max(0, milliseconds);
  if (ms < minute) return `${Math.floor(ms / second)} s`;
  if (ms < 10 * minute) return `${Math.floor(ms / minute)} min ${Math.floor((ms % minute) / second)} s`;
  if (ms < hour) return `${Math.floor(ms / minute)} min`;
  if (ms < day) return `${Math.floor(ms / hour)} h ${Math.floor((ms % hour) / minute)} min`;
  return `${count(Math.floor(ms / day))} d ${Math.floor((ms % day) / hour)} h`;
}

const two = (value: number): string => String(value).padStart(2, '0');

/** `12:03:44`, in the time zone of whoever looks. */
export function clock(at: number): string {
  const date = new Date(at);
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `2026-11-23`. */
export function calendarDay(at: number): string {
  const date = new Date(at);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** Only the time when it is of the same day as `now`. */
export function moment(at: number, now: number): string {
  return calendarDay(at) === calendarDay(now) ? clock(at) : `${calendarDay(at)} ${clock(at)}`;
}

/** Begins and ends as a sentence does; a name at the beginning stays as it is. */
export function sentence(text: string): string {
  const trimmed = text.trim().replace(/^[a-z](?=[a-z]* )/, (letter) => letter.toUpperCase());
  return trimmed === '' || /[.!?…]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}

/** `a, b and c`. */
export function listed(names: readonly string[]): string {
  const last = names.at(-1) ?? '';
  return names.length < 2 ? last : `${names.slice(0, -1).join(', ')} and ${last}`;
}

/** Names differ at their beginning or at their end, so what is left out is the middle. */
export function shortened(text: string, most: number): string {
  const letters = [...text];
  if (letters.length <= most) return text;
  const tail = Math.floor((most - 1) / 2);
  return `${letters.slice(0, most - 1 - tail).join('')}…${letters.slice(letters.length - tail).join('')}`;
}

/** `Europe/Berlin (UTC+02:00)`, of whoever looks. */
export function timeZone(at: number): string {
  const minutes = -new Date(at).getTimezoneOffset();
  if (minutes === 0) return 'UTC';
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  const offset = `UTC${minutes < 0 ? '-' : '+'}${two(hours)}:${two(rest)}`;
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return name === '' || name === undefined ? offset : `${name} (${offset})`;
}
