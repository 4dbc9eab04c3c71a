/** Which connections the list shall show: fields with their values, and a text. Kept in the address, so that it can be shared. */

const searchKey = 'search';

class ConnectionFilters {
  #fields = new Map<string, string>();
  search = '';

  get fields(): ReadonlyMap<string, string> {
    return this.#fields;
  }

  get isEmpty(): boolean {
    return this.#fields.size === 0 && this.search === '';
  }

  has(filters: Readonly<Record<string, string>>): boolean {
    return Object.entries(filters).every(([field, value]) => this.#fields.get(field) === value);
  }

  /** Adds them, or takes them away when they are all there. */
  toggle(filters: Readonly<Record<string, string>>): void {
    if (this.has(filters)) for (const field of Object.keys(filters)) this.#fields.delete(field);
    else for (const [field, value] of Object.entries(filters)) this.#fields.set(field, value);
  }

  /** As `toggle`, but a connection has one version and one cipher on each leg, so others of that leg go first. */
  toggleSegment(filters: Readonly<Record<string, string>>): void {
    const isOn = this.has(filters);
    for (const side of ['client', 'server']) {
      if (!(`${side}_tls_version` in filters)) continue;
      this.#fields.delete(`${side}_tls_version`);
      this.#fields.delete(`${side}_cipher`);
    }
    for (const [field, value] of Object.entries(filters))
      if (isOn) this.#fields.delete(field);
      else this.#fields.set(field, value);
  }

  remove(field: string): void {
    this.#fields.delete(field);
  }

  clear(): void {
    this.#fields.clear();
    this.search = '';
  }

  /** For `/connections`. */
  query(): string {
    const query = new URLSearchParams([...this.#fields]);
    if (this.search !== '') query.set(searchKey, this.search);
    return query.toString();
  }

  read(query: string): void {
    this.clear();
    for (const [field, value] of new URLSearchParams(query)) {
      if (field === searchKey) this.search = value;
      else this.#fields.set(field, value);
    }
  }
}

export const connectionFilters = new ConnectionFilters();
