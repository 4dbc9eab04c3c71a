/** What the doctor says of real servers with one fault each: the code of its finding, and the exit code of the command. */
import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { after, before, describe, type TestContext, test } from 'node:test';
import { createConnection } from 'mysql2/promise';
import {
  type CertificateRequest,
  issueCertificate,
  loopbackNames,
  makeCertificates,
  saveIdentity,
} from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { runCli } from '../support/cli-process.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { makeCrl } from '../support/revocation-list.js';
import { freePort, type RealServer, startServer } from '../support/servers.js';
import { createAccount } from './accounts.js';
import { installIdentity } from './bad-certificates.js';
import { connectFromOtherLoopback, startStrictServer } from './other-loopback.js';
import { orSkip, stopServer } from './real-server.js';

interface Finding {
  readonly code: string;
  readonly severity: 'error' | 'warning' | 'info';
  readonly cause: string;
  readonly cure: string;
  readonly option?: string;
}

interface Diagnosis {
  readonly exitCode: number | null;
  readonly findings: readonly Finding[];
  readonly report: Readonly<Record<string, unknown>>;
}

const folder = makeTemporaryFolder();
const certificates = makeCertificates(folder);
const { ca, client, serverTls } = certificates;
const trusting = ['--server-ssl-ca', ca.certificateFile];
const keyPair = ['--server-ssl-cert', client.certificateFile, '--server-ssl-key', client.keyFile];

async function diagnose(target: string, ...args: readonly string[]): Promise<Diagnosis> {
  const { code, stdout, stderr } = await runCli([
    'doctor',
    '--server',
    target,
    '--json',
    '--skip-ciphers',
    ...args,
  ]);
  assert.ok(stdout.startsWith('{'), stderr);
  const report = JSON.parse(stdout);
  assert.equal(report.exitCode, code);
  for (const { cause, cure } of report.findings as Finding[]) {
    assert.match(cause, /[^.]$/, 'one sentence of cause');
    assert.match(cure, /\.$/, 'one sentence of cure');
  }
  return { exitCode: code, findings: report.findings, report };
}

/** Without any account for other hosts than its own a server greets nobody (1130). */
async function startOpenServer(
  ...[kind, options]: Parameters<typeof startServer>
): ReturnType<typeof startServer> {
  const server = await startServer(kind, options);
  if (!isUnavailable(server)) await createAccount(server, 'anyone');
  return server;
}

function errorsOf({ findings }: Diagnosis): string[] {
  return findings.filter(({ severity }) => severity === 'error').map(({ code }) => code);
}

function file(name: string, contents: string): string {
  const saved = path.join(folder, name);
  writeFileSync(saved, contents, { mode: 0o600 });
  return saved;
}

const day = 24 * 60 * 60 * 1000;
const fromNow = (days: number) => new Date(Date.now() + days * day);

