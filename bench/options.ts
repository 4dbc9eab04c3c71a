/** The options of `npm run bench`. */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { checkoutFolder } from '../test/support/cache.js';

export interface BenchOptions {
  /** Everything once and briefly: shows that it all runs; its figures mean nothing. */
  readonly quick: boolean;
  /** Writes the figures into docs/performance.md, too. */
  readonly write: boolean;
  /** Takes CPU profiles of the proxy, and draws them, instead of measuring. */
  readonly profile: boolean;
  /** Where JSON, Markdown and chart of the run go. */
  readonly folder: string;
  /** Of each row, instead of its own number. */
  readonly rounds: number | undefined;
  /** Only the rows with these names; all when empty. */
  readonly rows: readonly string[];
}

export const usage = `npm run bench -- [--quick] [--write] [--profile] [--rows NAME,NAME…] [--rounds COUNT] [--folder FOLDER]
  --quick   everything once and briefly, in less than two minutes
  --write   puts the figures into docs/performance.md, or the pictures of --profile beside it
  --profile draws where the time of the proxy goes, instead of measuring
  --rows    only these rows, named as in bench/macro/rows.ts
  --rounds  so many rounds of each row
  --folder  where the files of the run go, instead of bench-results
`;

/** Throws Error for what is not an option, or goes together with none. */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      profile: { type: 'boolean', default: false },
      rows: { type: 'string', default: '' },
      rounds: { type: 'string' },
      folder: { type: 'string', default: path.join(checkoutFolder, 'bench-results') },
    },
  });
  const rows = values.rows.split(',').filter(Boolean);
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0))
    throw new Error(`--rounds must be a whole number above 0, not ${values.rounds}`);
  if (rounds !== undefined && values.quick) throw new Error('--quick runs one round of each row');
  if (values.write && (values.quick || rows.length > 0))
    throw new Error('--write takes a whole run: without --quick and --rows');
  const { quick, write, profile } = values;
  return { quick, write, profile, folder: path.resolve(values.folder), rows, rounds };
}
