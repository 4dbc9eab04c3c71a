/** Who is not on TLS 1.2 or newer yet, and what would happen to them if TLS were demanded. */
import type { PlaintextClient, ProxyState } from '../../state/state.js';
import { element, notice } from './dom.js';
import { count, counted, moment } from './format.js';
import { clientsInReport, plaintextSummary } from './plaintext-summary.js';
import { tlsKind, versionName } from './tls-kinds.js';

const mostRows = 100;
const titles = ['Client', 'User', 'Leg', 'Connections', 'Seen', 'If TLS were required', 'Advice'];

/** `problem`: what `/plaintext` said instead of a report; may be empty. */
export function plaintextInventory(state: ProxyState, problem: string): Node[] {
  const { plaintext, at: now } = state;
  const { routes, clients } = plaintext;
  if (routes.length === 0 && problem !== '') return [notice(problem)];
  if (routes.length === 0)
    return [
      notice(
        '--report-plaintext is off: turn it on to see here who would be locked out by --client-ssl-mode REQUIRED.',
      ),
    ];
  const { text, seen } = plaintextSummary(state);
  if (clients.length === 0) return [notice(text)];
  const shown = clients.slice(0, mostRows);
  const hidden = clientsInReport(state) - shown.length;
  return [
    element('p', {}, text, element('span', { class: 'muted' }, ` Seen ${seen}.`)),
    table(shown, now),
    ...(hidden <= 0 ? [] : [notice(`${counted(hidden, 'more client')} not shown; /plaintext has all.`)]),
  ];
}

function table(clients: readonly PlaintextClient[], now: number): HTMLElement {
  return element(
    'table',
    { class: 'inventory cards', role: 'table', 'aria-label': 'Clients that are not on TLS 1.2 or newer' },
    element(
      'thead',
      { role: 'rowgroup' },
      element(
        'tr',
        { role: 'row' },
        ...titles.map((title) => element('th', { role: 'columnheader', scope: 'col' }, title)),
      ),
    ),
    element('tbody', { role: 'rowgroup' }, ...clients.map((client) => row(client, now))),
  );
}

const outcomes = {
  refused: ['broken', '✕', 'refused'],
  accepted: ['fine', '✓', 'accepted'],
  unknown: ['unknown', '?', 'not known'],
} as const;

function row(client: PlaintextClient, now: number): HTMLElement {
  const [kind, sign, outcome] = outcomes[client.under_required];
  const version = client.client_tls_version;
  const refused = client.refused === 0 ? '' : `, ${count(client.refused)} refused`;
  return element(
    'tr',
    { role: 'row' },
    cell(0, line('first', client.client_address), line('second', client.client_program)),
    cell(1, line('first', client.user), line('second', client.route)),
    cell(2, element('span', { class: `first badge ${tlsKind(version)}` }, versionName(version))),
    cell(
      3,
      line('first', count(client.connections)),
      line('second', `${count(client.active)} open${refused}`),
    ),
    cell(
      4,
      line('first', moment(client.last_seen, now)),
      line('second', `first ${moment(client.first_seen, now)}`),
    ),
    cell(5, element('span', { class: `mark ${kind}`, 'aria-hidden': 'true' }, sign), outcome),
    cell(6, element('span', { class: 'advice', dir: 'auto' }, client.advice)),
  );
}

const cell = (column: number, ...content: (Node | string)[]): HTMLElement =>
  element('td', { role: 'cell', 'data-title': titles[column] }, ...content);

const line = (cssClass: string, text: string): HTMLElement =>
  element('span', { class: cssClass, title: text, dir: 'auto' }, text);
