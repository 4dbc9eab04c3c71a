/**
 * caching_sha2_password while MySQL 9 has no password in its cache and demands TLS: clients in plaintext hand their
 * password to the proxy encrypted with RSA, and it goes on inside TLS.
 */
import assert from 'node:assert/strict';
import { createPublicKey, randomBytes } from 'node:crypto';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { type ConnectionOptions, createConnection } from 'mysql2/promise';
import type { ProxyOptions } from '../../src/index.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startMysql9 } from '../support/servers.js';
import type { Account } from './accounts.js';
import {
  coldClients,
  type LogIn,
  type LoginOutcome,
  mariadbCliWith,
  mysqlCliWith,
} from './cold-cache-clients.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { orSkip, overTls, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const folder = makeTemporaryFolder();
const socketPath = path.join(folder, 'proxy');

const accounts = {
  'an ordinary password': { user: 'ordinary', password: randomBytes(12).toString('base64url') },
  'an empty password': { user: 'empty', password: '' },
  // The longest that fits into a key of 2048 bits has 213.
  'a password of 200 characters': { user: 'long', password: randomBytes(150).toString('base64url') },
  'a password of several bytes a character': { user: 'multibyte', password: 'pä€😀' },
} as const satisfies Record<string, Account>;
const ordinary = accounts['an ordinary password'];

