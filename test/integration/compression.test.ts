/**
 * Compression is relayed as it is, and so only offered where the proxy need not read the session: where both legs are
 * equally secure, whichever way the client connects. Elsewhere clients do without it.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import type { ProxyOptions } from '../../src/index.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import type { ClientJob, RunJob } from '../support/client-jobs.js';
import { type ClientOptions, mariadbCli, mysqlCli } from '../support/clients.js';
import type { ServerKind } from '../support/downloads.js';
import { mysql2Client } from '../support/npm-clients.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { mysqlDb, phpMysqli } from '../support/script-clients.js';
import { type RealServer, startServer } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { nameOf, orSkip, overTls, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
/** Twice that fits into a packet. mysql2 takes the ids of more than one for a fault, and says so on the terminal. */
const textLength = 4 * 1024 * 1024;
const clientTls = {
  clientSslCert: certificates.server.certificateFile,
  clientSslKey: certificates.server.keyFile,
};

type ClientLeg = 'plaintext' | 'TLS';
/** By what the legs are. */
type ProxyKind = 'both plaintext' | 'both TLS' | 'both alike' | 'unequal' | 'bridging';

const clientLegsOf: Readonly<Record<ProxyKind, readonly ClientLeg[]>> = {
  'both plaintext': ['plaintext'],
  'both TLS': ['TLS'],
  'both alike': ['plaintext', 'TLS'],
  // Before the client has said anything, the proxy can not know what its leg will be.
  unequal: ['plaintext', 'TLS'],
  bridging: ['TLS'],
};

const jobClients: Readonly<Record<string, RunJob>> = {
  mysql2: mysql2Client,
  'PHP mysqli': phpMysqli,
  MySQLdb: mysqlDb,
};

for (const kind of ['mysql9', 'mariadb'] as const) {
  describe(`compression with ${nameOf[kind]}`, () => {
    let setup: Setup | Unavailable;
    before(async () => {
      setup = await prepare(kind);
    });
    after(async () => {
      if (isUnavailable(setup)) return;
      for (const proxy of Object.values(setup.proxies)) await proxy.close();
      await stopServer(setup.server);
    });

    for (const proxyKind of proxyKinds()) {
      const compresses = proxyKind.startsWith('both');
      for (const clientLeg of clientLegsOf[proxyKind]) {
        const where = `${proxyKind}, ${clientLeg} client leg`;

        for (const [name, run] of Object.entries(jobClients)) {
          // Its mysqlnd does not look at what it is offered: it compresses if the legs turn out equal, and gets no further.
          const asksUnoffered = name === 'PHP mysqli' && !compresses;
          const mayAfterAll = asksUnoffered && proxyKind === 'unequal' && clientLeg === 'TLS';
          test(`${name} with zlib: ${where}`, async (t) => {
            const ready = orSkip(t, setup);
            if (ready === undefined) return;
            const { host, port } = ready.proxies[proxyKind];
            const steps = [
              { query: "SHOW SESSION STATUS LIKE 'Compression'" },
              { query: "SELECT REPEAT('proxy', 100000)" },
            ];
            const tls = tlsOf[clientLeg];
            const result = orSkip(t, await run({ host, port, ...ready.account, tls, compress: true, steps }));
            if (result === undefined) return;
            if (asksUnoffered && !mayAfterAll) {
              assert.ok('connectError' in result);
              assert.equal(result.connectError.errno, 3922);
              assert.match(result.connectError.message, /compresses although it was not offered/);
              return;
            }
            const status = compresses || mayAfterAll ? 'ON' : 'OFF';
            const results = [{ rows: [['Compression', status]] }, { rows: [[longText]] }];
            assert.deepEqual(result, { results });
          });
        }

        if (kind === 'mariadb') {
          test(`the mariadb CLI with zlib: ${where}`, async (t) => {
            const ready = orSkip(t, setup);
            if (ready === undefined) return;
            const options = clientOptions(ready, proxyKind, clientLeg, ['--compress']);
            const result = orSkip(t, await mariadbCli(options, statements));
            if (result === undefined) return;
            assert.deepEqual(result, { code: 0, stdout: expectedOutput(compresses), stderr: '' });
          });
          continue;
        }
        for (const algorithm of ['zlib', 'zstd']) {
          test(`the mysql CLI with ${algorithm}, if it can be had: ${where}`, async (t) => {
            const ready = orSkip(t, setup);
            if (ready === undefined) return;
            const args = [`--compression-algorithms=${algorithm},uncompressed`, '--get-server-public-key'];
            const options = clientOptions(ready, proxyKind, clientLeg, args);
            const sql = `${statements}; SHOW STATUS LIKE 'Compression_algorithm'`;
            const result = orSkip(t, await mysqlCli(options, sql));
            if (result === undefined) return;
            const lastRow = `Variable_name\tValue\nCompression_algorithm\t${compresses ? algorithm : ''}\n`;
            assert.deepEqual(result, { code: 0, stdout: expectedOutput(compresses) + lastRow, stderr: '' });
          });

          test(`the mysql CLI with ${algorithm} and nothing else: ${where}`, async (t) => {
            const ready = orSkip(t, setup);
            if (ready === undefined) return;
            const args = [`--compression-algorithms=${algorithm}`, '--get-server-public-key'];
            const options = clientOptions(ready, proxyKind, clientLeg, args);
            const result = orSkip(t, await mysqlCli(options, statements));
            if (result === undefined) return;
            if (compresses) {
              assert.deepEqual(result, { code: 0, stdout: expectedOutput(true), stderr: '' });
            } else {
              assert.equal(result.code, 1);
              assert.match(result.stderr, /^ERROR 2066 \(HY000\): /);
            }
          });
        }
      }
    }

    for (const [proxyKind, clientLeg] of [
      ['both plaintext', 'plaintext'],
      ['both TLS', 'TLS'],
    ] as const) {
      test(`mysql2 sends and gets megabytes with zlib: ${proxyKind}`, async (t) => {
        const ready = orSkip(t, setup);
        if (ready === undefined) return;
        const { host, port } = ready.proxies[proxyKind];
        const ssl = clientLeg === 'TLS' ? { ssl: { ca: certificates.ca.certificate } } : {};
        const connection = await createConnection({ host, port, ...ready.account, ...ssl, compress: true });
        t.after(() => connection.destroy());
        const text = createHash('sha512')
          .update(kind)
          .digest('hex')
          .repeat(textLength / 128);
        const [row] = await rowsOf(connection.query('SELECT ? AS text, SHA2(?, 256) AS hash', [text, text]));
        assert.ok(row?.['text'] === text);
        assert.equal(row['hash'], createHash('sha256').update(text).digest('hex'));
      });
    }
  });
}

