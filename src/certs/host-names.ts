/** The names and addresses that a server's certificate is valid for. */
import { isIP, isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';

/** The message says what to write instead. */
export class UnusableHost extends Error {}

export interface HostName {
  readonly kind: 'dns' | 'ip';
  /** A name as it was given; an IPv6 address in its shortest form. */
  readonly value: string;
}

/** What X.520 allows for a common name. */
const LONGEST_COMMON_NAME = 64;

const LABEL = /^[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?$/;

/**
 * Host names, `*.` in front allowed, and IP addresses, without duplicates.
 *
 * @throws UnusableHost where a text is neither.
 */
export function readHosts(texts: readonly string[]): readonly HostName[] {
  const hosts = new Map<string, HostName>();
  for (const text of texts) {
    const host = readHost(text);
    const key = host.value.toLowerCase();
    if (!hosts.has(key)) hosts.set(key, host);
  }
  return [...hosts.values()];
}

/**
 * The first host that a client could connect to: MySQL 5.6 clients that verify the server compare its name with the
 * common name, letter by letter. It can't be the common name of another certificate of the folder: those hold spaces.
 */
export function commonNameFor(hosts: readonly HostName[]): string {
  const fitting = hosts.map(({ value }) => value).filter((value) => value.length <= LONGEST_COMMON_NAME);
  return fitting.find((value) => !value.startsWith('*')) ?? fitting[0] ?? 'MySQL proxy';
}

function readHost(text: string): HostName {
  if (text.includes('%')) throw unusable(text, 'a certificate holds no zone; leave out what begins with "%"');
  if (isIPv6(text)) return { kind: 'ip', value: shortestIpv6(text) };
  if (isIP(text) === 4) return { kind: 'ip', value: text };
  checkName(text);
  return { kind: 'dns', value: text };
}

function checkName(text: string): void {
  if (text === '') throw unusable(text, 'it is empty');
  if (text.includes(',')) throw unusable(text, 'it holds a comma; repeat --host, once per name');
  if (/^\[.*\]/.test(text)) throw unusable(text, 'write an IPv6 address without brackets and port');
  if (/^[^:]+:\d+$/.test(text)) throw unusable(text, 'leave out the port: a certificate holds none');
  if (text.includes('/')) throw unusable(text, 'write only the name, no URL and no network');
  if (/\P{ASCII}/u.test(text)) throw unusable(text, internationalCure(text));
  if (text.endsWith('.')) throw unusable(text, 'leave out the last dot');
  const labels = text.split('.');
  if (/^\d+$/.test(labels.at(-1) ?? '')) throw unusable(text, 'it is not an IPv4 address');
  const isWildcard = labels[0] === '*';
  const fixedLabels = isWildcard ? labels.slice(1) : labels;
  if (isWildcard && fixedLabels.length < 2)
    throw unusable(
      text,
      '"*." needs two parts behind it, as in *.example.com: OpenSSL matches no shorter one',
    );
  if (text.length > 253 || !fixedLabels.every((label) => LABEL.test(label)))
    throw unusable(
      text,
      'it is neither a host name (such as db.example.com or *.example.com) nor an IP address',
    );
}

function internationalCure(text: string): string {
  const ascii = domainToASCII(text);
  return ascii === '' ? 'it is not a host name' : `write its ASCII form, ${ascii}`;
}

function shortestIpv6(text: string): string {
  return new URL(`http://[${text}]`).hostname.slice(1, -1);
}

function unusable(text: string, why: string): UnusableHost {
  return new UnusableHost(`--host ${JSON.stringify(text)} can't be used: ${why}`);
}
