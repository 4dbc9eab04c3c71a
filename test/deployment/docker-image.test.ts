/** config/docker: the steps of the Dockerfile, carried out without Docker, make a program that runs as Docker would run it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, type TestContext, test } from 'node:test';
import { checkoutFolder } from '../support/cache.js';
import { makeTemporaryFolder, removeTemporaryFolder } from '../support/clean-up.js';
import { execForm } from '../support/dockerfile.js';
import { run } from '../support/run.js';
import { type BuiltImage, buildImage } from './built-image.js';

const folder = makeTemporaryFolder();
after(() => removeTemporaryFolder(folder));
const isRoot = process.getuid?.() === 0;
let image: BuiltImage;

before(async () => {
  chmodSync(folder, 0o755);
  image = await buildImage(folder);
});

const instruction = (name: string): string => {
  const found = image.lastStage.instructions.filter((candidate) => candidate.name === name);
  assert.equal(found.length, 1, name);
  return found[0]?.text ?? '';
};

const user = (): { uid: number; gid: number } => {
  const [uid, gid] = instruction('USER').split(':').map(Number);
  assert.ok(uid !== undefined && gid !== undefined && uid > 0 && gid > 0, instruction('USER'));
  return { uid, gid };
};

test('the image has the program and what it needs to run, all of it of whoever built it', () => {
  const app = path.join(image.root, 'app');
  assert.deepEqual(readdirSync(app).sort(), ['LICENSE', 'dist', 'node_modules', 'package.json']);
  assert.deepEqual(readdirSync(path.join(app, 'dist')), ['src']);
  const { packages } = JSON.parse(readFileSync(path.join(checkoutFolder, 'package-lock.json'), 'utf8'));
  const wrong = Object.keys(packages).filter((place) => {
    const { dev = false, devOptional = false, optional = false } = packages[place];
    const isThere = existsSync(path.join(app, place));
    return !optional && !devOptional && isThere === dev;
  });
  assert.deepEqual(wrong, []);
  const files = readdirSync(app, { recursive: true, encoding: 'utf8' }).map((name) => path.join(app, name));
  assert.deepEqual(
    files.filter((file) => statSync(file).uid !== process.getuid?.()),
    [],
  );
});

test('no secret comes with the image, and the process is not root', () => {
  assert.deepEqual(Object.keys(image.env), ['NODE_ENV', 'STATE_DIRECTORY']);
  const { uid, gid } = user();
  assert.equal(image.env['STATE_DIRECTORY'], instruction('VOLUME'));
  const { mode, uid: owner, gid: group } = statSync(path.join(image.root, instruction('VOLUME')));
  assert.equal(mode & 0o777, 0o700);
  if (isRoot) assert.deepEqual([owner, group], [uid, gid]);
});

test('Node.js is a line that is supported, and the ports are those of Kubernetes', () => {
  const [, line] = /^node:(\d+)-slim$/.exec(image.lastStage.image) ?? assert.fail(image.lastStage.image);
  assert.equal(Number(line) % 2, 0, 'only even lines are supported for long');
  assert.deepEqual(instruction('EXPOSE').split(' '), ['3306', '9307']);
  assert.equal(instruction('STOPSIGNAL'), 'SIGTERM');
});

test('it runs as another user on a read-only root file system, is healthy, and stops on SIGTERM', async (t) => {
  const options = ['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--server', '127.0.0.1:1'];
  const { child, line } = await inContainer(t, [...execForm(instruction('ENTRYPOINT')), ...options]);
  const { admin } = await line('ready');
  const healthy = () => run(process.execPath, healthCheck(String(admin)));
  assert.deepEqual(await healthy(), { code: 0, stdout: '', stderr: '' });
  const key = statSync(path.join(image.root, instruction('VOLUME'), 'rsa-private-key.pem'));
  assert.equal(key.mode & 0o777, 0o600);
  if (isRoot) assert.equal(key.uid, user().uid);
  child.kill('SIGTERM');
  assert.deepEqual(await once(child, 'exit'), [0, null]);
  assert.deepEqual(await healthy(), { code: 1, stdout: '', stderr: '' });
});

/** Arguments of node. The port in the Dockerfile is the default, which may be taken on this machine. */
function healthCheck(admin: string): string[] {
  const command = instruction('HEALTHCHECK').replace(/^CMD /, '');
  const [program, ...args] = execForm(command);
  assert.equal(program, 'node');
  const asked = args.map((arg) => arg.replace('http://127.0.0.1:9307/livez', `http://${admin}/livez`));
  assert.notDeepEqual(asked, args);
  return asked;
}

/** As the user of the image where we are root, and where the kernel lets us, with all read-only but the volume. */
async function inContainer(t: TestContext, [program, file = '', ...args]: readonly string[]) {
  assert.equal(program, 'node');
  const state = path.join(image.root, instruction('VOLUME'));
  const command = [process.execPath, path.join(image.root, file), ...args];
  const { uid, gid } = user();
  if (isRoot) command.unshift('setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--');
  const mayMount = isRoot && (await run('unshare', ['--mount', 'true'])).code === 0;
  if (mayMount) command.unshift('unshare', '--mount', '/bin/sh', '-c', readOnlyBut(state), 'sh');
  t.diagnostic(
    mayMount ? 'with a read-only root' : 'needs root, and the right to mount, for a read-only root',
  );
  const [first = '', ...rest] = command;
  const child = spawn(first, rest, {
    env: { PATH: process.env['PATH'], ...image.env, STATE_DIRECTORY: state },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const line = async (wanted: string): Promise<Record<string, unknown>> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error(`ended without "${wanted}"`);
    const found = JSON.parse(value);
    return found.msg === wanted ? found : line(wanted);
  };
  return { child, line };
}

/** `exec` in the end, so that a signal to the child reaches the proxy. */
const readOnlyBut = (state: string): string =>
  [
    `mount --bind ${state} ${state}`,
    'mount -o remount,bind,ro /',
    '! touch /tmp/not-read-only 2>/dev/null',
    'exec "$@"',
  ].join(' && ');