describe('the certificate of MariaDB', () => {
  const files = { ca: serverTls.ca, cert: file('shown.pem', ''), key: file('shown-key.pem', '') };
  let server: RealServer | Unavailable;
  before(async () => {
    writeFileSync(files.cert, certificates.server.certificate);
    writeFileSync(files.key, certificates.server.key);
    server = await startOpenServer('mariadb', { tls: files });
  });
  after(() => stopServer(server));

  const good: CertificateRequest = {
    commonName: 'Test server',
    purpose: 'server',
    issuer: ca,
    names: loopbackNames,
  };
  const otherCa = saveIdentity(
    issueCertificate({ commonName: 'Another CA', purpose: 'ca' }),
    path.join(folder, 'other-ca.pem'),
    path.join(folder, 'other-ca-key.pem'),
  );
  const sameName = (withoutKeyIdentifiers: boolean) =>
    issueCertificate({ ...good, commonName: ca.commonName, withoutKeyIdentifiers });
  const selfSigned = issueCertificate({ commonName: 'self', purpose: 'server', names: loopbackNames });
  const revoked = issueCertificate(good);

  const rows: readonly {
    what: string;
    shows: Parameters<typeof installIdentity>[2];
    host?: string;
    args?: readonly string[];
    errors: readonly string[];
    warning?: string;
    option?: string;
  }[] = [
    { what: 'nothing wrong', shows: issueCertificate({ ...good, validTo: fromNow(90) }), errors: [] },
    {
      what: 'wrong CA',
      shows: issueCertificate(good),
      args: ['--server-ssl-ca', otherCa.certificateFile],
      errors: ['server_certificate_untrusted'],
      option: 'server-ssl-ca',
    },
    {
      what: 'CA not given',
      shows: issueCertificate(good),
      args: [],
      errors: ['server_ca_not_given'],
      option: 'server-ssl-ca',
    },
    {
      what: 'self-signed',
      shows: selfSigned,
      errors: ['server_certificate_self_signed'],
      option: 'server-ssl-ca',
    },
    {
      what: 'expired',
      shows: issueCertificate({ ...good, validFrom: fromNow(-9), validTo: fromNow(-2) }),
      errors: ['server_certificate_expired'],
    },
    {
      what: 'not yet valid',
      shows: issueCertificate({ ...good, validFrom: fromNow(2), validTo: fromNow(9) }),
      errors: ['server_certificate_not_yet_valid'],
    },
    {
      what: 'expires soon',
      shows: issueCertificate({ ...good, validTo: fromNow(5) }),
      errors: [],
      warning: 'server_certificate_expires_soon',
    },
    {
      what: 'wrong name',
      shows: issueCertificate({ ...good, names: ['db.example'] }),
      host: 'localhost',
      errors: ['server_certificate_name_mismatch'],
      option: 'server-ssl-mode',
    },
    {
      what: 'name only in CN',
      shows: issueCertificate({ ...good, commonName: 'localhost', names: [] }),
      host: 'localhost',
      errors: [],
      warning: 'server_certificate_name_only_in_cn',
    },
    {
      what: 'address only in CN',
      shows: issueCertificate({ ...good, commonName: '127.0.0.1', names: [] }),
      errors: ['server_certificate_name_only_in_cn'],
    },
    {
      what: 'IP given but only DNS names in the certificate',
      shows: issueCertificate({ ...good, names: ['localhost'] }),
      errors: ['server_certificate_no_ip_address'],
      option: 'server',
    },
    {
      what: 'the name does not matter with VERIFY_CA',
      shows: issueCertificate({ ...good, names: ['localhost'] }),
      args: [...trusting, '--server-ssl-mode', 'VERIFY_CA'],
      errors: [],
      warning: 'server_certificate_no_ip_address',
    },
    {
      what: 'CA and server with the same common name, as made by hand',
      shows: sameName(true),
      errors: ['server_certificate_same_name_as_ca'],
    },
    {
      what: 'CA and server with the same common name, but with key identifiers',
      shows: sameName(false),
      errors: [],
      warning: 'server_certificate_same_name_as_ca',
    },
    {
      what: 'revoked',
      shows: revoked,
      args: [...trusting, '--server-ssl-crl', file('crl.pem', makeCrl(ca, [revoked.serialNumber]))],
      errors: ['server_certificate_revoked'],
      option: 'server-ssl-crl',
    },
    {
      what: 'a revocation list of the past',
      shows: revoked,
      args: [
        ...trusting,
        '--server-ssl-crl',
        file('old-crl.pem', makeCrl(ca, [], { from: fromNow(-20), to: fromNow(-10) })),
      ],
      errors: ['server_certificate_crl_unusable'],
      option: 'server-ssl-crl',
    },
    {
      what: 'several faults at once: all are said',
      shows: issueCertificate({
        commonName: 'db',
        purpose: 'server',
        issuer: otherCa,
        names: ['db.example'],
        validFrom: fromNow(-9),
        validTo: fromNow(-2),
      }),
      host: 'localhost',
      errors: [
        'server_certificate_expired',
        'server_certificate_untrusted',
        'server_certificate_name_mismatch',
      ],
    },
  ];
  for (const { what, shows, host = '127.0.0.1', args = trusting, errors, warning, option } of rows) {
    test(what, async (t) => {
      const running = orSkip(t, server);
      if (running === undefined) return;
      await installIdentity(running, files, shows);
      const diagnosis = await diagnose(`${host}:${running.port}`, ...args);
      assert.deepEqual(errorsOf(diagnosis), errors);
      assert.equal(diagnosis.exitCode, errors.length === 0 ? 0 : 1);
      if (warning !== undefined) {
        assert.equal(diagnosis.findings.find(({ code }) => code === warning)?.severity, 'warning');
      }
      if (option !== undefined) assert.equal(diagnosis.findings[0]?.option, option);
    });
  }
});

