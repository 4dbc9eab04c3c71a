/** The JSON Schema of the configuration file, for editors. */
import { z } from 'zod';
import type { OptionDefinition, OptionScope } from './option-definition.js';
import { routeKey } from './option-names.js';
import { options } from './option-table.js';

type JsonSchema = Record<string, unknown>;

/** Knows the kebab-case spelling only; the proxy itself also takes camelCase. */
export function configJsonSchema(): JsonSchema {
  const route = {
    type: 'object',
    description: 'One listener with its servers and its TLS settings',
    additionalProperties: false,
    required: ['name', 'servers'],
    properties: {
      name: {
        type: 'string',
        pattern: '^[A-Za-z0-9_.-]{1,64}$',
        description: 'Label of the route in logs and metrics',
      },
      ...propertiesOf('route', routeKey),
      client: leg('client', 'Between the clients and the proxy'),
      server: leg('server', 'Between the proxy and the server'),
    },
  };
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Configuration of mysql-tls-proxy',
    description: 'Either options of a single route, or a list of routes; and options of the process',
    type: 'object',
    additionalProperties: false,
    properties: {
      $schema: { type: 'string' },
      ...propertiesOf('process'),
      routes: {
        type: 'array',
        minItems: 1,
        items: route,
        description: 'Several routes, or one that is not called default',
      },
      ...propertiesOf('route'),
      ...propertiesOf('client'),
      ...propertiesOf('server'),
    },
  };
}

function leg(scope: 'client' | 'server', description: string): JsonSchema {
  return {
    type: 'object',
    description,
    additionalProperties: false,
    properties: propertiesOf(scope, routeKey),
  };
}

function propertiesOf(
  scope: OptionScope,
  key = (option: OptionDefinition): string => option.name,
): JsonSchema {
  const rows = options.filter((option) => option.scope === scope);
  return Object.fromEntries(rows.map((option) => [key(option), optionSchema(option)]));
}

function optionSchema(option: OptionDefinition): JsonSchema {
  const { $schema: _, ...value } = z.toJSONSchema(option.type.schema, { io: 'input' });
  const fixed = typeof option.default === 'function' ? undefined : option.default;
  return {
    description: option.description,
    ...(option.list === undefined ? value : listSchema(value, option.list.commas)),
    ...(fixed === undefined ? {} : { default: fixed }),
  };
}

function listSchema(item: JsonSchema, commas: boolean): JsonSchema {
  const single = commas ? { type: 'string' } : item;
  return { anyOf: [single, { type: 'array', minItems: 1, items: item }] };
}
