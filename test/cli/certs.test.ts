import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type CliResult, runCli } from '../support/cli-process.js';
import { run } from '../support/run.js';

const top = mkdtempSync(path.join(tmpdir(), 'certs-cli-'));
after(() => rmSync(top, { recursive: true }));
const folder = path.join(top, 'it is $here');
const file = (name: string): string => path.join(folder, name);
const text = (name: string): string => readFileSync(file(name), 'utf8');
const modeOf = (name: string): string => (statSync(file(name)).mode & 0o777).toString(8);
const certs = (...words: string[]): Promise<CliResult> => runCli(['certs', ...words]);
const create = (...words: string[]): Promise<CliResult> =>
  certs('create', folder, '--key-bits', '2048', ...words);

const keyFiles = ['ca-key.pem', 'client-key.pem', 'private_key.pem', 'proxy-key.pem', 'server-key.pem'];
const otherFiles = ['ca.pem', 'client-cert.pem', 'proxy-cert.pem', 'public_key.pem', 'server-cert.pem'];

let created: CliResult;
before(async () => {
  created = await create('--host', 'db.example.com', '--host', '::1');
});

test('create: ten files with their modes, and what to do with them', () => {
  assert.equal(created.code, 0, created.stderr);
  assert.deepEqual(readdirSync(folder), [...keyFiles, ...otherFiles].sort());
  for (const name of keyFiles) {
    assert.equal(modeOf(name), '600', name);
    assert.match(text(name), /^-----BEGIN RSA PRIVATE KEY-----\n/);
  }
  for (const name of otherFiles) assert.equal(modeOf(name), '644', name);
  assert.match(text('public_key.pem'), /^-----BEGIN PUBLIC KEY-----\n/);
  for (const part of [
    '[mysqld]\n  ssl_ca="',
    '[client]\n  ssl-ca="',
    'REQUIRE X509;',
    'chown mysql ',
    'must connect to db.example.com.',
  ])
    assert.ok(created.stdout.includes(part), part);
  assert.doesNotMatch(created.stdout, /PRIVATE KEY/);
  assert.equal(new X509Certificate(text('proxy-cert.pem')).subject, 'CN=db.example.com');
  assert.equal(
    new X509Certificate(text('server-cert.pem')).subjectAltName,
    'DNS:db.example.com, IP Address:0:0:0:0:0:0:0:1',
  );
});

test('create: the proxy takes the command that it prints, through a shell', async () => {
  const command = /^ {2}mysql-tls-proxy(?: [^\n]*\\\n)*[^\n]*/m.exec(created.stdout)?.[0] ?? '';
  assert.match(command, /--server db\.example\.com .*--rsa-private-key/s);
  const cli = fileURLToPath(new URL('../../src/cli.js', import.meta.url));
  const script = `mysql-tls-proxy() { "${process.execPath}" "${cli}" "$@" --check-config --client-tls-profile legacy; }\n${command}`;
  const checked = await run('bash', ['-c', script]);
  assert.equal(checked.stdout, 'configuration is valid\n', checked.stderr);
  // A file that is not where the command says.
  const elsewhere = await run('bash', ['-c', script.replaceAll('server-ssl-ca ', 'server-ssl-ca /nowhere')]);
  assert.equal(elsewhere.code, 2);
});

test('create: never over what exists; with --force new files with proper modes', async () => {
  const before = text('ca.pem');
  const refused = await create();
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /nothing was written, because it exists already: .*ca\.pem.*--force/);
  assert.equal(text('ca.pem'), before);

  const one = path.join(top, 'one');
  const kept = await certs('create', one, '--key-bits', '2048', '--days', '9000');
  assert.equal(kept.code, 0, kept.stderr);
  const ca = new X509Certificate(readFileSync(path.join(one, 'ca.pem')));
  const leaf = new X509Certificate(readFileSync(path.join(one, 'server-cert.pem')));
  assert.deepEqual([ca.validTo, ca.validTo.includes('2051')], [leaf.validTo, true]);
  for (const name of readdirSync(one)) if (name !== 'ca-key.pem') rmSync(path.join(one, name));
  chmodSync(path.join(one, 'ca-key.pem'), 0o644);
  const oneThere = await certs('create', one, '--key-bits', '2048');
  assert.match(oneThere.stderr, /exists already: [^,]*ca-key\.pem;/);
  assert.deepEqual(readdirSync(one), ['ca-key.pem']);
  const forced = await certs('create', one, '--key-bits', '2048', '--force');
  assert.equal(forced.code, 0, forced.stderr);
  assert.equal(statSync(path.join(one, 'ca-key.pem')).mode & 0o777, 0o600);
  const names = new Set([ca, leaf].map(({ issuer }) => issuer));
  assert.equal(names.has(new X509Certificate(readFileSync(path.join(one, 'ca.pem'))).subject), false);
});

