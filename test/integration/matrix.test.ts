/** Every real server, both modes of the server leg, both kinds of client leg, each account requirement, two clients. */
import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { type ServerKind, serverKinds } from '../support/downloads.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startServer } from '../support/servers.js';
import { type Account, createAccount, type Requirement, warmUp } from './accounts.js';
import { type ClientLegMode, directRefusal, queryWith, type Refusal, testClients } from './matrix-clients.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { nameOf, orSkip, overTls, type ServerLegMode, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const serverLegModes: readonly ServerLegMode[] = ['key pair', 'server-only'];
const clientLegModes: readonly ClientLegMode[] = ['plaintext', 'TLS'];
const requirements: readonly Requirement[] = ['NONE', 'SSL', 'X509'];

const serverTlsVersion: Record<ServerKind, string> = {
  mysql56: 'TLSv1',
  mysql9: 'TLSv1.3',
  mariadb: 'TLSv1.3',
  mariadb11: 'TLSv1.3',
};
const rows = [
  { id: '1', name: 'plain' },
  { id: '2', name: 'Grüße, 世界' },
  { id: '3', name: 'NULL' },
];

interface Setup {
  readonly server: RealServer;
  readonly accounts: Readonly<Record<Requirement, Account>>;
  readonly proxies: Readonly<Record<ServerLegMode, ProxyUnderTest>>;
  /** What the server itself says to a login without a certificate that its account demands. */
  readonly refusal: Refusal;
}

let cells = 0;

for (const kind of serverKinds) {
  describe(nameOf[kind], () => {
    let setup: Setup | Unavailable;
    before(async () => {
      setup = await prepare(kind);
    });
    after(async () => {
      if (isUnavailable(setup)) return;
      for (const proxy of Object.values(setup.proxies)) await proxy.close();
      await stopServer(setup.server);
    });

    for (const serverLeg of serverLegModes) {
      for (const clientLeg of clientLegModes) {
        for (const requirement of requirements) {
          for (const client of testClients) {
            cells += 1;
            const account = requirement === 'NONE' ? 'account without requirement' : `REQUIRE ${requirement}`;
            test(`${client}, ${clientLeg} client leg, ${serverLeg} server leg, ${account}`, async (t) => {
              const ready = orSkip(t, setup);
              if (ready === undefined) return;
              await checkCell(t, ready, serverLeg, clientLeg, requirement, client);
            });
          }
        }
      }
    }
  });
}

test('the matrix has no hole', () => assert.equal(cells, 3 * 2 * 2 * 3 * 2));

async function checkCell(
  t: TestContext,
  { server, accounts, proxies, refusal }: Setup,
  serverLeg: ServerLegMode,
  clientLeg: ClientLegMode,
  requirement: Requirement,
  client: (typeof testClients)[number],
): Promise<void> {
  const proxy = proxies[serverLeg];
  const account = accounts[requirement];
  const answer = orSkip(t, await queryWith(client, { proxy, account, clientLeg, ca: certificates.ca }));
  if (answer === undefined) return;
  if (requirement === 'X509' && serverLeg === 'server-only') {
    assert.deepEqual(answer, { refusal });
    return;
  }
  assert.ok('rows' in answer, `refused: ${JSON.stringify(answer)}`);
  const record = proxy.established.at(-1);
  assert.ok(record);
  assert.equal(answer.currentUser, `${account.user}@%`);
  assert.equal(answer.sslVersion, serverTlsVersion[server.kind]);
  assert.equal(answer.sslCipher, record.serverTls.cipher);
  assert.match(answer.sslCipher, server.kind === 'mysql56' ? /^AES256-SHA$/ : /^TLS_AES_/);
  assert.deepEqual(answer.rows, rows);
  assert.deepEqual(answer.clientTls, {
    version: clientLeg === 'TLS' ? 'TLSv1.3' : 'none',
    cipher: record.clientTls.cipher,
  });
  assert.match(answer.clientTls.cipher, clientLeg === 'TLS' ? /^TLS_AES_/ : /^none$/);
}

async function prepare(kind: ServerKind): Promise<Setup | Unavailable> {
  const secureOnly = kind === 'mysql56' ? [] : ['--require-secure-transport=ON'];
  const server = await startServer(kind, { tls: certificates.serverTls, extraArgs: secureOnly });
  if (isUnavailable(server)) return server;
  await server.sql('CREATE DATABASE shop');
  await server.sql('CREATE TABLE shop.item (id INT PRIMARY KEY, name VARCHAR(40)) DEFAULT CHARSET utf8mb4');
  await server.sql("INSERT INTO shop.item VALUES (1, 'plain'), (2, 'Grüße, 世界'), (3, NULL)");
  const accounts = {
    NONE: await createAccount(server, 'without', { grant: 'SELECT ON *.*' }),
    SSL: await createAccount(server, 'with_ssl', { requirement: 'SSL', grant: 'SELECT ON *.*' }),
    X509: await createAccount(server, 'with_x509', { requirement: 'X509', grant: 'SELECT ON *.*' }),
  };
  const clientLeg = {
    clientSslCert: certificates.server.certificateFile,
    clientSslKey: certificates.server.keyFile,
  };
  const proxies = {
    'key pair': await startProxyUnderTest({ ...overTls(server, certificates, 'key pair'), ...clientLeg }),
    'server-only': await startProxyUnderTest({ ...overTls(server, certificates), ...clientLeg }),
  };
  if (kind === 'mysql9')
    for (const account of Object.values(accounts)) await warmUp(server, account, certificates);
  const refusal = await directRefusal(server, accounts.X509, certificates);
  return { server, accounts, proxies, refusal };
}
