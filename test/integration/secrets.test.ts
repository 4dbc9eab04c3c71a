/**
 * Logs in in every way, with right and wrong passwords, against a proxy that logs all it can, and searches everything
 * that it wrote for the passwords, their stored hash and the RSA key.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type ConnectionOptions, createConnection } from 'mysql2/promise';
import { stringify } from 'yaml';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { CliProcess, runCli } from '../support/cli-process.js';
import { mysqlCli } from '../support/clients.js';
import { mysqljs } from '../support/npm-clients.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startMysql9 } from '../support/servers.js';
import { orSkip, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const folder = makeTemporaryFolder();
const stateFolder = path.join(folder, 'state');

const passwords = {
  account: 'kept-by-the-server-Zq7!',
  stored: 'kept-in-a-file-Xw3%',
  fromEnvironment: 'kept-in-a-variable-Rt9&',
  hashed: 'kept-as-a-hash-Pl5*',
  wrong: 'never-right-Mn1(',
};

describe('nothing that the proxy writes holds a secret', () => {
  let server: RealServer | Unavailable;
  before(async () => {
    server = await startMysql9({ tls: certificates.serverTls });
    if (isUnavailable(server)) return;
    await server.sql(
      `CREATE USER direct IDENTIFIED BY ?; CREATE USER direct_sha256 IDENTIFIED WITH sha256_password BY ?;
       CREATE USER by_file IDENTIFIED BY ?; CREATE USER by_environment IDENTIFIED BY ?`,
      [passwords.account, passwords.account, passwords.stored, passwords.fromEnvironment],
    );
  });
  after(() => stopServer(server));

  test('log, metrics, printed configuration, state directory', async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    const configFile = writeConfiguration(running);
    const env = { PROXY_TEST_PASSWORD: passwords.fromEnvironment, XDG_STATE_HOME: stateFolder };
    const printed = await runCli(['--config', configFile, '--print-config'], { env });
    assert.equal(printed.code, 0, printed.stderr);

    const cli = new CliProcess(['--config', configFile], { env });
    t.after(() => cli.signal('SIGKILL'));
    const ready = await cli.line('ready');
    const routes = ready['routes'] as Record<string, string[]>;
    const outcomes: string[] = [];
    for (const [route, [address = '']] of Object.entries(routes)) {
      for (const ssl of [undefined, { ca: certificates.ca.certificate }]) {
        outcomes.push(...(await logInInEveryWay(running, route, address, ssl)));
      }
    }
    const metrics = await (await fetch(`http://${ready['admin']}/metrics`)).text();
    cli.signal('SIGHUP');
    await cli.line('configuration reloaded');
    cli.signal('SIGTERM');
    const { stdout, stderr, code } = await cli.ended;
    assert.equal(code, 0);

    // All ways were gone, or there was nothing to find.
    for (const way of ['relayed', 'translated', 'bridged', 'credentials']) {
      assert.match(stdout, new RegExp(`"authentication":"${way}"`));
    }
    assert.ok(
      outcomes.includes('accepted') && outcomes.includes('1045') && outcomes.includes('2061'),
      String(outcomes),
    );
    const stateFiles = readdirSync(stateFolder, { recursive: true, encoding: 'utf8' });
    const key = readFileSync(path.join(stateFolder, 'mysql-tls-proxy', 'rsa-private-key.pem'), 'utf8');
    const written = {
      'standard output': stdout,
      'standard error': stderr,
      metrics,
      '--print-config': printed.stdout + printed.stderr,
      'names of files': stateFiles.join('\n'),
    };
    for (const [where, text] of Object.entries(written)) {
      for (const [name, secret] of secrets(key)) {
        assert.ok(!text.toLowerCase().includes(secret.toLowerCase()), `${name} is in ${where}`);
      }
    }
  });
});

function writeConfiguration({ host, port }: RealServer): string {
  const write = (name: string, text: string): string => {
    const file = path.join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    return file;
  };
  write('stored.password', passwords.stored);
  const credentials = [
    { user: 'by_file', 'password-file': 'stored.password' },
    { user: 'by_environment', 'password-env': 'PROXY_TEST_PASSWORD' },
    {
      user: 'by_hash',
      'password-hash': doubleSha1(passwords.hashed),
      'server-user': 'by_file',
      'server-password-file': 'stored.password',
    },
    { user: 'outdated', 'password-file': 'stored.password', 'server-user': 'direct' },
  ];
  write('credentials.yaml', stringify(credentials));
  const { server, ca } = certificates;
  const client = { 'ssl-cert': server.certificateFile, 'ssl-key': server.keyFile };
  const route = (name: string, more: object) => ({
    name,
    listen: '127.0.0.1:0',
    servers: `${host}:${port}`,
    client,
    ...more,
  });
  const overTls = { server: { 'ssl-ca': ca.certificateFile } };
  const plaintext = { server: { 'ssl-mode': 'DISABLED' } };
  return write(
    'proxy.yaml',
    stringify({
      'log-level': 'debug',
      'log-format': 'json',
      'admin-listen': '127.0.0.1:0',
      credentials: 'credentials.yaml',
      routes: [
        route('to-tls', overTls),
        route('to-plaintext', plaintext),
        route('bridged', { ...overTls, 'auth-bridge': 'sha256' }),
      ],
    }),
  );
}

async function logInInEveryWay(
  server: RealServer,
  route: string,
  address: string,
  ssl: ConnectionOptions['ssl'],
): Promise<string[]> {
  const [host = '', port] = address.split(':');
  const target = { host, port: Number(port) };
  const users: [string, string][] = [
    ['direct', passwords.account],
    ['direct_sha256', passwords.account],
    ['by_file', passwords.stored],
    ['by_environment', passwords.fromEnvironment],
    ['by_hash', passwords.hashed],
    ['outdated', passwords.stored],
    ['nobody', passwords.wrong],
  ];
  const outcomes: string[] = [];
  for (const [user, password] of users) {
    for (const tried of [password, passwords.wrong]) {
      await server.sql('FLUSH PRIVILEGES');
      outcomes.push(await logIn({ ...target, user, password: tried, ...(ssl === undefined ? {} : { ssl }) }));
    }
  }
  const tls = ssl === undefined ? 'off' : { ca: certificates.ca.certificateFile };
  const clearText = await mysqlCli(
    {
      ...target,
      user: 'direct',
      password: passwords.account,
      tls,
      extraArgs: ['--enable-cleartext-plugin', '--default-auth=mysql_clear_password'],
    },
    'SELECT 1',
  );
  if (isUnavailable(clearText)) throw new Error(clearText.unavailable);
  outcomes.push(/ERROR (\d+)/.exec(clearText.stderr)?.[1] ?? 'accepted');
  await mysqljs({
    ...target,
    user: 'by_file',
    password: passwords.stored,
    tls: 'off',
    steps: [{ query: `SELECT '${route}'` }],
  });
  return outcomes;
}

/** Logs in, changes to another user and back with a wrong password. */
async function logIn(options: ConnectionOptions): Promise<string> {
  try {
    const connection = await createConnection(options);
    connection.on('error', () => {});
    await connection.changeUser({ user: 'direct', password: passwords.account });
    await connection.changeUser({ user: 'by_file', password: passwords.wrong }).catch(() => {});
    connection.destroy();
    return 'accepted';
  } catch (error) {
    return String((error as { errno?: number }).errno);
  }
}

/** What must not be found, in the forms in which it might be written. */
function secrets(key: string): [string, string][] {
  const found: [string, string][] = [];
  for (const [name, password] of Object.entries(passwords)) {
    const bytes = Buffer.from(password);
    found.push([name, password]);
    found.push([`${name} in hexadecimal`, bytes.toString('hex')]);
    found.push([`${name} in base64`, bytes.toString('base64').replace(/=+$/, '')]);
    found.push([`${name} as an array`, [...bytes].join(',')]);
    found.push([`the hash of ${name}`, doubleSha1(password).slice(1)]);
  }
  const lines = key.split('\n').filter((line) => line !== '' && !line.startsWith('-----'));
  assert.ok(lines.length > 10);
  found.push(...lines.map((line, index): [string, string] => [`line ${index} of the RSA key`, line]));
  return found;
}

function doubleSha1(password: string): string {
  const once = createHash('sha1').update(password).digest();
  return `*${createHash('sha1').update(once).digest('hex').toUpperCase()}`;
}
