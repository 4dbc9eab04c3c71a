import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { ownRsaKey, rsaKeyFromFile } from '../../../src/auth/rsa-key.js';
import type { ProxyError } from '../../../src/errors.js';

const FILE = 'rsa-private-key.pem';

function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'rsa-key-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const modeOf = (file: string): string => (statSync(file).mode & 0o777).toString(8);

test('a new key: 2048 bits, in a file of its own that no one else can read', async (t) => {
  const folder = join(temporaryFolder(t), 'state', 'deeper');
  const umask = process.umask(0);
  t.after(() => process.umask(umask));
  const key = await ownRsaKey(folder)();
  assert.equal(key.length, 256);
  assert.equal(modeOf(folder), '700');
  assert.equal(modeOf(join(folder, FILE)), '600');
  assert.deepEqual(readdirSync(folder), [FILE], 'and no draft is left');
  const kept = createPublicKey(readFileSync(join(folder, FILE), 'utf8'));
  assert.ok(createPublicKey(key.publicKeyPem.toString()).equals(kept));
});

test('the public half has the form in which servers send theirs', async () => {
  const { publicKeyPem } = await ownRsaKey(undefined)();
  assert.match(
    publicKeyPem.toString(),
    /^-----BEGIN PUBLIC KEY-----\n[\w+/=\n]+\n-----END PUBLIC KEY-----\n$/,
  );
  assert.equal(publicKeyPem.length, 451);
});

test('the same key after a restart, and at every call', async (t) => {
  const folder = temporaryFolder(t);
  const source = ownRsaKey(folder);
  const [first, again] = await Promise.all([source(), source()]);
  assert.equal(first, again);
  assert.deepEqual((await ownRsaKey(folder)()).publicKeyPem, first.publicKeyPem);
});

test('without a state directory each process has its own', async () => {
  const [one, other] = await Promise.all([ownRsaKey(undefined)(), ownRsaKey(undefined)()]);
  assert.notDeepEqual(one.publicKeyPem, other.publicKeyPem);
});

test('sources that start together agree on one key', async (t) => {
  const folder = temporaryFolder(t);
  const keys = await Promise.all(Array.from({ length: 6 }, () => ownRsaKey(folder)()));
  assert.equal(new Set(keys.map(({ publicKeyPem }) => publicKeyPem.toString())).size, 1);
  assert.deepEqual(readdirSync(folder), [FILE]);
});

test('processes that start together agree on one key', async (t) => {
  const folder = temporaryFolder(t);
  const module = new URL('../../../src/auth/rsa-key.js', import.meta.url);
  const script = `import { ownRsaKey } from ${JSON.stringify(pathToFileURL(module.pathname).href)};
    const { publicKeyPem } = await ownRsaKey(process.argv[1])();
    process.stdout.write(publicKeyPem);`;
  const run = () =>
    promisify(execFile)(process.execPath, ['--input-type=module', '-e', script, folder]).then(
      ({ stdout }) => stdout,
    );
  const keys = await Promise.all(Array.from({ length: 4 }, run));
  assert.match(keys[0] ?? '', /BEGIN PUBLIC KEY/);
  assert.equal(new Set(keys).size, 1);
  assert.deepEqual(readdirSync(folder), [FILE]);
});

/** The path, what to do, and nothing of what is in the file. */
async function assertUnusable(folder: string, why: RegExp, secret: string): Promise<void> {
  await assert.rejects(ownRsaKey(folder)(), ({ message, stack, clientText }: ProxyError) => {
    assert.match(message, why);
    assert.ok(message.includes(join(folder, FILE)));
    assert.match(message, /Repair the file, remove it .* or name another one with --rsa-private-key\.$/);
    assert.equal(`${message}${stack}`.includes(secret), false);
    assert.equal(clientText.includes(folder), false, 'clients have no business with paths');
    return true;
  });
}

test('a file that others can read is not used, whoever they are', async (t) => {
  const folder = temporaryFolder(t);
  await ownRsaKey(folder)();
  const file = join(folder, FILE);
  const secret = readFileSync(file, 'utf8').split('\n')[1] ?? '';
  for (const mode of [0o640, 0o604, 0o620, 0o602, 0o601, 0o610, 0o666]) {
    chmodSync(file, mode);
    await assertUnusable(folder, /other users of this machine can read it; chmod 600/, secret);
  }
  chmodSync(file, 0o400);
  assert.equal((await ownRsaKey(folder)()).length, 256, 'one that not even its owner may write is fine');
});

