/** The load test as a user runs it, against nothing at all: what it refuses, and what it says of what is not there. */
import assert from 'node:assert/strict';
import { chmodSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { planFrom } from '../../src/commands/bench-options.js';
import { UsageError } from '../../src/commands/command.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { runCli } from '../support/cli-process.js';
import { freePort } from '../support/servers.js';

const folder = makeTemporaryFolder();
const file = (name: string, contents: string, mode = 0o600): string => {
  const saved = path.join(folder, name);
  writeFileSync(saved, contents);
  chmodSync(saved, mode);
  return saved;
};

const here = ['--target', '127.0.0.1:1', '--user', 'app'];

test('wrong usage: what to change, with exit code 2', async () => {
  const cases: readonly (readonly [words: readonly string[], message: RegExp])[] = [
    [['--user', 'app'], /say what to load: --target HOST:PORT/],
    [['--target', '127.0.0.1:1'], /say who logs in: --user NAME/],
    [['--target', 'http://x', '--user', 'app'], /--target: write HOST:PORT, without "http:\/\/"/],
    [[...here, '--baseline', '127.0.0.1:x'], /--baseline: "x" is not a port/],
    [[...here, '--duration', 'long'], /--duration: "long" is not a duration; write for example 500ms, 9s/],
    [[...here, '--duration', '500ms'], /--duration: rounds need 1s or more/],
    [[...here, '--connections', '0'], /--connections: "0" is not a whole number/],
    [[...here, '--connections', '30000'], /--connections: one address has no more ports/],
    [[...here, '--mix', 'point-select'], /--mix point-select makes a table of its own: .*--database NAME/],
    [
      [...here, '--mix', 'nothing'],
      /"nothing" is neither one of ping, .* nor a file that can be read \(ENOENT\)/,
    ],
    [[...here, '--mix', file('bad.sql', "SELECT 'x")], /bad\.sql": line 1: ' is opened and not closed/],
    [[...here, '--ssl-mode', 'MAYBE'], /--ssl-mode: "MAYBE" is none of DISABLED, PREFERRED/],
    [[...here, '--ssl-ca', '/nowhere/ca.pem'], /flag --ssl-ca: "\/nowhere\/ca\.pem" does not exist/],
    [[...here, '--baseline-ssl-mode', 'REQUIRED'], /--baseline-ssl-mode needs --baseline/],
    [
      [...here, '--baseline', '127.0.0.1:2', '--baseline-ssl-ca', '/nowhere/ca.pem'],
      /flag --baseline-ssl-ca: "\/nowhere\/ca\.pem" does not exist/,
    ],
    [[...here, '--password-file', '/nowhere'], /--password-file: .* does not exist/],
    [[...here, '--password-file', file('open.txt', 'x', 0o644)], /can be read or written by other users/],
  ];
  for (const [words, message] of cases) {
    await assert.rejects(
      planFrom(valuesOf(words)),
      (error: Error) => error instanceof UsageError && message.test(error.message),
      words.join(' '),
    );
  }
  for (const words of [
    [...here, '--duration', 'long'],
    [...here, '--conections', '3'],
  ]) {
    const { code, stdout, stderr } = await runCli(['bench', ...words]);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(
      stderr,
      /"long" is not a duration|unknown option --conections \(did you mean "--connections"\?\)/,
    );
  }
});

/** As the command line hands them over: each flag with its value. */
function valuesOf(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.flatMap((word, n) => (word.startsWith('--') ? [[word.slice(2), words[n + 1] ?? '']] : [])),
  );
}

test('a host that is not this machine is not loaded unasked: not one packet goes there', async () => {
  // Nobody answers for this address: an attempt to connect would end with another message.
  for (const words of [
    ['--target', '192.0.2.1:3306'],
    ['--target', '127.0.0.1:1', '--baseline', '192.0.2.1'],
  ]) {
    const { code, stdout, stderr } = await runCli(['bench', ...words, '--user', 'app', '--json']);
    assert.deepEqual([code, stdout], [2, '']);
    assert.match(stderr, /^mysql-tls-proxy: 192\.0\.2\.1:3306 is not on this machine, .* add --yes\.\n$/);
  }
});

test('with --yes it is: here to where nothing listens', async () => {
  const port = await freePort();
  const { code, stderr } = await runCli(['bench', '--target', `0.0.0.0:${port}`, '--user', 'app', '--yes']);
  assert.equal(code, 2);
  assert.match(
    stderr,
    /no connection to the target \(0\.0\.0\.0:\d+\): nothing listens there \(ECONNREFUSED\)/,
  );
});

test('no server there: which side, and which option', async () => {
  const port = await freePort();
  const words = ['--target', `127.0.0.1:${port}`, '--user', 'app', '--json'];
  const { code, stdout, stderr } = await runCli(['bench', ...words]);
  assert.deepEqual([code, stdout], [2, '']);
  assert.equal(
    stderr,
    `mysql-tls-proxy: no connection to the target (127.0.0.1:${port}): nothing listens there (ECONNREFUSED). Start it, or ` +
      'correct the address in --target.\n',
  );
  const socket = await runCli(['bench', '--target', 'unix:/nowhere/sock', '--user', 'app', '--json']);
  assert.match(socket.stderr, /there is no such socket file \(ENOENT\)/);
});

test('something else there than a MySQL server', async (t) => {
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const target = `127.0.0.1:${address.port}`;
  const { code, stderr } = await runCli(['bench', '--target', target, '--user', 'app', '--json']);
  assert.equal(code, 2);
  assert.match(stderr, /it closed the connection before the login was over \(PROTOCOL_CONNECTION_LOST\)/);
});

test('the help names the limits of what it measures', async () => {
  const { code, stdout } = await runCli(['bench', '--help']);
  assert.equal(code, 0);
  assert.match(
    stdout.replace(/\s+/g, ' '),
    /A closed loop: each connection sends its next query when the last/,
  );
});
