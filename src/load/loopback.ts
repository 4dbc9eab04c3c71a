/** Whether a load stays on this machine. */
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import type { Address } from '../config/model.js';

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** A socket file is on this machine; a name is only if all of its addresses are. One that can not be resolved is not. */
export async function isOnThisMachine(address: Address): Promise<boolean> {
  if (address.kind === 'unix') return true;
  const addresses = await addressesOf(address.host);
  return addresses.length > 0 && addresses.every(isLoopback);
}

function isLoopback(address: string): boolean {
  return loopback.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

async function addressesOf(host: string): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  try {
    return (await lookup(host, { all: true })).map(({ address }) => address);
  } catch {
    return [];
  }
}
