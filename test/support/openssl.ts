/** The openssl program of this machine: another judge of certificates than Node.js, and a maker of those that we can't make. */
import type { Unavailable } from './programs.js';
import { type RunResult, run } from './run.js';

export async function openssl(...args: readonly string[]): Promise<RunResult | Unavailable> {
  const result = await run('openssl', args);
  return result.code === 127 ? { unavailable: 'the openssl program is not installed' } : result;
}
