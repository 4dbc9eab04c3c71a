/** What the clients do: each act counts in the tally what it will have done to the metrics. */
import assert from 'node:assert/strict';
import type { RowDataPacket } from 'mysql2/promise';
import {
  BY_NATIVE,
  BY_SHA2,
  BY_SWITCH,
  distrustfulCli,
  mysql2Client,
  rawSession,
  refusedChangeOfUser,
  refusedMysql2Client,
  resumingSessions,
  tooOldClient,
  useMysql2,
} from './prometheus-clients.js';
import {
  countAuth,
  countCommands,
  countConnection,
  countHandshake,
  countLogin,
  countReached,
  countRejected,
  now,
  PASSED_THROUGH,
  PLAIN,
} from './prometheus-counts.js';
import { type HeldConnection, heldByReplica, heldMysql2, heldRaw } from './prometheus-held.js';
import {
  AT_MYSQL,
  certificates,
  limits,
  otherCa,
  reload,
  type Scrapes,
  type Stage,
  scrape,
  TLS10,
  TLS12,
  TLS13,
} from './prometheus-stage.js';
import { type Snapshot, takeSnapshot } from './prometheus-tally.js';
import { binlogEnd, statusWhen } from './replica-status.js';

/** The load: three kinds of clients and some more, all at once. */
export async function workTogether(stage: Stage): Promise<void> {
  const { tally, routes, old, app, other, native } = stage;
  const ca = certificates.ca.certificate;
  const times = (count: number, work: () => Promise<unknown>) => Array.from({ length: count }, () => work());
  await Promise.all([
    ...times(8, async () => {
      const client = await mysql2Client(tally, routes.plain, app, { clientTls: PLAIN });
      countAuth(tally, routes.plain, BY_SHA2, 'relayed', 'accepted');
      await useMysql2(tally, routes.plain, client, 20);
      await client.end();
    }),
    ...times(6, async () => {
      const client = await mysql2Client(tally, routes.modern, app, { ssl: { ca }, clientTls: TLS13 });
      countAuth(tally, routes.modern, BY_SHA2, 'relayed', 'accepted');
      await useMysql2(tally, routes.modern, client, 10);
      await client.end();
    }),
    replicate(stage, 'CREATE DATABASE shop').then(() => old.sql('STOP SLAVE')),
    rawSession(tally, routes.counted, native).then(async (session) => {
      countAuth(tally, routes.counted, BY_NATIVE, 'relayed', 'accepted');
      await session.end();
    }),
    resumingSessions(tally, routes.tickets, native, { ca, clientTls: TLS12, resumptions: 3 }),
    ...times(2, async () => {
      const client = await mysql2Client(tally, routes.filed, app, { clientTls: PLAIN });
      countAuth(tally, routes.filed, BY_SWITCH, 'credentials', 'accepted');
      await client.connection.query('SELECT 1');
      countCommands(tally, routes.filed, { COM_QUERY: 1 });
      await client.end();
    }),
    mysql2Client(tally, routes.through, other, { ssl: { ca }, clientTls: PASSED_THROUGH }).then((client) =>
      client.end(),
    ),
  ]);
}

/** The replication thread of MySQL 5.6 over TLS 1.0, until it has what was written. It stays. */
async function replicate(
  { mysql, old, tally, routes, replica }: Stage,
  write: string,
): Promise<HeldConnection['opened']> {
  const after = now();
  const { file, position } = await binlogEnd(mysql);
  await old.sql(
    `CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT=${routes.old.port}, MASTER_USER='${replica.user}',
     MASTER_PASSWORD='${replica.password}', MASTER_LOG_FILE='${file}', MASTER_LOG_POS=${position},
     MASTER_CONNECT_RETRY=1, MASTER_SSL=1, MASTER_SSL_CA='${certificates.serverTls.ca}'; START SLAVE`,
  );
  await statusWhen(old, ({ Slave_IO_State }) => Slave_IO_State === 'Waiting for master to send event');
  const before = now();
  countReached(tally, routes.old);
  countHandshake(tally, routes.old, 'client', TLS10);
  countLogin(tally, routes.old, TLS10);
  for (const weakness of ['old_version', 'rsa_key_exchange', 'no_forward_secrecy', 'cbc'])
    tally.add('weak_tls_connections_total', ['old', 'client', weakness]);
  countAuth(tally, routes.old, BY_SWITCH, 'bridged', 'accepted');
  await mysql.sql(`SET NAMES utf8mb4 COLLATE utf8mb4_general_ci; ${write}`);
  const end = await binlogEnd(mysql);
  await statusWhen(old, ({ Exec_Master_Log_Pos }) => Exec_Master_Log_Pos === end.position);
  return { after, before };
}

