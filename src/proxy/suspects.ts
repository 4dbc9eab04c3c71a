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

  /** Lets the first of them be told, of those `where` is true of. Returns whether there was one. */
  tellOne(where: (client: Client) => boolean = () => true): boolean {
    for (const [client, tell] of this.#tell) {
      if (!where(client)) continue;
      this.#tell.delete(client);
      tell();
      return true;
    }
    return false;
  }

  tellAll(): void {
    while (this.tellOne());
  }
}
