/** How one option is spelled in each place where it can be given. */
import type { OptionDefinition } from './option-definition.js';

export const ENVIRONMENT_PREFIX = 'MYSQL_TLS_PROXY_';

/** `server-ssl-ca` becomes `MYSQL_TLS_PROXY_SERVER_SSL_CA`. */
export function environmentName(optionName: string): string {
  return ENVIRONMENT_PREFIX + optionName.toUpperCase().replace(/-/g, '_');
}

/** `ssl-ca` becomes `sslCa`. */
export function camelCase(kebab: string): string {
  return kebab.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** `sslCa` and `ssl-ca` become `ssl-ca`. */
export function kebabCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * Key of an option inside an element of `routes`: without the leg, which is the mapping that it stands in. The
 * servers are called `servers` there, because `server` is the settings of that leg.
 */
export function routeKey(option: OptionDefinition): string {
  if (option.scope === 'client' || option.scope === 'server')
    return option.name.slice(option.scope.length + 1);
  return option.name === 'server' ? 'servers' : option.name;
}