describe('files of the proxy', () => {
  let server: RealServer | Unavailable;
  before(async () => {
    server = await startOpenServer('mysql9', { tls: serverTls });
  });
  after(() => stopServer(server));

  const other = issueCertificate({ commonName: 'other', purpose: 'client', issuer: ca });
  const encrypted = createPrivateKey(client.key).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'open sesame',
  });
  const ofAnotherCa = issueCertificate({
    commonName: 'stranger',
    purpose: 'client',
    issuer: issueCertificate({ commonName: 'Foreign CA', purpose: 'ca' }),
  });
  const forServers = issueCertificate({
    commonName: 'wrong use',
    purpose: 'client',
    usage: 'server',
    issuer: ca,
  });
  const pairOf = (name: string, certificate: string, key: string) => [
    '--server-ssl-cert',
    file(`${name}.pem`, certificate),
    '--server-ssl-key',
    file(`${name}-key.pem`, key),
  ];
  const rows: readonly [
    what: string,
    args: readonly string[],
    errors: readonly string[],
    alsoWarns?: string,
  ][] = [
    ['a key pair that fits', keyPair, []],
    [
      'key that does not belong to the certificate',
      pairOf('mixed', client.certificate, other.key),
      ['key_mismatch'],
    ],
    [
      'encrypted key without passphrase',
      pairOf('locked', client.certificate, String(encrypted)),
      ['key_encrypted'],
    ],
    [
      'client certificate from another CA',
      pairOf('foreign', ofAnotherCa.certificate, ofAnotherCa.key),
      ['server_refused_key_pair_ca'],
    ],
    [
      'client certificate with server-only usage',
      pairOf('for-servers', forServers.certificate, forServers.key),
      ['server_refused_key_pair_usage'],
      'certificate_usage',
    ],
    ['a file that is missing', ['--server-ssl-crl', '/nowhere/crl.pem'], ['file_missing']],
  ];
  for (const [what, args, errors, warning] of rows) {
    test(what, async (t) => {
      const running = orSkip(t, server);
      if (running === undefined) return;
      const diagnosis = await diagnose(`127.0.0.1:${running.port}`, ...trusting, ...args);
      assert.deepEqual(errorsOf(diagnosis), errors);
      assert.equal(diagnosis.exitCode, errors.length === 0 ? 0 : 1);
      // What else can be looked at is looked at all the same.
      assert.deepEqual(diagnosis.report['offersTls'], true);
      if (warning !== undefined) assert.ok(diagnosis.findings.some(({ code }) => code === warning));
      if (what === 'a key pair that fits') assert.equal(diagnosis.report['keyPairAccepted'], true);
    });
  }

  const legacy = ['--server-tls-profile', 'legacy'];
  test('a key pair that OpenSSL uses with the legacy profile only, where another profile is looked at', async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    const old = issueCertificate({ commonName: 'old', purpose: 'client', issuer: ca, hash: 'sha1' });
    const args = [
      ...trusting,
      ...legacy,
      '--server-tls-version',
      'TLSv1',
      ...pairOf('sha1', old.certificate, old.key),
    ];
    const diagnosis = await diagnose(`127.0.0.1:${running.port}`, ...args);
    // MySQL 9 itself does not take it either.
    assert.deepEqual(errorsOf(diagnosis), ['server_tls_version_mismatch', 'server_refused_key_pair']);
    assert.equal(diagnosis.findings[0]?.option, 'server-tls-profile');
  });

  test('a key pair that is too short to be sent is not called accepted', async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    const short = issueCertificate({ commonName: 'short', purpose: 'client', issuer: ca, keyBits: 512 });
    const args = [...trusting, ...legacy, ...pairOf('short', short.certificate, short.key)];
    const diagnosis = await diagnose(`127.0.0.1:${running.port}`, ...args);
    assert.deepEqual(errorsOf(diagnosis), ['key_pair_not_sent']);
    assert.equal(diagnosis.report['keyPairAccepted'], null);
  });

  test('yaSSL breaks off without a word for the client certificate of another CA', async (t) => {
    const old = orSkip(t, await startOpenServer('mysql56', { tls: serverTls }));
    if (old === undefined) return;
    t.after(() => old.stop());
    const args = [...trusting, '--server-tls-profile', 'legacy'];
    const foreign = pairOf('foreign', ofAnotherCa.certificate, ofAnotherCa.key);
    const refused = await diagnose(`127.0.0.1:${old.port}`, ...args, ...foreign);
    assert.ok(errorsOf(refused).includes('server_refused_key_pair'), errorsOf(refused).join());
    assert.equal(refused.report['keyPairAccepted'], false);
    const accepted = await diagnose(`127.0.0.1:${old.port}`, ...args, ...keyPair);
    assert.deepEqual(errorsOf(accepted), []);
    assert.equal(accepted.report['keyPairAccepted'], true);
  });
});