export async function failDeliberately(stage: Stage): Promise<void> {
  const { tally, routes, app } = stage;
  const ca = certificates.ca.certificate;
  const wrong = { ...app, password: 'wrong' };
  for (let attempt = 0; attempt < 3; attempt++) {
    await refusedMysql2Client(tally, routes.plain, wrong, { errno: 1045 });
    countReached(tally, routes.plain);
    countRejected(tally, routes.plain, 'login_refused');
    countHandshake(tally, routes.plain, 'server', AT_MYSQL);
    countAuth(tally, routes.plain, BY_SHA2, 'translated', 'refused');
  }
  for (let attempt = 0; attempt < 2; attempt++) {
    await refusedMysql2Client(tally, routes.modern, wrong, { ssl: { ca }, errno: 1045 });
    countReached(tally, routes.modern);
    countRejected(tally, routes.modern, 'login_refused');
    countHandshake(tally, routes.modern, 'client', TLS13);
    countHandshake(tally, routes.modern, 'server', AT_MYSQL);
    countAuth(tally, routes.modern, BY_SHA2, 'relayed', 'refused');

    await refusedMysql2Client(tally, routes.modern, app, { errno: 3159 });
    countReached(tally, routes.modern);
    countRejected(tally, routes.modern, 'client_tls_required');
  }
  await refusedChangeOfUser(tally, routes.modern, { account: app, wrong }, { ssl: { ca }, clientTls: TLS13 });

  const bytes = await tooOldClient(tally, routes.modern);
  await distrustfulCli(tally, routes.modern, app, { ca: otherCa.certificateFile, bytes });

  await refusedMysql2Client(tally, routes.filed, wrong, { errno: 1045 });
  countReached(tally, routes.filed);
  countRejected(tally, routes.filed, 'access_denied');
  countAuth(tally, routes.filed, ['mysql_native_password', 'none'], 'credentials', 'refused');

  for (let attempt = 0; attempt < 3; attempt++) {
    await refusedMysql2Client(tally, routes.untrusted, app, { errno: 2026 });
    countReached(tally, routes.untrusted);
    countRejected(tally, routes.untrusted, 'server_certificate_untrusted');
    tally.add('tls_handshake_failures_total', ['untrusted', 'server', 'server_certificate_untrusted']);
    countAuth(tally, routes.untrusted, ['caching_sha2_password', 'none'], 'relayed', 'failed');
  }
}

/** The server has forgotten the password: the client hands it over, encrypted for the proxy. */
export async function comeToColdCache({ mysql, tally, routes, app }: Stage): Promise<void> {
  await mysql.sql('FLUSH NO_WRITE_TO_BINLOG PRIVILEGES');
  const cold = await mysql2Client(tally, routes.plain, app, { clientTls: PLAIN });
  countAuth(tally, routes.plain, BY_SHA2, 'translated', 'accepted');
  const [cipher] = await cold.connection.query<RowDataPacket[]>("SHOW STATUS LIKE 'Ssl_cipher'");
  assert.equal(cipher[0]?.['Value'], AT_MYSQL[1]);
  countCommands(tally, routes.plain, { COM_QUERY: 1 });
  await cold.end();
}

/** Five clients stay logged in, then one too many comes. */
export async function holdOpen(
  stage: Stage,
): Promise<{ open: Snapshot; held: readonly HeldConnection[]; scrapes: Scrapes; full: Snapshot }> {
  const { old, tally, prometheus, routes, app, other, native } = stage;
  const ca = certificates.ca.certificate;
  const changing = await mysql2Client(tally, routes.plain, app, { clientTls: PLAIN });
  const staying = await mysql2Client(tally, routes.plain, app, { clientTls: PLAIN });
  countAuth(tally, routes.plain, BY_SHA2, 'relayed', 'accepted');
  countAuth(tally, routes.plain, BY_SHA2, 'relayed', 'accepted');
  const modern = await mysql2Client(tally, routes.modern, app, { ssl: { ca }, clientTls: TLS13 });
  countAuth(tally, routes.modern, BY_SHA2, 'relayed', 'accepted');

  // Another login, and a command that counts, but not the time that it takes. The first finds a cold cache.
  await changing.connection.changeUser(other);
  countAuth(tally, routes.plain, BY_SWITCH, 'translated', 'accepted');
  tally.add('commands_total', ['plain', 'COM_CHANGE_USER']);
  await modern.connection.changeUser(other);
  countAuth(tally, routes.modern, BY_SWITCH, 'relayed', 'accepted');
  tally.add('commands_total', ['modern', 'COM_CHANGE_USER']);

  const counted = await rawSession(tally, routes.counted, native);
  countAuth(tally, routes.counted, BY_NATIVE, 'relayed', 'accepted');
  const replica = await replicate(stage, 'CREATE TABLE shop.log (id INT PRIMARY KEY)');
  const held = [
    await heldMysql2(stage, changing, {
      route: 'plain',
      clientTls: PLAIN,
      login: [...BY_SWITCH, 'translated'],
      hasChangedUser: true,
    }),
    await heldMysql2(stage, staying, {
      route: 'plain',
      clientTls: PLAIN,
      login: [...BY_SHA2, 'relayed'],
      hasChangedUser: false,
    }),
    await heldMysql2(stage, modern, {
      route: 'modern',
      clientTls: TLS13,
      login: [...BY_SWITCH, 'relayed'],
      hasChangedUser: true,
    }),
    await heldRaw(stage, counted),
    await heldByReplica(stage, replica),
  ];
  const open = await takeSnapshot(prometheus);
  const scrapes = await scrape(stage);

  await reload(stage, limits.low);
  tally.add('tls_reloads_total', ['success']);
  await refusedMysql2Client(tally, routes.plain, app, { errno: 1040 });
  countConnection(tally, routes.plain);
  countRejected(tally, routes.plain, 'too_many_connections');
  const full = await takeSnapshot(prometheus);

  for (const client of [changing, staying, modern, counted]) await client.end();
  await old.sql('STOP SLAVE');
  return { open, held, scrapes, full };
}

export async function findServerGone({ tally, routes, native }: Stage): Promise<void> {
  await refusedMysql2Client(tally, routes.counted, native, { errno: 2003 });
  countConnection(tally, routes.counted);
  countRejected(tally, routes.counted, 'server_port_closed');
  tally.add('server_connect_failures_total', [routes.counted.name, routes.counted.server]);
}

/** Another server is at the address now, and knows neither the user nor the host. */
export async function findStrangeServer({ tally, routes, native }: Stage): Promise<void> {
  await refusedMysql2Client(tally, routes.counted, native, { errno: 1130 });
  countReached(tally, routes.counted);
  countRejected(tally, routes.counted, 'server_host_not_allowed');
}
