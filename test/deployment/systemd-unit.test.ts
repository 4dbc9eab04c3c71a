/** config/systemd: systemd's own programs judge the unit, and the proxy judges what the unit hands it. */
import assert from 'node:assert/strict';
import { chmodSync, chownSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { parse } from 'yaml';
import { environmentName } from '../../src/config/option-names.js';
import { options } from '../../src/config/option-table.js';
import { checkoutFolder } from '../support/cache.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder, removeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable } from '../support/programs.js';
import { type RunResult, run } from '../support/run.js';
import { systemdProgram } from '../support/systemd.js';
import { checkConfig, serviceUser, valid, writeSecret } from './checked-config.js';
import { drainTime } from './drain-time.js';

/** Tenths, of 100. So much is left to a program that needs the network and a JIT compiler; up to 40 systemd-analyze says OK. */
const MOST_EXPOSURE = 15;

const folder = makeTemporaryFolder();
after(() => removeTemporaryFolder(folder));
const unit = readFileSync(path.join(checkoutFolder, 'config/systemd/mysql-tls-proxy.service'), 'utf8');
const cliFile = path.join(checkoutFolder, 'dist/src/cli.js');
const installedProgram = '/usr/local/bin/mysql-tls-proxy';

/** With the lines that are there to be switched on. */
const fullUnit = unit.replace(/^#(?=[A-Z]\w+=)/gm, '');

const valuesIn = (text: string, key: string): string[] =>
  [...text.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value);

async function analyze(t: TestContext, text: string, ...args: string[]): Promise<RunResult | undefined> {
  const program = await systemdProgram('systemd-analyze');
  if (isUnavailable(program)) {
    t.skip(program.unavailable);
    return undefined;
  }
  // The program that ExecStart names is looked for.
  const file = path.join(folder, 'mysql-tls-proxy.service');
  writeFileSync(file, text.replace(installedProgram, cliFile));
  return run(program.file, [...program.args, ...args, file], { env: program.env });
}

test('systemd finds nothing wrong with the unit, and with all that can be switched on in it', async (t) => {
  for (const text of [unit, fullUnit]) {
    const verified = await analyze(t, text, 'verify', '--man=no');
    assert.deepEqual(verified, { code: 0, stdout: '', stderr: '' });
  }
  const misspelt = await analyze(t, unit.replace('ProtectHome=', 'ProtectHouse='), 'verify', '--man=no');
  assert.match(misspelt?.stderr ?? '', /Unknown key .*'ProtectHouse'/);
});

test('the sandbox leaves little', async (t) => {
  const security = (text: string) =>
    analyze(t, text, 'security', '--offline=true', '--no-pager', `--threshold=${MOST_EXPOSURE}`);
  const judged = await security(unit);
  assert.equal(judged?.code, 0, judged?.stdout);
  const open = await security(unit.replace('SystemCallFilter=@system-service', 'SystemCallFilter='));
  assert.notEqual(open?.code, 0);
});

test('the unit goes with what the proxy does', () => {
  const expected = {
    // systemd-notify is a child of the proxy.
    Type: 'notify',
    NotifyAccess: 'all',
    ExecReload: '/bin/kill -HUP $MAINPID',
    // Wrong usage or configuration.
    RestartPreventExitStatus: '2',
    // V8 could not compile.
    MemoryDenyWriteExecute: 'no',
    // All that it writes is in the state directory.
    ProtectSystem: 'strict',
    DynamicUser: 'yes',
  };
  for (const [key, value] of Object.entries(expected)) assert.deepEqual(valuesIn(unit, key), [value], key);
});

test('the keys, and no others, are credentials', () => {
  const credentials = valuesIn(fullUnit, 'LoadCredential').map((value) => value.split(':')[0]);
  const variables = valuesIn(fullUnit, 'Environment').flatMap((value) => value.split(' '));
  const used = variables.map((variable) => /^(\w+)=%d\/([\w.-]+)$/.exec(variable) ?? assert.fail(variable));
  const named = ['app.password', ...used.map(([, , name]) => name)];
  assert.deepEqual(named.sort(), [...credentials].sort());
  const known = options.map(({ name }) => environmentName(name));
  for (const [, name = ''] of used) assert.ok(known.includes(name), name);
});

test('systemd waits until the proxy has drained', () => {
  const config = parse(readFileSync(path.join(checkoutFolder, 'config/systemd/proxy.yaml'), 'utf8'));
  const seconds = Number(valuesIn(unit, 'TimeoutStopSec').at(-1));
  assert.ok(seconds * 1000 > drainTime(config), `${seconds} s`);
});

test('the proxy takes its options and keys as the unit gives them', async () => {
  const certificates = makeCertificates(folder);
  const handed = path.join(folder, 'credentials');
  mkdirSync(handed);
  const contents: Readonly<Record<string, string>> = {
    'server-ca.pem': certificates.ca.certificate,
    'client-cert.pem': certificates.client.certificate,
    'client-key.pem': certificates.client.key,
    'proxy-cert.pem': certificates.server.certificate,
    'proxy-key.pem': certificates.server.key,
    'credentials.yaml': '- { user: app, password-file: app.password }\n',
    'app.password': 'not a real one',
  };
  const state = path.join(folder, 'state');
  mkdirSync(state, { mode: 0o700 });
  if (serviceUser !== undefined) chownSync(state, serviceUser, serviceUser);
  const config = path.join(folder, 'proxy.yaml');
  copyFileSync(path.join(checkoutFolder, 'config/systemd/proxy.yaml'), config);
  chmodSync(folder, 0o755);
  const variables = valuesIn(fullUnit, 'Environment')
    .flatMap((value) => value.split(' '))
    .map((variable) => variable.replace('%d', handed).split('=') as [string, string]);
  // A copy is the service's own, or root's with an access control list, whose mask is shown where the rights of the group usually are:
  // that depends on kernel and systemd.
  for (const owner of ['service', 'root'] as const) {
    for (const [name, text] of Object.entries(contents)) writeSecret(path.join(handed, name), text, owner);
    const env = { ...Object.fromEntries(variables), STATE_DIRECTORY: state, HOME: '/' };
    assert.deepEqual(await checkConfig(config, env), valid, owner);
  }
});
