import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { makeCertificates } from '../support/certificates.js';
import { CliProcess, runCli } from '../support/cli-process.js';
import { greeting, login, OK, sslRequest } from '../support/packets.js';
import { ScriptedPeer, ScriptedServer } from '../support/scripted-peer.js';

const folder = mkdtempSync(join(tmpdir(), 'cli-'));
after(() => rmSync(folder, { recursive: true }));
const certificates = makeCertificates(folder);

const quiet = ['--admin-listen', 'off', '--log-format', 'json'];
const toServer = (port: number) => ['--server', `127.0.0.1:${port}`, '--server-ssl-mode', 'disabled'];

async function startCli(
  t: TestContext,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<CliProcess> {
  const cli = new CliProcess(args, { env });
  t.after(async () => {
    cli.signal('SIGKILL');
    await cli.ended;
  });
  await cli.line('ready');
  return cli;
}

async function scriptedServer(t: TestContext): Promise<ScriptedServer> {
  const server = await ScriptedServer.listen();
  t.after(() => server.close());
  return server;
}

test('says ready with the real ports, serves clients and the admin pages, and stops cleanly', async (t) => {
  const server = await scriptedServer(t);
  const cli = await startCli(t, [
    ...[
      '--listen',
      '127.0.0.1:0',
      '--listen',
      '[::1]:0',
      '--admin-listen',
      '127.0.0.1:0',
      '--log-format',
      'json',
    ],
    ...toServer(server.port),
  ]);
  const ready = await cli.line('ready');
  const listen = ready['listen'] as string[];
  assert.match(listen[0] ?? '', /^127\.0\.0\.1:[1-9]\d+$/);
  assert.match(listen[1] ?? '', /^\[::1\]:[1-9]\d+$/);
  assert.equal(cli.lines.filter(({ msg }) => msg === 'ready').length, 1);

  const admin = `http://${ready['admin']}`;
  assert.equal((await fetch(`${admin}/livez`)).status, 200);
  assert.equal((await fetch(`${admin}/readyz`)).status, 200);

  for (const [host, address] of [
    ['127.0.0.1', listen[0]],
    ['::1', listen[1]],
  ] as const) {
    const accepted = server.connection();
    const client = await ScriptedPeer.connect({ host, port: Number(address?.split(':').at(-1)) });
    const peer = await accepted;
    peer.send(0, greeting());
    await client.packet();
    client.send(1, login());
    await peer.packet();
    peer.send(2, OK);
    assert.deepEqual((await client.packet()).payload, OK);
    client.close();
    await peer.ended();
    peer.close();
  }
  await cli.line('connection closed');
  const metrics = await (await fetch(`${admin}/metrics`)).text();
  assert.match(metrics, /^mysql_tls_proxy_connections_total\{route="default"\} 2$/m);
  assert.match(metrics, /^mysql_tls_proxy_build_info\{.*version="\d+\.\d+\.\d+".*\} 1$/m);

  cli.signal('SIGTERM');
  const { code, stderr } = await cli.ended;
  assert.equal(code, 0);
  assert.equal(stderr, '');
});

test('a port that is in use: one line that says so, exit code 1', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  t.after(() => taken.close());
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const { code, stdout, stderr } = await runCli([...quiet, '--listen', `127.0.0.1:${port}`, ...toServer(1)]);
  assert.equal(code, 1);
  assert.match(stdout + stderr, new RegExp(`127\\.0\\.0\\.1:${port}.*EADDRINUSE.*choose another port`));
});

test('wrong usage and configuration: all problems at once, exit code 2, nothing on stdout', async () => {
  const unknown = await runCli(['--server-ssl-cat', 'x']);
  assert.equal(unknown.code, 2);
  assert.match(unknown.stderr, /--server-ssl-cat.*did you mean "--server-ssl-ca"/);
  assert.match(unknown.stderr, /^Try: mysql-tls-proxy --help$/m);
  // What a shell makes of --allow-from *.
  const files = await runCli(['--allow-from', 'CHANGELOG.md', 'LICENSE', 'README.md']);
  assert.equal(files.code, 2);
  assert.match(files.stderr, /unknown command "LICENSE"; unknown command "README\.md"/);

  const wrong = await runCli([
    '--server',
    'unix:/run/mysqld.sock',
    '--server-ssl-mode',
    'sure',
    '--listen',
    'nowhere',
  ]);
  assert.equal(wrong.code, 2);
  assert.equal(wrong.stdout, '');
  for (const part of [/--allow-socket-server/, /--server-ssl-mode/, /--listen/])
    assert.match(wrong.stderr, part);
});

