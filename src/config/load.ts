/** From flags, environment variables, a file or a program's object to the one configuration, or all that is wrong. */
import { KeyObject } from 'node:crypto';
import { dirname, resolve } from 'node:path';
import { checkFiles } from './check-files.js';
import { checkProcess } from './check-process.js';
import { checkRoute } from './check-route.js';
import {
  ConfigError,
  type ConfigProblem,
  defaultOrigin,
  type FileFault,
  type Origin,
} from './config-error.js';
import { readCredentials } from './credentials-file.js';
import {
  DEFAULT_ROUTE,
  environmentLayer,
  flagLayer,
  type Given,
  type GivenOptions,
  type Layer,
  routeOf,
  treeLayer,
} from './layers.js';
import type { Address, ProxyConfig, RouteConfig, UserCredential } from './model.js';
import { type OptionDefinition, readOption } from './option-definition.js';
import { camelCase, environmentName, routeKey } from './option-names.js';
import { options } from './option-table.js';
import type { ProxyOptions } from './proxy-options.js';
import { readConfigFile, readConfigObject } from './source-tree.js';

export interface ConfigSources {
  /** Values of flags by name, without dashes; undefined counts as not given. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /**
   * Looked at are variables that begin with `MYSQL_TLS_PROXY_`, those that the default of state-directory names, and
   * those that the credentials file names.
   */
  readonly env?: NodeJS.ProcessEnv;
  /** Path of the configuration file; takes precedence over the variable `MYSQL_TLS_PROXY_CONFIG`. */
  readonly file?: string;
  /** Relative paths in flags and variables start here; those in a file start from the folder of the file. */
  readonly cwd: string;
  /** Whether logs go to a terminal; decides the default of log-format. */
  readonly terminal?: boolean;
}

/** Origin of each value: by `log-level` for the process, by `default/server-ssl-ca` for a route. */
export type ConfigOrigins = ReadonlyMap<string, Origin>;

export interface LoadedConfig {
  /** Deeply frozen. */
  readonly config: ProxyConfig;
  readonly origins: ConfigOrigins;
  /** What is questionable but allowed. */
  readonly warnings: readonly ConfigProblem[];
  /** Absolute paths, each once: the configuration file, those that options name, and those that the credentials file names. */
  readonly files: readonly string[];
}

/**
 * Merges the sources (flag before environment before file before default) and checks everything.
 *
 * @throws ConfigError with all problems at once.
 */
export function loadConfig({
  flags = {},
  env = {},
  file,
  cwd,
  terminal = false,
}: ConfigSources): LoadedConfig {
  const problems: ConfigProblem[] = [];
  const report = (problem: ConfigProblem) => void problems.push(problem);
  const layers = [flagLayer(flags, cwd, report), environmentLayer(env, cwd, report)];
  const variable = environmentName('config');
  const given = file ?? env[variable];
  const path = given === undefined || given === '' ? undefined : resolve(cwd, given);
  const files = path === undefined ? [] : [path];
  if (path !== undefined) {
    const kind = file === undefined ? 'environment' : 'flag';
    const origin: Origin = { kind, text: file === undefined ? `environment ${variable}` : 'flag --config' };
    const reading = readConfigFile(path, origin);
    problems.push(...reading.problems);
    // Without its file nothing else can be judged: what it holds would be reported as missing.
    if (reading.tree === undefined) throw new ConfigError(problems, files);
    layers.push(treeLayer(reading.tree, dirname(path), report));
  }
  return resolveLayers(layers, { problems, files }, { terminal, env, passwordsEnv: env });
}

/**
 * Checks the configuration that a program gives. From the environment comes nothing but the passwords for which the
 * credentials file names variables.
 *
 * @param folder relative paths start here.
 * @throws ConfigError with all problems at once.
 */
export function parseConfig(given: ProxyOptions, folder: string = process.cwd()): LoadedConfig {
  const problems: ConfigProblem[] = [];
  const layer = treeLayer(readConfigObject(given), folder, (problem) => void problems.push(problem));
  const sofar = { problems, files: [] };
  return resolveLayers([layer], sofar, { terminal: false, env: {}, passwordsEnv: process.env });
}

/** Of the layers, before they are merged. */
interface LayersReading {
  readonly problems: ConfigProblem[];
  readonly files: readonly string[];
}

