/** Files change under the running program, which notices by itself; no test here sends a signal unless it says so. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Identity, issueCertificate, loopbackNames } from '../support/certificates.js';
import { KubernetesVolume, replaceByRename, writeInPlace } from '../support/changing-files.js';
import { readErr } from '../support/packets.js';
import { makeCrl } from '../support/revocation-list.js';
import { ScriptedPeer } from '../support/scripted-peer.js';
import { FAILED, RELOADED, type Running, run } from './reload-setup.js';

const dayMs = 24 * 60 * 60 * 1000;

let ca: Identity;
let one: Identity;
let two: Identity;
before(() => {
  ca = issueCertificate({ commonName: 'CA', purpose: 'ca' });
  one = certificate('one');
  two = certificate('two');
});

function certificate(commonName: string, validity: { validFrom?: Date; validTo?: Date } = {}): Identity {
  return issueCertificate({ commonName, purpose: 'server', issuer: ca, names: loopbackNames, ...validity });
}

const pairOf = ({ certificate, key }: Identity) => ({ 'cert.pem': certificate, 'key.pem': key });

const clientTls = 'client-ssl-cert: cert.pem\nclient-ssl-key: key.pem\n';

/** Everything that can be a file, but the key pair of the server leg. */
const everything = `${clientTls}server-ssl-ca: ca.pem
server-ssl-crl: crl.pem
credentials: credentials.yaml
`;

function allFiles() {
  return {
    ...pairOf(one),
    'ca.pem': ca.certificate,
    'crl.pem': makeCrl(ca, []),
    'credentials.yaml': '- { user: app, password-file: app.password, server-user: stored_user }\n',
    'app.password': 'first',
  };
}

const problemsOf = (line: Readonly<Record<string, unknown>>) => JSON.stringify(line['problems']);

interface Fault {
  readonly what: string;
  breakIt(running: Running): void;
  /** Option, file and cause. */
  readonly says: RegExp;
  readonly code?: string;
}

const faults: readonly Fault[] = [
  {
    what: 'a key that does not belong to the certificate',
    breakIt: ({ folder }) => replaceByRename(folder, { 'key.pem': two.key }),
    says: /proxy\.yaml:2, client-ssl-key: does not belong to the certificate in --client-ssl-cert/,
    code: 'key_mismatch',
  },
  {
    what: 'a certificate that is none',
    breakIt: ({ folder }) => writeInPlace(folder, { 'cert.pem': 'garbage' }),
    says: /proxy\.yaml:1, client-ssl-cert: \S+cert\.pem\S+ holds no certificate in PEM form/,
    code: 'certificate_unusable',
  },
  {
    what: 'a certificate that breaks off',
    breakIt: ({ folder }) =>
      writeInPlace(folder, {
        'cert.pem': one.certificate.replace(/\n.{64}\n/, '\n').replace(/\n.{64}\n/, '\n'),
      }),
    says: /client-ssl-cert: certificate 1 in \S+cert\.pem\S+ is unusable/,
    code: 'certificate_unusable',
  },
  {
    what: 'a CA file that is missing',
    breakIt: ({ file }) => unlinkSync(file('ca.pem')),
    says: /server-ssl-ca: \S+ca\.pem\S+ does not exist/,
    code: 'file_missing',
  },
  {
    what: 'a revocation list that is missing',
    breakIt: ({ file }) => unlinkSync(file('crl.pem')),
    says: /server-ssl-crl: \S+crl\.pem\S+ does not exist/,
    code: 'file_missing',
  },
  {
    what: 'a revocation list that is none',
    breakIt: ({ folder }) => replaceByRename(folder, { 'crl.pem': ca.certificate.slice(0, 200) }),
    says: /server-ssl-crl: \S+crl\.pem\S+ holds no certificate revocation list/,
    code: 'crl_unusable',
  },
  {
    what: 'a credentials file that others can read',
    breakIt: ({ file }) => chmodSync(file('credentials.yaml'), 0o644),
    says: /credentials: \S+credentials\.yaml\S+ can be read or written by other users/,
  },
  {
    what: 'a password file that is missing',
    breakIt: ({ file }) => unlinkSync(file('app.password')),
    says: /credentials\.yaml:1, password-file: the file .* does not exist/,
  },
  {
    what: 'a credentials file that is no YAML',
    breakIt: ({ folder }) => writeInPlace(folder, { 'credentials.yaml': '- {' }),
    says: /credentials\.yaml:\d+:\d+, credentials: the file is not valid YAML/,
  },
  {
    what: 'a configuration file that is no YAML',
    breakIt: ({ folder }) => writeInPlace(folder, { 'proxy.yaml': 'routes: [\n' }),
    says: /proxy\.yaml:\d+:\d+: the file can't be read/,
  },
  {
    what: 'a configuration file that is missing',
    breakIt: ({ file }) => unlinkSync(file('proxy.yaml')),
    says: /cannot read \S+proxy\.yaml\S+: ENOENT/,
  },
  {
    what: 'an option that needs a restart',
    breakIt: ({ folder }) => writeInPlace(folder, { 'proxy.yaml': `${everything}metrics: aggregates\n` }),
    says: /these options need a restart to change: metrics/,
  },
];

