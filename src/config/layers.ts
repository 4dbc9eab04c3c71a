/** Collects what flags, environment variables, the file or a program give, without yet reading the values. */

import { commandLineOptions } from './command-line-options.js';
import type { ConfigProblem, Origin } from './config-error.js';
import type { OptionDefinition, OptionScope } from './option-definition.js';
import { ENVIRONMENT_PREFIX, environmentName, kebabCase, routeKey } from './option-names.js';
import { findOption, options } from './option-table.js';
import type { SourceMapping, SourceNode } from './source-tree.js';
import { didYouMean } from './suggestion.js';

export interface Given {
  readonly value: unknown;
  readonly origin: Origin;
  /** Relative paths start here. */
  readonly folder: string;
  /** Whether a text may hold several values separated by commas. */
  readonly splitCommas: boolean;
}

export type GivenOptions = ReadonlyMap<string, Given>;

export interface GivenRoute {
  readonly name: string;
  readonly origin: Origin;
  readonly options: GivenOptions;
}

export interface Layer {
  /** Options of the process, and those of the route `default`. */
  readonly flat: GivenOptions;
  /** Undefined where there is no key `routes`. */
  readonly routes: readonly GivenRoute[] | undefined;
}

type Report = (problem: ConfigProblem) => void;

/** Name of the route that flags, environment variables and options outside `routes` describe. */
export const DEFAULT_ROUTE = 'default';

/** @param flags values by name of the flag; undefined counts as not given. */
export function flagLayer(flags: Readonly<Record<string, unknown>>, folder: string, report: Report): Layer {
  const flat = new Map<string, Given>();
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue;
    const option = findOption(kebabCase(name));
    const origin: Origin = { kind: 'flag', text: `flag --${name}` };
    if (option !== undefined) flat.set(option.name, { value, origin, folder, splitCommas: false });
    else report({ option: name, origin, message: `is not an option${didYouMean(name, optionNames())}` });
  }
  return { flat, routes: undefined };
}

/** An empty variable counts as not given: that is how compose files and unit files spell "nothing". */
export function environmentLayer(env: NodeJS.ProcessEnv, folder: string, report: Report): Layer {
  const flat = new Map<string, Given>();
  const known = new Map(options.map((option) => [environmentName(option.name), option]));
  const others = commandLineOptions
    .filter((option) => option.environment)
    .map((o) => environmentName(o.name));
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith(ENVIRONMENT_PREFIX) || value === undefined || value === '') continue;
    const origin: Origin = { kind: 'environment', text: `environment ${name}` };
    const option = known.get(name);
    if (option !== undefined) {
      flat.set(option.name, { value, origin, folder, splitCommas: option.list !== undefined });
    } else if (!others.includes(name) && !isServiceLink(name, value)) {
      const message = `is not a variable of the proxy${didYouMean(name, [...known.keys(), ...others])}`;
      report({ option: name, origin, message });
    }
  }
  return { flat, routes: undefined };
}

