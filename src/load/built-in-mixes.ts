/** The mixes that have a name. They are written as those in files, but for the table that they are given. */
export interface MixSource {
  readonly name: string;
  /** For people, one line. */
  readonly summary: string;
  /** A table of our own is made in the database beforehand, and dropped in the end. */
  readonly needsTable: boolean;
  /** @param table quoted; empty where none is needed. */
  readonly textFor: (table: string) => string;
}

/** Rows of the table, with the ids from 1. */
export const TABLE_ROWS = 10_000;

const ANY_ROW = `{1..${TABLE_ROWS}}`;

const pointSelect = (table: string) => `SELECT c FROM ${table} WHERE id = ${ANY_ROW};`;

const reads = (table: string) => `
  -- weight: 4
  ${pointSelect(table)}
  SELECT c FROM ${table} WHERE id >= ${ANY_ROW} ORDER BY id LIMIT 20;
  SELECT COUNT(*), MAX(k) FROM ${table} WHERE k = {1..1000};`;

export const builtInMixes: readonly MixSource[] = [
  { name: 'ping', summary: 'SELECT 1', needsTable: false, textFor: () => 'SELECT 1' },
  {
    name: 'point-select',
    summary: 'one row by its primary key',
    needsTable: true,
    textFor: pointSelect,
  },
  {
    name: 'read-only',
    summary: 'in a transaction: 4 point selects, a range of 20 rows, a count over an index',
    needsTable: true,
    textFor: (table) => `BEGIN; ${reads(table)} COMMIT;`,
  },
  {
    name: 'read-write',
    summary: 'the same, and one UPDATE and one INSERT',
    needsTable: true,
    // One row is changed in each transaction, so that none waits in a circle for another.
    textFor: (table) => `BEGIN; ${reads(table)}
      UPDATE ${table} SET k = {1..1000} WHERE id = ${ANY_ROW};
      INSERT INTO ${table} (k, c) VALUES ({1..1000}, REPEAT('n', 100));
      COMMIT;`,
  },
];