test('with an unusable file the old state stays, the log says what is wrong where, and the repaired file is taken', async (t) => {
  const running = await run(t, everything, allFiles());
  let expected = { success: 0, failure: 0 };
  for (const { what, breakIt, says, code } of faults) {
    const failed = await running.reloadAfter(() => breakIt(running));
    assert.equal(failed.msg, FAILED, what);
    assert.equal(failed.level, 'error', what);
    assert.match(problemsOf(failed), says, what);
    if (code !== undefined) assert.deepEqual(failed['codes'], [code], what);
    expected = { ...expected, failure: expected.failure + 1 };
    assert.deepEqual(await running.counts(), expected, what);
    assert.equal(await running.certificateSeen(), 'one', what);

    const repaired = await running.reloadAfter(() =>
      replaceByRename(running.folder, { 'proxy.yaml': everything, ...allFiles() }),
    );
    assert.equal(repaired.msg, RELOADED, `${what}: ${problemsOf(repaired)}`);
    expected = { ...expected, success: expected.success + 1 };
    assert.deepEqual(await running.counts(), expected, what);
  }
  assert.equal(await running.certificateSeen(), 'one');
  const output = JSON.stringify(running.cli.lines);
  assert.equal(output.includes('"first"'), false);
  assert.equal(output.includes(one.key.split('\n')[1] ?? ''), false);
});

test('what is wrong can be put right in a file that only the refused configuration names', async (t) => {
  const running = await run(t, clientTls, pairOf(one));
  const failed = await running.reloadAfter(() =>
    writeInPlace(running.folder, { 'proxy.yaml': `${clientTls}server-ssl-ca: later/ca.pem\n` }),
  );
  assert.match(problemsOf(failed), /server-ssl-ca: \S+later\/ca\.pem\S+ does not exist/);
  const good = await running.reloadAfter(() => {
    mkdirSync(running.file('later'));
    writeFileSync(running.file('later/ca.pem'), ca.certificate);
  });
  assert.deepEqual([good.msg, good['changed']], [RELOADED, [running.file('later/ca.pem')]]);
});

test('a certificate that has expired is taken, with a warning', async (t) => {
  const running = await run(t, clientTls, pairOf(one));
  const expired = certificate('expired', {
    validFrom: new Date(Date.now() - 20 * dayMs),
    validTo: new Date(Date.now() - 10 * dayMs),
  });
  const reloaded = await running.reloadAfter(() => replaceByRename(running.folder, pairOf(expired)));
  assert.equal(reloaded.msg, RELOADED);
  const warning = running.cli.lines.find(({ code }) => code === 'certificate_expired');
  assert.deepEqual([warning?.level, warning?.['option']], ['warn', 'client-ssl-cert']);
  assert.match(String(warning?.msg), /the certificate expired on/);
  assert.equal(await running.certificateSeen(), 'expired');
});

