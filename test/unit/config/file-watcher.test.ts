import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { FileWatcher } from '../../../src/config/file-watcher.js';
import { FolderWatches } from '../../../src/config/folder-watches.js';
import { lookupsOf } from '../../../src/config/path-lookups.js';
import { KubernetesVolume, replaceByRename, writeInPlace } from '../../support/changing-files.js';
import { temporaryFolder } from './problems.js';

const settleMs = 60;

let keepsAlive: NodeJS.Timeout;
before(() => {
  keepsAlive = setInterval(() => {}, 3_600_000);
});
after(() => clearInterval(keepsAlive));

interface Watched {
  readonly watcher: FileWatcher;
  /** What the files held, each time that changes were told. */
  readonly told: string[];
  /** Resolves when that has been told. */
  tells(text: string): Promise<void>;
}

/** Without an interval in the time of a test, unless told otherwise: what is noticed has been reported. */
async function watch(
  t: TestContext,
  files: readonly string[],
  { intervalMs = 3_600_000, changed = async (_: readonly string[]) => {} } = {},
): Promise<Watched> {
  const told: string[] = [];
  let wake = () => {};
  const watcher = new FileWatcher({
    settleMs,
    intervalMs,
    changed: async (names) => {
      told.push(files.map(textOf).join(','));
      await changed(names);
      wake();
    },
  });
  t.after(() => watcher.close());
  await watcher.follow(files);
  return {
    watcher,
    told,
    tells: async (text) => {
      while (told.at(-1) !== text) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return 'none';
  }
}

/** A folder with `cert` and `key`, both of which hold "1". */
function pair(): { folder: string; cert: string; key: string } {
  const folder = temporaryFolder();
  writeInPlace(folder, { cert: '1', key: '1' });
  return { folder, cert: path.join(folder, 'cert'), key: path.join(folder, 'key') };
}

/** Twice as long as it takes until a change is told. */
const longEnough = () => delay(settleMs * 6);

for (const [way, change] of [
  ['written in place', writeInPlace],
  ['replaced by a rename', replaceByRename],
] as const) {
  test(`a file that is ${way} is noticed, again and again`, async (t) => {
    const { folder, cert } = pair();
    const { told, tells } = await watch(t, [cert]);
    for (const text of ['2', '3', '4']) {
      change(folder, { cert: text });
      await tells(text);
      await longEnough();
    }
    assert.deepEqual(told, ['2', '3', '4']);
  });
}

for (const keepsOld of [false, true]) {
  test(`a Kubernetes volume is noticed, ${keepsOld ? 'also where the old folder stays' : 'as the kubelet swaps it'}`, async (t) => {
    const volume = new KubernetesVolume(temporaryFolder(), { cert: '1', key: '1' });
    const files = ['cert', 'key'].map((name) => path.join(volume.folder, name));
    const { told, tells } = await watch(t, files);
    for (const text of ['2', '3', '4']) {
      volume.update({ cert: text, key: text }, { keepsOld });
      await tells(`${text},${text}`);
      await longEnough();
    }
    assert.deepEqual(told, ['2,2', '3,3', '4,4']);
  });
}

test('links in the middle of the path, and files behind links, are noticed', async (t) => {
  const folder = temporaryFolder();
  for (const release of ['a', 'b']) {
    mkdirSync(path.join(folder, release, 'live'), { recursive: true });
    writeInPlace(path.join(folder, release, 'live'), { cert: release });
  }
  const swap = (release: string) => {
    symlinkSync(release, path.join(folder, 'new'));
    renameSync(path.join(folder, 'new'), path.join(folder, 'current'));
  };
  swap('a');
  symlinkSync('../current/./live', path.join(folder, 'a', 'by-parent'));
  const { told, tells } = await watch(t, [path.join(folder, 'a/by-parent/cert')]);
  swap('b');
  await tells('b');
  await longEnough();
  writeInPlace(path.join(folder, 'b/live'), { cert: 'behind' });
  await tells('behind');
  // The folder that is not in use any more.
  writeInPlace(path.join(folder, 'a/live'), { cert: 'x' });
  await longEnough();
  assert.deepEqual(told, ['b', 'behind']);
});

test('a folder that goes away and comes back, or is replaced, is noticed', async (t) => {
  const { folder } = pair();
  const live = path.join(folder, 'live');
  mkdirSync(live);
  writeInPlace(live, { cert: '1' });
  const { tells } = await watch(t, [path.join(live, 'cert')]);
  rmSync(live, { recursive: true });
  await tells('none');
  mkdirSync(live);
  await longEnough();
  writeInPlace(live, { cert: '2' });
  await tells('2');
  mkdirSync(path.join(folder, 'next'));
  writeInPlace(path.join(folder, 'next'), { cert: '3' });
  renameSync(live, path.join(folder, 'before'));
  renameSync(path.join(folder, 'next'), live);
  await tells('3');
  // So that nothing of the above is still being looked at.
  await longEnough();
  writeInPlace(live, { cert: '4' });
  await tells('4');
});

test('files that change one after the other are told once, when all have', async (t) => {
  const { folder, cert, key } = pair();
  const { told, tells } = await watch(t, [cert, key]);
  replaceByRename(folder, { cert: '2' });
  await delay(settleMs / 2);
  replaceByRename(folder, { key: '2' });
  await tells('2,2');
  assert.deepEqual(told, ['2,2']);
});

test('a file that is emptied and then written is told with what it holds in the end', async (t) => {
  const { folder, cert } = pair();
  const { told, tells } = await watch(t, [cert]);
  writeInPlace(folder, { cert: '' });
  await delay(settleMs / 2);
  writeInPlace(folder, { cert: '2' });
  await tells('2');
  assert.deepEqual(told, ['2']);
});

test('what does not change the contents is not told: times, the same text anew, there and back, other files', async (t) => {
  const { folder, cert } = pair();
  const { told, tells } = await watch(t, [cert]);
  utimesSync(cert, new Date(), new Date());
  replaceByRename(folder, { cert: '1' });
  writeInPlace(folder, { cert: '2', other: '2' });
  writeInPlace(folder, { cert: '1' });
  await longEnough();
  assert.deepEqual(told, []);
  writeInPlace(folder, { cert: 'last' });
  await tells('last');
});

test('who may read a file counts: chmod cures a password file that others can read', async (t) => {
  const { cert } = pair();
  const { told } = await watch(t, [cert]);
  chmodSync(cert, 0o640);
  await longEnough();
  assert.equal(told.length, 1);
});

test('changes while the last ones are being taken into use are told afterwards', async (t) => {
  const { folder, cert } = pair();
  let finish = () => {};
  const { told, tells } = await watch(t, [cert], {
    changed: () =>
      new Promise((resolve) => {
        finish = resolve;
      }),
  });
  writeInPlace(folder, { cert: '2' });
  await longEnough();
  writeInPlace(folder, { cert: '3' });
  await longEnough();
  assert.deepEqual(told, ['2']);
  finish();
  while (told.length < 2) await delay(5);
  finish();
  await tells('3');
  assert.deepEqual(told, ['2', '3']);
});

test('without reports of the system the interval finds it: here, a write by another name of the file', async (t) => {
  const { folder, cert } = pair();
  mkdirSync(path.join(folder, 'elsewhere'));
  const twin = path.join(folder, 'elsewhere', 'twin');
  linkSync(cert, twin);
  const unseen = await watch(t, [cert]);
  const seen = await watch(t, [cert], { intervalMs: 20 });
  writeFileSync(twin, '2');
  await seen.tells('2');
  await longEnough();
  assert.deepEqual(unseen.told, []);
});

test('what is known of the files decides, not when they began to be watched', async (t) => {
  const { folder, cert, key } = pair();
  const { watcher, told, tells } = await watch(t, [cert, key]);
  const known = await watcher.now();
  writeInPlace(folder, { cert: '2' });
  await watcher.follow([cert, key], known);
  await tells('2,1');
  const current = await watcher.now();
  await watcher.follow([cert], current);
  writeInPlace(folder, { key: '2' });
  await longEnough();
  assert.deepEqual(told, ['2,1'], 'the key is not watched any more');
});

test('nothing is told after close, and nothing keeps the process alive', async (t) => {
  const { folder, cert } = pair();
  const { watcher, told } = await watch(t, [cert]);
  writeInPlace(folder, { cert: '2' });
  await delay(settleMs / 2);
  watcher.close();
  await longEnough();
  assert.deepEqual(told, []);

  const module = new URL('../../../src/config/file-watcher.js', import.meta.url).href;
  const program = `
    const { FileWatcher } = await import(${JSON.stringify(module)});
    const watcher = new FileWatcher({ changed: async () => {} });
    await watcher.follow([${JSON.stringify(cert)}]);
    console.log('watching');`;
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], { timeout: 60_000 });
  assert.deepEqual([child.status, String(child.stdout)], [0, 'watching\n']);
});

