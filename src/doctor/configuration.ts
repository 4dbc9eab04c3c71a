/** The configuration that an examination works with, or findings where files can't be used: it then goes on without them. */
import { ConfigError, type ConfigProblem } from '../config/config-error.js';
import { type LoadedConfig, loadConfig } from '../config/load.js';
import type { ProxyConfig } from '../config/model.js';
import { type Finding, findingFromFault } from './findings.js';

/** Flags that mean something only together. */
const KEY_PAIR = ['server-ssl-cert', 'server-ssl-key', 'server-ssl-key-passphrase-file'];

/**
 * Throws ConfigError where something else than the contents of a file is wrong.
 *
 * @param flags of a route with one server, by name without dashes.
 */
export function configurationFor(
  flags: Readonly<Record<string, unknown>>,
  env: NodeJS.ProcessEnv,
): { readonly config: ProxyConfig; readonly findings: readonly Finding[] } {
  const load = (names: (name: string) => boolean): LoadedConfig =>
    loadConfig({
      flags: Object.fromEntries(Object.entries(flags).filter(([name]) => names(name))),
      env: Object.fromEntries(Object.entries(env).filter(([name]) => names(optionOf(name)))),
      cwd: process.cwd(),
    });
  try {
    const { config, warnings } = load(() => true);
    return { config, findings: faults(warnings, 'warning') };
  } catch (error) {
    if (!(error instanceof ConfigError) || error.problems.some(({ fault }) => fault === undefined))
      throw error;
    const broken = new Set(error.problems.map(({ option }) => option));
    const left = (name: string) =>
      !broken.has(name) && !(KEY_PAIR.includes(name) && KEY_PAIR.some((one) => broken.has(one)));
    const { config, warnings } = load(left);
    return { config, findings: [...faults(error.problems, 'error'), ...faults(warnings, 'warning')] };
  }
}

/** `MYSQL_TLS_PROXY_SERVER_SSL_CA` gives `server-ssl-ca`. */
function optionOf(variable: string): string {
  return variable
    .replace(/^MYSQL_TLS_PROXY_/, '')
    .toLowerCase()
    .replaceAll('_', '-');
}

function faults(problems: readonly ConfigProblem[], severity: 'error' | 'warning'): Finding[] {
  return problems.flatMap(({ option, fault }) =>
    fault === undefined ? [] : [findingFromFault(option, fault, severity)],
  );
}
