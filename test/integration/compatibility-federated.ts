/** The client library of MySQL 5.6, which only its FEDERATED engine still has; it knows no TLS. */
import assert from 'node:assert/strict';
import { itemColumns, itemRows } from './compatibility-servers.js';
import type { Outcome, Task } from './compatibility-task.js';

let schemas = 0;

export async function readFederated({ side: { proxy }, account, old }: Task): Promise<Outcome> {
  schemas += 1;
  const schema = `federated_${schemas}`;
  const address = `mysql://${account.user}:${account.password}@${proxy.host}:${proxy.port}`;
  await old.sql(
    `CREATE DATABASE ${schema};
     CREATE TABLE ${schema}.item ${itemColumns} ENGINE=FEDERATED CONNECTION='${address}/shop/item';
     CREATE TABLE ${schema}.session (user VARCHAR(90), version VARCHAR(20), cipher VARCHAR(90))
       ENGINE=FEDERATED CONNECTION='${address}/shop/session'`,
  );
  try {
    const items = await old
      .sql(`SELECT id, name FROM ${schema}.item ORDER BY id`)
      .catch(({ errno, message }: Error & { errno: number }) => ({ refusal: { errno, message } }));
    if ('refusal' in items) return items;
    assert.deepEqual(
      items.map(({ id, name }) => [String(id), name]),
      itemRows,
    );
    const [seen] = await old.sql(`SELECT * FROM ${schema}.session`);
    const text = (name: string) => String(seen?.[name]);
    return { session: { user: text('user'), sslVersion: text('version'), sslCipher: text('cipher') } };
  } finally {
    // Closes its connections, too.
    await old.sql(`DROP DATABASE ${schema}`);
  }
}
