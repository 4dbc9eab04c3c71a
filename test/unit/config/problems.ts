import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ConfigError, formatProblem } from '../../../src/config/config-error.js';
import { type ConfigSources, type LoadedConfig, loadConfig } from '../../../src/config/load.js';

const folders: string[] = [];
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

export const server = '127.0.0.1:3306';

/** Paths start from the folder for temporary files, unless the sources say otherwise. */
export function load(sources: Partial<ConfigSources>): LoadedConfig {
  return loadConfig({ cwd: tmpdir(), ...sources });
}

export function loadFlags(flags: Record<string, unknown>): LoadedConfig {
  return load({ flags: { server, ...flags } });
}

/** All problems as a user sees them; empty when the configuration is valid. */
export function problemsOf(sources: Partial<ConfigSources>): string[] {
  try {
    load(sources);
    return [];
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(formatProblem);
    throw error;
  }
}

export function flagProblems(flags: Record<string, unknown>): string[] {
  return problemsOf({ flags: { server, ...flags } });
}

export function flagWarnings(flags: Record<string, unknown>): string[] {
  return loadFlags(flags).warnings.map(formatProblem);
}

/** Removed when the test's process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'mysql-tls-proxy-config-'));
  folders.push(folder);
  return folder;
}

/** Writes a configuration file into a folder of its own, and gives its path. */
export function configFile(text: string, name = 'proxy.yaml'): string {
  const file = path.join(temporaryFolder(), name);
  writeFileSync(file, text);
  return file;
}