test('certificate and key, one after the other, are one reload; a pair that comes apart for longer is a failure and then one', async (t) => {
  const running = await run(t, clientTls, pairOf(one));
  const { folder, file } = running;
  const together = await running.reloadAfter(() => replaceByRename(folder, pairOf(two)));
  assert.deepEqual(together['changed'], [file('cert.pem'), file('key.pem')]);
  assert.equal(await running.certificateSeen(), 'two');
  const half = await running.reloadAfter(() => writeInPlace(folder, { 'cert.pem': one.certificate }));
  assert.equal(half.msg, FAILED);
  assert.equal(await running.certificateSeen(), 'two');
  const whole = await running.reloadAfter(() => writeInPlace(folder, { 'key.pem': one.key }));
  assert.equal(whole.msg, RELOADED);
  assert.equal(await running.certificateSeen(), 'one');
  assert.equal(running.reloads().length, 3);
});

test('the swap of a Kubernetes volume is one reload, for the configuration file as for a certificate', async (t) => {
  const running = await run(t, '');
  const volume = new KubernetesVolume(path.join(running.folder, 'tls'), {
    'tls.crt': one.certificate,
    'tls.key': one.key,
  });
  const config = 'client-ssl-cert: tls/tls.crt\nclient-ssl-key: tls/tls.key\n';
  await running.reloadAfter(() => writeInPlace(running.folder, { 'proxy.yaml': config }));
  for (const identity of [two, one, two]) {
    const { msg, changed } = await running.reloadAfter(() =>
      volume.update({ 'tls.crt': identity.certificate, 'tls.key': identity.key }),
    );
    assert.deepEqual([msg, changed], [RELOADED, [running.file('tls/tls.crt'), running.file('tls/tls.key')]]);
    assert.equal(await running.certificateSeen(), identity.commonName);
  }
  assert.equal(running.reloads().length, 4);
});

test('passwords and users that change hold for the next login', async (t) => {
  const { 'credentials.yaml': credentials, 'app.password': password } = allFiles();
  const running = await run(
    t,
    'credentials: credentials.yaml\n',
    { 'credentials.yaml': credentials, 'app.password': password },
    ['--server-ssl-mode', 'disabled'],
  );
  const { folder } = running;
  assert.deepEqual([await running.logIn('first'), await running.logIn('second')], [0, 1045]);
  const byPassword = await running.reloadAfter(() => replaceByRename(folder, { 'app.password': 'second' }));
  assert.deepEqual(byPassword['changed'], [running.file('app.password')]);
  assert.deepEqual([await running.logIn('first'), await running.logIn('second')], [1045, 0]);
  await running.reloadAfter(() =>
    writeInPlace(folder, {
      'other.password': 'third',
      'credentials.yaml': credentials.replace('app.password', 'other.password'),
    }),
  );
  assert.deepEqual([await running.logIn('second'), await running.logIn('third')], [1045, 0]);
  await running.reloadAfter(() => writeInPlace(folder, { 'other.password': 'fourth' }));
  assert.deepEqual([await running.logIn('third'), await running.logIn('fourth')], [1045, 0]);
});

