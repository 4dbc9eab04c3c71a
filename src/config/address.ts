import { isIP } from 'node:net';
import type { Address } from './model.js';

/** A value that can't be used; the message says why and what to write instead, without repeating the option's name. */
export class UnusableValue extends Error {}

/**
 * Reads `HOST:PORT`, `[::1]:PORT` or `unix:PATH`. With `defaultPort` the port may be left out; port 0 is for
 * listening only, where it means any free port.
 *
 * @throws UnusableValue
 */
export function parseAddress(text: string, use: 'listen' | 'connect', defaultPort?: number): Address {
  if (text === '') throw new UnusableValue('is empty; write HOST:PORT or unix:PATH');
  if (/^unix:/i.test(text)) return parseSocketPath(text.slice('unix:'.length));
  if (text.startsWith('/')) throw new UnusableValue(`"${text}" is a path; write unix:${text}`);
  const scheme = /^[a-z0-9+]+:\/\//i.exec(text)?.[0];
  if (scheme !== undefined) throw new UnusableValue(`write HOST:PORT, without "${scheme}"`);
  if (text.includes(','))
    throw new UnusableValue(`"${text}" holds a comma; repeat the option, once per address`);
  const { host, portText } = splitHostAndPort(text, use);
  checkHost(host);
  if (portText === undefined) {
    if (defaultPort !== undefined) return { kind: 'tcp', host, port: defaultPort };
    throw new UnusableValue(`"${text}" lacks the port; write ${text}:3307`);
  }
  return { kind: 'tcp', host, port: parsePort(portText, use) };
}

function parseSocketPath(path: string): Address {
  if (path === '') throw new UnusableValue('the path is missing; write unix:/run/mysqld/mysqld.sock');
  if (path.includes('\0')) throw new UnusableValue('a socket path must not hold a zero byte');
  return { kind: 'unix', path };
}

function splitHostAndPort(text: string, use: 'listen' | 'connect'): { host: string; portText?: string } {
  const onlyPort = /^:?(\d*)$/.exec(text)?.[1];
  if (onlyPort !== undefined) throw new UnusableValue(hostMissing(text, onlyPort, use));
  const bracketed = /^\[([^\]]*)\](?::(.*))?$/.exec(text);
  if (bracketed !== null) {
    const [, host = '', portText] = bracketed;
    if (isIP(host) !== 6)
      throw new UnusableValue(`"${host}" is not an IPv6 address; brackets are for those only`);
    return portText === undefined ? { host } : { host, portText };
  }
  const parts = text.split(':');
  if (parts.length > 2)
    throw new UnusableValue(`"${text}": put an IPv6 address in brackets, as in [::1]:3306`);
  const [host = '', portText] = parts;
  return portText === undefined ? { host } : { host, portText };
}

function hostMissing(text: string, port: string, use: 'listen' | 'connect'): string {
  if (use === 'connect') return `"${text}" lacks the host; write for example 127.0.0.1:${port || '3306'}`;
  return (
    `"${text}" lacks the host; write 127.0.0.1:${port || '3307'} for clients on this machine only, ` +
    `or 0.0.0.0:${port || '3307'} for clients from everywhere`
  );
}

function checkHost(host: string): void {
  if (host === '*') throw new UnusableValue('"*" is not a host; write 0.0.0.0 or [::] for all addresses');
  const looksNumeric = /^[\d.]+$/.test(host);
  if (looksNumeric && isIP(host) === 0) throw new UnusableValue(`"${host}" is not an IPv4 address`);
  if (isIP(host) === 0 && !/^[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})$/.test(host)) {
    throw new UnusableValue(`"${host}" is neither a host name nor an IP address`);
  }
}

function parsePort(text: string, use: 'listen' | 'connect'): number {
  const lowest = use === 'listen' ? 0 : 1;
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port >= lowest && port <= 65535) return port;
  throw new UnusableValue(`"${text}" is not a port; use ${lowest} to 65535`);
}
