/** The server is killed, hangs, shows a certificate that has ended, or has moved. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { orSkip } from '../integration/real-server.js';
import { issueCertificate, loopbackNames, makeCertificates, saveIdentity } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { runCli } from '../support/cli-process.js';
import { startMysql9 } from '../support/servers.js';
import { newConnection, prepareServer, startStage } from './fault-stage.js';

const certificates = makeCertificates(makeTemporaryFolder());
const ER_NO_SUCH_SERVER = 2003;
const ER_TIMEOUT = 1159;
const ER_TLS = 2026;

test('killed and started again: sessions see it at once, new ones hear why, and then all is as before', async (t) => {
  // What is committed outlives the process.
  const extraArgs = ['--innodb-flush-log-at-trx-commit=2'];
  const server = orSkip(t, await startMysql9({ tls: certificates.serverTls, extraArgs }));
  if (server === undefined) return;
  t.after(() => server.stop());
  await prepareServer(server);
  const { program, writers, assertAllIsWell } = await startStage(t, server, certificates);
  const idle = await program.connect();
  const lost = new Promise<void>((resolve) => idle.on('error', () => resolve()));
  await server.kill();
  await lost;
  await program.until(() => writers.connectErrors.has(ER_NO_SUCH_SERVER));
  assert.equal(await newConnection(program), ER_NO_SUCH_SERVER);
  // Those in the middle of a statement or a login were cut off, the others were refused for the one reason.
  for (const errno of writers.connectErrors.keys())
    assert.ok([2003, 2012, 'PROTOCOL_CONNECTION_LOST', 'ECONNRESET'].includes(errno), String(errno));
  const refused = () => program.cli.lines.find(({ code }) => code === 'server_port_closed');
  await program.until(() => refused() !== undefined);
  const line = refused();
  assert.match(
    String(line?.msg),
    /server leg: .* can not be reached \(ECONNREFUSED, nothing listens there\)/,
  );
  await server.restart();
  await writers.more(200);
  assert.equal(await newConnection(program), 'connected');
  assert.deepEqual([...writers.statementErrors.keys()], ['PROTOCOL_CONNECTION_LOST']);
  await assertAllIsWell();
  assert.deepEqual(
    program.cli.lines.filter(({ code }) => code === 'internal_error' || code === 'worker_died'),
    [],
  );
});

test('hung: sessions wait and go on, new ones are told in time, and nobody is cut', async (t) => {
  const server = orSkip(t, await startMysql9({ tls: certificates.serverTls }));
  if (server === undefined) return;
  t.after(async () => {
    process.kill(server.pid, 'SIGCONT');
    await server.stop();
  });
  await prepareServer(server);
  const { program, writers, assertAllIsWell } = await startStage(t, server, certificates, [
    ...['--connect-timeout', '1s', '--handshake-timeout', '2s'],
  ]);
  const waiting = await program.connect();
  process.kill(server.pid, 'SIGSTOP');
  const answer = waiting.query('SELECT 1');
  assert.equal(await newConnection(program), ER_TIMEOUT);
  await delay(2_000);
  process.kill(server.pid, 'SIGCONT');
  await answer;
  await writers.more(200);
  assert.equal(await newConnection(program), 'connected');
  assert.deepEqual([...writers.statementErrors], []);
  await waiting.end();
  await assertAllIsWell();
});

test('a certificate ends: sessions go on, new ones hear of it, and after the rotation all is well', async (t) => {
  const folder = makeTemporaryFolder();
  const issue = (validTo?: Date) =>
    saveIdentity(
      issueCertificate({
        commonName: 'Test server',
        purpose: 'server',
        issuer: certificates.ca,
        names: loopbackNames,
        ...(validTo === undefined ? {} : { validTo }),
      }),
      path.join(folder, 'server-cert.pem'),
      path.join(folder, 'server-key.pem'),
    );
  const end = new Date(Date.now() + 15_000);
  const { certificateFile, keyFile } = issue(end);
  const tls = { ca: certificates.ca.certificateFile, cert: certificateFile, key: keyFile };
  const server = orSkip(t, await startMysql9({ tls }));
  if (server === undefined) return;
  t.after(() => server.stop());
  await prepareServer(server);
  // The client leg shows the same certificate.
  const { program, writers, assertAllIsWell } = await startStage(t, server, certificates, [], {
    shown: { certificateFile, keyFile },
  });
  assert.equal(await newConnection(program), 'connected');
  await delay(end.getTime() - Date.now() + 1_500);
  assert.equal(await newConnection(program), ER_TLS);
  const expired = () => program.cli.lines.find(({ code }) => code === 'server_certificate_expired');
  await program.until(() => expired() !== undefined);
  const line = expired();
  assert.match(String(line?.msg), /Renew the certificate of the server/);
  await writers.more(100);
  // The client leg goes on with the one that has ended, for clients that do not look; a start says so.
  const { code, stderr } = await runCli([
    ...['--check-config', '--server', '127.0.0.1', '--server-ssl-ca', certificates.ca.certificateFile],
    ...['--client-ssl-cert', certificateFile, '--client-ssl-key', keyFile],
  ]);
  assert.equal(code, 0);
  assert.match(stderr, /warning: flag --client-ssl-cert: .*the certificate expired on/);
  issue();
  await server.sql('ALTER INSTANCE RELOAD TLS');
  await program.until(async () => (await newConnection(program)) === 'connected');
  await writers.more(50);
  assert.deepEqual([...writers.statementErrors], []);
  await assertAllIsWell();
});
