/**
 * From a fresh checkout to a built project, a test run, the demo or the docs. Plain JavaScript, because it runs
 * before anything is installed: `node test/support/bootstrap.mjs (build|test|demo|docs|bench) [arguments]`.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const leastNode = [20, 19];
const checkout = fileURLToPath(new URL('../../', import.meta.url));
process.chdir(checkout);

requireNewEnoughNode();
const [task, ...taskArgs] = process.argv.slice(2);
const tasks = { build: () => {}, test, demo, docs, bench };
if (!Object.hasOwn(tasks, task ?? '')) {
  stopWith(`usage: node test/support/bootstrap.mjs (${Object.keys(tasks).join('|')}) [arguments]`);
}
await install();
await build();
await tasks[task](taskArgs);

function requireNewEnoughNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1])) return;
  stopWith(
    `This project needs Node.js ${leastNode.join('.')} or newer; this is ${process.versions.node}. ` +
      'Install a newer one (https://nodejs.org/en/download) and run the same command again.',
  );
}

async function install() {
  if (isInstalled()) return;
  step('installing packages (npm ci)');
  const npm = process.env.npm_execpath;
  const [file, ...args] = npm?.endsWith('.js') ? [process.execPath, npm] : ['npm'];
  await runOrExit(file, [...args, 'ci', '--no-audit', '--no-fund', '--loglevel=http']);
}

/** npm keeps a copy of the lock file in node_modules that names what is really there. */
function isInstalled() {
  const installedLock = 'node_modules/.package-lock.json';
  if (!existsSync(installedLock)) return false;
  const installed = JSON.parse(readFileSync(installedLock, 'utf8')).packages;
  const wanted = JSON.parse(readFileSync('package-lock.json', 'utf8')).packages;
  return Object.entries(wanted).every(([name, { version, optional }]) => {
    const isTheProjectItself = name === '';
    const isForAnotherPlatform = optional && installed[name] === undefined;
    return isTheProjectItself || isForAnotherPlatform || installed[name]?.version === version;
  });
}

async function build() {
  const stampFile = 'dist/.built-from';
  const stamp = fingerprintOfSources();
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;
  step('building (tsc)');
  rmSync('dist', { recursive: true, force: true });
  const pageFolder = 'src/observe/page';
  for (const project of ['tsconfig.json', `${pageFolder}/browser/tsconfig.json`])
    await runOrExit(process.execPath, ['node_modules/typescript/bin/tsc', '-p', project]);
  for (const file of ['page.html', 'page.css'])
    copyFileSync(`${pageFolder}/${file}`, `dist/${pageFolder}/${file}`);
  if (existsSync('dist/src/cli.js')) chmodSync('dist/src/cli.js', 0o755);
  writeFileSync(stampFile, stamp);
}

function fingerprintOfSources() {
  const folders = ['src', 'test', 'bench'].filter((name) => existsSync(name));
  const files = ['tsconfig.json', 'package.json', 'package-lock.json', ...folders.flatMap(filesBelow)];
  const hash = createHash('sha256');
  for (const file of files.sort()) {
    const { size, mtimeMs } = statSync(file);
    hash.update(`${file} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

async function test(args) {
  const options = args.filter((arg) => arg.startsWith('-'));
  const wanted = args.filter((arg) => !arg.startsWith('-'));
  const files = filesBelow('dist/test')
    .filter((file) => file.endsWith('.test.js'))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
    .sort();
  if (files.length === 0) stopWith(`no test file matches ${wanted.join(' ') || 'dist/test/**/*.test.js'}`);
  if (files.some((file) => !file.startsWith('dist/test/unit/'))) {
    step('fetching the real servers and clients (kept in .cache)');
    await runOrExit(process.execPath, ['dist/test/support/fetch-all.js']);
  }
  step(`running ${files.length} test files`);
  const reportFolder = mkdtempSync(path.join(os.tmpdir(), 'skipped-tests-'));
  const skippedFile = path.join(reportFolder, 'skipped.txt');
  const code = await run(process.execPath, [
    '--enable-source-maps',
    '--test',
    '--test-concurrency=3',
    // A test that hangs must not take the whole run with it; the longest real one takes a third of that.
    '--test-timeout=240000',
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./dist/test/support/skipped-tests-reporter.js',
    `--test-reporter-destination=${skippedFile}`,
    ...options,
    ...files,
  ]);
  const skipped = existsSync(skippedFile) ? readFileSync(skippedFile, 'utf8') : '';
  rmSync(reportFolder, { recursive: true, force: true });
  if (code !== 0) process.exit(code);
  if (process.env.CI === 'true' && skipped !== '')
    stopWith(`no test may be skipped when CI=true, but these were:\n${skipped}`);
}

function demo(args) {
  return runOrExit(process.execPath, ['dist/test/demo/demo.js', ...args]);
}

function docs(args) {
  return runOrExit(process.execPath, ['dist/test/support/generate-docs.js', ...args]);
}

function bench(args) {
  return runOrExit(process.execPath, ['dist/bench/main.js', ...args]);
}

function filesBelow(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(folder, entry.name);
    return entry.isDirectory() ? filesBelow(name) : [name];
  });
}

async function runOrExit(file, args) {
  const code = await run(file, args);
  if (code !== 0) process.exit(code);
}

/** The exit code of a program that shares this terminal and gets the signals that we get. */
function run(file, args) {
  return new Promise((resolve) => {
    const child = spawn(file, args, { stdio: 'inherit' });
    const forward = (signal) => child.kill(signal);
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, forward);
    // npm runs this script through a shell; when npm is ended, the shell dies without passing the signal on.
    const parent = process.ppid;
    const orphanCheck = setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 500);
    child.on('error', (error) => stopWith(`${file} could not be started: ${error.message}`));
    child.on('exit', (code, signal) => {
      for (const name of signals) process.off(name, forward);
      clearInterval(orphanCheck);
      resolve(code ?? 128 + os.constants.signals[signal]);
    });
  });
}

function step(text) {
  process.stderr.write(`==> ${text}\n`);
}

function stopWith(text) {
  process.stderr.write(`${text}\n`);
  process.exit(1);
}
