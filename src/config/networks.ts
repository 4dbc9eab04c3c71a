import { BlockList, isIP } from 'node:net';
import type { Address } from './model.js';

/** An address range: an IP address and how many of its leading bits are fixed. */
interface Network {
  readonly address: string;
  readonly prefixLength: number;
  readonly family: 'ipv4' | 'ipv6';
}

/** Networks whose packets don't come from the public internet. */
const nonPublicNetworks: readonly Network[] = [
  { address: '127.0.0.0', prefixLength: 8, family: 'ipv4' },
  { address: '10.0.0.0', prefixLength: 8, family: 'ipv4' },
  { address: '172.16.0.0', prefixLength: 12, family: 'ipv4' },
  { address: '192.168.0.0', prefixLength: 16, family: 'ipv4' },
  { address: '169.254.0.0', prefixLength: 16, family: 'ipv4' },
  // Shared address space of carrier-grade NAT (RFC 6598), which overlay networks use as well.
  { address: '100.64.0.0', prefixLength: 10, family: 'ipv4' },
  { address: '::1', prefixLength: 128, family: 'ipv6' },
  { address: 'fc00::', prefixLength: 7, family: 'ipv6' },
  { address: 'fe80::', prefixLength: 10, family: 'ipv6' },
];

const loopbackNetworks: readonly Network[] = [
  { address: '127.0.0.0', prefixLength: 8, family: 'ipv4' },
  { address: '::1', prefixLength: 128, family: 'ipv6' },
];

/**
 * Reads `10.0.0.0/8`, `fd00::/8` or a single address, and gives it in CIDR notation (`192.0.2.7/32`).
 * Undefined when the text is neither.
 */
export function parseCidr(text: string): string | undefined {
  const network = readNetwork(text);
  return network === undefined ? undefined : `${network.address}/${network.prefixLength}`;
}

/** Whether the network, in CIDR notation, holds addresses that are reached over the public internet. */
export function isPublicNetwork(cidr: string): boolean {
  return !isInsideAny(cidr, nonPublicNetworks);
}

/** Whether the network, in CIDR notation, holds nothing but addresses of this machine. */
export function isLoopbackNetwork(cidr: string): boolean {
  return isInsideAny(cidr, loopbackNetworks);
}

/** Whether packets to or from this address stay on this machine. A host name other than `localhost` doesn't count. */
export function isLoopbackAddress(address: Address): boolean {
  if (address.kind === 'unix') return true;
  if (address.host.toLowerCase() === 'localhost') return true;
  return isLoopbackNetwork(address.host);
}

function readNetwork(text: string): Network | undefined {
  const match = /^([0-9a-fA-F.:]+)(?:\/(\d{1,3}))?$/.exec(text);
  const address = match?.[1] ?? '';
  const version = isIP(address);
  if (version === 0) return undefined;
  const bits = version === 4 ? 32 : 128;
  const prefixLength = match?.[2] === undefined ? bits : Number(match[2]);
  if (prefixLength > bits) return undefined;
  return { address, prefixLength, family: version === 4 ? 'ipv4' : 'ipv6' };
}

function isInsideAny(cidr: string, outer: readonly Network[]): boolean {
  const inner = readNetwork(cidr);
  return inner !== undefined && outer.some((network) => isInside(inner, network));
}

function isInside(inner: Network, outer: Network): boolean {
  if (inner.family !== outer.family || inner.prefixLength < outer.prefixLength) return false;
  const list = new BlockList();
  list.addSubnet(outer.address, outer.prefixLength, outer.family);
  return list.check(inner.address, inner.family);
}