test('flag before environment before file before default; --print-config says where each came from', async () => {
  const file = join(folder, 'precedence.yaml');
  writeFileSync(
    file,
    'server: file.example\nconnect-timeout: 3s\nhandshake-timeout: 3s\nmax-connections: 3\n',
  );
  const { code, stdout } = await runCli(['--config', file, '--connect-timeout', '1s', '--print-config'], {
    env: { MYSQL_TLS_PROXY_CONNECT_TIMEOUT: '2s', MYSQL_TLS_PROXY_HANDSHAKE_TIMEOUT: '2s' },
  });
  assert.equal(code, 0);
  assert.match(stdout, /^connect-timeout: .*1.*# flag/m);
  assert.match(stdout, /^handshake-timeout: .*2.*# environment MYSQL_TLS_PROXY_HANDSHAKE_TIMEOUT/m);
  assert.match(stdout, /^max-connections: 3 .*# .*precedence\.yaml/m);
  assert.match(stdout, /^log-level: info .*# default/m);
});

test('--check-config: 0 and a word, or 2 and every problem', async () => {
  const good = await runCli(['--check-config', '--server', 'db.example', '--server-ssl-mode', 'verify-full']);
  assert.deepEqual([good.code, good.stdout], [0, 'configuration is valid\n']);
  const bad = await runCli([
    '--check-config',
    '--server',
    'db.example',
    '--server-ssl-ca',
    '/nowhere/ca.pem',
  ]);
  assert.equal(bad.code, 2);
  assert.match(bad.stderr, /server-ssl-ca.*\/nowhere\/ca\.pem.*does not exist/);
});

test('a socket file: its mode, a dead one replaced, a live one and another file left alone', async (t) => {
  const socket = join(folder, 'proxy.sock');
  const args = [...quiet, '--listen', `unix:${socket}`, '--listen-mode', '0622', ...toServer(1)];
  const first = await startCli(t, args);
  assert.equal(statSync(socket).mode & 0o777, 0o622);

  const second = await runCli(args);
  assert.equal(second.code, 1);
  assert.match(second.stdout + second.stderr, /another program listens there/);

  first.signal('SIGKILL');
  await first.ended;
  const server = await scriptedServer(t);
  const third = await startCli(t, [...args.slice(0, -4), ...toServer(server.port)]);
  const accepted = server.connection();
  const client = await ScriptedPeer.connect({ path: socket });
  (await accepted).send(0, greeting());
  assert.equal((await client.packet()).payload[0], 10);
  client.close();
  third.signal('SIGTERM');
  assert.equal((await third.ended).code, 0);

  const file = join(folder, 'no-socket');
  writeFileSync(file, 'precious');
  const onFile = await runCli([...quiet, '--listen', `unix:${file}`, ...toServer(server.port)]);
  assert.equal(onFile.code, 1);
  assert.match(onFile.stdout + onFile.stderr, /no socket/);
  assert.equal(statSync(file).size, 8);
});

test('SIGHUP takes new certificates for new connections; with a broken file the old ones stay', async (t) => {
  const server = await scriptedServer(t);
  const live = join(folder, 'live');
  mkdirSync(live);
  const [cert, key] = [join(live, 'cert.pem'), join(live, 'key.pem')];
  const use = (identity: { certificate: string; key: string }) => {
    writeFileSync(cert, identity.certificate);
    writeFileSync(key, identity.key);
    chmodSync(key, 0o600);
  };
  use(certificates.server);
  const cli = await startCli(t, [
    ...[...quiet, '--listen', '127.0.0.1:0', '--client-ssl-cert', cert, '--client-ssl-key', key],
    ...toServer(server.port),
  ]);
  const [address = ''] = (await cli.line('ready'))['listen'] as string[];
  const certificateSeen = async () => {
    const accepted = server.connection();
    const client = await ScriptedPeer.connect({ host: '127.0.0.1', port: Number(address.split(':')[1]) });
    (await accepted).send(0, greeting());
    await client.packet();
    client.send(1, sslRequest());
    const secured = await client.startTlsAsClient();
    const name = secured.getPeerCertificate().subject.CN;
    client.close();
    return name;
  };
  assert.equal(await certificateSeen(), 'Test server');

  use(certificates.client);
  cli.signal('SIGHUP');
  await cli.line('configuration reloaded');
  assert.equal(await certificateSeen(), 'Test client');

  writeFileSync(cert, 'broken');
  cli.signal('SIGHUP');
  const failure = await cli.line('reload failed, the old configuration stays in use');
  assert.match(JSON.stringify(failure), /client-ssl-cert/);
  assert.equal(await certificateSeen(), 'Test client');
});
