/** What systemd hears from the proxy. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { checkoutFolder } from '../support/cache.js';
import { isAlive, makeTemporaryFolder, removeTemporaryFolder } from '../support/clean-up.js';
import { CliProcess } from '../support/cli-process.js';
import { pythonWithMariadb } from '../support/client-programs.js';
import { isUnavailable, type Program } from '../support/programs.js';
import { systemdProgram } from '../support/systemd.js';

const folder = makeTemporaryFolder();
after(() => removeTemporaryFolder(folder));

const configFile = path.join(folder, 'proxy.yaml');
const validConfig =
  'server: 127.0.0.1:1\nserver-ssl-mode: disabled\nlisten: 127.0.0.1:0\nadmin-listen: off\n';

function startProxy(t: TestContext, env: NodeJS.ProcessEnv): CliProcess {
  writeFileSync(configFile, validConfig);
  const cli = new CliProcess(['--config', configFile, '--log-format', 'json'], { env });
  t.after(async () => {
    cli.signal('SIGKILL');
    await cli.ended;
  });
  return cli;
}

/** PATH with nothing but this script, by the name of systemd's program. */
function pathWith(name: string, script: string): string {
  const programs = path.join(folder, name);
  mkdirSync(programs);
  const file = path.join(programs, 'systemd-notify');
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return programs;
}

/** The first line, as soon as it is there. */
async function lineIn(file: string): Promise<string> {
  for (;;) {
    const [line, ...rest] = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
    if (line !== undefined && rest.length > 0) return line;
    await delay(10);
  }
}

type Message = Readonly<Record<string, string | boolean>>;

/** In the place of systemd. */
async function startReceiver(t: TestContext, python: Program) {
  const socket = path.join(folder, 'notify');
  const script = path.join(checkoutFolder, 'test/support/notify_receiver.py');
  const child = spawn(python.file, [...python.args, script, socket], {
    env: { ...process.env, ...python.env },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  t.after(() => child.kill('SIGKILL'));
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<Message> => {
    const { value, done } = await lines.next();
    if (done === true) throw new Error('the receiver has ended');
    const message = JSON.parse(value) as Message;
    // Ends the sender's waiting, and is no message of ours.
    return message['BARRIER'] === undefined ? message : next();
  };
  assert.deepEqual(await next(), { listening: true });
  return { socket, next };
}

test('systemd hears when clients can connect, when a reload begins and ends, and when the proxy stops', async (t) => {
  const python = await pythonWithMariadb();
  if (isUnavailable(python)) return t.skip(python.unavailable);
  const notify = await systemdProgram('systemd-notify');
  if (isUnavailable(notify)) return t.skip(notify.unavailable);
  const { socket, next } = await startReceiver(t, python.interpreter);
  const programs = pathWith('real', `exec ${[notify.file, ...notify.args].join(' ')} "$@"`);
  const cli = startProxy(t, { NOTIFY_SOCKET: socket, PATH: programs });

  const ready = await next();
  const [address] = (await cli.line('ready'))['listen'] as string[];
  assert.deepEqual(ready, { READY: '1', STATUS: `listening on ${address}`, accepts: true });

  for (const [config, outcome] of [
    [validConfig, 'configuration reloaded'],
    ['no-such-option: 1', 'reload failed, the old configuration stays in use'],
  ] as const) {
    writeFileSync(configFile, config);
    const before = process.hrtime.bigint() / 1000n;
    cli.signal('SIGHUP');
    const { MONOTONIC_USEC: began, ...reloading } = await next();
    assert.deepEqual(reloading, { RELOADING: '1', accepts: false });
    assert.ok(BigInt(String(began)) >= before, `${began} is before ${before}`);
    assert.ok(BigInt(String(began)) <= process.hrtime.bigint() / 1000n, `${began} is still to come`);
    assert.deepEqual(await next(), ready);
    await cli.line(outcome);
  }

  cli.signal('SIGTERM');
  assert.deepEqual(await next(), { STOPPING: '1', STATUS: 'waiting for sessions to end', accepts: false });
  assert.equal((await cli.ended).code, 0);
});

test('nothing is run where nobody listens', async (t) => {
  const seen = path.join(folder, 'seen');
  const PATH = pathWith('witness', `echo "$@" >> ${seen}`);
  const alone = startProxy(t, { PATH, NOTIFY_SOCKET: '' });
  await alone.line('ready');
  alone.signal('SIGTERM');
  assert.equal((await alone.ended).code, 0);
  assert.equal(existsSync(seen), false);

  const asked = startProxy(t, { PATH, NOTIFY_SOCKET: '/nowhere' });
  await asked.line('ready');
  asked.signal('SIGHUP');
  await asked.line('configuration reloaded');
  assert.match(await lineIn(seen), /^READY=1 STATUS=listening on /);
  asked.signal('SIGTERM');
  assert.equal((await asked.ended).code, 0);
});

const broken: readonly [what: string, script: string | undefined, cause: RegExp][] = [
  ['missing', undefined, /ENOENT/],
  ['failing', 'exit 3', /^systemd-notify ended with exit code 3$/],
  ['killed', 'kill -KILL $$', /^systemd-notify ended with SIGKILL$/],
];
for (const [what, script, cause] of broken) {
  test(`systemd-notify is ${what}: one warning, and the proxy goes on`, async (t) => {
    const PATH = script === undefined ? path.join(folder, 'empty') : pathWith(what, script);
    const cli = startProxy(t, { NOTIFY_SOCKET: '/nowhere', PATH });
    const warned = () => cli.lines.filter(({ msg }) => msg.startsWith('systemd could not be told'));
    while (warned().length === 0) await delay(10);
    cli.signal('SIGHUP');
    await cli.line('configuration reloaded');
    cli.signal('SIGTERM');
    assert.equal((await cli.ended).code, 0);
    const warnings = warned();
    assert.equal(warnings.length, 1);
    assert.equal(warnings[0]?.level, 'warn');
    assert.match(String(warnings[0]?.['cause']), cause);
    assert.match(warnings[0]?.msg ?? '', /install systemd-notify.*Type=exec/);
  });
}

test('a systemd-notify that hangs holds up neither a reload nor the end', async (t) => {
  const started = path.join(folder, 'started');
  const PATH = pathWith('hanging', `echo $$ > ${started}\nexec /bin/sleep 1000 2>/dev/null`);
  const cli = startProxy(t, { NOTIFY_SOCKET: '/nowhere', PATH });
  await cli.line('ready');
  const hanging = Number(await lineIn(started));
  t.after(() => isAlive(hanging) && process.kill(hanging, 'SIGKILL'));
  cli.signal('SIGHUP');
  await cli.line('configuration reloaded');
  cli.signal('SIGTERM');
  const [code] = await once(cli.child, 'exit');
  assert.equal(code, 0);
  // If the proxy had only ended together with it, it would be gone by then.
  await delay(300);
  assert.ok(isAlive(hanging), 'the proxy waited for it');
});
