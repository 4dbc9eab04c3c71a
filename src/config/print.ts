/** The configuration in use, written as a file that would give the same configuration again. */
import { stringify } from 'yaml';
import { meaninglessInPassthrough } from './check-route.js';
import type { LoadedConfig } from './load.js';
import type { RouteConfig } from './model.js';
import type { OptionDefinition, OptionScope } from './option-definition.js';
import { camelCase, routeKey } from './option-names.js';
import { options } from './option-table.js';

/** YAML, each value with a comment that says where it came from. Files with secrets are named, never read. */
export function printConfig({ config, origins }: LoadedConfig): string {
  const write = (option: OptionDefinition, key: string, value: unknown, route?: string): string => {
    const origin = origins.get(route === undefined ? option.name : `${route}/${option.name}`);
    const comment = origin === undefined ? '' : `  # ${origin.text}`;
    return `${key}: ${formatValue(option, value)}${comment}`;
  };
  const section = (
    scope: OptionScope,
    values: object,
    indent: string,
    { name: route, client }: RouteConfig,
  ): string[] => {
    // Their defaults are not in use there, and a file must not have them.
    const hidden = client.sslMode === 'PASSTHROUGH' ? meaninglessInPassthrough : [];
    return optionsIn(scope)
      .map((option) => ({
        option,
        key: routeKey(option),
        value: valueIn(values, camelCase(routeKey(option))),
      }))
      .filter(({ value }) => value !== undefined)
      .filter(({ option }) => !hidden.includes(option.name))
      .map(({ option, key, value }) => indent + write(option, key, value, route));
  };
  // An option without origin was not given and has no default. Undefined alone would not tell: it can mean `off`.
  const lines = optionsIn('process')
    .filter((option) => origins.has(option.name))
    .map((option) => write(option, option.name, valueIn(config, camelCase(option.name))));
  lines.push('routes:');
  for (const route of config.routes) {
    lines.push(`  - name: ${route.name}`, ...section('route', route, '    ', route));
    for (const leg of ['client', 'server'] as const) {
      lines.push(`    ${leg}:`, ...section(leg, route[leg], '      ', route));
    }
  }
  return `${lines.join('\n')}\n`;
}

function optionsIn(scope: OptionScope): readonly OptionDefinition[] {
  return options.filter((option) => option.scope === scope);
}

function valueIn(values: object, key: string): unknown {
  return Object.entries(values).find(([name]) => name === key)?.[1];
}

function formatValue(option: OptionDefinition, value: unknown): string {
  const written = Array.isArray(value)
    ? value.map((item) => option.type.format(item))
    : option.type.format(value);
  return stringify(written, { collectionStyle: 'flow', flowCollectionPadding: false, lineWidth: 0 }).trim();
}
