/** The servers of the compatibility matrix, each with its accounts, and with the proxies in front of it. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import type { ProxyOptions } from '../../src/index.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import type { ServerKind } from '../support/downloads.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startServer } from '../support/servers.js';
import { type Account, createAccount, type Requirement } from './accounts.js';
import type { CompatibilityCertificates } from './compatibility-certificates.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { overTls, type ServerLegMode } from './real-server.js';

export const serverLegModes: readonly ServerLegMode[] = ['key pair', 'server-only'];
const requirementOf: Record<ServerLegMode, Requirement> = { 'key pair': 'X509', 'server-only': 'SSL' };

/** `known` is in the proxy's credentials file; of `unknown` the proxy knows nothing. */
export type Role = 'unknown' | 'known';

/** All that belongs to one server in one mode of the server leg. */
export interface Side {
  readonly source: RealServer;
  readonly accounts: Readonly<Record<Role, Account>>;
  /** Serves all clients, old and new. */
  readonly proxy: ProxyUnderTest;
  /** The same, but a client that uses TLS must show a certificate. */
  readonly demandingProxy: ProxyUnderTest;
}

export interface ServerSetup {
  readonly source: RealServer;
  readonly sides: Readonly<Record<ServerLegMode, Side>>;
}

export const itemRows = [
  ['1', 'anvil'],
  ['2', 'Gießkanne'],
];
export const itemColumns =
  '(id INT PRIMARY KEY, name VARCHAR(40)) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_general_ci';

/** Every source writes a binary log that a MySQL 5.6 replica can read. */
const sourceArgs = [
  '--server-id=1',
  '--log-bin=binlog',
  '--binlog-format=ROW',
  // A replica knows no newer collation; and clients that name one which an older server does not know get its default.
  '--character-set-server=utf8mb4',
  '--collation-server=utf8mb4_general_ci',
];
/** They tell of other connections which TLS they have only with the performance schema. */
const secureArgs = ['--require-secure-transport=ON', '--performance-schema=ON'];
const sourceArgsByKind: Record<ServerKind, readonly string[]> = {
  mysql56: [],
  // A replica with gtid_mode=OFF stops at the first event with such an id.
  mysql9: [...secureArgs, '--gtid-mode=OFF', '--enforce-gtid-consistency=OFF'],
  mariadb: secureArgs,
  mariadb11: secureArgs,
};

export async function prepareServer(
  kind: ServerKind,
  certificates: CompatibilityCertificates,
): Promise<ServerSetup | Unavailable> {
  const source = await startServer(kind, {
    tls: certificates.serverLeg.serverTls,
    extraArgs: [...sourceArgs, ...sourceArgsByKind[kind]],
  });
  if (isUnavailable(source)) return source;
  await fillDatabases(source);
  const [keyPair, serverOnly] = await Promise.all([
    prepareSide(source, 'key pair', certificates),
    prepareSide(source, 'server-only', certificates),
  ]);
  return { source, sides: { 'key pair': keyPair, 'server-only': serverOnly } };
}

export async function closeProxies({ sides }: ServerSetup): Promise<void> {
  for (const { proxy, demandingProxy } of Object.values(sides)) {
    await proxy.close();
    await demandingProxy.close();
  }
}

async function fillDatabases(source: RealServer): Promise<void> {
  const statusSchema = source.kind === 'mysql9' ? 'performance_schema' : 'information_schema';
  const status = (name: string) =>
    `(SELECT variable_value FROM ${statusSchema}.session_status WHERE variable_name = '${name}')`;
  await source.sql(
    `SET NAMES utf8mb4 COLLATE utf8mb4_general_ci;
     CREATE DATABASE shop;
     CREATE TABLE shop.item ${itemColumns};
     CREATE TABLE shop.log ${itemColumns};
     INSERT INTO shop.item VALUES (1, 'anvil'), (2, 'Gießkanne');
     CREATE SQL SECURITY INVOKER VIEW shop.session AS SELECT CURRENT_USER() AS user,
       ${status('Ssl_version')} AS version, ${status('Ssl_cipher')} AS cipher`,
  );
}

async function prepareSide(
  source: RealServer,
  mode: ServerLegMode,
  certificates: CompatibilityCertificates,
): Promise<Side> {
  const requirement = requirementOf[mode];
  const account = async (role: Role): Promise<Account> => {
    const user = `${role}_${requirement.toLowerCase()}`;
    const created = await createAccount(source, user, { requirement, grant: 'SELECT ON shop.*' });
    await source.sql(`GRANT REPLICATION SLAVE ON *.* TO '${user}'@'%'`);
    // For the view, which looks at the session of its invoker.
    if (source.kind === 'mysql9') await source.sql(`GRANT SELECT ON performance_schema.* TO '${user}'@'%'`);
    return created;
  };
  const [unknown, known] = await Promise.all([account('unknown'), account('known')]);
  const { forNewClients, forOldClients, serverLeg } = certificates;
  const options: ProxyOptions = {
    ...overTls(source, serverLeg, mode),
    credentials: credentialsFor(known),
    ...(source.kind === 'mysql9' ? { authBridge: 'sha256' } : {}),
    clientTlsProfile: 'legacy',
    clientSslCert: [forOldClients.proxy.certificateFile, forNewClients.proxy.certificateFile],
    clientSslKey: [forOldClients.proxy.keyFile, forNewClients.proxy.keyFile],
  };
  const proxy = await startProxyUnderTest(options);
  const clientSslCa = forOldClients.ca.certificateFile;
  const demandingProxy = await startProxyUnderTest({ ...options, clientSslCa });
  return { source, accounts: { unknown, known }, proxy, demandingProxy };
}

function credentialsFor({ user, password }: Account): string {
  const folder = makeTemporaryFolder();
  const file = path.join(folder, 'credentials.yaml');
  writeFileSync(path.join(folder, 'password'), password, { mode: 0o600 });
  writeFileSync(file, `- user: ${user}\n  password-file: password\n`, { mode: 0o600 });
  return file;
}
