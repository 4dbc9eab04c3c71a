/** The replication threads of MySQL 5.6, which know no TLS above 1.0: a row that is written on the source arrives. */
import assert from 'node:assert/strict';
import type { RealServer } from '../support/servers.js';
import type { CompatibilityCertificates } from './compatibility-certificates.js';
import { itemColumns } from './compatibility-servers.js';
import type { Outcome, SessionSeen, Task } from './compatibility-task.js';
import { binlogEnd, statusWhen } from './replica-status.js';

/** `CA`: it verifies the proxy's certificate. `key pair`: and shows one of its own. */
export type ReplicaTls = 'off' | 'CA' | 'key pair';

let written = 0;

/** To be called once, before it replicates anything. */
export async function prepareReplica(old: RealServer): Promise<void> {
  await old.sql(`CREATE DATABASE shop; CREATE TABLE shop.log ${itemColumns}`);
}

export async function replicateOnce(task: Task, tls: ReplicaTls): Promise<Outcome> {
  const { side, account, certificates, old, whileConnected } = task;
  const { source } = side;
  const { port, established } = tls === 'key pair' ? side.demandingProxy : side.proxy;
  const { file, position } = await binlogEnd(source);
  await old.sql(
    `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${port}, MASTER_USER='${account.user}',
     MASTER_PASSWORD='${account.password}', MASTER_LOG_FILE='${file}', MASTER_LOG_POS=${position},
     MASTER_CONNECT_RETRY=1, ${tlsClauses(tls, certificates)}`,
  );
  written += 1;
  const row = { id: written, name: 'Gießkanne' };
  await old.sql('START SLAVE');
  try {
    await source.sql(
      `SET NAMES utf8mb4 COLLATE utf8mb4_general_ci; INSERT INTO shop.log VALUES (${row.id}, '${row.name}')`,
    );
    const end = await binlogEnd(source);
    const status = await statusWhen(
      old,
      ({ Exec_Master_Log_Pos, Last_IO_Errno, Last_SQL_Errno }) =>
        Exec_Master_Log_Pos === end.position || Last_IO_Errno !== 0 || Last_SQL_Errno !== 0,
    );
    if (status['Last_IO_Errno'] !== 0)
      return {
        refusal: { errno: Number(status['Last_IO_Errno']), message: String(status['Last_IO_Error']) },
      };
    assert.equal(status['Last_SQL_Error'], '');
    assert.equal(status['Slave_IO_Running'], 'Yes');
    assert.equal(status['Slave_SQL_Running'], 'Yes');
    assert.equal(status['Master_SSL_Allowed'], tls === 'off' ? 'No' : 'Yes');
    assert.deepEqual(await old.sql('SELECT * FROM shop.log WHERE id = ?', [row.id]), [row]);
    const threadId = established.at(-1)?.serverThreadId;
    await whileConnected?.();
    return { session: await sessionOf(source, threadId) };
  } finally {
    await old.sql('STOP SLAVE');
  }
}

/** All of them each time: a replica keeps what it was told last. */
function tlsClauses(tls: ReplicaTls, { forOldClients: { ca, client } }: CompatibilityCertificates): string {
  // MASTER_SSL=1 alone sends no SSLRequest: yaSSL clients need a CA or a certificate for that.
  const [useTls, caFile] = tls === 'off' ? [0, ''] : [1, ca.certificateFile];
  const [certFile, keyFile] = tls === 'key pair' ? [client.certificateFile, client.keyFile] : ['', ''];
  return (
    `MASTER_SSL=${useTls}, MASTER_SSL_CA='${caFile}', MASTER_SSL_VERIFY_SERVER_CERT=${useTls}, ` +
    `MASTER_SSL_CERT='${certFile}', MASTER_SSL_KEY='${keyFile}'`
  );
}

/**
 * What the source says of the replica's connection, which asks nothing itself. Of such a one MySQL 5.6 tells no TLS: there
 * it stays with what its account requires.
 */
async function sessionOf(source: RealServer, threadId: number | undefined): Promise<SessionSeen> {
  const [dump] = await source.sql(
    "SELECT user FROM information_schema.processlist WHERE id = ? AND command = 'Binlog Dump'",
    [threadId],
  );
  assert.ok(dump, 'the replica is not connected any more');
  // Nor does any server tell CURRENT_USER of another connection; there is no other account of that name.
  const account = `${dump['user']}@%`;
  if (source.kind === 'mysql56') return { user: account };
  const status = await source.sql(
    `SELECT variable_name AS name, variable_value AS value
     FROM performance_schema.status_by_thread JOIN performance_schema.threads USING (thread_id)
     WHERE processlist_id = ?`,
    [threadId],
  );
  const value = (wanted: string) => String(status.find(({ name }) => name === wanted)?.['value']);
  return { user: account, sslVersion: value('Ssl_version'), sslCipher: value('Ssl_cipher') };
}
