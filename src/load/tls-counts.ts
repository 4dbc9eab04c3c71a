/** Which TLS connections got: versions, ciphers, and how many of each. */
export interface TlsSeen {
  /** `none` in plaintext. */
  readonly version: string;
  readonly cipher: string;
  /** Undefined: not known. */
  readonly resumed: boolean | undefined;
}

export interface TlsCount extends TlsSeen {
  readonly connections: number;
}

export const PLAINTEXT: TlsSeen = Object.freeze({ version: 'none', cipher: 'none', resumed: false });

export class TlsCounts {
  readonly #counts = new Map<string, TlsCount>();

  add({ version, cipher, resumed }: TlsSeen): void {
    const key = [version, cipher, resumed].join(' ');
    const connections = (this.#counts.get(key)?.connections ?? 0) + 1;
    this.#counts.set(key, { version, cipher, resumed, connections });
  }

  /** The most frequent first. */
  list(): readonly TlsCount[] {
    return [...this.#counts.values()].sort((one, other) => other.connections - one.connections);
  }
}
