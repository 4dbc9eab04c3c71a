/** The doctor at servers that no real one is like: they close, fall silent, or try to write into the terminal. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import path from 'node:path';
import { type TestContext, test } from 'node:test';
import { createSecureContext, TLSSocket } from 'node:tls';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { runCli } from '../support/cli-process.js';
import { err, FLAGS, greeting, OK, SERVER_FLAGS } from '../support/packets.js';

const folder = makeTemporaryFolder();
const { ca, server: identity } = makeCertificates(folder);
const passwordFile = path.join(folder, 'password');
writeFileSync(passwordFile, 'secret', { mode: 0o600 });
const login = ['--user', 'app', '--password-file', passwordFile, '--server-ssl-mode', 'DISABLED'];
const plaintext = { flags: SERVER_FLAGS & ~FLAGS.ssl };
const ESCAPE = '\u001b';

function frame(sequenceId: number, payload: Buffer): Buffer {
  const length = payload.length;
  return Buffer.concat([Buffer.from([length & 0xff, length >> 8, 0, sequenceId]), payload]);
}

/** Greets each connection, and leaves the rest to the test. */
async function listen(
  t: TestContext,
  options: Parameters<typeof greeting>[0],
  act: (socket: Socket, packet: Buffer, connection: number) => void,
): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const connection = sockets.size;
    socket.on('error', () => {});
    socket.write(frame(0, greeting(options)));
    socket.on('data', (packet) => act(socket, packet, connection));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as { port: number }).port;
}

const SSL_REQUEST_LENGTH = 32;

const isSslRequest = (packet: Buffer): boolean => packet.readUIntLE(0, 3) === SSL_REQUEST_LENGTH;

/** For TLS. The ClientHello may have come in one segment with the SSLRequest. */
function takeOver(socket: Socket, packet: Buffer): void {
  socket.removeAllListeners('data');
  socket.pause();
  const behind = packet.subarray(4 + SSL_REQUEST_LENGTH);
  if (behind.length > 0) socket.unshift(behind);
}

test('nothing that a server sends can write into the terminal', async (t) => {
  const text = `${ESCAPE}[2J${ESCAPE}]0;owned\u0007\nNo problem found.\n`;
  const port = await listen(t, { ...plaintext, version: `9.9${ESCAPE}[31m` }, (socket) => {
    socket.end(frame(2, err(1234, text, 'HY000')));
  });
  for (const extra of [[], ['--json']]) {
    const { code, stdout, stderr } = await runCli([
      'doctor',
      '--server',
      `127.0.0.1:${port}`,
      ...login,
      ...extra,
    ]);
    assert.equal(code, 1);
    assert.match(stdout, /login_failed.*error 1234/);
    assert.ok(![...stdout, ...stderr].includes(ESCAPE), 'no escape sequence');
    assert.doesNotMatch(stdout, /^No problem found\.$/m);
  }
});

test('a server that accepts the login and then falls silent is given up', async (t) => {
  const port = await listen(t, plaintext, (socket, packet) => {
    if (packet[3] === 1) socket.write(frame(2, OK));
  });
  const args = [
    'doctor',
    '--server',
    `127.0.0.1:${port}`,
    ...login,
    '--json',
    '--handshake-timeout',
    '300ms',
  ];
  const { code, stdout } = await runCli(args);
  const codes = (JSON.parse(stdout).findings as { code: string; severity: string }[])
    .filter(({ severity }) => severity === 'error')
    .map((one) => one.code);
  assert.deepEqual([code, codes], [1, ['server_timeout']]);
});

test('a server that closes right behind each TLS handshake is no healthy one', async (t) => {
  const context = createSecureContext({ cert: identity.certificate, key: identity.key });
  const port = await listen(t, {}, (socket, packet) => {
    if (!isSslRequest(packet)) return;
    takeOver(socket, packet);
    const secured = new TLSSocket(socket, { isServer: true, secureContext: context });
    secured.on('error', () => {}).on('secure', () => secured.destroy());
  });
  const args = [
    'doctor',
    '--server',
    `127.0.0.1:${port}`,
    '--server-ssl-ca',
    ca.certificateFile,
    '--skip-ciphers',
  ];
  const { code, stdout } = await runCli(args);
  assert.equal(code, 1);
  assert.match(stdout, /ERROR server_closed/);
});

test('a server that goes away in the middle of the examination: what is known by then is said', async (t) => {
  const context = createSecureContext({ cert: identity.certificate, key: identity.key });
  const port = await listen(t, {}, (socket, packet, connection) => {
    if (connection > 4) {
      socket.destroy();
      return;
    }
    if (!isSslRequest(packet)) {
      socket.end(frame(2, err(1045, 'Access denied', '28000')));
      return;
    }
    takeOver(socket, packet);
    const secured = new TLSSocket(socket, { isServer: true, secureContext: context });
    secured
      .on('error', () => {})
      .on('data', () => secured.end(frame(3, err(1045, 'Access denied', '28000'))));
  });
  const args = ['doctor', '--server', `127.0.0.1:${port}`, '--server-ssl-ca', ca.certificateFile, '--json'];
  const { stdout } = await runCli(args);
  const report = JSON.parse(stdout);
  assert.equal(report.asConfigured.version, 'TLSv1.3');
  assert.ok(report.profiles.length > 0);
});