describe('accounts', () => {
  for (const kind of ['mysql9', 'mariadb'] as const) {
    describe(kind, () => {
      let server: RealServer | Unavailable;
      before(async () => {
        server = await startOpenServer(kind, { tls: serverTls });
      });
      after(() => stopServer(server));

      const denied = kind === 'mysql9' ? undefined : 'login_denied';
      const rows: readonly {
        require: string;
        args: readonly string[];
        error?: string;
        seen?: string;
      }[] = [
        { require: 'NONE', args: [], seen: 'NONE' },
        { require: 'SSL', args: [], seen: 'SSL' },
        { require: 'X509', args: keyPair, seen: 'X509' },
        { require: 'SSL', args: ['--server-ssl-mode', 'DISABLED'], error: denied ?? 'server_requires_tls' },
        { require: 'X509', args: [], error: denied ?? 'account_requires_x509' },
        { require: "SUBJECT '/CN=Test client'", args: keyPair, seen: 'SPECIFIED' },
        {
          require: "SUBJECT '/CN=someone else'",
          args: keyPair,
          error: denied ?? 'account_requirement_not_met',
        },
        {
          require: "ISSUER '/CN=someone else'",
          args: keyPair,
          error: denied ?? 'account_requirement_not_met',
        },
        { require: "CIPHER 'AES128-SHA'", args: keyPair, error: denied ?? 'account_requirement_not_met' },
      ];
      for (const [index, { require, args, error, seen }] of rows.entries()) {
        test(`REQUIRE ${require}, ${args.length > 0 ? 'key pair' : 'server-only'}: ${error ?? 'fine'}`, async (t) => {
          const running = orSkip(t, server);
          if (running === undefined) return;
          const account = await createAccount(running, `app_${index}`);
          await running.sql(`ALTER USER '${account.user}'@'%' REQUIRE ${require}`);
          const login = [
            '--user',
            account.user,
            '--password-file',
            file(`password-${kind}-${index}`, account.password),
          ];
          const diagnosis = await diagnose(`127.0.0.1:${running.port}`, ...trusting, ...args, ...login);
          assert.deepEqual(errorsOf(diagnosis), error === undefined ? [] : [error]);
          const seenAccount = diagnosis.report['account'] as
            | { requirement: string; plugin: string }
            | undefined;
          assert.equal(seenAccount?.requirement, seen);
          if (seen !== undefined) {
            assert.equal(
              seenAccount?.plugin,
              kind === 'mysql9' ? 'caching_sha2_password' : 'mysql_native_password',
            );
          }
          assert.ok(!JSON.stringify(diagnosis).includes(account.password), 'the password is nowhere');
        });
      }

      test('an account whose password has expired', async (t) => {
        const running = orSkip(t, server);
        if (running === undefined) return;
        const { user, password } = await createAccount(running, 'late');
        await running.sql(`ALTER USER '${user}'@'%' PASSWORD EXPIRE`);
        const login = ['--user', user, '--password-file', file('expired', password)];
        const diagnosis = await diagnose(`127.0.0.1:${running.port}`, ...trusting, ...login);
        assert.deepEqual(errorsOf(diagnosis), ['login_failed']);
        assert.match(diagnosis.findings[0]?.cause ?? '', /expired|must reset|SET PASSWORD/i);
      });

      test('a wrong password is told from what the account demands, where the server lets one', async (t) => {
        const running = orSkip(t, server);
        if (running === undefined) return;
        const { user } = await createAccount(running, 'forgetful');
        const login = ['--user', user, '--password-file', file('wrong', 'certainly wrong')];
        const diagnosis = await diagnose(`127.0.0.1:${running.port}`, ...trusting, ...login);
        assert.deepEqual(errorsOf(diagnosis), ['login_denied']);
      });
    });
  }
});