test('a file that holds no RSA key is neither used nor replaced', async (t) => {
  const folder = temporaryFolder(t);
  const file = join(folder, FILE);
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const texts = [
    '',
    'garbage-garbage-garbage',
    '-----BEGIN PRIVATE KEY-----\ngarbage-garbage-garbage\n-----END PRIVATE KEY-----\n',
    ec.toString(),
    rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    rsa.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString().slice(0, 400),
  ];
  for (const text of texts) {
    writeFileSync(file, text, { mode: 0o600 });
    await assertUnusable(folder, /it holds no RSA private key/, text.split('\n')[1] ?? 'garbage-garbage');
    assert.equal(readFileSync(file, 'utf8'), text);
  }
});

test('something that is no file in its place', async (t) => {
  const folder = temporaryFolder(t);
  mkdirSync(join(folder, FILE), { mode: 0o700 });
  await assertUnusable(folder, /it is not a regular file/, 'PRIVATE');
});

test('a pipe in its place does not hold the proxy up', async (t) => {
  const folder = temporaryFolder(t);
  execFileSync('mkfifo', ['-m', '600', join(folder, FILE)]);
  await assertUnusable(folder, /it is not a regular file/, 'PRIVATE');
});

test('a link that leads nowhere is not taken for a key that is kept', async (t) => {
  const folder = temporaryFolder(t);
  symlinkSync(join(folder, 'nowhere'), join(folder, FILE));
  await assertUnusable(folder, /it is a link that leads nowhere/, 'PRIVATE');
});

test('a kept key that is shorter than those of servers is not used', async (t) => {
  const folder = temporaryFolder(t);
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
  writeFileSync(join(folder, FILE), privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  await assertUnusable(folder, /it has fewer than 2048 bits/, 'PRIVATE');
});

test('a file that can not be reached says why', async (t) => {
  const folder = temporaryFolder(t);
  symlinkSync(FILE, join(folder, FILE));
  await assertUnusable(folder, /ELOOP/, 'PRIVATE');
});

test('a directory that can not be made: the key is kept in memory', async (t) => {
  const folder = temporaryFolder(t);
  const blocked = join(folder, 'a-link', 'state');
  symlinkSync(join(folder, 'nowhere', 'deeper'), join(folder, 'a-link'));
  const source = ownRsaKey(blocked);
  const key = await source();
  assert.equal(key.length, 256);
  assert.equal(await source(), key);
  assert.equal(existsSync(blocked), false);
});

/** Runs as someone whom file modes stop; root is stopped by none. */
async function asOrdinaryUser<T>(work: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return work();
  process.seteuid?.(65534);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}

test('a directory that can not be written to: the key is kept in memory', async (t) => {
  const parent = temporaryFolder(t);
  chmodSync(parent, 0o755);
  const folder = join(parent, 'state');
  mkdirSync(folder, { mode: 0o555 });
  const source = ownRsaKey(folder);
  const key = await asOrdinaryUser(source);
  assert.equal(key.length, 256);
  assert.equal(await source(), key);
  assert.deepEqual(readdirSync(folder), []);
});

test('a path below a file: the key is kept in memory', async (t) => {
  const file = join(temporaryFolder(t), 'file');
  writeFileSync(file, '');
  const source = ownRsaKey(join(file, 'state'));
  assert.equal((await source()).length, 256);
});

test('a file that the proxy may not read', async (t) => {
  const folder = temporaryFolder(t);
  chmodSync(folder, 0o755);
  const file = join(folder, FILE);
  writeFileSync(file, 'garbage-garbage-garbage', { mode: 0o600 });
  chmodSync(file, 0o000);
  await asOrdinaryUser(() => assertUnusable(folder, /EACCES/, 'garbage'));
  chmodSync(file, 0o600);
});

test('a given file, of any size and form that OpenSSL reads', async (t) => {
  const folder = temporaryFolder(t);
  for (const [type, modulusLength] of [
    ['pkcs1', 2048],
    ['pkcs8', 3072],
  ] as const) {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength });
    const file = join(folder, type);
    writeFileSync(file, privateKey.export({ type, format: 'pem' }), { mode: 0o600 });
    const key = await rsaKeyFromFile(file)();
    assert.equal(key.length, modulusLength / 8);
    assert.equal(key.publicKeyPem.toString(), publicKey.export({ type: 'spki', format: 'pem' }));
  }
  assert.throws(() => rsaKeyFromFile(join(folder, 'missing')), /ENOENT/);
});

test('who repairs the file need not start anew', async (t) => {
  const folder = temporaryFolder(t);
  const source = ownRsaKey(folder);
  writeFileSync(join(folder, FILE), 'no key', { mode: 0o600 });
  await assert.rejects(source(), { code: 'rsa_key_unusable' });
  rmSync(join(folder, FILE));
  const key = await source();
  assert.equal(await source(), key);
  assert.match(readFileSync(join(folder, FILE), 'utf8'), /PRIVATE KEY/);
});