test('a path that can not be walked ends where that is', async () => {
  const { folder, cert } = pair();
  const loop = path.join(folder, 'loop');
  symlinkSync('loop', loop);
  const names = async (file: string) => (await lookupsOf(file)).map(({ name }) => name);
  const above = folder.split('/').filter((part) => part !== '');
  assert.deepEqual(await names(cert), [...above, 'cert']);
  assert.deepEqual(await names(path.join(cert, 'below')), [...above, 'cert']);
  assert.deepEqual(await names(path.join(folder, 'missing/file')), [...above, 'missing']);
  assert.equal((await names(loop)).at(-1), 'loop');
  unlinkSync(loop);
  symlinkSync(cert, loop);
  assert.deepEqual(await names(loop), [...above, 'loop', ...above, 'cert']);
});

test('a folder that the system does not watch is told, and the others are watched', async (t) => {
  const { folder, cert } = pair();
  const refused: unknown[] = [];
  const changed = new Promise<void>((resolve) => {
    const watches = new FolderWatches(resolve, (name, error) => {
      refused.push([name, (error as NodeJS.ErrnoException).code]);
    });
    t.after(() => watches.close());
    const lookups = [
      { folder: path.join(folder, 'missing'), folderId: 'none', name: 'cert' },
      { folder, folderId: 'some', name: 'cert' },
    ];
    assert.equal(watches.follow(lookups), true);
    assert.equal(watches.follow(lookups), false);
  });
  assert.deepEqual(refused, [[path.join(folder, 'missing'), 'ENOENT']]);
  writeFileSync(cert, '2');
  await changed;
});
