/** What `certs create` makes, with real servers and clients: as made, and after `certs renew` with the old CA still in use. */
import assert from 'node:assert/strict';
import { copyFileSync, cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { type ClientOptions, mariadbCli, mysqlCli } from '../support/clients.js';
import { openssl } from '../support/openssl.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import type { RunResult } from '../support/run.js';
import { type RealServer, startMysql9 } from '../support/servers.js';
import { type Account, createAccount } from './accounts.js';
import {
  accountOf,
  bundle,
  certs,
  clientTls,
  file,
  folder,
  host,
  mysqlOrMariadb,
  oldCa,
  rsaArgs,
  type Setup,
  serverTls,
  shortBundle,
  sslOf,
  startAll,
  startProxy,
  statusWhenDecided,
  verifying,
} from './certs-setup.js';
import { orSkip, stopServer } from './real-server.js';

type Cli = (options: ClientOptions, sql: string) => Promise<RunResult | Unavailable>;

let printed = '';
before(async () => {
  // 4096 bits and a century in one run: what old libraries are most likely to choke on.
  const extremes = ['--key-bits', '4096', '--days', '36500'];
  printed = await certs(
    'create',
    folder,
    '--host',
    host,
    '--host',
    'localhost',
    '--host',
    '::1',
    ...extremes,
  );
  copyFileSync(file('ca.pem'), oldCa);
});

for (const { state, renew } of [
  { state: 'as made', renew: undefined },
  // Longer than the CA, so that it is renewed as well.
  { state: 'all renewed, and the CA', renew: ['--all', '--days', '200', '--within', '36500'] },
]) {
  describe(state, () => {
    let setup: Setup | Unavailable;
    before(async () => {
      if (renew !== undefined) {
        const text = await certs('renew', folder, ...renew);
        assert.equal(text.match(/: renewed/g)?.length, 4, text);
        assert.notEqual(readFileSync(oldCa, 'utf8'), readFileSync(file('ca.pem'), 'utf8'));
      }
      await certs('bundle', folder, '--force');
      const both = ['server-cert.pem', 'client-cert.pem'].map((name) => readFileSync(file(name), 'utf8'));
      writeFileSync(shortBundle, both.join(''));
      setup = await startAll(printed);
    });
    after(async () => {
      if (isUnavailable(setup)) return;
      for (const server of [setup.replica, setup.old, setup.mariadb, setup.modern]) await stopServer(server);
    });

    test('openssl verify finds no fault in it, with the old CA and the new one', async (t) => {
      for (const ca of [oldCa, file('ca.pem')]) {
        for (const [purpose, name] of [
          ['sslserver', 'server-cert.pem'],
          ['sslserver', 'proxy-cert.pem'],
          ['sslclient', 'client-cert.pem'],
        ] as const) {
          const verify = ['verify', '-x509_strict', '-purpose', purpose, '-CAfile', ca];
          const result = await openssl(...verify, file(name));
          if (isUnavailable(result)) return t.skip(result.unavailable);
          assert.equal(result.code, 0, `${name}: ${result.stdout}${result.stderr}`);
        }
        const wrongPurpose = ['verify', '-purpose', 'sslserver', '-CAfile', ca, file('client-cert.pem')];
        const refused = await openssl(...wrongPurpose);
        assert.notEqual(isUnavailable(refused) || refused.code, 0);
      }
    });

    for (const { name, cli, serverOf } of [
      { name: 'mysql 9 at MySQL 9', cli: mysqlCli as Cli, serverOf: ({ modern }: Setup) => modern },
      { name: 'mariadb at MariaDB', cli: mariadbCli as Cli, serverOf: ({ mariadb }: Setup) => mariadb },
      { name: 'mysql 9 at MariaDB', cli: mysqlCli as Cli, serverOf: ({ mariadb }: Setup) => mariadb },
      { name: 'mariadb at MySQL 9', cli: mariadbCli as Cli, serverOf: ({ modern }: Setup) => modern },
    ]) {
      test(`${name}: the name is verified, REQUIRE X509 is met`, async (t) => {
        const ready = orSkip(t, setup);
        if (ready === undefined) return;
        const server = serverOf(ready);
        const account = accountOf(ready.accounts, server);
        const connect = (tls: ClientOptions['tls']) =>
          cli(
            { host, port: server.port, ...account, ...(tls === undefined ? {} : { tls }) },
            'SELECT CURRENT_USER()',
          );
        const good = orSkip(t, await connect({ ...clientTls, checkName: true }));
        if (good === undefined) return;
        assert.equal(good.code, 0, good.stderr);
        const withoutKey = orSkip(t, await connect({ ca: oldCa, checkName: true }));
        assert.match(withoutKey?.stderr ?? '', /ERROR 1045/);
        const byBundle = orSkip(t, await connect({ ...clientTls, ca: bundle, checkName: true }));
        assert.equal(byBundle?.code, 0, byBundle?.stderr);
        const byShortBundle = orSkip(t, await connect({ ...clientTls, ca: shortBundle }));
        assert.match(byShortBundle?.stderr ?? '', /ERROR 2026/);
      });
    }

    test('MySQL 9 has the RSA key pair of the folder', async (t) => {
      const ready = orSkip(t, setup);
      const status = await ready?.modern.sql("SHOW STATUS LIKE 'Caching_sha2_password_rsa_public_key'");
      const key = readFileSync(file('public_key.pem'), 'utf8');
      if (status !== undefined) assert.equal(status[0]?.['Value'], key);
    });

    for (const { name, serverOf } of [
      { name: 'MySQL 9', serverOf: ({ modern }: Setup) => modern },
      { name: 'MySQL 5.6 (yaSSL)', serverOf: ({ old }: Setup) => old },
    ]) {
      test(`the proxy to ${name} with the key pair, and plaintext and TLS clients before it`, async (t) => {
        const ready = orSkip(t, setup);
        if (ready === undefined) return;
        const server = serverOf(ready);
        const account = accountOf(ready.accounts, server);
        const proxy = await startProxy(t, server);
        for (const tls of ['off', { ca: oldCa, checkName: true }] as const) {
          if (server.kind === 'mysql9') await server.sql('FLUSH PRIVILEGES');
          const client = { host, port: proxy.port, ...account, tls };
          const result = orSkip(t, await mysqlOrMariadb(server, client));
          if (result === undefined) return;
          assert.equal(result.code, 0, result.stderr);
          const { serverTls: leg } = proxy.established.at(-1) ?? {};
          assert.equal(leg?.version, server.kind === 'mysql56' ? 'TLSv1' : 'TLSv1.3');
        }
        assert.equal(proxy.established.length, 2);
      });

      test(`the proxy to ${name}, server-only`, async (t) => {
        const ready = orSkip(t, setup);
        if (ready === undefined) return;
        const server = serverOf(ready);
        const { port } = await startProxy(t, server, 'server-only');
        const login = (account: Account) =>
          mysqlOrMariadb(server, { host, port, ...account, tls: { ca: oldCa, checkName: true } });
        const good = orSkip(t, await login(accountOf(ready.keyless, server)));
        if (good === undefined) return;
        assert.equal(good.code, 0, good.stderr);
        const refused = orSkip(t, await login(accountOf(ready.accounts, server)));
        assert.match(refused?.stderr ?? '', /ERROR 1045/);
      });
    }

    const yassl: readonly { what: string; ssl: string; through: 'proxy' | 'direct'; works: boolean }[] = [
      { what: 'the CA and the key pair', ssl: sslOf(oldCa), through: 'direct', works: true },
      { what: 'the bundle', ssl: sslOf(bundle), through: 'direct', works: true },
      { what: 'the bundle without the CA', ssl: sslOf(shortBundle), through: 'direct', works: false },
      { what: 'the CA', ssl: sslOf(oldCa), through: 'proxy', works: true },
      { what: 'the bundle', ssl: sslOf(bundle), through: 'proxy', works: true },
      { what: 'the CA, the name verified', ssl: verifying(oldCa), through: 'proxy', works: true },
      // The common name is "MySQL server".
      { what: 'the CA, the name verified', ssl: verifying(oldCa), through: 'direct', works: false },
    ];
    for (const { what, ssl, through, works } of yassl) {
      test(`yaSSL as client, ${through}, with ${what}: ${works ? 'accepted' : 'refused'}`, async (t) => {
        const ready = orSkip(t, setup);
        if (ready === undefined) return;
        const { old, replica } = ready;
        const port = through === 'direct' ? old.port : (await startProxy(t, old)).port;
        const { user, password } = accountOf(ready.accounts, old);
        await replica.sql(
          `RESET SLAVE ALL; CHANGE MASTER TO MASTER_HOST='${host}', MASTER_PORT=${port}, MASTER_USER='${user}',
           MASTER_PASSWORD='${password}', MASTER_SSL=1, ${ssl}`,
        );
        await replica.sql('START SLAVE');
        t.after(() => replica.sql('STOP SLAVE'));
        const status = await statusWhenDecided(replica);
        assert.deepEqual(
          [status['Slave_IO_Running'], status['Last_IO_Errno']],
          works ? ['Yes', 0] : ['Connecting', 2026],
        );
      });
    }
  });
}

test('the [mysqld] lines that create prints are those that each server starts with', () => {
  const [all, mysql9] = [...printed.matchAll(/\[mysqld\]\n((?: {2}\w+=\S+\n)+)/g)].map(([, lines = '']) =>
    lines.trim().split(/\s+/),
  );
  assert.deepEqual(
    all,
    Object.entries(serverTls).map(([name, value]) => `ssl_${name}=${value}`),
  );
  assert.deepEqual(
    [...(mysql9 ?? [])].map((line) => `--${line}`),
    rsaArgs(),
  );
});

test("MySQL 9's own certificates are renewed, and serve their server and old clients", async (t) => {
  const started: RealServer | undefined = orSkip(t, await startMysql9());
  if (started === undefined) return;
  t.after(() => stopServer(started));
  const own = path.join(makeTemporaryFolder(), 'own');
  const names = readdirSync(started.dataFolder).filter((name) => name.endsWith('.pem'));
  for (const name of names) cpSync(path.join(started.dataFolder, name), path.join(own, name));
  const contents = new Map<string, string>(
    names.map((name) => [name, readFileSync(path.join(own, name), 'utf8')]),
  );
  assert.ok(existsSync(path.join(own, 'ca-key.pem')));
  await certs('show', own);
  const text = await certs('renew', started.dataFolder, '--all', '--within', '36500', '--days', '100');
  assert.equal(text.match(/: renewed/g)?.length, 3, text);
  for (const name of names) {
    const isSame: boolean = readFileSync(path.join(started.dataFolder, name), 'utf8') === contents.get(name);
    assert.equal(isSame, !/^ca\.pem$|-cert\.pem$/.test(name), name);
  }
  await certs('show', started.dataFolder);
  await started.sql('ALTER INSTANCE RELOAD TLS');
  const [status] = await started.sql("SHOW STATUS LIKE 'Ssl_server_not_after'");
  const end = Date.parse(String(status?.['Value']));
  assert.ok(end < Date.now() + 100 * 86_400_000 && end > Date.now() + 99 * 86_400_000, String(end));
  const account = await createAccount(started, 'app', { requirement: 'X509' });
  // The old CA, with the old client certificate and the new one.
  for (const place of [own, started.dataFolder]) {
    const tls = {
      ca: path.join(own, 'ca.pem'),
      cert: path.join(place, 'client-cert.pem'),
      key: path.join(place, 'client-key.pem'),
    };
    const result: RunResult | undefined = orSkip(
      t,
      await mysqlCli({ host, port: started.port, ...account, tls }, 'SELECT 1'),
    );
    assert.equal(result?.code, 0, result?.stderr);
  }
});
