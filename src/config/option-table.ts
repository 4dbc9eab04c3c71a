/**
 * Every option of the proxy, once. Flags, environment variables, keys of the file, the type that programs use, the
 * JSON Schema and docs/configuration.md all come from here, in this order. A default may depend on options that stand earlier.
 */
import type { OptionDefinition } from './option-definition.js';
import { clientLegOptions } from './options/client-leg.js';
import { limitOptions } from './options/limits.js';
import { observabilityOptions } from './options/observability.js';
import { processOptions } from './options/process.js';
import { routingOptions } from './options/routing.js';
import { serverLegOptions } from './options/server-leg.js';
import { rsaPrivateKeyOption, sessionOptions } from './options/sessions.js';

export const optionTable = [
  ...routingOptions,
  ...sessionOptions,
  ...limitOptions,
  rsaPrivateKeyOption,
  ...processOptions,
  ...observabilityOptions,
  ...clientLegOptions,
  ...serverLegOptions,
] as const;

export type OptionName = (typeof optionTable)[number]['name'];

/** The same table for code that treats all options alike. */
export const options: readonly OptionDefinition[] = optionTable as unknown as readonly OptionDefinition[];

const optionsByName = new Map(options.map((option) => [option.name, option]));

export function findOption(name: string): OptionDefinition | undefined {
  return optionsByName.get(name);
}
