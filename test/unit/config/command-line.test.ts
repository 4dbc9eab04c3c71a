import assert from 'node:assert/strict';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { after, describe, it } from 'node:test';
import { listenForSignals } from '../../../src/commands/signals.js';
import { options } from '../../../src/config/option-table.js';
import { CliProcess, runCli } from '../../support/cli-process.js';
import { configFile } from './problems.js';

/** Nothing listens there; the proxy does not mind before a client comes. */
const server = ['--server', '127.0.0.1:1'];

const running: CliProcess[] = [];
after(async () => {
  for (const cli of running) cli.signal('SIGKILL');
  await Promise.all(running.map((cli) => cli.ended));
});

function start(args: readonly string[], env: Record<string, string> = {}): CliProcess {
  const cli = new CliProcess([...args, '--log-format', 'json'], { env });
  running.push(cli);
  return cli;
}

describe('mysql-tls-proxy', () => {
  it('--help lists every option in its group', async () => {
    const { code, stdout } = await runCli(['--help']);
    assert.equal(code, 0);
    for (const { name } of options) assert.match(stdout, new RegExp(`^ {2}--${name} `, 'm'));
    const groups = ['General:', 'Client leg:', 'Server leg:', 'Examples:'].map((group) =>
      stdout.indexOf(group),
    );
    assert.deepEqual(
      groups,
      groups.toSorted((a, b) => a - b),
    );
    assert.equal(groups.includes(-1), false);
    assert.match(stdout, /--server-ssl-mode .*MODE[\s\S]*default: VERIFY_IDENTITY/);
  });

  it('--version prints the version', async () => {
    const { code, stdout } = await runCli(['--version']);
    assert.equal(code, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });

  const wrongUsage: readonly [what: string, args: readonly string[], stderr: RegExp][] = [
    [
      'an unknown option',
      ['--serber', 'x'],
      /^mysql-tls-proxy: unknown option --serber \(did you mean "--server"\?\)\nTry: /,
    ],
    [
      'an unknown option in camelCase',
      ['--serverSslMod', 'x'],
      /unknown option --server-ssl-mod \(did you mean "--server-ssl-mode"\?\)/,
    ],
    ['an unknown command', ['strat'], /unknown command "strat" \(did you mean "start"\?\)/],
    ['an option without value', ['--listen'], /Not enough arguments following: listen/],
    ['--config twice', ['--config', 'a', '--config', 'b'], /--config is given several times/],
    [
      'an option twice',
      [...server, '--log-level', 'info', '--log-level', 'warn'],
      /flag --log-level: takes one value/,
    ],
    ['no server', [], /^configuration is not valid:\n {2}- server: is missing; name the MySQL server/],
    ['an unknown variable', server, /MYSQL_TLS_PROXY_X: is not a variable/],
  ];
  for (const [what, args, pattern] of wrongUsage) {
    it(`exits with 2 for ${what}`, async () => {
      const env: Record<string, string> = what === 'an unknown variable' ? { MYSQL_TLS_PROXY_X: '1' } : {};
      const { code, stdout, stderr } = await runCli(args, { env });
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, pattern);
    });
  }

  it('--check-config says that all is well, and warns', async () => {
    const { code, stdout, stderr } = await runCli([
      'start',
      '--server',
      'db',
      '--server-ssl-mode',
      'required',
      '--check-config',
    ]);
    assert.deepEqual([code, stdout], [0, 'configuration is valid\n']);
    assert.match(stderr, /^warning: flag --server-ssl-mode: REQUIRED to db:3306/);
  });

  it('--check-config says all that is wrong', async () => {
    const { code, stdout, stderr } = await runCli(['--listen', ':1', '--log-level', 'x', '--check-config']);
    assert.deepEqual([code, stdout], [2, '']);
    assert.equal(stderr.split('\n  - ').length, 4);
  });

  it('--print-config prints what is in use and where it came from', async () => {
    const file = configFile('max-connections: 7\n');
    const args = ['--serverSslMode', 'verify-ca', '--config', file, '--print-config'];
    const { code, stdout } = await runCli(args, { env: { MYSQL_TLS_PROXY_SERVER: 'a:1,b:2' } });
    assert.equal(code, 0);
    assert.ok(stdout.includes(`max-connections: 7  # file ${file}:1\n`));
    assert.match(stdout, /servers: \[a:1, b:2\] {2}# environment MYSQL_TLS_PROXY_SERVER\n/);
    assert.match(stdout, /ssl-mode: VERIFY_CA {2}# flag --server-ssl-mode\n/);
  });
});

describe('mysql-tls-proxy start', { timeout: 60_000 }, () => {
  it('logs its warnings first, and its lines in order up to the last', async () => {
    const cli = start([
      ...server,
      '--listen',
      '127.0.0.1:0',
      '--admin-listen',
      'off',
      '--handshake-timeout',
      '11',
    ]);
    const ready = await cli.line('ready');
    assert.equal(ready['admin'], 'off');
    assert.match(String(ready['version']), /^\d/);
    assert.deepEqual(ready['routes'], { default: ready['listen'] });
    cli.signal('SIGINT');
    assert.equal((await cli.ended).code, 0);
    const [warning, ...others] = cli.lines;
    assert.equal(warning?.level, 'warn');
    assert.match(warning?.msg ?? '', /^flag --handshake-timeout: is not below/);
    assert.deepEqual(
      others.map(({ msg }) => msg),
      ['ready', 'stopping', 'stopped'],
    );
  });

  it('takes everything from the environment', async () => {
    const cli = start([], {
      MYSQL_TLS_PROXY_SERVER: '127.0.0.1:1',
      MYSQL_TLS_PROXY_LISTEN: '127.0.0.1:0,127.0.0.1:0',
      MYSQL_TLS_PROXY_ADMIN_LISTEN: 'off',
    });
    const { listen } = await cli.line('ready');
    assert.equal((listen as string[]).length, 2);
  });

  it('ends with 1 and one line when a port is taken', async () => {
    const other = net.createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const taken = `127.0.0.1:${(other.address() as net.AddressInfo).port}`;
    for (const [args, pattern] of [
      [['--listen', taken, '--admin-listen', 'off'], /^cannot start: .*EADDRINUSE/],
      [['--listen', '127.0.0.1:0', '--admin-listen', taken], /^cannot start: .*--admin-listen.*EADDRINUSE/],
    ] as const) {
      const { code, stdout, stderr } = await runCli([...server, ...args]);
      assert.deepEqual([code, stderr], [1, '']);
      assert.equal(stdout.split('\n').length, 2);
      assert.match((JSON.parse(stdout) as { msg: string }).msg, pattern);
      const silent = await runCli([...server, ...args, '--log-level', 'silent']);
      assert.deepEqual([silent.code, silent.stdout], [1, '']);
      assert.match(silent.stderr, /^mysql-tls-proxy: cannot start: .*EADDRINUSE.*\n$/);
    }
    other.close();
  });

  it('reloads on SIGHUP, and keeps the old configuration when the new one is wrong', async () => {
    const file = configFile('server: 127.0.0.1:1\nlisten: 127.0.0.1:0\nadmin-listen: off\n');
    const cli = start(['--config', file]);
    await cli.line('ready');
    const reload = async (text: string, message: string) => {
      writeFileSync(`${file}.new`, text);
      renameSync(`${file}.new`, file);
      cli.lines.length = 0;
      cli.signal('SIGHUP');
      return cli.line(message);
    };
    const failed = 'reload failed, the old configuration stays in use';
    const same = 'listen: 127.0.0.1:0\nadmin-listen: off\n';
    const wrong = await reload(`${same}server: 127.0.0.1:1\nlog-level: x\nfoo: 1\n`, failed);
    assert.equal((wrong['problems'] as string[]).length, 2);
    const other = await reload(
      'server: 127.0.0.1:1\nlisten: 127.0.0.1:0\nadmin-listen: 127.0.0.1:0\n',
      failed,
    );
    assert.deepEqual(other['problems'], ['these options need a restart to change: admin-listen']);
    await reload(`${same}server: 127.0.0.1:2\nlog-level: debug\n`, 'configuration reloaded');
    cli.signal('SIGTERM');
    assert.equal((await cli.ended).code, 0);
  });
});

describe('signals', () => {
  it('ask to stop with the first, to stop at once with the second, and reload one after the other', async () => {
    const signals = listenForSignals();
    try {
      const reloads: string[] = [];
      let finish: () => void = () => undefined;
      signals.onReload(async () => {
        reloads.push('begin');
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        reloads.push('end');
      });
      process.emit('SIGHUP', 'SIGHUP');
      process.emit('SIGHUP', 'SIGHUP');
      await new Promise(setImmediate);
      assert.deepEqual(reloads, ['begin']);
      finish();
      await new Promise(setImmediate);
      assert.deepEqual(reloads, ['begin', 'end', 'begin']);
      finish();
      process.emit('SIGTERM', 'SIGTERM');
      assert.equal(await signals.stop, 'SIGTERM');
      assert.equal(await Promise.race([signals.stopAtOnce, 'not yet']), 'not yet');
      process.emit('SIGINT', 'SIGINT');
      assert.equal(await signals.stopAtOnce, 'SIGINT');
    } finally {
      signals.dispose();
    }
    assert.equal(process.listenerCount('SIGHUP'), 0);
  });
});
