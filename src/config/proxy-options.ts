/** The configuration as a program gives it, derived from the table of options. */
import type { optionTable } from './option-table.js';

type Option = (typeof optionTable)[number];
type OptionIn<Scope> = Extract<Option, { readonly scope: Scope }>;
type InputOf<Row> = Row extends {
  readonly type: { readonly schema: { readonly _zod: { readonly input: infer Input } } };
}
  ? Row extends { readonly list: undefined }
    ? Input
    : Input | readonly Input[]
  : never;

type Camel<Kebab extends string> = Kebab extends `${infer Head}-${infer Tail}`
  ? `${Head}${Capitalize<Camel<Tail>>}`
  : Kebab;
type WithoutLeg<Name extends string> = Name extends `${'client' | 'server'}-${infer Key}` ? Key : Name;

type Flat<Row extends Option> = {
  [Each in Row as Each['name'] | Camel<Each['name']>]?: InputOf<Each> | undefined;
};
type OfLeg<Row extends Option> = {
  [Each in Row as WithoutLeg<Each['name']> | Camel<WithoutLeg<Each['name']>>]?: InputOf<Each> | undefined;
};

/** Settings of the client leg of a route: the options `client-…` without that prefix, in kebab-case or camelCase. */
export type ClientLegOptions = OfLeg<OptionIn<'client'>>;

/** Settings of the server leg of a route: the options `server-…` without that prefix, in kebab-case or camelCase. */
export type ServerLegOptions = OfLeg<OptionIn<'server'>>;

/** One listener with its servers and its TLS settings. */
export type RouteOptions = Omit<Flat<OptionIn<'route'>>, 'server'> & {
  /** Label of the route in logs and metrics. */
  readonly name: string;
  /** In the order in which they are tried. */
  readonly servers: InputOf<Extract<Option, { readonly name: 'server' }>>;
  readonly client?: ClientLegOptions | undefined;
  readonly server?: ServerLegOptions | undefined;
};

/**
 * The same keys as in the configuration file, in kebab-case or camelCase; docs/configuration.md describes each.
 * Options of a route describe the route `default`; with `routes` there can be several. Relative paths start from the
 * current directory. Durations: a text with unit (`'9s'`, `'500ms'`), or a number of seconds.
 */
export type ProxyOptions = Flat<Option> & { readonly routes?: readonly RouteOptions[] | undefined };