test('an account with a plugin that the doctor does not have', async (t) => {
  const server = orSkip(
    t,
    await startServer('mariadb', { tls: serverTls, extraArgs: ['--plugin-load-add=auth_ed25519'] }),
  );
  if (server === undefined) return;
  t.after(() => server.stop());
  await server.sql("CREATE USER 'modern'@'%' IDENTIFIED VIA ed25519 USING PASSWORD('x')");
  const login = ['--user', 'modern', '--password-file', file('ed25519', 'x')];
  const diagnosis = await diagnose(`127.0.0.1:${server.port}`, ...trusting, ...login);
  const finding = diagnosis.findings.find(({ code }) => code === 'login_plugin_unsupported');
  assert.match(finding?.cause ?? '', /asks modern for client_ed25519/);
  assert.deepEqual([errorsOf(diagnosis), diagnosis.exitCode], [[], 0]);
});

test('a leg that is to stay in plaintext, and a socket file', async (t) => {
  const server = orSkip(t, await startOpenServer('mariadb', { tls: serverTls }));
  if (server === undefined) return;
  t.after(() => server.stop());
  const plaintext = await diagnose(`127.0.0.1:${server.port}`, '--server-ssl-mode', 'DISABLED');
  assert.deepEqual([errorsOf(plaintext), plaintext.exitCode], [[], 0]);
  assert.deepEqual(plaintext.report['asConfigured'], { version: 'none', cipher: 'none' });
  const socket = await diagnose(`unix:${server.socketPath}`, ...trusting);
  assert.deepEqual([errorsOf(socket), socket.exitCode], [[], 0]);
});

test('a chain that ends before the root', async (t) => {
  const middle = issueCertificate({ commonName: 'Middle CA', purpose: 'ca', issuer: ca });
  const leaf = issueCertificate({
    commonName: 'db',
    purpose: 'server',
    issuer: middle,
    names: loopbackNames,
  });
  const tls = {
    ca: serverTls.ca,
    cert: file('leaf.pem', leaf.certificate),
    key: file('leaf-key.pem', leaf.key),
  };
  const server = orSkip(t, await startOpenServer('mariadb', { tls }));
  if (server === undefined) return;
  t.after(() => server.stop());
  const codesWith = async (authorities: string) =>
    errorsOf(
      await diagnose(`127.0.0.1:${server.port}`, '--server-ssl-ca', file('authorities.pem', authorities)),
    );
  assert.deepEqual(await codesWith(middle.certificate), ['server_certificate_chain_incomplete']);
  assert.deepEqual(await codesWith(ca.certificate), ['server_certificate_untrusted']);
  assert.deepEqual(await codesWith(`${middle.certificate}${ca.certificate}`), []);
});

