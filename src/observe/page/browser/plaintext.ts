/** Who is not on TLS 1.2 or newer yet, and what would happen to them if TLS were demanded. */
import type { PlaintextClient, ProxyState } from '../../state/state.js';
import { element, notice } from './dom.js';
import { count, counted, listed, moment } from './format.js';
import { tlsKind, versionName } from './tls-kinds.js';

const mostRows = 100;
const titles = ['Client', 'User', 'Leg', 'Connections', 'Seen', 'If TLS were required', 'Advice'];

/** `problem`: what `/plaintext` said instead of a report; may be empty. */
export function plaintextInventory(state: ProxyState, problem: string): Node[] {
  const { plaintext, plaintext_clients: total, at: now } = state;
  const { routes, clients, since, dropped } = plaintext;
  if (routes.length === 0 && problem !== '') return [notice(problem)];
  if (routes.length === 0)
    return [
      notice(
        '--report-plaintext is off: turn it on to see here who would be locked out by --client-ssl-mode REQUIRED.',
      ),
    ];
  const places = routes.length === 1 ? `route ${routes[0]}` : `routes ${listed(routes)}`;
  const seen = `since ${moment(since, now)} on ${places}`;
  if (clients.length === 0)
    return [
      notice(`Every client was on TLS 1.2 or newer ${seen}: --client-ssl-mode REQUIRED would refuse nobody.`),
    ];
  const hidden = total - Math.min(clients.length, mostRows) + dropped;
  return [
    element('p', {}, summary(clients), element('span', { class: 'muted' }, ` Seen ${seen}.`)),
    table(clients.slice(0, mostRows), now),
    ...(hidden === 0 ? [] : [notice(`${counted(hidden, 'more client')} not shown.`)]),
  ];
}

function summary(clients: readonly PlaintextClient[]): string {
  const refused = clients.filter(({ under_required: outcome }) => outcome === 'refused').length;
  const unknown = clients.filter(({ under_required: outcome }) => outcome === 'unknown').length;
  const others = unknown === 0 ? '' : `; of ${count(unknown)} it is not known`;
  return `With --client-ssl-mode REQUIRED, ${count(refused)} of these ${counted(clients.length, 'client')} would be refused${others}.`;
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
