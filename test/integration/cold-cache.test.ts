/** caching_sha2_password while MySQL 9 has no password in its cache: who gets in, who is refused and told why. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type ConnectionOptions, createConnection } from 'mysql2/promise';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { mysqlCli } from '../support/clients.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startMysql9 } from '../support/servers.js';
import { type Account, createAccount, warmUp } from './accounts.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { orSkip, overTls, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const socketPath = path.join(makeTemporaryFolder(), 'proxy');

describe('caching_sha2_password with a cold cache', () => {
  let server: RealServer | Unavailable;
  let account: Account;
  let proxy: ProxyUnderTest;
  before(async () => {
    server = await startMysql9({ tls: certificates.serverTls, extraArgs: ['--require-secure-transport=ON'] });
    if (isUnavailable(server)) return;
    account = await createAccount(server, 'app');
    proxy = await startProxyUnderTest({
      ...overTls(server, certificates),
      listen: ['127.0.0.1:0', `unix:${socketPath}`],
      clientSslCert: certificates.server.certificateFile,
      clientSslKey: certificates.server.keyFile,
    });
  });
  after(async () => {
    await proxy?.close();
    await stopServer(server);
  });

  const withColdCache = async (t: TestContext): Promise<RealServer | undefined> => {
    const running = orSkip(t, server);
    await running?.sql('FLUSH PRIVILEGES');
    return running;
  };
  const login = async (options: ConnectionOptions): Promise<string> => {
    const connection = await createConnection({ ...account, ...options });
    const [[row]] = (await connection.query('SELECT CURRENT_USER() AS user')) as unknown as [
      [{ user: string }],
    ];
    await connection.end();
    return row.user;
  };
  const viaTcp = () => ({ host: proxy.host, port: proxy.port });

  test('a plaintext client is refused with 2061 until its password is in the cache', async (t) => {
    const running = await withColdCache(t);
    if (running === undefined) return;
    await assert.rejects(login(viaTcp()), {
      errno: 2061,
      sqlState: 'HY000',
      sqlMessage: /caching_sha2_password could send the password over two legs .* Use TLS on both legs/,
    });
    await assert.rejects(login(viaTcp()), { errno: 2061 });
    await warmUp(running, account, certificates);
    assert.equal(await login(viaTcp()), 'app@%');
  });

  test('the mysql CLI without TLS gets the same 2061', async (t) => {
    if ((await withColdCache(t)) === undefined) return;
    const options = { ...viaTcp(), ...account, tls: 'off', extraArgs: ['--get-server-public-key'] } as const;
    const result = await mysqlCli(options, 'SELECT 1');
    if (isUnavailable(result)) throw new Error(result.unavailable);
    assert.match(result.stderr, /^ERROR 2061 \(HY000\): mysql-tls-proxy: caching_sha2_password could send/);
  });

  test('a client that uses TLS gets in', async (t) => {
    if ((await withColdCache(t)) === undefined) return;
    assert.equal(await login({ ...viaTcp(), ssl: { ca: certificates.ca.certificate } }), 'app@%');
  });

  test('a client on the socket file gets in', async (t) => {
    if ((await withColdCache(t)) === undefined) return;
    assert.equal(await login({ socketPath }), 'app@%');
  });

  test('a wrong password is refused by the server itself', async (t) => {
    if ((await withColdCache(t)) === undefined) return;
    const wrong = login({
      ...viaTcp(),
      ssl: { ca: certificates.ca.certificate },
      password: 'not the password',
    });
    await assert.rejects(wrong, {
      errno: 1045,
      sqlState: '28000',
      sqlMessage: /^Access denied for user 'app'@/,
    });
  });
});
