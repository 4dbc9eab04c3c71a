/**
 * Many clients of all kinds for a long time: figures of memory and errors. With changing users, large rows, short and long
 * connections, TLS and plaintext; one of a hundred breaks its connection off.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, type ConnectionOptions, createConnection } from 'mysql2/promise';

export interface SoakTarget {
  readonly host: string;
  readonly port: number;
  readonly password: string;
  /** Accounts with that password. */
  readonly users: readonly string[];
  /** Of the proxy, as text. */
  readonly ca: string;
  /** The processes whose memory is watched. */
  readonly pids: readonly number[];
}

export interface SoakPlan {
  readonly seconds: number;
  readonly connections: number;
  /** Called with each measurement. */
  readonly onProgress?: (line: string) => void;
}

export interface SoakResult {
  readonly queries: number;
  readonly logins: number;
  readonly userChanges: number;
  readonly largeRows: number;
  /** Each text of an error, and answers that were not what was asked for, with how often. */
  readonly errors: ReadonlyMap<string, number>;
  readonly memory: readonly ProcessMemory[];
}

export interface ProcessMemory {
  readonly pid: number;
  readonly firstKilobytes: number;
  readonly lastKilobytes: number;
  /** See `steadyGrowth`. */
  readonly kilobytesPerMinute: number;
}

const MEASURE_MS = 1_000;
const LARGE_BYTES = 1_000_000;

export async function soak(
  target: SoakTarget,
  { seconds, connections, onProgress }: SoakPlan,
): Promise<SoakResult> {
  const endsAt = performance.now() + seconds * 1000;
  const counts = { queries: 0, logins: 0, userChanges: 0, largeRows: 0 };
  const errors = new Map<string, number>();
  const measured = new Map<number, [minutes: number, kilobytes: number][]>(
    target.pids.map((pid) => [pid, []]),
  );
  const isOver = () => performance.now() >= endsAt;
  const note = (text: string) => void errors.set(text, (errors.get(text) ?? 0) + 1);

  const client = async (number: number) => {
    // Not all at once.
    await delay((number * 5_000) / connections);
    for (let life = 0; !isOver(); life++) {
      try {
        await oneLife(target, { number, life, counts, note, isOver });
      } catch (error) {
        note(String(error));
        await delay(500);
      }
    }
  };
  const measure = async () => {
    const started = performance.now();
    for (let count = 0; !isOver(); count++) {
      for (const [pid, values] of measured)
        values.push([(performance.now() - started) / 60_000, residentKilobytes(pid)]);
      if (count % 10 === 0) onProgress?.(progressLine(counts, errors, measured));
      await delay(MEASURE_MS);
    }
  };
  await Promise.all([measure(), ...Array.from({ length: connections }, (_, number) => client(number))]);
  const memory = [...measured].map(([pid, values]) => ({
    pid,
    firstKilobytes: values[0]?.[1] ?? 0,
    lastKilobytes: values.at(-1)?.[1] ?? 0,
    kilobytesPerMinute: steadyGrowth(values),
  }));
  return { ...counts, errors, memory };
}

interface Life {
  readonly number: number;
  readonly life: number;
  readonly counts: { queries: number; logins: number; userChanges: number; largeRows: number };
  readonly note: (text: string) => void;
  readonly isOver: () => boolean;
}

/** From login to the end of one connection, 20 to 120 queries. */
async function oneLife(target: SoakTarget, { number, life, counts, note, isOver }: Life): Promise<void> {
  const { host, port, password, users, ca } = target;
  const userAt = (index: number) => users[index % users.length] ?? '';
  const options: ConnectionOptions = { host, port, user: userAt(number + life), password };
  // An address is no server name in TLS: the certificate has it as a name all the same.
  if (number % 2 === 0) options.ssl = { ca, verifyIdentity: false };
  const connection = await createConnection(options);
  connection.on('error', () => {});
  counts.logins += 1;
  const queries = 20 + ((number * 7 + life * 13) % 100);
  for (let query = 0; query < queries && !isOver(); query++) {
    const kind = (number + query) % 40;
    if (kind === 0) {
      const user = userAt(number + life + query);
      await connection.changeUser({ user, password });
      counts.userChanges += 1;
      const seen = await answerTo(connection, "SELECT SUBSTRING_INDEX(USER(), '@', 1)");
      if (seen !== user) note('another user than the one changed to');
    } else if (kind === 20) {
      const text = String(await answerTo(connection, `SELECT REPEAT('${number % 10}', ${LARGE_BYTES})`));
      if (text.length !== LARGE_BYTES || text[0] !== String(number % 10))
        note('another large row than asked for');
      counts.largeRows += 1;
    } else {
      const asked = number * 1_000_000 + query;
      if (Number(await answerTo(connection, `SELECT ${asked}`)) !== asked)
        note('another answer than asked for');
    }
    counts.queries += 1;
    await delay(50 + ((number + query) % 200));
  }
  if ((number + life) % 100 === 99) connection.destroy();
  else await connection.end();
}

async function answerTo(connection: Connection, sql: string): Promise<unknown> {
  const [rows] = await connection.query({ sql, rowsAsArray: true });
  return (rows as unknown[][])[0]?.[0];
}

function residentKilobytes(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kilobytes);
}

type Measurements = readonly (readonly [minutes: number, kilobytes: number])[];

/** A heap that gets another chunk for good grows by 10 MB in one of them; a leak grows in all. */
const WINDOWS = 5;

/**
 * In kilobytes a minute: the median of straight lines through five parts of the second half. In the first half a process grows to
 * its usual size.
 */
export function steadyGrowth(values: Measurements): number {
  const half = values.slice(Math.floor(values.length / 2));
  const length = Math.floor(half.length / WINDOWS);
  const slopes = Array.from({ length: WINDOWS }, (_, window) =>
    slopeOf(half.slice(window * length, (window + 1) * length)),
  );
  return slopes.sort((one, other) => one - other)[Math.floor(WINDOWS / 2)] ?? 0;
}

/** Least squares. */
function slopeOf(points: Measurements): number {
  const mean = (pick: (point: readonly [number, number]) => number) =>
    points.reduce((sum, point) => sum + pick(point), 0) / Math.max(1, points.length);
  const [x, y] = [mean(([minutes]) => minutes), mean(([, kilobytes]) => kilobytes)];
  const [product, square] = points.reduce(
    ([p, s], [minutes, kilobytes]) => [p + (minutes - x) * (kilobytes - y), s + (minutes - x) ** 2],
    [0, 0],
  );
  return square === 0 ? 0 : product / square;
}

function progressLine(
  { queries, logins, userChanges, largeRows }: Life['counts'],
  errors: ReadonlyMap<string, number>,
  measured: ReadonlyMap<number, readonly (readonly [number, number])[]>,
): string {
  const memory = [...measured].map(([pid, values]) => `${pid}: ${values.at(-1)?.[1]} kB`).join(', ');
  const failed = [...errors.values()].reduce((sum, count) => sum + count, 0);
  return `${logins} logins, ${queries} queries, ${userChanges} changes of user, ${largeRows} large rows, ${failed} errors; ${memory}`;
}