test('limits, time limits, the log level and what the metrics show are those of the latest reload', async (t) => {
  const config = (max: number, handshake: string, level: string) =>
    `max-connections: ${max}\nhandshake-timeout: ${handshake}\nlog-level: ${level}\nconnection-metrics-limit: ${max}\n`;
  const running = await run(t, config(1, '1m', 'info'), {}, ['--server-ssl-mode', 'disabled']);
  const { cli, folder, port } = running;
  const shown = async () =>
    (await running.metrics('/metrics/connections')).match(/^mysql_tls_proxy_connection_info\{/gm)?.length;
  const reload = (text: string) => running.reloadAfter(() => writeInPlace(folder, { 'proxy.yaml': text }));

  const first = await running.connect();
  const refused = await ScriptedPeer.connect({ host: '127.0.0.1', port });
  assert.equal(readErr((await refused.packet()).payload).errno, 1040);
  assert.equal(await shown(), 1);
  assert.equal(
    cli.lines.some(({ msg }) => msg === 'connection opened'),
    false,
  );

  assert.equal((await reload(config(2, '1m', 'debug'))).msg, RELOADED);
  const second = await running.connect();
  assert.equal(await shown(), 2);
  assert.equal((await cli.line('connection opened')).level, 'debug');

  assert.equal((await reload(config(3, '200ms', 'debug'))).msg, RELOADED);
  const third = await running.connect();
  await third.client.ended();
  third.client.close();
  third.peer.close();
  while ((await shown()) === 3) await delay(20);
  await delay(400);
  assert.equal(await shown(), 2, 'those from before the reload have their minute');
  for (const { client, peer } of [first, second]) {
    client.close();
    peer.close();
  }
});

test('an editor that empties the file and writes it in a second step, and one that renames, cause one reload each', async (t) => {
  const running = await run(t, 'max-connections: 5\n', {}, ['--server-ssl-mode', 'disabled']);
  const { folder } = running;
  const limit = async () => /^mysql_tls_proxy_connections_limit (\d+)$/m.exec(await running.metrics())?.[1];
  const inSteps = running.reloadAfter(() => writeInPlace(folder, { 'proxy.yaml': '' }));
  await delay(100);
  writeInPlace(folder, { 'proxy.yaml': 'max-connections: 6\n' });
  assert.equal((await inSteps).msg, RELOADED);
  assert.equal(await limit(), '6');
  await running.reloadAfter(() => replaceByRename(folder, { 'proxy.yaml': 'max-connections: 7\n' }));
  assert.equal(await limit(), '7');
  // The text of before, and a backup beside it: nothing to reload.
  replaceByRename(folder, { 'proxy.yaml': 'max-connections: 7\n', 'proxy.yaml~': 'max-connections: 6\n' });
  await delay(1500);
  assert.equal(running.reloads().length, 2);
});

test('SIGHUP right after a change is the only reload of it', async (t) => {
  const running = await run(t, clientTls, pairOf(one));
  const bySignal = await running.reloadAfter(() => {
    replaceByRename(running.folder, pairOf(two));
    running.cli.signal('SIGHUP');
  });
  assert.deepEqual([bySignal.msg, bySignal['changed']], [RELOADED, undefined]);
  await delay(1500);
  assert.equal(running.reloads().length, 1);
  assert.equal(await running.certificateSeen(), 'two');
});

test('off: nothing is watched, SIGHUP reloads, and turns it on again', async (t) => {
  const config = 'reload-on-change: off\nmax-connections: 5\n';
  const running = await run(t, config, {}, ['--server-ssl-mode', 'disabled']);
  const { folder, cli } = running;
  writeInPlace(folder, { 'proxy.yaml': 'reload-on-change: off\nmax-connections: 6\n' });
  await delay(1500);
  assert.equal(running.reloads().length, 0);
  await running.reloadAfter(() => {
    writeInPlace(folder, { 'proxy.yaml': 'max-connections: 7\n' });
    cli.signal('SIGHUP');
  });
  const noticed = await running.reloadAfter(() => writeInPlace(folder, { 'proxy.yaml': config }));
  assert.deepEqual([noticed.msg, noticed['changed']], [RELOADED, [running.file('proxy.yaml')]]);
  writeInPlace(folder, { 'proxy.yaml': 'max-connections: 8\n' });
  await delay(1500);
  assert.equal(running.reloads().length, 2);
});

test('files and their folder that go away do not end the program, which stops in good order', async (t) => {
  const running = await run(t, 'max-connections: 5\n', {}, ['--server-ssl-mode', 'disabled']);
  const gone = await running.reloadAfter(() => rmSync(running.folder, { recursive: true }));
  assert.match(problemsOf(gone), /cannot read .*ENOENT/);
  assert.deepEqual(gone['changed'], [running.file('proxy.yaml')]);
  running.cli.signal('SIGTERM');
  const { code, stderr } = await running.cli.ended;
  assert.deepEqual([code, stderr], [0, '']);
});
