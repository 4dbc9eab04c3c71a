/** Builds an image without Docker: each stage in a folder that stands for its root, on this machine's own Node.js. */
import { chownSync, cpSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { checkoutFolder } from '../support/cache.js';
import { assignment, type Instruction, readDockerfile, type Stage } from '../support/dockerfile.js';
import { run } from '../support/run.js';

export interface BuiltImage {
  /** Stands for the root of the last stage. */
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
  readonly lastStage: Stage;
}

const dockerfile = path.join(checkoutFolder, 'config/docker/Dockerfile');
const ignoreFile = `${dockerfile}.dockerignore`;

interface Build {
  root: string;
  workdir: string;
  env: Record<string, string>;
}

export async function buildImage(folder: string): Promise<BuiltImage> {
  const stages = readDockerfile(readFileSync(dockerfile, 'utf8'));
  let build: Build = { root: folder, workdir: '/', env: {} };
  for (const stage of stages) {
    build = { root: path.join(folder, stage.name), workdir: '/', env: {} };
    mkdirSync(build.root);
    for (const instruction of stage.instructions) await carryOut(instruction, build, folder);
  }
  const lastStage = stages.at(-1);
  if (lastStage === undefined) throw new Error('the Dockerfile has no stage');
  return { root: build.root, env: build.env, lastStage };
}

async function carryOut(instruction: Instruction, build: Build, folder: string): Promise<void> {
  const { name, text } = instruction;
  if (name === 'WORKDIR') {
    build.workdir = path.posix.resolve(build.workdir, text);
    mkdirSync(path.join(build.root, build.workdir), { recursive: true });
  } else if (name === 'ENV') {
    const [variable, value] = assignment(text);
    build.env[variable] = value;
  } else if (name === 'RUN') await runStep(text, build);
  else if (name === 'COPY') copy(instruction, build, folder);
  else if (!saidOfTheImage.includes(name)) throw new Error(`${name} is not known here`);
}

/** They change no file. */
const saidOfTheImage = [
  'VOLUME',
  'USER',
  'EXPOSE',
  'HEALTHCHECK',
  'STOPSIGNAL',
  'ENTRYPOINT',
  'CMD',
  'LABEL',
];

async function runStep(command: string, { root, workdir, env }: Build): Promise<void> {
  const { code, stdout, stderr } = await run('/bin/sh', ['-c', command], {
    cwd: path.join(root, workdir),
    // Packages that were fetched for the checkout need not be fetched again.
    env: { ...env, npm_config_prefer_offline: 'true' },
    timeoutMs: 180_000,
  });
  if (code !== 0) throw new Error(`RUN ${command}: exit code ${code}\n${stdout}${stderr}`);
}

function copy({ flags, text }: Instruction, build: Build, folder: string): void {
  const words = text.split(/\s+/);
  const target = words.pop() ?? '';
  const { from, chown } = flags;
  for (const source of words) {
    if (from === undefined) requireInContext(source);
    const file = path.join(from === undefined ? checkoutFolder : path.join(folder, from), source);
    const isFolder = statSync(file).isDirectory();
    const inFolder = !isFolder && (words.length > 1 || target.endsWith('/'));
    const place = path.posix.resolve(build.workdir, target, inFolder ? path.basename(source) : '');
    const copied = path.join(build.root, place);
    cpSync(file, copied, { recursive: true, verbatimSymlinks: true });
    if (chown !== undefined && process.getuid?.() === 0) chownAll(copied, chown);
  }
}

function chownAll(file: string, owner: string): void {
  const [user = 0, group = 0] = owner.split(':').map(Number);
  chownSync(file, user, group);
  if (statSync(file).isDirectory())
    for (const name of readdirSync(file)) chownAll(path.join(file, name), owner);
}

/** Docker gets nothing of the checkout but what the ignore file names after a `!`. */
function requireInContext(source: string): void {
  const [first, ...rest] = readFileSync(ignoreFile, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  const allowed = rest.map((line) => line.replace(/^!/, ''));
  if (first === '*' && allowed.includes(source)) return;
  throw new Error(`${source} is not in ${ignoreFile}`);
}
