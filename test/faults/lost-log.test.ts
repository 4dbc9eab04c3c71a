/** Standard output is full, closed or not read: the log is lost, and the proxy goes on. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, existsSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { run } from '../support/run.js';
import { freePort } from '../support/servers.js';

const cliFile = fileURLToPath(new URL('../../src/cli.js', import.meta.url));
const formats = ['json', 'pretty'] as const;

interface Program {
  readonly child: ChildProcess;
  readonly port: number;
  stderr(): string;
  /** The exit code; undefined where it did not end by itself. */
  stop(): Promise<number | null | undefined>;
}

/** `shellEnd`: what stands behind the command in a shell. */
async function startWithOutput(
  t: TestContext,
  format: (typeof formats)[number],
  output: { readonly stdout: 'pipe' } | { readonly shellEnd: string },
  args: readonly string[] = [],
): Promise<Program> {
  const port = await freePort();
  const command = [
    ...[process.execPath, cliFile, '--listen', `127.0.0.1:${port}`, '--admin-listen', 'off'],
    ...['--server', `127.0.0.1:${await freePort()}`, '--server-ssl-mode', 'disabled', '--log-format', format],
    ...args,
  ];
  const [file = '', ...rest] =
    'stdout' in output ? command : ['/bin/sh', '-c', `exec "$@" ${output.shellEnd}`, 'sh', ...command];
  const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await exited;
  });
  let stderr = '';
  child.stderr?.on('data', (chunk) => {
    stderr += chunk;
  });
  const deadline = Date.now() + 20_000;
  while (!(await isListening(port))) {
    if (Date.now() > deadline || child.exitCode !== null) throw new Error(`did not start: ${stderr}`);
    await delay(50);
  }
  return {
    child,
    port,
    stderr: () => stderr,
    stop: async () => {
      child.kill('SIGTERM');
      const late = delay(10_000, undefined, { ref: false });
      return Promise.race([exited.then(([code]) => code as number | null), late]);
    },
  };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

/** How many clients, one after the other, hear from the proxy that the server is not there. */
async function served(port: number, clients: number): Promise<number> {
  let count = 0;
  for (let client = 0; client < clients; client++) {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    await Promise.race([once(socket, 'close'), delay(5_000, undefined, { ref: false })]);
    socket.destroy();
    if (text.includes('nothing listens there')) count += 1;
  }
  return count;
}

for (const format of formats) {
  for (const workers of ['1', '2']) {
    test(`the disk is full, ${format}, ${workers} workers`, async (t) => {
      if (!existsSync('/dev/full')) return t.skip('this system has no /dev/full');
      const program = await startWithOutput(t, format, { shellEnd: '> /dev/full' }, ['--workers', workers]);
      assert.equal(await served(program.port, 20), 20);
      // Once, although each write failed.
      assert.match(
        program.stderr(),
        /^mysql-tls-proxy: the log can not be written \(ENOSPC: .*\): free space or .*\n$/,
      );
      assert.equal(await program.stop(), 0, program.stderr());
    });
  }

  test(`whoever read the log is gone, ${format}`, async (t) => {
    const program = await startWithOutput(t, format, { stdout: 'pipe' });
    program.child.stdout?.destroy();
    assert.equal(await served(program.port, 20), 20);
    await delay(200);
    assert.match(program.stderr(), /^mysql-tls-proxy: the log can not be written \(EPIPE: .*\n$/);
    assert.equal(await program.stop(), 0, program.stderr());
  });

  test(`whoever reads the log stands still, ${format}`, async (t) => {
    const pipe = path.join(makeTemporaryFolder(), 'pipe');
    await run('mkfifo', [pipe]);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    t.after(() => closeSync(reader));
    const program = await startWithOutput(t, format, { shellEnd: `> ${pipe}` }, ['--log-level', 'debug']);
    // A pipe takes 64 kB: some 200 clients fill it.
    assert.equal(await served(program.port, 400), 400);
    assert.equal(await program.stop(), 0, program.stderr());
  });
}

test('lines are not lost when the disk has room again, and what was lost is said', async (t) => {
  if (process.getuid?.() !== 0) return t.skip('mounting a small file system needs root');
  const folder = makeTemporaryFolder();
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', folder]);
  if (mounted.code !== 0) return t.skip(`no file system can be mounted here: ${mounted.stderr.trim()}`);
  t.after(() => run('umount', ['--lazy', folder]));
  const [log, other] = [path.join(folder, 'log'), path.join(folder, 'other')];
  writeFileSync(other, Buffer.alloc(48 * 1024));
  const program = await startWithOutput(t, 'json', { shellEnd: `>> ${log}` }, ['--log-level', 'debug']);
  assert.equal(await served(program.port, 100), 100);
  await delay(200);
  assert.match(program.stderr(), /^mysql-tls-proxy: the log can not be written \(ENOSPC/);
  const full = statSync(log).size;
  writeFileSync(other, '');
  await run('mount', ['-o', 'remount,size=4m', folder]);
  assert.equal(await served(program.port, 5), 5);
  assert.equal(await program.stop(), 0);
  assert.ok(statSync(log).size > full);
  assert.match(program.stderr(), /\nmysql-tls-proxy: the log is written again\n$/);
  const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
  assert.ok(lines.every((line) => JSON.parse(line).msg));
  const closed = lines.filter((line) => line.includes('"connection closed"'));
  assert.equal(closed.length >= 105, true, `${closed.length} of 105 lines`);
});
