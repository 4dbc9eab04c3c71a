import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from '../support/run.js';

const checkout = fileURLToPath(new URL('../../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'package-'));
after(() => rmSync(folder, { recursive: true }));

test('the packed tarball can be installed, run by npx, and imported with its types', async (t) => {
  const packed = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], {
    cwd: checkout,
  });
  assert.equal(packed.code, 0, packed.stderr);
  const [{ filename, files }] = JSON.parse(packed.stdout) as [
    { filename: string; files: { path: string }[] },
  ];
  const unexpected = files
    .map(({ path }) => path)
    .filter((path) => /^(dist\/)?(test|bench)\/|\.pem$|^\.cache/.test(path));
  assert.deepEqual(unexpected, []);
  const ofThePage = files.map(({ path }) => path).filter((path) => path.startsWith('dist/src/observe/page/'));
  for (const name of ['page.js', 'page.html', 'page.css', 'browser/main.js'])
    assert.ok(ofThePage.includes(`dist/src/observe/page/${name}`), name);

  writeFileSync(join(folder, 'package.json'), '{"name":"user","private":true,"type":"module"}');
  const install = ['install', '--no-audit', '--no-fund', '--prefer-offline', join(folder, filename)];
  const installed = await run('npm', install, { cwd: folder, timeoutMs: 180_000 });
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT/.test(installed.stderr)) {
    return t.skip('the dependencies of the package can not be fetched: no npm registry is reachable');
  }
  assert.equal(installed.code, 0, installed.stderr);

  const help = await run('npx', ['--no-install', 'mysql-tls-proxy', '--help'], { cwd: folder });
  assert.equal(help.code, 0, help.stderr);
  assert.match(help.stdout, /--server-ssl-mode/);

  const program = `
    import { createProxy, ConfigError } from 'mysql-tls-proxy';
    const proxy = await createProxy({ listen: '127.0.0.1:0', server: '127.0.0.1:1', serverSslMode: 'REQUIRED', adminListen: '127.0.0.1:0' });
    console.log(JSON.stringify(proxy.addresses));
    const page = await fetch(\`http://\${proxy.adminAddress}/\`);
    console.log(page.headers.get('content-type'));
    await proxy.close();
    await createProxy({}).catch((error) => console.log(error instanceof ConfigError));`;
  writeFileSync(join(folder, 'program.mjs'), program);
  const ran = await run(process.execPath, ['program.mjs'], { cwd: folder });
  assert.equal(ran.code, 0, ran.stderr);
  assert.match(
    ran.stdout,
    /^\[\{"route":"default","address":"127\.0\.0\.1:\d+"\}\]\ntext\/html; charset=utf-8\ntrue\n$/,
  );

  writeFileSync(join(folder, 'program.mts'), program.replace('(error)', '(error: unknown)'));
  const tsc = join(checkout, 'node_modules/typescript/bin/tsc');
  const types = join(checkout, 'node_modules/@types');
  const options = [
    '--noEmit',
    '--strict',
    '--module',
    'nodenext',
    '--target',
    'es2022',
    '--types',
    'node',
    '--typeRoots',
    types,
  ];
  const typed = await run(process.execPath, [tsc, ...options, 'program.mts'], { cwd: folder });
  assert.equal(typed.code, 0, typed.stdout);
});
