/** Clients that come over a socket file or IPv6, to a server that demands TLS. */
import assert from 'node:assert/strict';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ConnectionOptions, createConnection, type RowDataPacket } from 'mysql2/promise';
import { createProxy } from '../../src/index.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { mariadbCli } from '../support/clients.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { startProxyProcess } from '../support/proxy-process.js';
import { type RealServer, startMariadb } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import { startProxyUnderTest } from './proxy-under-test.js';
import { orSkip, overTls, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const folder = makeTemporaryFolder();
const hasIpv6 = Object.values(os.networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === '::1'),
);

interface Setup {
  readonly server: RealServer;
  readonly account: Account;
}

let setup: Setup | Unavailable;
before(async () => {
  setup = await prepare({});
});
after(async () => {
  if (!isUnavailable(setup)) await stopServer(setup.server);
});

describe('a socket file', () => {
  test('has the mode asked for and lets plaintext clients through to a server that demands TLS', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { server, account } = ready;
    const socketPath = path.join(folder, 'mode');
    const proxy = await startProxyUnderTest({
      ...overTls(server, certificates),
      listen: `unix:${socketPath}`,
      listenMode: '0600',
    });
    t.after(() => proxy.close());
    assert.equal(statSync(socketPath).mode & 0o777, 0o600);
    assert.equal(await serverTls({ socketPath, ...account }), 'TLSv1.3');

    const viaSocket = ['--protocol=SOCKET', `--socket=${socketPath}`];
    const options = { host: 'localhost', port: 0, ...account, tls: 'off', extraArgs: viaSocket } as const;
    const result = await mariadbCli(options, "SHOW STATUS LIKE 'Ssl_version'");
    assert.deepEqual(result, { code: 0, stdout: 'Variable_name\tValue\nSsl_version\tTLSv1.3\n', stderr: '' });
    assert.deepEqual(
      proxy.established.map(({ clientAddress }) => clientAddress),
      ['unix', 'unix'],
    );

    await proxy.close();
    assert.equal(existsSync(socketPath), false);
  });

  test('is by default for the user and the group of the proxy', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const socketPath = path.join(folder, 'default-mode');
    const proxy = await startProxyUnderTest({
      ...overTls(ready.server, certificates),
      listen: `unix:${socketPath}`,
    });
    t.after(() => proxy.close());
    assert.equal(statSync(socketPath).mode & 0o777, 0o660);
  });

  test('of a proxy that was killed is replaced', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { server, account } = ready;
    const socketPath = path.join(folder, 'stale');
    const options = { ...overTls(server, certificates), listen: `unix:${socketPath}` };
    const killed = await startProxyProcess(options);
    process.kill(killed.pid, 'SIGKILL');
    await killed.stop();
    assert.equal(statSync(socketPath).isSocket(), true);
    chmodSync(socketPath, 0o777);

    const proxy = await startProxyUnderTest(options);
    t.after(() => proxy.close());
    assert.equal(await serverTls({ socketPath, ...account }), 'TLSv1.3');
    assert.equal(statSync(socketPath).mode & 0o777, 0o660);
  });

  test('of a proxy that runs is left alone', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { server, account } = ready;
    const socketPath = path.join(folder, 'live');
    const options = { ...overTls(server, certificates), listen: `unix:${socketPath}` };
    const proxy = await startProxyUnderTest(options);
    t.after(() => proxy.close());
    await assert.rejects(createProxy(options), /can not listen on unix:.*: another program listens there\./);
    assert.equal(await serverTls({ socketPath, ...account }), 'TLSv1.3');
  });

  test('of a server that runs is left alone', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { server } = ready;
    const options = { ...overTls(server, certificates), listen: `unix:${server.socketPath}` };
    await assert.rejects(createProxy(options), /another program listens there/);
    assert.deepEqual(await server.sql('SELECT 42 AS answer'), [{ answer: 42 }]);
  });

  test('does not take the place of a file that is none', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const file = path.join(folder, 'letter');
    writeFileSync(file, 'keep me');
    const options = { ...overTls(ready.server, certificates), listen: `unix:${file}` };
    await assert.rejects(createProxy(options), /a file that is no socket is in its place/);
    assert.equal(readFileSync(file, 'utf8'), 'keep me');
  });
});

describe('IPv6', { skip: hasIpv6 ? false : 'this machine has no ::1' }, () => {
  test('clients come to [::1], in plaintext too', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { server, account } = ready;
    const proxy = await startProxyUnderTest({ ...overTls(server, certificates), listen: '[::1]:0' });
    t.after(() => proxy.close());
    assert.match(proxy.proxy.addresses[0]?.address ?? '', /^\[::1\]:\d+$/);
    assert.equal(await serverTls({ host: '::1', port: proxy.port, ...account }), 'TLSv1.3');
    const { host, port } = { host: '::1', port: proxy.port };
    const result = await mariadbCli({ host, port, ...account, tls: 'off' }, 'SELECT 42 AS answer');
    assert.deepEqual(result, { code: 0, stdout: 'answer\n42\n', stderr: '' });
  });

  test('the server is at [::1], and its certificate is checked for that address', async (t) => {
    const ready = orSkip(t, await prepare({ host: '::1' }));
    if (ready === undefined) return;
    const { server, account } = ready;
    t.after(() => server.stop());
    const options = { ...overTls(server, certificates), server: `[::1]:${server.port}` };
    const proxy = await startProxyUnderTest(options);
    t.after(() => proxy.close());
    assert.equal(await serverTls({ host: proxy.host, port: proxy.port, ...account }), 'TLSv1.3');
    assert.equal(proxy.established[0]?.serverAddress, `[::1]:${server.port}`);
  });
});

async function prepare(options: { host?: string }): Promise<Setup | Unavailable> {
  const extraArgs = ['--require-secure-transport=ON'];
  const server = await startMariadb({ ...options, tls: certificates.serverTls, extraArgs });
  if (isUnavailable(server)) return server;
  return { server, account: await createAccount(server, 'app', { requirement: 'SSL' }) };
}

/** The TLS version of the server leg, as the server sees it. */
async function serverTls(options: ConnectionOptions): Promise<string> {
  const connection = await createConnection(options);
  const [rows] = await connection.query<RowDataPacket[]>("SHOW SESSION STATUS LIKE 'Ssl_version'");
  await connection.end();
  return rows[0]?.['Value'];
}
