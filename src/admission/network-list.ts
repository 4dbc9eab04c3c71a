import { BlockList, isIP } from 'node:net';

/** Networks that addresses of connections are looked up in. */
export class NetworkList {
  readonly #list = new BlockList();

  /** `cidrs`: in CIDR notation, as a configuration that was loaded has them. */
  constructor(cidrs: readonly string[]) {
    for (const cidr of cidrs) {
      const [address = '', prefix] = cidr.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      this.#list.addSubnet(
        address,
        prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix),
        family,
      );
    }
  }

  /** False for what is no address. 127.0.0.1 is also known as ::ffff:127.0.0.1, which listeners for both families see. */
  has(address: string): boolean {
    const version = isIP(address);
    return version !== 0 && this.#list.check(address, version === 6 ? 'ipv6' : 'ipv4');
  }
}
