import { isDeepStrictEqual } from 'node:util';
import type { ProxyConfig, RouteConfig } from './model.js';
import type { OptionScope } from './option-definition.js';
import { camelCase, routeKey } from './option-names.js';
import { options } from './option-table.js';

/** Options that take effect only at the start. */
export const fixedOptionNames: readonly string[] = options
  .filter((option) => !option.reloadable)
  .map((option) => option.name);

/** @throws Error that names the options. */
export function assertNoRestartNeeded(current: ProxyConfig, next: ProxyConfig): void {
  const changed = restartNeeded(current, next);
  if (changed.length > 0) throw new Error(`these options need a restart to change: ${changed.join(', ')}`);
}

/** Options that differ although they take effect only at the start, and `routes` if any came or went. */
export function restartNeeded(current: ProxyConfig, next: ProxyConfig): readonly string[] {
  const names = (config: ProxyConfig) => config.routes.map((route) => route.name);
  const changed = new Set<string>();
  if (!isDeepStrictEqual(names(current), names(next))) changed.add('routes');
  for (const option of fixedOptions('process', current, next)) changed.add(option);
  for (const [index, route] of current.routes.entries()) {
    for (const option of changedInRoute(route, next.routes[index])) changed.add(option);
  }
  return [...changed];
}

function changedInRoute(current: RouteConfig, next: RouteConfig | undefined): readonly string[] {
  if (next === undefined) return [];
  return [
    ...fixedOptions('route', current, next),
    ...fixedOptions('client', current.client, next.client),
    ...fixedOptions('server', current.server, next.server),
  ];
}

function fixedOptions(scope: OptionScope, current: object, next: object): readonly string[] {
  return options
    .filter((option) => option.scope === scope && !option.reloadable)
    .filter((option) => {
      const key = camelCase(routeKey(option));
      return !isDeepStrictEqual(Reflect.get(current, key), Reflect.get(next, key));
    })
    .map((option) => option.name);
}