let server: RealServer | Unavailable;
let proxy: ProxyUnderTest;
before(async () => {
  server = await startMysql9({ tls: certificates.serverTls, extraArgs: ['--require-secure-transport=ON'] });
  if (isUnavailable(server)) return;
  for (const { user, password } of Object.values(accounts)) {
    await server.sql(`CREATE USER '${user}'@'%' IDENTIFIED WITH caching_sha2_password BY '${password}'`);
  }
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

async function withColdCache(t: TestContext): Promise<RealServer | undefined> {
  const running = orSkip(t, server);
  await running?.sql('FLUSH PRIVILEGES');
  return running;
}

/** Undefined after having marked the test as skipped. */
async function coldLogin(t: TestContext, logIn: LogIn, account: Account): Promise<LoginOutcome | undefined> {
  if ((await withColdCache(t)) === undefined) return undefined;
  return orSkip(t, await logIn(proxy, account));
}

describe('plaintext clients with a cold cache', () => {
  for (const [name, logIn] of Object.entries(coldClients)) {
    for (const [which, account] of Object.entries(accounts)) {
      test(`${name} with ${which}`, async (t) => {
        const outcome = await coldLogin(t, logIn, account);
        if (outcome === undefined) return;
        if (name === 'PyMySQL' && account.user === 'multibyte') {
          // With or without a proxy it knows no passwords beyond Latin-1.
          assert.ok('error' in outcome);
          assert.match(outcome.error.message, /^UnicodeEncodeError: 'latin-1' codec can't encode/);
          return;
        }
        assert.deepEqual(outcome, { user: `${account.user}@%` });
      });
    }

    test(`${name} is refused with a wrong password, by the server itself`, async (t) => {
      const outcome = await coldLogin(t, logIn, { ...ordinary, password: 'not the password' });
      if (outcome === undefined) return;
      assert.ok('error' in outcome);
      assert.equal(outcome.error.errno, 1045);
      assert.match(
        outcome.error.message,
        /Access denied for user 'ordinary'@'127\.0\.0\.1' \(using password: YES\)/,
      );
    });
  }

  test('the mysql CLI that was not told to ask for the key gives up with an error of its own', async (t) => {
    const outcome = await coldLogin(t, mysqlCliWith(), ordinary);
    if (outcome === undefined) return;
    const message =
      "Authentication plugin 'caching_sha2_password' reported error: Authentication requires secure connection.";
    assert.deepEqual(outcome, { error: { errno: 2061, message } });
  });

  test('the mariadb CLI that was ready for TLS and is offered none is told why, or let in', async (t) => {
    const running = await withColdCache(t);
    if (running === undefined) return;
    for (const allowCleartext of [false, true]) {
      const plaintext = await startProxyUnderTest({ ...overTls(running, certificates), allowCleartext });
      t.after(() => plaintext.close());
      const outcome = orSkip(t, await mariadbCliWith({})(plaintext, ordinary));
      if (outcome === undefined) return;
      if (allowCleartext) {
        assert.deepEqual(outcome, { user: 'ordinary@%' });
      } else {
        assert.ok('error' in outcome);
        assert.match(
          outcome.error.message,
          /^mysql-tls-proxy.*: the client leg is in plaintext, and the client sent its password .*--skip-ssl/,
        );
      }
    }
  });

  test('1,000 cold logins in a row', async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    const root = await createConnection({ socketPath: running.socketPath, user: 'root' });
    t.after(() => root.end());
    for (let count = 0; count < 1000; count++) {
      await root.query('FLUSH PRIVILEGES');
      assert.equal(await currentUser({ host: proxy.host, port: proxy.port, ...ordinary }), 'ordinary@%');
    }
  });
});

describe('secure clients with a cold cache', () => {
  const ssl = { ca: certificates.ca.certificate };

  test('a client that uses TLS gets in', async (t) => {
    if ((await withColdCache(t)) === undefined) return;
    const { host, port } = proxy;
    assert.equal(await currentUser({ host, port, ...ordinary, ssl }), 'ordinary@%');
  });

  test('a client on the socket file gets in', async (t) => {
    if ((await withColdCache(t)) === undefined) return;
    assert.equal(await currentUser({ socketPath, ...ordinary }), 'ordinary@%');
  });

  test('a wrong password is refused by the server itself', async (t) => {
    if ((await withColdCache(t)) === undefined) return;
    const { host, port } = proxy;
    await assert.rejects(currentUser({ host, port, ...ordinary, ssl, password: 'not the password' }), {
      errno: 1045,
      sqlState: '28000',
      sqlMessage: /^Access denied for user 'ordinary'@/,
    });
  });
});

describe('the key that passwords are encrypted with', () => {
  const startWith = (t: TestContext, running: RealServer, options: ProxyOptions) =>
    startProxyUnderTest({ ...overTls(running, certificates), ...options }).then((started) => {
      t.after(() => started.close());
      return started;
    });

  test("can be the server's own, for clients that know that one", async (t) => {
    const running = await withColdCache(t);
    if (running === undefined) return;
    const rsaPrivateKey = path.join(running.dataFolder, 'private_key.pem');
    const withServersKey = await startWith(t, running, { rsaPrivateKey });
    const pinned = mysqlCliWith(
      `--server-public-key-path=${path.join(running.dataFolder, 'public_key.pem')}`,
    );
    assert.deepEqual(orSkip(t, await pinned(withServersKey, ordinary)), { user: 'ordinary@%' });

    // The password is then encrypted for another key than the proxy has.
    await running.sql('FLUSH PRIVILEGES');
    const outcome = orSkip(t, await pinned(proxy, ordinary));
    assert.ok(outcome !== undefined && 'error' in outcome);
    assert.equal(outcome.error.errno, 1045);
  });

  test('is the same after a restart, and for the proxy alone to read', async (t) => {
    const running = await withColdCache(t);
    if (running === undefined) return;
    const stateDirectory = path.join(folder, 'state');
    const first = await startWith(t, running, { stateDirectory });
    assert.equal(await currentUser({ host: first.host, port: first.port, ...ordinary }), 'ordinary@%');
    await first.close();
    const keyFile = path.join(stateDirectory, 'rsa-private-key.pem');
    assert.equal(statSync(keyFile).mode & 0o777, 0o600);
    assert.equal(statSync(stateDirectory).mode & 0o777, 0o700);
    const publicKeyFile = path.join(folder, 'public-key.pem');
    const publicKey = createPublicKey(readFileSync(keyFile, 'utf8'));
    writeFileSync(publicKeyFile, publicKey.export({ type: 'spki', format: 'pem' }));

    await running.sql('FLUSH PRIVILEGES');
    const second = await startWith(t, running, { stateDirectory });
    const pinned = mysqlCliWith(`--server-public-key-path=${publicKeyFile}`);
    assert.deepEqual(orSkip(t, await pinned(second, ordinary)), { user: 'ordinary@%' });
  });
});

async function currentUser(options: ConnectionOptions): Promise<string> {
  const connection = await createConnection(options);
  const [[row]] = (await connection.query('SELECT CURRENT_USER() AS user')) as unknown as [
    [{ user: string }],
  ];
  await connection.end();
  return row.user;
}
