/** Sessions that compress what they send: the proxy relays what it does not read. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { createConnection, type RowDataPacket } from 'mysql2/promise';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { type ClientOptions, mariadbCli, mysqlCli } from '../support/clients.js';
import type { ServerKind } from '../support/downloads.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startServer } from '../support/servers.js';
import { type Account, createAccount, warmUp } from './accounts.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { nameOf, orSkip, overTls, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
/** Twice that fits into a packet. mysql2 takes the ids of more than one for a fault, and says so on the terminal. */
const textLength = 4 * 1024 * 1024;

for (const kind of ['mysql9', 'mariadb'] as const) {
  describe(`compressed sessions with ${nameOf[kind]}`, () => {
    let setup: Setup | Unavailable;
    before(async () => {
      setup = await prepare(kind);
    });
    after(async () => {
      if (isUnavailable(setup)) return;
      await setup.proxy.close();
      await stopServer(setup.server);
    });

    for (const clientLeg of ['plaintext', 'TLS'] as const) {
      test(`mysql2 with zlib, ${clientLeg} client leg`, async (t) => {
        const ready = orSkip(t, setup);
        if (ready === undefined) return;
        const { host, port } = ready.proxy;
        const ssl = clientLeg === 'TLS' ? { ssl: { ca: certificates.ca.certificate } } : {};
        const connection = await createConnection({ host, port, ...ready.account, ...ssl, compress: true });
        t.after(() => connection.destroy());
        const status = await rowsOf(connection.query("SHOW SESSION STATUS LIKE 'Compression'"));
        assert.deepEqual(status, [{ Variable_name: 'Compression', Value: 'ON' }]);
        const text = createHash('sha512')
          .update(kind)
          .digest('hex')
          .repeat(textLength / 128);
        const [row] = await rowsOf(connection.query('SELECT ? AS text, SHA2(?, 256) AS hash', [text, text]));
        assert.ok(row?.['text'] === text);
        assert.equal(row['hash'], createHash('sha256').update(text).digest('hex'));
      });
    }

    if (kind === 'mariadb') {
      test('the mariadb CLI with zlib', async (t) => {
        const ready = orSkip(t, setup);
        if (ready === undefined) return;
        const result = await mariadbCli({ ...clientOptions(ready), extraArgs: ['--compress'] }, statements);
        assert.deepEqual(result, { code: 0, stdout: expectedOutput, stderr: '' });
      });
    } else {
      for (const algorithm of ['zlib', 'zstd']) {
        test(`the mysql CLI with ${algorithm}`, async (t) => {
          const ready = orSkip(t, setup);
          if (ready === undefined) return;
          const options = { ...clientOptions(ready), extraArgs: [`--compression-algorithms=${algorithm}`] };
          const result = await mysqlCli(options, `${statements}; SHOW STATUS LIKE 'Compression_algorithm'`);
          const lastRow = `Variable_name\tValue\nCompression_algorithm\t${algorithm}\n`;
          assert.deepEqual(result, { code: 0, stdout: expectedOutput + lastRow, stderr: '' });
        });
      }
    }
  });
}

const statements = "SHOW SESSION STATUS LIKE 'Compression'; SELECT REPEAT('proxy', 100000) AS text";
const expectedOutput = `Variable_name\tValue\nCompression\tON\ntext\n${'proxy'.repeat(100_000)}\n`;

interface Setup {
  readonly server: RealServer;
  readonly proxy: ProxyUnderTest;
  readonly account: Account;
}

async function prepare(kind: ServerKind): Promise<Setup | Unavailable> {
  const server = await startServer(kind, { tls: certificates.serverTls });
  if (isUnavailable(server)) return server;
  const account = await createAccount(server, 'app');
  if (kind === 'mysql9') await warmUp(server, account, certificates);
  const proxy = await startProxyUnderTest({
    ...overTls(server, certificates),
    clientSslCert: certificates.server.certificateFile,
    clientSslKey: certificates.server.keyFile,
  });
  return { server, proxy, account };
}

function clientOptions({ proxy: { host, port }, account }: Setup): ClientOptions {
  return { host, port, ...account, tls: { ca: certificates.ca.certificateFile, checkName: true } };
}

async function rowsOf(query: Promise<[unknown, unknown]>): Promise<RowDataPacket[]> {
  const [rows] = await query;
  return rows as RowDataPacket[];
}
