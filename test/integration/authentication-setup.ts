/** One server with its accounts, and a proxy for each way and each kind of server leg. */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Connection, createConnection } from 'mysql2/promise';
import type { ProxyOptions } from '../../src/index.js';
import type { LoginTarget } from '../support/auth-client.js';
import type { TestCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import type { ServerKind } from '../support/downloads.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RecordingRelay, startRecordingRelay } from '../support/recording-relay.js';
import { type RealServer, startServer } from '../support/servers.js';
import {
  type AccountKind,
  accountKinds,
  type Cell,
  passwordCases,
  passwords,
  type ServerLegKind,
  serverLegs,
  userOf,
  type Way,
  ways,
} from './authentication-cells.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { overTls, stopServer } from './real-server.js';

export interface AuthenticationSetup {
  /** The server forgets every password that it had cached. */
  makeCold(): Promise<void>;
  targetOf(cell: Cell): LoginTarget;
  /** On the wire between proxy and server, where that is plaintext; since the last call. */
  takeServerBytes(): readonly Buffer[];
  close(): Promise<void>;
}

export async function prepareAuthentication(
  kind: ServerKind,
  certificates: TestCertificates,
): Promise<AuthenticationSetup | Unavailable> {
  const extraArgs = kind === 'mariadb' ? ['--plugin-load-add=auth_ed25519'] : [];
  const server = await startServer(kind, { tls: certificates.serverTls, extraArgs });
  if (isUnavailable(server)) return server;
  const accounts = accountKinds.filter((account) => account.server === kind);
  for (const account of accounts) {
    await createAccount(server, account, 'right');
    await createAccount(server, account, 'none');
  }
  const folder = makeTemporaryFolder();
  const relay = await startRecordingRelay(server);
  const common: ProxyOptions = {
    clientSslCert: certificates.server.certificateFile,
    clientSslKey: certificates.server.keyFile,
    // One RSA key for all of them: it takes a while to make one.
    stateDirectory: folder,
  };
  const optionsOfLeg: Record<ServerLegKind, ProxyOptions> = {
    plaintext: { server: `${relay.host}:${relay.port}`, serverSslMode: 'DISABLED' },
    TLS: overTls(server, certificates),
  };
  const optionsOfWay: Record<Way, ProxyOptions> = {
    relay: {},
    'auth-bridge': { authBridge: 'sha256' },
    credentials: { credentials: writeCredentials(accounts, folder) },
  };
  const proxies = new Map<string, { proxy: ProxyUnderTest; socketPath: string }>();
  for (const way of ways) {
    for (const leg of serverLegs) {
      const socketPath = path.join(folder, `${way}-${leg}`);
      const listen = ['127.0.0.1:0', `unix:${socketPath}`];
      const proxy = await startProxyUnderTest({
        ...common,
        ...optionsOfLeg[leg],
        ...optionsOfWay[way],
        listen,
      });
      proxies.set(`${way} ${leg}`, { proxy, socketPath });
    }
  }
  const root = await createConnection({ socketPath: server.socketPath, user: 'root' });
  return {
    makeCold: async () => void (await root.query('FLUSH PRIVILEGES')),
    targetOf: ({ way, clientLeg, serverLeg }) => {
      const found = proxies.get(`${way} ${serverLeg}`);
      if (found === undefined) throw new Error(`no proxy for ${way}, ${serverLeg}`);
      const { host, port } = found.proxy;
      if (clientLeg === 'unix socket') return { leg: clientLeg, path: found.socketPath };
      if (clientLeg === 'TLS') return { leg: clientLeg, host, port, ca: certificates.ca.certificate };
      return { leg: clientLeg, host, port };
    },
    takeServerBytes: () => relay.takeBytes(),
    close: () =>
      closeAll(
        root,
        [...proxies.values()].map(({ proxy }) => proxy),
        relay,
        server,
      ),
  };
}

async function closeAll(
  root: Connection,
  proxies: readonly ProxyUnderTest[],
  relay: RecordingRelay,
  server: RealServer,
): Promise<void> {
  for (const proxy of proxies) await proxy.close();
  await relay.close();
  await root.end();
  await stopServer(server);
}

async function createAccount(
  server: RealServer,
  account: AccountKind,
  passwordCase: 'right' | 'none',
): Promise<void> {
  const name = `'${userOf(account, passwordCase)}'@'%'`;
  const password = passwords[passwordCase];
  if (account.server === 'mysql9') {
    return void (await server.sql(`CREATE USER ${name} IDENTIFIED WITH ${account.plugin} BY '${password}'`));
  }
  if (account.server === 'mariadb') {
    const plugin = account.plugin === 'client_ed25519' ? 'ed25519' : account.plugin;
    const given = password === '' ? '' : ` USING PASSWORD('${password}')`;
    return void (await server.sql(`CREATE USER ${name} IDENTIFIED VIA ${plugin}${given}`));
  }
  await server.sql(`CREATE USER ${name} IDENTIFIED WITH ${account.plugin}`);
  if (password === '') return;
  const format = account.plugin === 'sha256_password' ? 2 : 0;
  await server.sql(`SET old_passwords = ${format}; SET PASSWORD FOR ${name} = PASSWORD('${password}')`);
}

function writeCredentials(accounts: readonly AccountKind[], folder: string): string {
  const secretFile = (name: string, text: string): string => {
    const file = path.join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  const users = new Map<string, string>();
  for (const account of accounts) {
    for (const password of passwordCases) {
      const user = userOf(account, password);
      const kept = password === 'none' ? '' : passwords.right;
      users.set(user, secretFile(`password-of-${user}`, kept));
    }
  }
  const entries = [...users].map(([user, file]) => `- user: ${user}\n  password-file: ${file}\n`);
  return secretFile('credentials.yaml', entries.join(''));
}