/** Kubernetes sets such variables in every container when a Service is called mysql-tls-proxy or mysql-tls-proxy-…. */
function isServiceLink(name: string, value: string): boolean {
  return (
    /_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$/.test(name) ||
    /_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/.test(name) ||
    (name.endsWith('_PORT') && /^(tcp|udp|sctp):\/\//.test(value))
  );
}

/** A file or an object of a program: options of the process, and either options of one route or `routes`. */
export function treeLayer(tree: SourceMapping, folder: string, report: Report): Layer {
  const keys = new Map(options.map((option) => [option.name, option]));
  let routes: readonly GivenRoute[] | undefined;
  const special = new Map([
    [
      'routes',
      (node: SourceNode) => {
        routes = readRoutes(node, folder, report);
      },
    ],
    // Editors find the JSON Schema of a file by this key.
    ['$schema', () => undefined],
  ]);
  const flat = readKeys(tree, keys, special, { folder, report });
  return { flat, routes };
}

interface Reading {
  readonly folder: string;
  readonly report: Report;
  readonly route?: string;
  /** The mapping that is read, such as `client` of a route; for messages. */
  readonly inside?: string;
}

/** Reads a mapping whose keys are options by `keys`, or handed to a function by `special`. */
function readKeys(
  mapping: SourceMapping,
  keys: ReadonlyMap<string, OptionDefinition>,
  special: ReadonlyMap<string, (node: SourceNode) => void>,
  { folder, report, route, inside }: Reading,
): Map<string, Given> {
  const found = new Map<string, Given>();
  const seen = new Set<string>();
  const about = routeOf(route);
  for (const { key, origin, node } of mapping.entries) {
    const kebab = kebabCase(key);
    if (seen.has(kebab)) {
      report({
        option: key,
        ...about,
        origin,
        message: `is given twice, once in another spelling (${kebab})`,
      });
      continue;
    }
    seen.add(kebab);
    const option = keys.get(kebab);
    const handler = special.get(kebab);
    if (handler !== undefined) {
      handler(node);
    } else if (option !== undefined) {
      const value = plainValue(node);
      if (value.usable) found.set(option.name, { value: value.value, origin, folder, splitCommas: false });
      else report({ option: option.name, ...about, origin, message: value.message });
    } else {
      const where = inside === undefined ? '' : ` of ${inside}`;
      const candidates = [...keys.keys(), ...special.keys()].filter((name) => name !== '$schema');
      report({
        option: key,
        ...about,
        origin,
        message: `is not a key${where}${didYouMean(key, candidates)}`,
      });
    }
  }
  return found;
}

type PlainValue =
  | { readonly usable: true; readonly value: unknown }
  | { readonly usable: false; readonly message: string };

function plainValue(node: SourceNode): PlainValue {
  if (node.kind === 'mapping') return { usable: false, message: 'must be a value, not keys and values' };
  if (node.kind === 'list') {
    const values: unknown[] = [];
    for (const item of node.items) {
      if (item.kind !== 'scalar' || item.value === null) {
        return { usable: false, message: 'must be a list of plain values' };
      }
      values.push(item.value);
    }
    return { usable: true, value: values };
  }
  if (node.value === null) return { usable: false, message: 'has no value; write one or remove the key' };
  return { usable: true, value: node.value };
}

function readRoutes(node: SourceNode, folder: string, report: Report): readonly GivenRoute[] {
  if (node.kind !== 'list') {
    report({ option: 'routes', origin: node.origin, message: 'must be a list, each element with a name' });
    return [];
  }
  if (node.items.length === 0) {
    report({ option: 'routes', origin: node.origin, message: 'is empty; describe at least one route' });
  }
  const routes: GivenRoute[] = [];
  for (const item of node.items) {
    if (item.kind !== 'mapping') {
      report({
        option: 'routes',
        origin: item.origin,
        message: 'each element must have keys: name, listen, servers',
      });
      continue;
    }
    const route = readRoute(item, folder, report);
    if (route === undefined) continue;
    if (routes.some(({ name }) => name === route.name)) {
      const message = `the name "${route.name}" is taken by another route; give each its own`;
      report({ option: 'routes', origin: item.origin, message });
    } else {
      routes.push(route);
    }
  }
  return routes;
}

function readRoute(mapping: SourceMapping, folder: string, report: Report): GivenRoute | undefined {
  const name = mapping.entries.find(({ key }) => key === 'name')?.node;
  if (name?.kind !== 'scalar' || typeof name.value !== 'string' || !/^[\w.-]{1,64}$/.test(name.value)) {
    const message = 'each route needs a name of up to 64 letters, digits, ".", "_" or "-"';
    report({ option: 'routes', origin: name?.origin ?? mapping.origin, message });
    return undefined;
  }
  const route = name.value;
  const legs = new Map<string, Given>();
  const readLeg = (leg: 'client' | 'server') => (node: SourceNode) => {
    if (node.kind === 'mapping') {
      const context = { folder, report, route, inside: leg };
      for (const [option, given] of readKeys(node, keysOf(leg), new Map(), context)) legs.set(option, given);
      return;
    }
    const hint = leg === 'server' ? '; the addresses of the servers go under "servers"' : '';
    const message = `must hold keys and values of the ${leg} leg, such as ssl-mode${hint}`;
    report({ option: leg, ...routeOf(route), origin: node.origin, message });
  };
  const special = new Map<string, (node: SourceNode) => void>([
    ['name', () => undefined],
    ['client', readLeg('client')],
    ['server', readLeg('server')],
  ]);
  const own = readKeys(mapping, keysOf('route'), special, { folder, report, route, inside: 'a route' });
  return { name: route, origin: mapping.origin, options: new Map([...own, ...legs]) };
}

function keysOf(scope: OptionScope): Map<string, OptionDefinition> {
  return new Map(
    options.filter((option) => option.scope === scope).map((option) => [routeKey(option), option]),
  );
}

/** For problems: the route is named only where it is not the one that flags describe. */
export function routeOf(route: string | undefined): { readonly route?: string } {
  return route === undefined || route === DEFAULT_ROUTE ? {} : { route };
}

function optionNames(): string[] {
  return options.map((option) => option.name);
}