test('create: the default is certs/ here, 3072 bits, localhost, a year; names of the CA differ', async () => {
  const cwd = mkdtempSync(path.join(top, 'cwd-'));
  const { code, stderr } = await runCli(['certs', 'create'], { cwd });
  assert.equal(code, 0, stderr);
  const { code: shown, stdout } = await runCli(['certs', 'show', '--json'], { cwd });
  assert.equal(shown, 0);
  const { certificates, keyPairs } = JSON.parse(stdout);
  const proxy = certificates.find((found: { file: string }) => found.file === 'certs/proxy-cert.pem');
  assert.deepEqual(proxy.names, ['DNS:localhost', 'IP Address:127.0.0.1', 'IP Address:0:0:0:0:0:0:0:1']);
  assert.deepEqual([proxy.subject, proxy.daysLeft, proxy.keyBits], ['CN=localhost', 364, 3072]);
  assert.equal(keyPairs[0].keyBits, 3072);
  assert.notEqual(proxy.issuer, new X509Certificate(text('proxy-cert.pem')).issuer);
});

test('create: an error of the system is one line, exit code 1', async () => {
  writeFileSync(path.join(top, 'plain'), '');
  const { code, stderr } = await certs('create', path.join(top, 'plain', 'sub'), '--key-bits', '2048');
  assert.equal(code, 1);
  assert.match(stderr, /^mysql-tls-proxy: can't write [^\n]*check the directory[^\n]*\n$/);
});

const wrongUsage: readonly [words: string[], message: RegExp][] = [
  [['create', top, '--host', 'db:3306'], /--host "db:3306".*port/],
  [['create', top, '--host', 'MySQL server'], /--host "MySQL server"/],
  [['create', top, '--days', '0'], /--days "0".*1 to 36500/],
  [['create', top, '--days', '36501'], /--days/],
  [['create', top, '--days', '1.5'], /--days "1\.5".*whole number/],
  [['create', top, '--days', '1', '--days', '2'], /--days is given several times/],
  [['create', top, '--key-bits', '1024'], /--key-bits.*2048, 3072, 4096/],
  [['renew', top, '--within', 'soon'], /--within "soon"/],
  [['create', top, '--hosts', 'x'], /--hosts.*did you mean "--host"/],
  [['create', top, '--hosts', 'x'], /^Try: mysql-tls-proxy certs create --help$/m],
  [['creat'], /did you mean "create"/],
  [['creat'], /^Try: mysql-tls-proxy certs --help$/m],
  [[], /say which: create, renew, show, bundle/],
];
for (const [words, message] of wrongUsage) {
  test(`wrong usage: certs ${words.join(' ').replace(top, 'DIR')}`, async () => {
    const { code, stdout, stderr } = await certs(...words);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, message);
    assert.deepEqual(
      readdirSync(top).filter((name) => name.endsWith('.pem')),
      [],
    );
  });
}

test('show: all is well; something is wrong', async () => {
  const good = await certs('show', folder);
  assert.equal(good.code, 0, good.stdout);
  assert.match(good.stdout, /server-cert\.pem\n {2}subject +CN=MySQL server\n/);
  assert.match(good.stdout, /server-key\.pem belongs to it/);
  assert.match(good.stdout, /private_key\.pem, .*public_key\.pem\n {2}key pair +RSA 2048 bit\n/);
  assert.doesNotMatch(good.stdout, /PRIVATE KEY|PROBLEM|warning/);

  const broken = mkdtempSync(path.join(top, 'broken-'));
  writeFileSync(path.join(broken, 'server-cert.pem'), text('server-cert.pem'));
  writeFileSync(path.join(broken, 'server-key.pem'), text('client-key.pem'), { mode: 0o600 });
  const bad = await certs('show', broken, '--json');
  assert.equal(bad.code, 1);
  const [report] = JSON.parse(bad.stdout).certificates;
  assert.equal(report.key.state, 'does not belong');
  assert.doesNotMatch(bad.stdout, /PRIVATE KEY/);
  const missing = await certs('show', path.join(top, 'missing'));
  assert.deepEqual([missing.code, /PROBLEM: .*does not exist/.test(missing.stdout)], [1, true]);
});