interface Surroundings {
  readonly terminal: boolean;
  /** What defaults may depend on. */
  readonly env: NodeJS.ProcessEnv;
  /** Where the credentials file finds its variables. */
  readonly passwordsEnv: NodeJS.ProcessEnv;
}

/** @param layers the first has precedence. */
function resolveLayers(
  layers: readonly Layer[],
  { problems, files: filesOfLayers }: LayersReading,
  { terminal, env, passwordsEnv }: Surroundings,
): LoadedConfig {
  const warnings: ConfigProblem[] = [];
  const files = new Set(filesOfLayers);
  const noteFiles = (more: readonly string[]) => more.forEach((file) => void files.add(file));
  const origins = new Map<string, Origin>();
  const flat = layers.map((layer) => layer.flat);
  const settings = resolveSettings('process', flat, { problems, terminal, env });
  noteFiles(filesIn(settings.values));
  const routes = routesOf(layers, flat, problems).map(({ name, sources }) => {
    const resolved = resolveSettings('route', sources, { problems, terminal, env, route: name });
    for (const [option, origin] of resolved.origins) origins.set(`${name}/${option}`, origin);
    noteFiles(filesIn(resolved.values));
    const config = assembleRoute(name, resolved.values);
    const say = (list: ConfigProblem[]) => (option: string, what: string | FileFault) =>
      void list.push({
        option,
        ...routeOf(name),
        ...originOf(resolved.origins.get(option)),
        ...(typeof what === 'string'
          ? { message: what }
          : { message: `${what.cause}; ${what.cure}`, fault: what }),
      });
    const check = { route: config, given: resolved.given, problem: say(problems), warn: say(warnings) };
    checkRoute(check);
    checkFiles(check);
    return config;
  });
  for (const [option, origin] of settings.origins) origins.set(option, origin);
  const credentials = settings.values.get('credentials');
  let users: readonly UserCredential[] = [];
  if (typeof credentials === 'string') {
    const origin = settings.origins.get('credentials') ?? defaultOrigin;
    const reading = readCredentials(credentials, { origin, routes, env: passwordsEnv });
    problems.push(...reading.problems);
    warnings.push(...reading.warnings);
    noteFiles(reading.passwordFiles);
    users = reading.users;
  }
  const config = assembleProcess(settings.values, routes, users);
  const originIn = (option: string, route = DEFAULT_ROUTE) =>
    originOf(origins.get(option) ?? origins.get(`${route}/${option}`));
  checkProcess({
    config,
    given: settings.given,
    problem: (option, message, route) =>
      problems.push({ option, ...routeOf(route), ...originIn(option, route), message }),
    warn: (option, message) => warnings.push({ option, ...originIn(option), message }),
  });
  if (problems.length > 0) throw new ConfigError(problems, [...files]);
  return { config: deepFreeze(config), origins, warnings, files: [...files] };
}

function originOf(origin: Origin | undefined): { readonly origin?: Origin } {
  return origin === undefined ? {} : { origin };
}

interface RouteSources {
  readonly name: string;
  /** The first has precedence. */
  readonly sources: readonly GivenOptions[];
}

function routesOf(
  layers: readonly Layer[],
  flat: readonly GivenOptions[],
  problems: ConfigProblem[],
): RouteSources[] {
  const listed = layers.find((layer) => layer.routes !== undefined)?.routes;
  if (listed === undefined) return [{ name: DEFAULT_ROUTE, sources: flat }];
  const ofRoute = flat.flatMap((given) => [...given]).filter(([name]) => isRouteOption(name));
  const defaultRoute = listed.find((route) => route.name === DEFAULT_ROUTE);
  for (const [option, { origin }] of ofRoute) {
    if (defaultRoute === undefined) {
      const names = listed.map((route) => route.name).join(', ');
      const message =
        `describes the route "${DEFAULT_ROUTE}", but the routes are: ${names}; ` +
        `write it inside one of these, or call one "${DEFAULT_ROUTE}"`;
      problems.push({ option, origin, message });
    } else if (origin.kind !== 'flag' && origin.kind !== 'environment' && defaultRoute.options.has(option)) {
      const message = `is given twice: here and inside the route "${DEFAULT_ROUTE}"`;
      problems.push({ option, origin, message });
    }
  }
  return listed.map(({ name, options: own }) => ({
    name,
    sources: name === DEFAULT_ROUTE ? [...flat, own] : [own],
  }));
}

