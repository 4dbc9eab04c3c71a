/** One cell of the compatibility matrix: a client, a server and a mode of the server leg; what came of it, and its proof. */
import assert from 'node:assert/strict';
import type { ConnectionRecord } from '../../src/index.js';
import type { ServerKind } from '../support/downloads.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type ClientLeg, type CompatibilityClient, compatibilityClients } from './compatibility-clients.js';
import type { Side } from './compatibility-servers.js';
import type { SessionSeen, Task } from './compatibility-task.js';
import type { ServerLegMode } from './real-server.js';

export interface Cell {
  readonly client: CompatibilityClient;
  readonly kind: ServerKind;
  readonly mode: ServerLegMode;
}

export type TlsDescription = ConnectionRecord['clientTls'];
export type CellTask = Omit<Task, 'account'>;

export type CellResult =
  | { readonly clientTls: TlsDescription; readonly serverTls: TlsDescription }
  | { readonly refusal: { readonly errno: number; readonly message: string } };

interface ExpectedTls {
  readonly version: string;
  readonly cipher: RegExp;
  readonly weaknesses: readonly string[];
}

const tls13: ExpectedTls = { version: 'TLSv1.3', cipher: /^TLS_AES_/, weaknesses: [] };
/** The best that yaSSL and OpenSSL have in common. On the client leg it works with the RSA certificate only. */
const yassl: ExpectedTls = {
  version: 'TLSv1',
  cipher: /^AES256-SHA$/,
  weaknesses: ['old_version', 'rsa_key_exchange', 'no_forward_secrecy', 'cbc'],
};
const expectedClientLeg: Record<ClientLeg, ExpectedTls> = {
  plaintext: { version: 'none', cipher: /^none$/, weaknesses: [] },
  'TLS 1.3': tls13,
  'TLS 1.0': yassl,
};
const expectedServerLeg: Record<ServerKind, ExpectedTls> = {
  mysql56: yassl,
  mysql9: tls13,
  mariadb: tls13,
  mariadb11: tls13,
};

export async function checkCell(
  { client, kind }: Pick<Cell, 'client' | 'kind'>,
  task: CellTask,
): Promise<CellResult | Unavailable> {
  const { accounts, proxy, demandingProxy } = task.side;
  const { established } = client.certificateSubject === undefined ? proxy : demandingProxy;
  const before = established.length;
  await coolDown(task.side);
  const outcome = await client.run({ ...task, account: accounts[client.role] });
  if (isUnavailable(outcome)) return outcome;
  const expected = client.refusals?.[kind];
  if ('refusal' in outcome || expected !== undefined) {
    const found = 'refusal' in outcome ? outcome.refusal : { errno: 0, message: 'it works' };
    const refusal = { errno: found.errno, message: withoutAddress(found.message) };
    const { errno, message } = expected ?? { errno: 0, message: 'it works' };
    assert.deepEqual(refusal, { errno, message });
    assert.equal(established.length, before);
    return { refusal };
  }
  const records = established.slice(before);
  assert.equal(records.length, client.connections ?? 1);
  for (const record of records) assertRecord(record, client, kind);
  const [record] = records;
  assert.ok(record);
  assertSession(outcome.session, record, `${accounts[client.role].user}@%`, client, kind);
  return { clientTls: record.clientTls, serverTls: record.serverTls };
}

/** While an old client is connected over TLS 1.0, the same proxy serves one new client of each kind of client leg. */
export async function checkTogether(
  kind: ServerKind,
  task: CellTask,
): Promise<readonly string[] | Unavailable> {
  const { accounts, proxy } = task.side;
  const [overTls13, inPlaintext, overTls10] = (['TLS 1.3', 'plaintext', 'TLS 1.0'] as const).map((wanted) =>
    compatibilityClients.find(({ leg }) => leg === wanted),
  );
  assert.ok(overTls13 && inPlaintext && overTls10);
  const before = proxy.established.length;
  await coolDown(task.side);
  const outcome = await overTls10.run({
    ...task,
    account: accounts[overTls10.role],
    whileConnected: async () => {
      for (const client of [overTls13, inPlaintext]) await checkCell({ client, kind }, task);
    },
  });
  if (isUnavailable(outcome)) return outcome;
  assert.ok('session' in outcome, JSON.stringify(outcome));
  return proxy.established.slice(before).map(({ clientTls }) => clientTls.version);
}

/** So that a login with caching_sha2_password has to hand over the password. */
async function coolDown({ source }: Side): Promise<void> {
  // Not in the binary log: the replica could not read the statement's collation.
  if (source.kind === 'mysql9') await source.sql('FLUSH NO_WRITE_TO_BINLOG PRIVILEGES');
}

function assertRecord(record: ConnectionRecord, client: CompatibilityClient, kind: ServerKind): void {
  assertTls(record.clientTls, expectedClientLeg[client.leg]);
  assertTls(record.serverTls, expectedServerLeg[kind]);
  assert.equal(record.clientTls.peerSubject, client.certificateSubject ?? '');
  assert.equal(record.authentication === 'credentials', client.role === 'known');
}

function assertTls(found: TlsDescription, { version, cipher, weaknesses }: ExpectedTls): void {
  assert.equal(found.version, version);
  assert.match(found.cipher, cipher);
  assert.deepEqual(found.weaknesses, weaknesses);
}

function assertSession(
  session: SessionSeen,
  { serverTls }: ConnectionRecord,
  user: string,
  client: CompatibilityClient,
  kind: ServerKind,
): void {
  const seesTls = kind !== 'mysql56' || !client.isReplica;
  const tls = seesTls ? { sslVersion: serverTls.version, sslCipher: serverTls.cipher } : {};
  assert.deepEqual(session, { user, ...tls });
}

/** Account and port differ from cell to cell. */
function withoutAddress(message: string): string {
  return message.replace(/'\w+@127\.0\.0\.1:\d+'/, "'USER@HOST:PORT'");
}
