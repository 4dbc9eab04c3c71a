import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
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
import path from 'node:path';
import { after, test } from 'node:test';
import { checkTargets, keyFileBeside, writeFiles } from '../../../src/certs/certificate-folder.js';
import { CertsError } from '../../../src/certs/certs-error.js';

const top = mkdtempSync(path.join(tmpdir(), 'folder-'));
after(() => rmSync(top, { recursive: true }));
const inNewFolder = (name: string): string => mkdtempSync(path.join(top, name));
const modeOf = (file: string): string => (statSync(file).mode & 0o777).toString(8);

test('missing directories are made, and modes do not depend on the umask', () => {
  const folder = path.join(inNewFolder('modes-'), 'a', 'b');
  const files = [
    { path: path.join(folder, 'cert'), text: 'c', mode: 0o644 },
    { path: path.join(folder, 'key'), text: 'k', mode: 0o600 },
  ];
  for (const umask of [0o000, 0o077]) {
    const before = process.umask(umask);
    try {
      writeFiles(files, { replace: true });
    } finally {
      process.umask(before);
    }
    assert.deepEqual(
      files.map(({ path: file }) => modeOf(file)),
      ['644', '600'],
    );
  }
  assert.deepEqual(readdirSync(folder), ['cert', 'key']);
});

test('what exists is named and stays, unless it may be replaced', () => {
  const folder = inNewFolder('exists-');
  const [old, fresh] = [path.join(folder, 'key'), path.join(folder, 'new')];
  writeFileSync(old, 'old', { mode: 0o644 });
  const files = [
    { path: fresh, text: 'new', mode: 0o644 },
    { path: old, text: 'new', mode: 0o600 },
  ];
  assert.throws(
    () => writeFiles(files, { replace: false }),
    (error) =>
      error instanceof CertsError &&
      error.message.includes(`nothing was written, because it exists already: ${old};`) &&
      error.message.includes('--force'),
  );
  assert.deepEqual([readFileSync(old, 'utf8'), existsSync(fresh)], ['old', false]);
  writeFiles(files, { replace: true });
  assert.deepEqual([readFileSync(old, 'utf8'), modeOf(old)], ['new', '600']);
});

test('a link that leads nowhere is not written through', () => {
  const folder = inNewFolder('link-');
  const link = path.join(folder, 'key');
  symlinkSync(path.join(folder, 'elsewhere'), link);
  assert.throws(() => checkTargets([link], { replace: false }), CertsError);
  writeFiles([{ path: link, text: 'k', mode: 0o600 }], { replace: true });
  assert.equal(existsSync(path.join(folder, 'elsewhere')), false);
});

test('nothing is left behind where one of the files can not be written', () => {
  const folder = inNewFolder('half-');
  // Nothing is there, so it looks as if it could be made.
  symlinkSync(path.join(folder, 'nowhere', 'deep'), path.join(folder, 'file'));
  const files = [
    { path: path.join(folder, 'a'), text: 'a', mode: 0o644 },
    { path: path.join(folder, 'file', 'b'), text: 'b', mode: 0o644 },
  ];
  assert.throws(() => writeFiles(files, { replace: true }), CertsError);
  assert.deepEqual(readdirSync(folder), ['file']);
  const directory = path.join(folder, 'z');
  mkdirSync(directory);
  const ontoDirectory = [...files.slice(0, 1), { path: directory, text: 'z', mode: 0o644 }];
  assert.throws(() => writeFiles(ontoDirectory, { replace: true }), /no regular file/);
  assert.deepEqual(readdirSync(folder), ['file', 'z']);
});

test('a replaced file keeps its owner', (t) => {
  if (process.getuid?.() !== 0) return t.skip('only root can make files of other users');
  const file = path.join(inNewFolder('owner-'), 'key');
  writeFileSync(file, 'old');
  chmodSync(file, 0o644);
  chownSync(file, 65534, 65533);
  writeFiles([{ path: file, text: 'new', mode: 0o600 }], { replace: true });
  const { uid, gid } = statSync(file);
  assert.deepEqual([uid, gid, modeOf(file)], [65534, 65533, '600']);
});

test('the key of a certificate has its name', () => {
  assert.equal(keyFileBeside('/x/server-cert.pem'), '/x/server-key.pem');
  assert.equal(keyFileBeside('/x/ca.pem'), '/x/ca-key.pem');
  assert.equal(keyFileBeside('/x/other.pem'), undefined);
});
