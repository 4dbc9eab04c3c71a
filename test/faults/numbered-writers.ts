/** Clients that write all the time, and know which of their rows the server has acknowledged. */
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Connection } from 'mysql2/promise';
import type { RealServer } from '../support/servers.js';

export interface WritersOptions {
  readonly count: number;
  /** To the proxy; rejects as the driver does. */
  readonly connect: () => Promise<Connection>;
}

export async function createNumberedTable(server: RealServer): Promise<void> {
  await server.sql(
    'DROP TABLE IF EXISTS shop.numbered; CREATE TABLE shop.numbered ' +
      '(writer INT NOT NULL, number INT NOT NULL, INDEX (writer, number)) ENGINE = InnoDB',
  );
}

/** Each inserts one row after the other with autocommit, and connects anew when its connection is lost. */
export class NumberedWriters {
  readonly #options: WritersOptions;
  readonly #acknowledged = new Set<string>();
  /** Sent, and nobody knows what became of them. */
  readonly #open = new Set<string>();
  readonly #running: Promise<void>[] = [];
  /** Numbers of errors of new connections, and of statements. */
  readonly connectErrors = new Map<number | string, number>();
  readonly statementErrors = new Map<number | string, number>();
  #isStopped = false;

  constructor(options: WritersOptions) {
    this.#options = options;
    for (let writer = 0; writer < options.count; writer++) this.#running.push(this.#write(writer));
  }

  get acknowledged(): number {
    return this.#acknowledged.size;
  }

  /** Resolves when so many more rows have been acknowledged. */
  async more(count: number): Promise<void> {
    const wanted = this.acknowledged + count;
    const deadline = Date.now() + 60_000;
    while (this.acknowledged < wanted) {
      if (Date.now() > deadline)
        throw new Error(`${wanted - this.acknowledged} of ${count} more rows are missing`);
      await delay(10);
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await Promise.all(this.#running);
  }

  /** All that was acknowledged is in the table once, and nothing else but what was cut off. To be called after `stop`. */
  async assertNothingLost(server: RealServer): Promise<void> {
    const rows = await server.sql(
      "SELECT CONCAT(writer, ':', number) AS name, COUNT(*) AS times FROM shop.numbered GROUP BY writer, number",
    );
    const times = new Map(rows.map((row) => [String(row['name']), Number(row['times'])]));
    const lost = [...this.#acknowledged].filter((name) => !times.has(name));
    assert.deepEqual(lost, [], 'acknowledged and lost');
    const twice = [...times].filter(([, count]) => count > 1);
    assert.deepEqual(twice, [], 'written twice');
    const unknown = [...times.keys()].filter(
      (name) => !this.#acknowledged.has(name) && !this.#open.has(name),
    );
    assert.deepEqual(unknown, [], 'never sent');
    assert.ok(this.#acknowledged.size > 0);
  }

  async #write(writer: number): Promise<void> {
    let connection: Connection | undefined;
    for (let number = 0; !this.#isStopped; number++) {
      try {
        connection ??= await this.#options.connect();
      } catch (error) {
        countIn(this.connectErrors, error);
        await delay(50);
        continue;
      }
      const name = `${writer}:${number}`;
      try {
        await connection.query(`INSERT INTO shop.numbered VALUES (${writer}, ${number})`);
        this.#acknowledged.add(name);
      } catch (error) {
        this.#open.add(name);
        countIn(this.statementErrors, error);
        connection.destroy();
        connection = undefined;
      }
      // Not as fast as possible: the tests share the machine with others.
      await delay(2);
    }
    await connection?.end();
  }
}

function countIn(errors: Map<number | string, number>, error: unknown): void {
  const { errno, code } = error as { errno?: number; code?: string };
  const key = errno !== undefined && errno > 0 ? errno : (code ?? String(error));
  errors.set(key, (errors.get(key) ?? 0) + 1);
}
