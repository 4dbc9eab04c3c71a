/** Whether what came over HTTP is a report: another program may listen there, or another version of this one. */
import type { PlaintextClient, PlaintextReport } from '../observe/state/state.js';

type Check = (value: unknown) => boolean;

/** The furthest that a Date can go from 1970, either way. */
const LAST_MOMENT = 8.64e15;

const isText: Check = (value) => typeof value === 'string';
const isCount: Check = (value) => typeof value === 'number' && value >= 0;
const isTime: Check = (value) => typeof value === 'number' && Math.abs(value) <= LAST_MOMENT;

const clientShape: Record<keyof PlaintextClient, Check> = {
  route: isText,
  client_address: isText,
  user: isText,
  client_program: isText,
  client_tls_version: isText,
  client_cipher: isText,
  first_seen: isTime,
  last_seen: isTime,
  connections: isCount,
  refused: isCount,
  active: isCount,
  under_required: (value) => value === 'refused' || value === 'accepted' || value === 'unknown',
  advice: isText,
};

const reportShape: Record<keyof PlaintextReport, Check> = {
  routes: listOf(isText),
  since: isTime,
  clients: listOf((client) => fits(client, clientShape)),
  dropped: isCount,
};

export function isPlaintextReport(value: unknown): value is PlaintextReport {
  return fits(value, reportShape);
}

function fits(value: unknown, shape: Readonly<Record<string, Check>>): boolean {
  if (typeof value !== 'object' || value === null) return false;
  const fields = new Map<string, unknown>(Object.entries(value));
  return Object.entries(shape).every(([name, check]) => check(fields.get(name)));
}

function listOf(check: Check): Check {
  return (value) => Array.isArray(value) && value.every(check);
}
