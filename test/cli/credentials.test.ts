/** The credentials file and the RSA key as someone meets them who runs the program. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { CliProcess, runCli } from '../support/cli-process.js';
import { greeting, login, NONCE, OK, readErr } from '../support/packets.js';
import { nativeAnswer } from '../support/passwords.js';
import { ScriptedPeer, ScriptedServer } from '../support/scripted-peer.js';

const folder = mkdtempSync(join(tmpdir(), 'cli-credentials-'));
after(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string, mode = 0o600): string {
  const file = join(folder, name);
  writeFileSync(file, text, { mode });
  chmodSync(file, mode);
  return file;
}

const quiet = ['--admin-listen', 'off', '--log-format', 'json'];

/** How the proxy answers a login with this password: OK of the server, or an error number. */
async function logIn(address: string, server: ScriptedServer, password: string): Promise<number> {
  const accepted = server.connection();
  const [host = '', port] = address.split(':');
  const client = await ScriptedPeer.connect({ host, port: Number(port) });
  const peer = await accepted;
  try {
    peer.send(0, greeting());
    await client.packet();
    client.send(1, login({ user: 'app', auth: nativeAnswer(password, NONCE) }));
    const answered = client.packet();
    // The server is asked only if the proxy has let the client in; else it gets a login that it is to refuse.
    const { payload } = await peer.packet();
    if (payload.includes('stored_user')) peer.send(2, OK);
    const answer = (await answered).payload;
    return answer[0] === 0 ? 0 : readErr(answer).errno;
  } finally {
    client.close();
    peer.close();
  }
}

async function startProxy(t: TestContext, args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const cli = new CliProcess(['--listen', '127.0.0.1:0', ...quiet, ...args], { env });
  t.after(async () => {
    cli.signal('SIGKILL');
    await cli.ended;
  });
  const ready = await cli.line('ready');
  return { cli, address: (ready['listen'] as string[])[0] ?? '' };
}

test('SIGHUP reads the passwords again, all or nothing', async (t) => {
  const server = await ScriptedServer.listen();
  t.after(() => server.close());
  write('app.password', 'first');
  const credentials = write(
    'credentials.yaml',
    '- user: app\n  password-file: app.password\n  server-user: stored_user\n',
  );
  const toServer = ['--server', `127.0.0.1:${server.port}`, '--server-ssl-mode', 'disabled'];
  const { cli, address } = await startProxy(t, [...toServer, '--credentials', credentials]);
  assert.equal(await logIn(address, server, 'first'), 0);
  assert.equal(await logIn(address, server, 'second'), 1045);

  write('app.password', 'second');
  cli.signal('SIGHUP');
  await cli.line('configuration reloaded');
  assert.equal(await logIn(address, server, 'first'), 1045);
  assert.equal(await logIn(address, server, 'second'), 0);

  write('app.password', 'third', 0o644);
  cli.signal('SIGHUP');
  const { problems } = await cli.line('reload failed, the old configuration stays in use');
  assert.match(String(problems), /app\.password" can be read or written by other users/);
  assert.equal(await logIn(address, server, 'second'), 0, 'the old password stays');
  assert.equal(await logIn(address, server, 'third'), 1045);
});

test('a credentials file that others can read is refused at start', async () => {
  const credentials = write('open.yaml', '- user: app\n  password-env: APP\n', 0o644);
  const args = ['--server', '127.0.0.1:1', '--credentials', credentials];
  const { code, stderr } = await runCli(args, { env: { APP: 'x' } });
  assert.equal(code, 2);
  assert.match(stderr, /--credentials: ".*open\.yaml" can be read or written by other users .* chmod 600/);
});

test('the RSA key is made once, for its owner alone, and a damaged one is not replaced', async (t) => {
  const stateHome = join(folder, 'state');
  const env = { XDG_STATE_HOME: stateHome };
  const start = () => startProxy(t, ['--server', '127.0.0.1:1'], env);
  const keyFile = join(stateHome, 'mysql-tls-proxy', 'rsa-private-key.pem');
  await start();
  assert.equal(statSync(keyFile).mode & 0o777, 0o600);
  const made = statSync(keyFile, { bigint: true });
  await start();
  const still = statSync(keyFile, { bigint: true });
  assert.deepEqual([still.ino, still.mtimeNs], [made.ino, made.mtimeNs]);
  assert.deepEqual(readdirSync(join(stateHome, 'mysql-tls-proxy')), ['rsa-private-key.pem']);
  writeFileSync(keyFile, 'damaged');
  const args = ['--listen', '127.0.0.1:0', '--server', '127.0.0.1:1', ...quiet];
  const { code, stdout } = await runCli(args, { env });
  assert.equal(code, 1);
  assert.match(stdout, /cannot start: .*rsa-private-key\.pem.* it holds no RSA private key.*remove it/);
});
