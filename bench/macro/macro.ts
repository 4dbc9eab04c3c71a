/** All rows, each against its server; a server is started once. */
import { makeCertificates } from '../../test/support/certificates.js';
import { makeTemporaryFolder } from '../../test/support/clean-up.js';
import { isUnavailable, type Unavailable } from '../../test/support/programs.js';
import { type AdminRequestCost, measureAdminRequests } from './admin-requests.js';
import { type Database, type DatabaseKind, startDatabase } from './database.js';
import type { Row } from './row.js';
import { runRow } from './run-row.js';
import type { RowResult } from './sample.js';

export interface MacroOptions {
  readonly rows: readonly Row[];
  /** Fewer requests to the admin listener: nobody reads the figures. */
  readonly quick: boolean;
  /** As `Date.now()` gives it: what has not begun by then is left out. */
  readonly deadline: number;
}

export interface MacroReport {
  readonly rows: readonly RowResult[];
  readonly adminRequests: readonly AdminRequestCost[];
  /** Name and version of each server. */
  readonly databases: readonly string[];
}

const timeIsUp: Unavailable = { unavailable: 'the time was up' };

export async function runMacro({ rows, quick, deadline }: MacroOptions): Promise<MacroReport> {
  const certificates = makeCertificates(makeTemporaryFolder());
  const databases = new Map<DatabaseKind, Database | Unavailable>();
  const databaseOf = async (kind: DatabaseKind): Promise<Database | Unavailable> => {
    const database = databases.get(kind) ?? (await startDatabase(kind, certificates));
    databases.set(kind, database);
    return database;
  };
  const results: RowResult[] = [];
  try {
    for (const row of rows) {
      const database = Date.now() > deadline ? timeIsUp : await databaseOf(row.database);
      if (isUnavailable(database)) {
        results.push(leftOut(row, database.unavailable));
        continue;
      }
      const started = Date.now();
      process.stderr.write(`${row.title}\n`);
      results.push(await runRow(row, database));
      process.stderr.write(`    ${Math.round((Date.now() - started) / 1000)} s\n`);
    }
    return {
      rows: results,
      adminRequests: await adminRequests(rows, databases.get('mysql9'), { requests: quick ? 5 : 200 }),
      databases: [...databases.values()].flatMap((found) => (isUnavailable(found) ? [] : [found.version])),
    };
  } finally {
    for (const database of databases.values()) if (!isUnavailable(database)) await database.stop();
  }
}

/** They go with the row of what metrics cost. */
async function adminRequests(
  rows: readonly Row[],
  database: Database | Unavailable | undefined,
  options: { requests: number },
): Promise<AdminRequestCost[]> {
  const isWanted = rows.some(({ id }) => id === 'metrics');
  if (!isWanted || database === undefined || isUnavailable(database)) return [];
  return measureAdminRequests(database, options);
}

function leftOut(row: Row, reason: string): RowResult {
  const { id, title, reference } = row;
  const entries = row.entries.map(({ name }) => ({ name, samples: [], unavailable: reason }));
  return { id, title, unit: row.entries[0]?.workload.unit ?? '', rounds: 0, reference, entries };
}
