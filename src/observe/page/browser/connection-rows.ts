/** The rows of the list of connections: what tells them apart in the row, everything else in the details beneath it. */
import type { ConnectionState } from '../../state/state.js';
import { element, spoken } from './dom.js';
import { bytes, count, duration, moment } from './format.js';
import { tlsKind, versionName } from './tls-kinds.js';

const titles = ['Client', 'User', 'Server', 'Client leg', 'Server leg', 'Commands', 'Bytes', 'Open for', ''];

export function connectionTable(
  connections: readonly ConnectionState[],
  at: number,
  opened: ReadonlySet<number>,
): HTMLElement {
  const rows = connections.flatMap((connection) => {
    const isOpen = opened.has(connection.id);
    const row = connectionRow(connection, at, isOpen);
    return isOpen ? [row, detailsRow(connection, at)] : [row];
  });
  // The roles, because on a phone rows are laid out as cards, which would take them away.
  return element(
    'table',
    { class: 'connections cards', role: 'table', 'aria-label': 'Connections, the busiest first' },
    element(
      'thead',
      { role: 'rowgroup' },
      element(
        'tr',
        { role: 'row' },
        ...titles.map((title) =>
          element('th', { role: 'columnheader', scope: 'col' }, title === '' ? spoken('Details') : title),
        ),
      ),
    ),
    element('tbody', { role: 'rowgroup' }, ...rows),
  );
}

function connectionRow(connection: ConnectionState, at: number, isOpen: boolean): HTMLElement {
  const { id, client, client_program: program, user, server_user: serverUser, server, route } = connection;
  const total = connection.client_bytes_in + connection.client_bytes_out;
  const mapped = serverUser !== '' && serverUser !== user ? `→ ${serverUser}` : '';
  return element(
    'tr',
    { role: 'row', 'data-key': `connection ${id}`, class: isOpen ? 'opened' : undefined },
    cell(0, 'wide', ...twoLines(client, program)),
    cell(1, '', ...twoLines(connection.state === 'login' ? user || 'logging in…' : user, mapped)),
    cell(2, '', ...twoLines(server, route)),
    cell(3, '', ...legLines(connection.client_tls_version, connection.client_cipher)),
    cell(4, '', ...legLines(connection.server_tls_version, connection.server_cipher)),
    cell(5, 'number', count(connection.commands)),
    cell(6, 'number', bytes(total)),
    cell(7, 'number', duration(at - connection.opened_at)),
    cell(
      8,
      'more',
      element(
        'button',
        {
          type: 'button',
          'data-details-of': id,
          'aria-expanded': String(isOpen),
          'aria-label': `Details of the connection from ${client}`,
        },
        isOpen ? '−' : '+',
      ),
    ),
  );
}

function cell(column: number, cssClass: string, ...content: (Node | string)[]): HTMLElement {
  return element(
    'td',
    { role: 'cell', class: cssClass || undefined, 'data-title': titles[column] },
    ...content,
  );
}

function twoLines(first: string, second: string): HTMLElement[] {
  const line = (cssClass: string, text: string): HTMLElement =>
    element('span', { class: cssClass, title: text, dir: 'auto' }, text);
  return second === '' ? [line('first', first)] : [line('first', first), line('second', second)];
}

function legLines(version: string, cipher: string): HTMLElement[] {
  if (version === '') return [element('span', { class: 'first' }, '–')];
  const badge = element('span', { class: `first badge ${tlsKind(version)}` }, versionName(version));
  if (cipher === '' || cipher === 'none' || cipher === version) return [badge];
  return [badge, element('span', { class: 'second', title: cipher }, cipher)];
}

/** Fields whose values other connections can share: each value is a button that shows only those. */
const sharedFields: readonly (readonly [keyof ConnectionState, string])[] = [
  ['state', 'State'],
  ['route', 'Route'],
  ['client_program', 'Program'],
  ['user', 'User'],
  ['server_user', 'User at the server'],
  ['server', 'Server'],
  ['server_version', 'Server version'],
  ['server_connection', 'Server connection'],
  ['client_tls_version', 'Client leg: version'],
  ['client_cipher', 'Client leg: cipher'],
  ['client_certificate_subject', 'Certificate of the client'],
  ['client_plugin', 'Client leg: plugin'],
  ['server_tls_version', 'Server leg: version'],
  ['server_cipher', 'Server leg: cipher'],
  ['server_certificate_subject', 'Certificate of the server'],
  ['server_plugin', 'Server leg: plugin'],
  ['path', 'How it logged in'],
];

function detailsRow(connection: ConnectionState, at: number): HTMLElement {
  const shared = sharedFields.flatMap(([field, title]) => {
    const value = String(connection[field]);
    if (value === '') return [];
    const filters = JSON.stringify({ [field]: value });
    const button = element(
      'button',
      { type: 'button', class: 'value', 'data-filters': filters, title: 'Show only these', dir: 'auto' },
      value,
    );
    return [detail(title, button)];
  });
  return element(
    'tr',
    { role: 'row', class: 'details', 'data-key': `details ${connection.id}` },
    element(
      'td',
      { role: 'cell', colspan: titles.length },
      element(
        'dl',
        {},
        detail('Thread at the server', `${connection.server_thread_id} (for KILL)`),
        detail('Open since', moment(connection.opened_at, at)),
        detail('Client leg: in / out', both(connection.client_bytes_in, connection.client_bytes_out)),
        detail('Server leg: in / out', both(connection.server_bytes_in, connection.server_bytes_out)),
        detail('TLS session resumed', resumedLegs(connection)),
        ...shared,
      ),
    ),
  );
}

function resumedLegs(connection: ConnectionState): string {
  const yesOrNo = (value: boolean): string => (value ? 'yes' : 'no');
  return `client ${yesOrNo(connection.client_tls_resumed)}, server ${yesOrNo(connection.server_tls_resumed)}`;
}

const both = (inBytes: number, outBytes: number): string => `${bytes(inBytes)} / ${bytes(outBytes)}`;

/** A pair of its own, so that a column never begins with a value without its title. */
const detail = (title: string, value: Node | string): HTMLElement =>
  element('div', {}, element('dt', {}, title), element('dd', {}, value));