const tlsOf = {
  plaintext: 'off',
  TLS: { ca: certificates.ca.certificateFile, verify: true },
} as const satisfies Record<ClientLeg, ClientJob['tls']>;
const longText = 'proxy'.repeat(100_000);
const statements = "SHOW SESSION STATUS LIKE 'Compression'; SELECT REPEAT('proxy', 100000) AS text";

function expectedOutput(compresses: boolean): string {
  return `Variable_name\tValue\nCompression\t${compresses ? 'ON' : 'OFF'}\ntext\n${longText}\n`;
}

function proxyKinds(): ProxyKind[] {
  return Object.keys(clientLegsOf) as ProxyKind[];
}

interface Setup {
  readonly server: RealServer;
  readonly proxies: Readonly<Record<ProxyKind, ProxyUnderTest>>;
  readonly account: Account;
}

async function prepare(kind: ServerKind): Promise<Setup | Unavailable> {
  const server = await startServer(kind, { tls: certificates.serverTls });
  if (isUnavailable(server)) return server;
  const account = await createAccount(server, 'app');
  const toServer = overTls(server, certificates);
  const start = (options: ProxyOptions) => startProxyUnderTest({ ...toServer, ...options });
  const proxies = {
    'both plaintext': await start({ serverSslMode: 'DISABLED' }),
    'both TLS': await start({ ...clientTls, clientSslMode: 'REQUIRED' }),
    'both alike': await start({ ...clientTls, serverSslMode: 'AS_CLIENT' }),
    unequal: await start(clientTls),
    bridging: await start({ ...clientTls, clientSslMode: 'REQUIRED', authBridge: 'sha256' }),
  };
  return { server, proxies, account };
}

function clientOptions(
  { proxies, account }: Setup,
  proxyKind: ProxyKind,
  clientLeg: ClientLeg,
  extraArgs: readonly string[],
): ClientOptions {
  const { host, port } = proxies[proxyKind];
  const tls = clientLeg === 'TLS' ? { ca: certificates.ca.certificateFile, checkName: true } : 'off';
  return { host, port, ...account, tls, extraArgs };
}

async function rowsOf(query: Promise<[unknown, unknown]>): Promise<RowDataPacket[]> {
  const [rows] = await query;
  return rows as RowDataPacket[];
}
