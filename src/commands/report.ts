/** Asks a running proxy who would be left behind if TLS were enforced. */
import { parseAddress, UnusableValue } from '../config/address.js';
import type { Address } from '../config/model.js';
import type { PlaintextReport } from '../observe/state/state.js';
import { printable } from '../printable.js';
import { AdminError, askAdmin } from './admin-client.js';
import { type Command, type CommandValues, UsageError } from './command.js';
import { flag, oneText } from './flags.js';
import type { Outcome } from './outcome.js';
import { isPlaintextReport } from './report-shape.js';
import { reportText } from './report-text.js';

const DEFAULT_ADMIN = '127.0.0.1:9307';
const ADMIN_PORT = 9307;

/** Of a reply that is no report. */
const LONGEST_REPLY_SHOWN = 500;

export const reportCommand: Command = {
  usage: 'report',
  summary: 'List the clients of a running proxy that are not on TLS 1.2 or newer',
  flags: {
    admin: {
      ...flag('HOST:PORT', 'The address in --admin-listen of the proxy', 'Report'),
      defaultDescription: DEFAULT_ADMIN,
    },
    json: flag('', 'Print one JSON object instead of text', 'Report'),
  },
  examples: [['$0 report', 'Who is in plaintext, and what --client-ssl-mode REQUIRED would do to them']],
  epilogue:
    'The proxy must run with --report-plaintext. Exit codes: 0 nobody would be refused, 1 someone would be, or nobody ' +
    'knows, 2 could not ask.',
  run: report,
};

async function report(values: CommandValues): Promise<Outcome> {
  const admin = adminAddress(values);
  let found: PlaintextReport;
  try {
    found = await fetchReport(admin);
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    process.stderr.write(`mysql-tls-proxy: ${error.message}\n`);
    return { exitCode: 2 };
  }
  // In JSON an escaped character is the same text.
  const text =
    values['json'] === true
      ? `${printable(JSON.stringify(found), Number.POSITIVE_INFINITY)}\n`
      : reportText(found);
  process.stdout.write(text);
  return { exitCode: isHarmless(found) ? 0 : 1 };
}

function adminAddress(values: CommandValues): Extract<Address, { kind: 'tcp' }> {
  try {
    const address = parseAddress(oneText(values, 'admin') ?? DEFAULT_ADMIN, 'connect', ADMIN_PORT);
    if (address.kind === 'tcp') return address;
    throw new UnusableValue('must be HOST:PORT: the admin listener is on no socket file');
  } catch (error) {
    if (!(error instanceof UnusableValue)) throw error;
    throw new UsageError(`--admin: ${error.message}`);
  }
}

/** Rejects with AdminError. */
async function fetchReport(admin: Extract<Address, { kind: 'tcp' }>): Promise<PlaintextReport> {
  const { status, body } = await askAdmin(admin, '/plaintext');
  const shown = printable(body.trim(), LONGEST_REPLY_SHOWN);
  if (status !== 200) throw new AdminError(`the proxy answered ${status}: ${shown}`);
  const found = parsed(body);
  if (!isPlaintextReport(found)) {
    throw new AdminError(
      `what answers there is not the admin listener of this version of mysql-tls-proxy; it says: ${shown}`,
    );
  }
  if (found.routes.length === 0) {
    throw new AdminError(
      'the proxy keeps no report: start it with --report-plaintext, or add "report-plaintext: true" to a route of its ' +
        '--config file (and send it SIGHUP, if it runs with --reload-on-change off)',
    );
  }
  return found;
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** Of clients that the proxy had no room for nobody knows. */
function isHarmless({ clients, dropped }: PlaintextReport): boolean {
  return dropped === 0 && clients.every(({ under_required }) => under_required === 'accepted');
}
