import { duration } from '../../src/config/value-types.js';

/** Milliseconds from SIGTERM until the last session is cut, by the text of a configuration file. */
export function drainTime(config: Readonly<Record<string, unknown>>): number {
  const { 'drain-delay': delay, 'drain-timeout': timeout } = config;
  const milliseconds = (given: unknown) => duration.schema.parse(given as string);
  // No delay is the default. The time for sessions has to be written down, where whoever changes it sees what depends on it.
  return (delay === undefined ? 0 : milliseconds(delay)) + milliseconds(timeout);
}
