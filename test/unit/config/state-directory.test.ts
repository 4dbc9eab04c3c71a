import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { formatProblem } from '../../../src/config/config-error.js';
import { parseConfig } from '../../../src/config/load.js';
import { defaultStateDirectory } from '../../../src/config/state-directory.js';
import { makeCertificates } from '../../support/certificates.js';
import { run } from '../../support/run.js';
import { configFile, flagWarnings, load, loadFlags, server, temporaryFolder } from './problems.js';

const folder = temporaryFolder();
const { server: proxy } = makeCertificates(folder);
const file = path.join(folder, 'file');
writeFileSync(file, '');

describe('the default of state-directory', () => {
  const cases: readonly [env: NodeJS.ProcessEnv, directory: string | undefined][] = [
    [{}, undefined],
    [{ STATE_DIRECTORY: '/var/lib/p', XDG_STATE_HOME: '/x', HOME: '/h' }, '/var/lib/p'],
    [{ STATE_DIRECTORY: '/var/lib/p:/var/lib/q' }, '/var/lib/p'],
    [{ STATE_DIRECTORY: '', XDG_STATE_HOME: '/x', HOME: '/h' }, '/x/mysql-tls-proxy'],
    [{ XDG_STATE_HOME: '', HOME: '/h' }, '/h/.local/state/mysql-tls-proxy'],
    [{ HOME: '' }, undefined],
    [{ STATE_DIRECTORY: 'state' }, undefined],
    [{ XDG_STATE_HOME: 'x' }, undefined],
    [{ HOME: '.' }, undefined],
  ];
  for (const [env, directory] of cases) {
    it(`is ${directory} with ${JSON.stringify(env)}`, () =>
      assert.equal(defaultStateDirectory(env), directory));
  }

  it('is what the configuration has, with its origin', () => {
    const { config, origins } = load({ flags: { server }, env: { HOME: folder } });
    assert.equal(config.stateDirectory, `${folder}/.local/state/mysql-tls-proxy`);
    assert.equal(origins.get('state-directory')?.kind, 'default');
    assert.equal('stateDirectory' in loadFlags({}).config, false);
  });

  it('does not exist for programs, whatever their environment', (t) => {
    const before = process.env['STATE_DIRECTORY'];
    t.after(() => {
      if (before === undefined) delete process.env['STATE_DIRECTORY'];
      else process.env['STATE_DIRECTORY'] = before;
    });
    process.env['STATE_DIRECTORY'] = folder;
    assert.equal('stateDirectory' in parseConfig({ server }).config, false);
  });
});

describe('a given state-directory', () => {
  it('starts from the folder of the file, or the current one', () => {
    const config = configFile('server: s\nstate-directory: state\n');
    assert.equal(load({ file: config }).config.stateDirectory, path.join(path.dirname(config), 'state'));
    const { config: flags } = load({ flags: { server, 'state-directory': 'a/../b' }, cwd: folder });
    assert.equal(flags.stateDirectory, path.join(folder, 'b'));
  });

  it('need not exist, and is not made', () => {
    const directory = path.join(folder, 'not', 'yet');
    assert.deepEqual(flagWarnings({ 'state-directory': directory }), []);
    assert.equal(existsSync(path.dirname(directory)), false);
    mkdirSync(path.join(folder, 'there'));
    assert.deepEqual(flagWarnings({ 'state-directory': path.join(folder, 'there') }), []);
  });

  for (const directory of [file, path.join(file, 'below', 'it')]) {
    it(`is warned of where it is a file: ${path.basename(directory)}`, () => {
      const warnings = flagWarnings({ 'state-directory': directory });
      assert.equal(warnings.length, 1, warnings.join('\n'));
      assert.match(
        warnings[0] ?? '',
        /^flag --state-directory: "\/.*\/file" is not a directory: .*another RSA key after every restart.*--rsa-private-key$/,
      );
    });
  }

  it('is warned of where it can not be written, itself or what it would be made in', async () => {
    const readOnly = path.join(folder, 'read-only');
    mkdirSync(readOnly, { mode: 0o555 });
    chmodSync(folder, 0o755);
    for (const directory of [readOnly, path.join(readOnly, 'below', 'it')]) {
      const warnings = await warningsOfNobody(directory);
      assert.equal(warnings.length, 1, warnings.join('\n'));
      assert.match(
        warnings[0] ?? '',
        /read-only" can't be written by the user that runs the proxy: .*RSA key/,
      );
    }
  });

  const bad = { 'state-directory': file };
  const tls = { 'client-ssl-cert': proxy.certificateFile, 'client-ssl-key': proxy.keyFile };
  const needsKey: readonly [what: string, flags: Record<string, unknown>, warnings: number][] = [
    ['clients may be in plaintext', { ...tls, 'client-ssl-mode': 'PREFERRED' }, 1],
    ['all clients use TLS', { ...tls, 'client-ssl-mode': 'REQUIRED' }, 0],
    ['REQUIRED only reports', { ...tls, 'client-ssl-mode': 'REQUIRED', 'report-plaintext': true }, 2],
    ['there is a socket file', { ...tls, 'client-ssl-mode': 'REQUIRED', listen: 'unix:/a' }, 1],
    ['the proxy takes no part', { 'client-ssl-mode': 'PASSTHROUGH' }, 0],
    ['the key is given', { 'rsa-private-key': proxy.keyFile }, 0],
  ];
  for (const [what, flags, count] of needsKey) {
    it(`is ${count === 0 ? 'not ' : ''}warned of when ${what}`, () => {
      assert.equal(flagWarnings({ ...bad, ...flags }).length, count);
    });
  }

  it('is warned of when one of several routes needs it', () => {
    const routes = (mode: string) =>
      `state-directory: ${file}\nroutes:\n  - { name: a, listen: "127.0.0.1:1", servers: s, client: { ssl-mode: PASSTHROUGH } }\n` +
      `  - { name: b, listen: "127.0.0.1:2", servers: s, client: { ssl-mode: ${mode} } }\n`;
    const warnings = (mode: string) => load({ file: configFile(routes(mode)) }).warnings.map(formatProblem);
    assert.equal(warnings('PASSTHROUGH').length, 0);
    assert.equal(warnings('DISABLED').length, 1);
  });
});

/** In a process of its own, because access(2) asks for the real user, and root may write everywhere. */
async function warningsOfNobody(directory: string): Promise<string[]> {
  const loader = new URL('../../../src/config/load.js', import.meta.url).href;
  const script = `
    const { parseConfig } = await import(${JSON.stringify(loader)});
    if (process.getuid() === 0) process.setuid(65534);
    const { warnings } = parseConfig({ server: 's', stateDirectory: ${JSON.stringify(directory)} });
    console.log(JSON.stringify(warnings.map(({ message }) => message)));`;
  const { code, stdout, stderr } = await run(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as string[];
}