test('a host that has no account', async (t) => {
  const server = orSkip(t, await startServer('mariadb', { tls: serverTls }));
  if (server === undefined) return;
  t.after(() => server.stop());
  const diagnosis = await diagnose(`127.0.0.1:${server.port}`, ...trusting);
  assert.deepEqual([errorsOf(diagnosis), diagnosis.exitCode], [['server_host_not_allowed'], 2]);
});

test('server without TLS', async (t) => {
  const server = orSkip(t, await startOpenServer('mysql56'));
  if (server === undefined) return;
  t.after(() => server.stop());
  const diagnosis = await diagnose(`127.0.0.1:${server.port}`, ...trusting);
  assert.deepEqual([errorsOf(diagnosis), diagnosis.exitCode], [['server_tls_not_offered'], 1]);
  const settings = diagnosis.report['clientSettings'] as { settings: string; verdict: string }[];
  const verdictOf = (wanted: string) => settings.find((one) => one.settings.startsWith(wanted))?.verdict;
  assert.equal(verdictOf('--ssl-ca --ssl-cert'), 'only seems to work');
  assert.equal(verdictOf('--ssl-mode=REQUIRED'), 'fails');
});

test('TLS 1.0 only: the profile that would do is named, and with it only warnings are left', async (t) => {
  const server = orSkip(t, await startOpenServer('mysql56', { tls: serverTls }));
  if (server === undefined) return;
  t.after(() => server.stop());
  const diagnosis = await diagnose(`127.0.0.1:${server.port}`, ...trusting);
  assert.deepEqual([errorsOf(diagnosis), diagnosis.exitCode], [['server_tls_version_mismatch'], 1]);
  assert.equal(diagnosis.findings[0]?.option, 'server-tls-profile');
  assert.deepEqual(diagnosis.report['profiles'], [
    { profile: 'modern', version: 'none', cipher: 'none', failure: 'server_refused_tls' },
    { profile: 'intermediate', version: 'none', cipher: 'none', failure: 'server_tls_version_mismatch' },
    { profile: 'legacy', version: 'TLSv1', cipher: 'AES256-SHA', failure: null },
  ]);
  const legacy = await diagnose(`127.0.0.1:${server.port}`, ...trusting, '--server-tls-profile', 'legacy');
  assert.deepEqual([errorsOf(legacy), legacy.exitCode], [[], 0]);
  const warnings = legacy.findings.filter(({ severity }) => severity === 'warning').map(({ code }) => code);
  assert.ok(warnings.includes('weak_old_version') && warnings.includes('weak_cbc'), warnings.join());
});

test('every cipher that a server accepts, and nothing else', async (t) => {
  const ciphers = ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-SHA384', 'AES128-SHA'];
  const server = orSkip(
    t,
    await startOpenServer('mariadb', {
      tls: serverTls,
      extraArgs: [`--ssl-cipher=${ciphers.join(':')}`, '--tls-version=TLSv1.2'],
    }),
  );
  if (server === undefined) return;
  t.after(() => server.stop());
  const { code, stdout } = await runCli([
    'doctor',
    '--json',
    '--server',
    `127.0.0.1:${server.port}`,
    ...trusting,
  ]);
  assert.equal(code, 0);
  const versions = JSON.parse(stdout).versions as { version: string; ciphers: string[] }[];
  assert.deepEqual(
    versions.map(({ version, ciphers: found }) => [version, found.toSorted()]),
    [
      ['TLSv1', []],
      ['TLSv1.1', []],
      ['TLSv1.2', ciphers.toSorted()],
      ['TLSv1.3', []],
    ],
  );
});