test('renew: nothing due, all, and the CA with them; keys stay', async () => {
  const keys = keyFiles.map(text);
  const nothing = await certs('renew', folder);
  assert.deepEqual([nothing.code, /nothing was written/.test(nothing.stdout)], [0, true]);

  const oldCa = text('ca.pem');
  chmodSync(file('server-cert.pem'), 0o640);
  const all = await certs('renew', folder, '--all', '--days', '500');
  assert.equal(all.code, 0, all.stderr);
  assert.match(all.stdout, /server-cert\.pem: renewed, valid until/);
  assert.match(all.stdout, /ca\.pem: not due/);
  assert.equal(text('ca.pem'), oldCa);
  assert.equal(modeOf('server-cert.pem'), '640');
  chmodSync(file('server-cert.pem'), 0o644);

  const withCa = await certs('renew', folder, '--all', '--days', '4000');
  assert.match(withCa.stdout, /ca\.pem: renewed[\s\S]*distribute .*ca\.pem anew/);
  assert.notEqual(text('ca.pem'), oldCa);
  assert.deepEqual(keyFiles.map(text), keys);
  assert.deepEqual(readdirSync(folder), [...keyFiles, ...otherFiles].sort());
  assert.equal((await certs('show', folder)).code, 0);

  rmSync(file('ca-key.pem'));
  const noKey = await certs('renew', folder, '--all');
  writeFileSync(file('ca-key.pem'), keys[0] ?? '', { mode: 0o600 });
  assert.equal(noKey.code, 1);
  assert.match(noKey.stderr, /ca-key\.pem" is missing/);
});

test('renew: what is refused makes exit code 1, and does not keep from the rest', async () => {
  const key = text('client-key.pem');
  writeFileSync(file('client-key.pem'), text('server-key.pem'));
  const before = text('server-cert.pem');
  const { code, stdout } = await certs('renew', folder, '--all');
  writeFileSync(file('client-key.pem'), key);
  assert.equal(code, 1);
  assert.match(stdout, /client-cert\.pem: refused, .*does not belong/);
  assert.match(stdout, /server-cert\.pem: renewed/);
  assert.notEqual(text('server-cert.pem'), before);
});

test('bundle: server, client, CA; not over what exists; renewals tell that it is old', async () => {
  const made = await certs('bundle', folder);
  assert.equal(made.code, 0, made.stderr);
  assert.equal(
    text('server-client-bundle.pem'),
    text('server-cert.pem') + text('client-cert.pem') + text('ca.pem'),
  );
  assert.match(made.stdout, /\[client\]\n {2}ssl-ca=".*server-client-bundle\.pem"/);
  const again = await certs('bundle', folder);
  assert.deepEqual([again.code, /exists already/.test(again.stderr)], [1, true]);
  const renewed = await certs('renew', folder, '--all');
  assert.match(renewed.stdout, /bundle\.pem holds the old certificates; .*--force/);
  assert.equal((await certs('bundle', folder, '--force')).code, 0);
  assert.ok(text('server-client-bundle.pem').startsWith(text('server-cert.pem')));
  const out = path.join(top, 'out.pem');
  assert.equal((await certs('bundle', folder, '--out', out)).code, 0);
  assert.equal(readFileSync(out, 'utf8'), text('server-client-bundle.pem'));
  const nothing = await certs('bundle', path.join(top, 'missing'));
  assert.deepEqual([nothing.code, existsSync(path.join(top, 'missing'))], [1, false]);
  assert.match(nothing.stderr, /server-cert\.pem" does not exist/);
});

test('the proxy itself never loads the whole of node-forge', async () => {
  const env = { NODE_DEBUG: 'module' };
  const wholeForge = /node-forge\/lib\/index\.js/;
  const proxy = await runCli(['--server', 'db.example', '--print-config'], { env });
  assert.equal(proxy.code, 0);
  assert.doesNotMatch(proxy.stderr, wholeForge);
  const renewal = await runCli(['certs', 'renew', folder], { env });
  assert.match(renewal.stderr, wholeForge);
});