function isRouteOption(name: string): boolean {
  return options.some((option) => option.name === name && option.scope !== 'process');
}

interface Settings {
  readonly values: ReadonlyMap<string, unknown>;
  /** Of all values, those from defaults too. */
  readonly origins: ReadonlyMap<string, Origin>;
  readonly given: (option: string) => boolean;
}

interface ResolveContext {
  readonly problems: ConfigProblem[];
  readonly terminal: boolean;
  readonly env: NodeJS.ProcessEnv;
  readonly route?: string;
}

function resolveSettings(
  scope: 'process' | 'route',
  sources: readonly GivenOptions[],
  { problems, terminal, env, route }: ResolveContext,
): Settings {
  const values = new Map<string, unknown>();
  const origins = new Map<string, Origin>();
  const find = (name: string): Given | undefined => sources.find((source) => source.has(name))?.get(name);
  const context = {
    given: (name: string) => find(name) !== undefined,
    value: (name: string) => values.get(name),
    terminal,
    env,
  };
  for (const option of options) {
    if ((option.scope === 'process') !== (scope === 'process')) continue;
    const given = find(option.name);
    if (given !== undefined) {
      origins.set(option.name, given.origin);
      const result = readOption(option, given.value, given.splitCommas);
      if ('value' in result) {
        values.set(option.name, makeAbsolute(option, result.value, given.folder));
        continue;
      }
      for (const message of result.errors) {
        problems.push({ option: option.name, ...routeOf(route), origin: given.origin, message });
      }
    }
    // The default also stands in for a value that can't be used, so that the rest can still be checked.
    const text = typeof option.default === 'function' ? option.default(context) : option.default;
    if (text === undefined) continue;
    const result = readOption(option, text, false);
    if (!('value' in result))
      throw new Error(`the default of ${option.name} can't be read: ${result.errors}`);
    values.set(option.name, result.value);
    if (given === undefined) origins.set(option.name, defaultOrigin);
  }
  return { values, origins, given: context.given };
}

/** Of the options that name one, which the table says. */
function filesIn(values: ReadonlyMap<string, unknown>): readonly string[] {
  return options
    .filter((option) => option.file)
    .flatMap((option) => values.get(option.name) ?? [])
    .filter((path) => typeof path === 'string');
}

function makeAbsolute(option: OptionDefinition, value: unknown, folder: string): unknown {
  if ((option.file || option.directory) && typeof value === 'string') return resolve(folder, value);
  if (Array.isArray(value)) return value.map((item: unknown) => makeAbsolute(option, item, folder));
  if (isSocketAddress(value)) return { kind: 'unix', path: resolve(folder, value.path) };
  return value;
}

function isSocketAddress(value: unknown): value is Extract<Address, { kind: 'unix' }> {
  return typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'unix';
}

function assembleRoute(name: string, values: ReadonlyMap<string, unknown>): RouteConfig {
  const client: Record<string, unknown> = {};
  const server: Record<string, unknown> = {};
  const route: Record<string, unknown> = { name, listen: [], servers: [], client, server };
  for (const option of options) {
    const value = values.get(option.name);
    if (value === undefined) continue;
    const target = { process: undefined, route, client, server }[option.scope];
    if (target !== undefined) target[camelCase(routeKey(option))] = value;
  }
  // The names and types of the model are those of the table; a test loads every option and compares.
  return route as unknown as RouteConfig;
}

function assembleProcess(
  values: ReadonlyMap<string, unknown>,
  routes: readonly RouteConfig[],
  users: readonly UserCredential[],
): ProxyConfig {
  const config: Record<string, unknown> = { routes, users };
  for (const [name, value] of values) {
    if (value !== undefined) config[camelCase(name)] = value;
  }
  return config as unknown as ProxyConfig;
}

function deepFreeze<Value>(value: Value): Value {
  // It can't be changed as it is, and is not ours.
  if (value instanceof KeyObject) return value;
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    Object.values(value).forEach(deepFreeze);
  }
  return value;
}
