/** Clients that do not speak MySQL, in the order in which they were found, until they are told so. */
export class Suspects<Client> {
  readonly #tell = new Map<Client, () => void>();

  get size(): number {
    return this.#tell.size;
  }

  /** Resolves when it may be told. Pending where it is deleted before. */
  add(client: Client): Promise<void> {
    return new Promise((resolve) => this.#tell.set(client, resolve));
  }

  delete(client: Client): void {
    this.#tell.delete(client);
  }

  /** Lets the first of them be told, of those `where` is true of. Returns it; undefined where there is none. */
  tellOne(where: (client: Client) => boolean = () => true): Client | undefined {
    for (const [client, tell] of this.#tell) {
      if (!where(client)) continue;
      this.#tell.delete(client);
      tell();
      return client;
    }
    return undefined;
  }

  tellAll(): void {
    while (this.tellOne() !== undefined);
  }
}
