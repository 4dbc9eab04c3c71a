/** Certificates are rotated under load: no client notices, and the last one is what clients see. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { createConnection } from 'mysql2/promise';
import { type Identity, issueCertificate, loopbackNames, makeCertificates } from '../support/certificates.js';
import { type Contents, KubernetesVolume, replaceByRename, writeInPlace } from '../support/changing-files.js';
import { makeTemporaryFolder, removeTemporaryFolder } from '../support/clean-up.js';
import { CliProcess } from '../support/cli-process.js';
import { CLIENT_FLAGS, FLAGS, login, sslRequest } from '../support/packets.js';
import { ScriptedPeer } from '../support/scripted-peer.js';
import { startMysql9 } from '../support/servers.js';
import { orSkip, stopServer } from './real-server.js';

const connections = 10_000;
const rotations = 50;
const atOnce = 8;

const RELOADED = 'configuration reloaded';
const FAILED = 'reload failed, the old configuration stays in use';

const filesOf = ({ certificate, key }: Identity): Contents => ({ 'tls.crt': certificate, 'tls.key': key });

/** Where the files really are, behind the links. */
const current = (volume: KubernetesVolume) => path.join(volume.folder, '..data');

const ways: readonly ((volume: KubernetesVolume, files: Contents) => void)[] = [
  (volume, files) => replaceByRename(current(volume), files),
  (volume, files) => writeInPlace(current(volume), files),
  (volume, files) => volume.update(files),
];

test(`${connections} TLS connections while certificates are rotated ${rotations} times: none fails`, async (t) => {
  const folder = makeTemporaryFolder();
  t.after(() => removeTemporaryFolder(folder));
  const certificates = makeCertificates(folder);
  const { ca } = certificates;
  // EC, which costs a fortieth of RSA for each connection. The length is that of the key that is thrown away.
  const identities = Array.from({ length: rotations + 1 }, (_, index) =>
    issueCertificate({
      commonName: `rotation ${index}`,
      purpose: 'server',
      issuer: ca,
      names: loopbackNames,
      keyType: 'ec',
      keyBits: 1024,
    }),
  );
  const [initial] = identities;
  if (initial === undefined) assert.fail('no certificate');
  const server = orSkip(t, await startMysql9({ tls: certificates.serverTls }));
  if (server === undefined) return;
  t.after(() => stopServer(server));
  // Without a password a login is one packet.
  await server.sql("CREATE USER 'short'@'%' IDENTIFIED BY ''");
  const volume = new KubernetesVolume(path.join(folder, 'tls'), filesOf(initial));
  const cli = new CliProcess([
    ...['--listen', '127.0.0.1:0', '--admin-listen', 'off', '--log-format', 'json'],
    ...['--server', `127.0.0.1:${server.port}`, '--server-ssl-ca', ca.certificateFile],
    ...['--client-ssl-mode', 'REQUIRED', '--client-ssl-cert', path.join(volume.folder, 'tls.crt')],
    ...['--client-ssl-key', path.join(volume.folder, 'tls.key')],
  ]);
  t.after(async () => {
    cli.signal('SIGKILL');
    await cli.ended;
  });
  const port = Number(String(((await cli.line('ready'))['listen'] as string[])[0]).split(':')[1]);

  const ssl = { ca: ca.certificate };
  const openBefore = await Promise.all(
    [1, 2, 3].map(() => createConnection({ host: 'localhost', port, user: 'short', ssl })),
  );
  const idOf = async (connection: (typeof openBefore)[number]) => {
    const [rows] = await connection.query('SELECT CONNECTION_ID() AS id');
    return (rows as { id: number }[])[0]?.id;
  };
  const idsBefore = await Promise.all(openBefore.map(idOf));

  let done = 0;
  let rotated = 0;
  const seen = new Map<string, number>();
  const failures: string[] = [];
  const connectAndQuit = async () => {
    try {
      const name = await certificateOfLogin(port, ca.certificate);
      seen.set(name, (seen.get(name) ?? 0) + 1);
    } catch (error) {
      failures.push(`after ${done} connections and ${rotated} rotations: ${error}`);
    }
    done += 1;
  };
  // Connections are made for as long as there are rotations.
  const workers = Array.from({ length: atOnce }, async () => {
    while (done < connections || rotated < rotations) await connectAndQuit();
  });
  for (const [index, identity] of identities.slice(1).entries()) {
    while (done < (index * connections) / (rotations + 1)) await delay(2);
    const from = cli.lines.length;
    ways[index % ways.length]?.(volume, filesOf(identity));
    // In turns of as many as there are ways, so that each way is seen with and without a signal.
    if (Math.floor(index / ways.length) % 2 === 1) cli.signal('SIGHUP');
    const { msg } = await cli.line([RELOADED, FAILED], from);
    assert.equal(msg, RELOADED, JSON.stringify(cli.lines.at(-1)));
    rotated += 1;
    assert.equal(await certificateOfLogin(port, ca.certificate), identity.commonName);
  }
  await Promise.all(workers);

  assert.deepEqual(failures.slice(0, 5), []);
  assert.equal(failures.length, 0);
  assert.ok(done >= connections);
  assert.equal(await certificateOfLogin(port, ca.certificate), `rotation ${rotations}`);
  assert.ok(seen.size >= rotations / 2, `only ${seen.size} certificates were seen`);
  assert.deepEqual(await Promise.all(openBefore.map(idOf)), idsBefore);
  await Promise.all(openBefore.map((connection) => connection.end()));
  const reloads = cli.lines.filter(({ msg }) => msg === RELOADED || msg === FAILED);
  assert.equal(reloads.length, rotations, 'one reload for each rotation');
  const bySignal = reloads.filter(({ changed }) => changed === undefined).length;
  assert.ok(bySignal > rotations / 3 && bySignal < (rotations * 2) / 3, `${bySignal} by SIGHUP`);
  const bad = cli.lines.filter(({ level }) => level === 'error' || level === 'warn');
  assert.deepEqual(bad, []);
  t.diagnostic(`${done} connections, ${seen.size} certificates seen, ${bySignal} reloads by SIGHUP`);
});

/** Connects, verifies the proxy, logs in, and leaves. */
async function certificateOfLogin(port: number, ca: string): Promise<string> {
  const client = await ScriptedPeer.connect({ host: '127.0.0.1', port });
  try {
    await client.packet();
    const flags = (CLIENT_FLAGS | FLAGS.ssl) & ~FLAGS.connectWithDb;
    client.send(1, sslRequest(flags));
    const secured = await client.startTlsAsClient({ ca, servername: 'localhost', rejectUnauthorized: true });
    const { CN } = secured.getPeerCertificate().subject;
    client.send(2, login({ flags, user: 'short', auth: Buffer.alloc(0), plugin: 'caching_sha2_password' }));
    const { payload } = await client.packet();
    if (payload[0] !== 0) throw new Error(`no OK but ${payload.toString('latin1')}`);
    const comQuit = Buffer.from([1]);
    client.send(0, comQuit);
    await client.ended();
    return String(CN);
  } finally {
    client.close();
  }
}
