/** Where a source's log ends, and how far a 5.6 replica has come. */
import { setTimeout as delay } from 'node:timers/promises';
import type { RealServer, Row } from '../support/servers.js';

export async function binlogEnd(source: RealServer): Promise<{ file: string; position: number }> {
  const [end] = await source.sql(source.kind === 'mysql9' ? 'SHOW BINARY LOG STATUS' : 'SHOW MASTER STATUS');
  return { file: String(end?.['File']), position: Number(end?.['Position']) };
}

export async function statusWhen(old: RealServer, isThere: (status: Row) => boolean): Promise<Row> {
  for (;;) {
    const [status = {}] = await old.sql('SHOW SLAVE STATUS');
    if (isThere(status)) return status;
    await delay(50);
  }
}
