/** One server with two accounts of different plugins and two of the same, and a proxy for each kind of server leg. */
import { randomBytes } from 'node:crypto';
import type { ProxyOptions } from '../../src/index.js';
import type { TestCertificates } from '../support/certificates.js';
import type { serverKinds } from '../support/downloads.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startServer } from '../support/servers.js';
import type { Account } from './accounts.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { overTls, stopServer } from './real-server.js';

export const legKinds = ['plaintext', 'TLS'] as const;
export type LegKind = (typeof legKinds)[number];

/** Of these two plugins, the first one's accounts are `first` and `second`, and `other` has the second. */
const pluginsOf: Record<(typeof serverKinds)[number], readonly [string, string]> = {
  mysql56: ['mysql_native_password', 'sha256_password'],
  mysql9: ['caching_sha2_password', 'sha256_password'],
  mariadb: ['mysql_native_password', 'ed25519'],
};

export interface ChangeUserAccounts {
  readonly first: Account;
  readonly second: Account;
  readonly other: Account;
}

export interface ChangeUserSetup {
  readonly server: RealServer;
  readonly accounts: ChangeUserAccounts;
  /** One for each kind of server leg. */
  readonly proxies: Readonly<Record<LegKind, ProxyUnderTest>>;
  close(): Promise<void>;
}

export async function prepareChangeUser(
  kind: (typeof serverKinds)[number],
  certificates: TestCertificates,
  optionsFor: (accounts: ChangeUserAccounts) => ProxyOptions = () => ({}),
): Promise<ChangeUserSetup | Unavailable> {
  const extraArgs = kind === 'mariadb' ? ['--plugin-load-add=auth_ed25519'] : [];
  const server = await startServer(kind, { tls: certificates.serverTls, extraArgs });
  if (isUnavailable(server)) return server;
  const [plugin, otherPlugin] = pluginsOf[kind];
  const accounts = {
    first: await createAccountWith(server, plugin, 'first'),
    second: await createAccountWith(server, plugin, 'second'),
    other: await createAccountWith(server, otherPlugin, 'other'),
  };
  const options = {
    clientSslCert: certificates.server.certificateFile,
    clientSslKey: certificates.server.keyFile,
    ...optionsFor(accounts),
  };
  const plaintext = { server: `${server.host}:${server.port}`, serverSslMode: 'DISABLED' } as const;
  const proxies = {
    plaintext: await startProxyUnderTest({ ...options, ...plaintext }),
    TLS: await startProxyUnderTest({ ...options, ...overTls(server, certificates) }),
  };
  const close = async () => {
    for (const proxy of Object.values(proxies)) await proxy.close();
    await stopServer(server);
  };
  return { server, accounts, proxies, close };
}

async function createAccountWith(server: RealServer, plugin: string, user: string): Promise<Account> {
  const password = randomBytes(12).toString('base64url');
  const name = `'${user}'@'%'`;
  if (server.kind === 'mysql9') {
    await server.sql(`CREATE USER ${name} IDENTIFIED WITH ${plugin} BY '${password}'`);
  } else if (server.kind === 'mariadb') {
    await server.sql(`CREATE USER ${name} IDENTIFIED VIA ${plugin} USING PASSWORD('${password}')`);
  } else {
    await server.sql(`CREATE USER ${name} IDENTIFIED WITH ${plugin}`);
    const format = plugin === 'sha256_password' ? 2 : 0;
    await server.sql(`SET old_passwords = ${format}; SET PASSWORD FOR ${name} = PASSWORD('${password}')`);
  }
  await server.sql(`GRANT ALL ON *.* TO ${name}`);
  return { user, password };
}
