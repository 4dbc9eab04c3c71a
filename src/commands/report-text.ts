/** The plaintext report for people: a summary, a table, and what to do about each kind of client. */
import type { PlaintextClient, PlaintextReport } from '../observe/state/state.js';
import { printable } from '../printable.js';

const columns: readonly (readonly [title: string, text: (client: PlaintextClient) => string])[] = [
  ['route', ({ route }) => route],
  ['client', ({ client_address }) => client_address],
  ['user', ({ user }) => user],
  ['program', ({ client_program }) => client_program],
  ['TLS', ({ client_tls_version: version }) => version],
  ['connections', connectionsText],
  ['first seen (UTC)', ({ first_seen }) => minuteText(first_seen)],
  ['last seen (UTC)', ({ last_seen }) => minuteText(last_seen)],
  ['under REQUIRED', ({ under_required }) => under_required],
];

/** Of a cell: a client names itself. */
const LONGEST_CELL = 40;
const LONGEST_ADVICE = 400;

/** Those that need something done come first. */
const order = ['refused', 'unknown', 'accepted'] as const;

/** Lines, the last one ended, too. What peers choose is made printable. */
export function reportText(report: PlaintextReport): string {
  const clients = order.flatMap((prospect) =>
    report.clients.filter(({ under_required }) => under_required === prospect),
  );
  const lines = [
    summaryOf(report),
    `Seen since ${minuteText(report.since)} UTC on ${report.routes.map(cellText).join(', ')}.`,
    ...droppedLines(report.dropped),
    ...(clients.length === 0 ? [] : ['', ...table(clients), '', ...adviceLines(clients)]),
  ];
  return `${lines.join('\n')}\n`;
}

function summaryOf({ clients }: PlaintextReport): string {
  if (clients.length === 0) return 'No client was seen in plaintext or on TLS older than 1.2.';
  const count = (prospect: PlaintextClient['under_required']) =>
    clients.filter(({ under_required }) => under_required === prospect).length;
  const [refused, unknown] = [count('refused'), count('unknown')];
  const all = clients.length === 1 ? '1 client that is' : `${clients.length} clients that are`;
  return (
    `${refused === 0 ? 'None' : refused} of ${all} not on TLS 1.2 or newer would be refused by ` +
    `--client-ssl-mode REQUIRED${unknown === 0 ? '' : `; of ${unknown} it is unknown`}.`
  );
}

function droppedLines(dropped: number): readonly string[] {
  if (dropped === 0) return [];
  return [`The table of the proxy was full: ${dropped} times a client was left out or forgotten.`];
}

function table(clients: readonly PlaintextClient[]): readonly string[] {
  const rows = [
    columns.map(([title]) => title),
    ...clients.map((client) => columns.map(([, text]) => cellText(text(client)))),
  ];
  const widths = columns.map((_column, index) =>
    rows.reduce((widest, row) => Math.max(widest, row[index]?.length ?? 0), 0),
  );
  return rows.map((row) =>
    row
      .map((cell, index) => cell.padEnd(widths[index] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function adviceLines(clients: readonly PlaintextClient[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { under_required, advice } of clients) {
    const line = `${under_required}: ${printable(advice, LONGEST_ADVICE)}`;
    counts.set(line, (counts.get(line) ?? 0) + 1);
  }
  return [...counts].map(([line, count]) => `${count === 1 ? '1 client' : `${count} clients`}, ${line}`);
}

function connectionsText({ connections, refused, active }: PlaintextClient): string {
  const parts = [
    ...(active === 0 ? [] : [`${active} open`]),
    ...(refused === 0 ? [] : [`${refused} refused`]),
  ];
  return parts.length === 0 ? `${connections}` : `${connections} (${parts.join(', ')})`;
}

/** An empty cell would look like a shifted row. */
function cellText(text: string): string {
  return text === '' ? '-' : printable(text, LONGEST_CELL);
}

function minuteText(time: number): string {
  return new Date(time).toISOString().slice(0, 16).replace('T', ' ');
}
