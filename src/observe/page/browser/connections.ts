/** The list of live connections: asks for it, filters it, searches it. The work is the server's, so it may be long. */
import type { ConnectionList, ProxyState } from '../../state/state.js';
import { connectionTable } from './connection-rows.js';
import { byId, element, notice } from './dom.js';
import { connectionFilters } from './filters.js';
import { clock, count } from './format.js';
import { show } from './patch.js';
import { versionName } from './tls-kinds.js';
import { noClients } from './verdict.js';

const mostRows = 100;
/** As many as leave the sections beneath in reach; a button shows the others. */
const fewRows = 10;
const typingPauseMs = 200;
/** A request without an answer must not stand in the way of the next one for good. */
const patienceMs = 10_000;

type Answer = ConnectionList | { readonly problem: string; readonly status: number };

export class Connections {
  readonly #onFilter: () => void;
  readonly #searchBox = byId('search') as HTMLInputElement;
  readonly #opened = new Set<number>();
  #isLong = false;
  #state: ProxyState | undefined;
  #answer: Answer | undefined;
  #request: AbortController | undefined;
  /** When the proxy was started that has no list: only another start can change that. */
  #refusedBy = 0;
  #typing = 0;

  /** `onFilter` is called when the filters changed, so that the picture can show which are on. */
  constructor(onFilter: () => void) {
    this.#onFilter = onFilter;
    connectionFilters.read(location.search);
    this.#searchBox.value = connectionFilters.search;
    this.#searchBox.addEventListener('input', () => this.#typed());
    // Firefox does not empty it by itself.
    this.#searchBox.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.#search('');
    });
    window.addEventListener('popstate', () => this.#addressChanged());
    byId('chips').addEventListener('click', (event) => this.#chipClicked(event));
    byId('connection-list').addEventListener('click', (event) => this.#listClicked(event));
  }

  /** A new state is there: the list is renewed, too, unless the request before is still under way. */
  stateChanged(state: ProxyState): void {
    this.#state = state;
    if (this.#request === undefined && this.#refusedBy !== state.started_at) void this.#ask(false);
  }

  /** Another proxy counts its connections anew: what was opened is of other ones. */
  forgetOpened(): void {
    this.#opened.clear();
  }

  /** `isSegment`: of the picture, where parts of one leg exclude each other. */
  toggle(filters: Readonly<Record<string, string>>, isSegment: boolean): void {
    if (isSegment) connectionFilters.toggleSegment(filters);
    else connectionFilters.toggle(filters);
    this.#filtersChanged();
    const section = byId('connections');
    if (section.getBoundingClientRect().top > window.innerHeight - 160) section.scrollIntoView();
  }

  #typed(): void {
    clearTimeout(this.#typing);
    this.#typing = setTimeout(() => this.#search(this.#searchBox.value), typingPauseMs);
  }

  #search(text: string): void {
    clearTimeout(this.#typing);
    this.#searchBox.value = text;
    connectionFilters.search = text.trim();
    this.#filtersChanged();
  }

  #filtersChanged(): void {
    const query = connectionFilters.query();
    const path = query === '' ? location.pathname : `?${query}`;
    history.replaceState(null, '', `${path}${location.hash}`);
    this.#filtersRenewed();
  }

  /** Back and forward; also clicks on links within the page, which change no filter. */
  #addressChanged(): void {
    const before = connectionFilters.query();
    connectionFilters.read(location.search);
    if (connectionFilters.query() === before) return;
    clearTimeout(this.#typing);
    this.#searchBox.value = connectionFilters.search;
    this.#filtersRenewed();
  }

  #filtersRenewed(): void {
    this.#onFilter();
    this.#showChips();
    void this.#ask(true);
  }

  async #ask(isForPerson: boolean): Promise<void> {
    this.#request?.abort();
    const request = new AbortController();
    this.#request = request;
    const answer = await fetchConnections(request.signal).catch(() => undefined);
    if (this.#request !== request) return;
    this.#request = undefined;
    // Without an answer the banner says that the connection is lost, and the old list stays.
    if (answer === undefined) return;
    this.#answer = answer;
    const isRefused = 'problem' in answer && answer.status === 404;
    this.#refusedBy = isRefused ? (this.#state?.started_at ?? 0) : 0;
    this.#showList();
    // Only what a person asked for is read aloud, not every update.
    if (isForPerson) byId('spoken-matches').textContent = this.#summary();
  }

  #showList(): void {
    if (this.#answer === undefined) return;
    this.#showChips();
    byId('matches').textContent = this.#summary();
    show(byId('connection-list'), ...this.#list(this.#answer));
  }

  #list(answer: Answer): HTMLElement[] {
    if ('problem' in answer) return [notice(answer.problem, 'error')];
    const { connections, at } = answer;
    if (connections.length > 0) {
      const rows = connections.slice(0, this.#isLong ? mostRows : fewRows);
      return [connectionTable(rows, at, this.#opened), ...this.#moreButton(connections.length)];
    }
    if (!connectionFilters.isEmpty) return [notice('No connection matches. Remove a filter to see more.')];
    return [notice(this.#state === undefined ? 'No client is connected.' : noClients(this.#state))];
  }

  #moreButton(length: number): HTMLElement[] {
    if (length <= fewRows) return [];
    const text = this.#isLong ? `Show only ${fewRows}` : `Show ${Math.min(length, mostRows) - fewRows} more`;
    return [element('button', { type: 'button', class: 'longer', 'data-longer': true }, text)];
  }

  #summary(): string {
    const answer = this.#answer;
    if (answer === undefined || 'problem' in answer) return '';
    const { total, matched, connections, at } = answer;
    const which = connectionFilters.isEmpty
      ? `${count(total)} open`
      : `${count(matched)} of ${count(total)} match`;
    const listed = Math.min(connections.length, mostRows);
    const hidden =
      matched > listed ? `, the ${count(listed)} busiest listed, ${count(matched - listed)} not` : '';
    return `${which}${hidden} (${clock(at)})`;
  }

  #showChips(): void {
    const chips = [...connectionFilters.fields].map(([field, value]) => {
      const text = `${field.replaceAll('_', ' ')}: ${field.endsWith('tls_version') ? versionName(value) : value}`;
      return element(
        'button',
        {
          type: 'button',
          class: 'chip',
          'data-remove': field,
          'data-key': field,
          'aria-label': `Remove the filter ${text}`,
        },
        element('span', { class: 'chip-text', dir: 'auto' }, text),
        element('span', { 'aria-hidden': 'true' }, '✕'),
      );
    });
    const clear = element('button', { type: 'button', class: 'chip clear', 'data-clear': true }, 'Show all');
    show(byId('chips'), ...chips, ...(connectionFilters.isEmpty ? [] : [clear]));
  }

  #chipClicked(event: Event): void {
    const chip = (event.target as Element).closest('button');
    if (chip === null) return;
    const field = chip.dataset['remove'];
    if (field === undefined) {
      connectionFilters.clear();
      this.#searchBox.value = '';
    } else connectionFilters.remove(field);
    this.#filtersChanged();
    // The chip that had the focus is gone.
    const next = byId('chips').querySelector('button') ?? this.#searchBox;
    next.focus();
  }

  #listClicked(event: Event): void {
    const { detailsOf, longer } = (event.target as Element).closest('button')?.dataset ?? {};
    if (detailsOf === undefined && longer === undefined) return;
    if (longer !== undefined) this.#isLong = !this.#isLong;
    else if (!this.#opened.delete(Number(detailsOf))) this.#opened.add(Number(detailsOf));
    this.#showList();
  }
}

async function fetchConnections(signal: AbortSignal): Promise<Answer> {
  const query = new URLSearchParams(connectionFilters.query());
  query.set('limit', String(mostRows));
  const patience = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]);
  const response = await fetch(`connections?${query}`, { signal: patience });
  return response.ok ? response.json() : { problem: await response.text(), status: response.status };
}
