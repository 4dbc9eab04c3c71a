/** Counts and times of commands as samples of `commands_total` and `command_duration_seconds`. */
import { untimedCommands } from '../command-names.js';
import { COMMAND_SECONDS, type CommandStatistics, type CommandTimes } from '../command-statistics.js';
import { METRIC_PREFIX } from './definitions.js';
import type { Sample } from './instruments.js';

export type StatisticsByRoute = ReadonlyMap<string, CommandStatistics>;

const DURATION = `${METRIC_PREFIX}command_duration_seconds`;

export function commandCounts(statistics: StatisticsByRoute): Sample[] {
  return [...statistics].flatMap(([route, ofRoute]) =>
    ofRoute.commands().map(({ command, count }) => ({ labels: { route, command }, value: count })),
  );
}

/** As Prometheus counts a histogram: each bucket holds those below it, too. */
export function commandDurations(statistics: StatisticsByRoute): Sample[] {
  return [...statistics].flatMap(([route, ofRoute]) =>
    ofRoute
      .commands()
      .filter(({ command }) => !untimedCommands.has(command))
      .flatMap((times) => histogram(route, times)),
  );
}

function histogram(route: string, { command, buckets, seconds }: CommandTimes): Sample[] {
  const labels = { route, command };
  let answered = 0;
  const samples: Sample[] = [];
  for (const [index, bound] of [...COMMAND_SECONDS, '+Inf'].entries()) {
    answered += buckets[index] ?? 0;
    samples.push({ labels: { le: bound, ...labels }, value: answered, name: `${DURATION}_bucket` });
  }
  samples.push({ labels, value: seconds, name: `${DURATION}_sum` });
  samples.push({ labels, value: answered, name: `${DURATION}_count` });
  return samples;
}