test('host blocked', async (t) => {
  const strict = orSkip(t, await startStrictServer('mysql9', { tls: serverTls }));
  if (strict === undefined) return;
  t.after(() => strict.close());
  for (let broken = 0; broken < 5; broken++) await breakOff(strict.server);
  const diagnosis = await diagnose(`127.0.0.1:${strict.detour.port}`, ...trusting);
  assert.deepEqual([errorsOf(diagnosis), diagnosis.exitCode], [['server_host_blocked'], 2]);
});

/** As a port scan does: greeted, and gone without a word. */
async function breakOff(server: RealServer): Promise<void> {
  const socket = connectFromOtherLoopback(server);
  await new Promise((resolve) => socket.once('data', resolve).once('close', resolve));
  await new Promise((resolve) => socket.once('close', resolve).end().resume());
}

test('too many connections', async (t) => {
  const server = orSkip(
    t,
    await startOpenServer('mariadb', {
      tls: serverTls,
      extraArgs: ['--max-connections=10', '--extra-max-connections=2'],
    }),
  );
  if (server === undefined) return;
  t.after(() => server.stop());
  const account = await createAccount(server, 'crowd');
  const { host, port } = server;
  const crowd = await Promise.allSettled(
    Array.from({ length: 14 }, () => createConnection({ host, port, ...account })),
  );
  const diagnosis = await diagnose(`127.0.0.1:${port}`, ...trusting);
  assert.deepEqual([errorsOf(diagnosis), diagnosis.exitCode], [['server_too_many_connections'], 2]);
  for (const one of crowd) if (one.status === 'fulfilled') await one.value.end();
});

test('an X Protocol port', async (t) => {
  const xPort = await freePort();
  const server = orSkip(
    t,
    await startOpenServer('mysql9', {
      extraArgs: ['--mysqlx=ON', `--mysqlx-port=${xPort}`, `--mysqlx-socket=${path.join(folder, 'x.sock')}`],
    }),
  );
  if (server === undefined) return;
  t.after(() => server.stop());
  const diagnosis = await diagnose(`127.0.0.1:${xPort}`);
  assert.deepEqual([errorsOf(diagnosis), diagnosis.exitCode], [['server_x_protocol'], 2]);
});

/** Listens until the test is over, and does this with each connection. */
async function listening(t: TestContext, greet: string): Promise<number> {
  const sockets = new Set<import('node:net').Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    if (greet !== '') socket.write(greet);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as { port: number }).port;
}

for (const [what, greeting] of [
  ['SSH', 'SSH-2.0-OpenSSH_9.2p1 Debian\r\n'],
  ['SMTP', '220 mail.example ESMTP\r\n'],
  ['something in MySQL packets', '\x05\0\0\0hello'],
] as const) {
  test(`not a MySQL server: ${what}`, async (t) => {
    const port = await listening(t, greeting);
    const diagnosis = await diagnose(`127.0.0.1:${port}`);
    assert.deepEqual([errorsOf(diagnosis), diagnosis.exitCode], [['server_not_mysql'], 2]);
  });
}

test('port closed', async () => {
  const diagnosis = await diagnose(`127.0.0.1:${await freePort()}`);
  assert.deepEqual([errorsOf(diagnosis), diagnosis.exitCode], [['server_port_closed'], 2]);
});

test('a DNS name that does not resolve', async () => {
  const diagnosis = await diagnose('no-such-host.invalid:3306');
  assert.deepEqual([errorsOf(diagnosis), diagnosis.exitCode], [['server_name_unknown'], 2]);
});

test('a server that accepts and never speaks', async (t) => {
  const port = await listening(t, '');
  const diagnosis = await diagnose(`127.0.0.1:${port}`, '--connect-timeout', '200ms');
  assert.deepEqual([errorsOf(diagnosis), diagnosis.exitCode], [['server_silent'], 2]);
});
