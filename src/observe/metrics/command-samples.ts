/** Counts and times of commands as samples of `commands_total` and `command_duration_seconds`. */
import { untimedCommands } from '../command-names.js';
import { COMMAND_SECONDS, type CommandStatistics } from '../command-statistics.js';
import { METRIC_PREFIX } from './definitions.js';
import { histogramSamples, type Sample } from './series.js';

export type StatisticsByRoute = ReadonlyMap<string, CommandStatistics>;

const DURATION = `${METRIC_PREFIX}command_duration_seconds`;

export function commandCounts(statistics: StatisticsByRoute): Sample[] {
  return [...statistics].flatMap(([route, ofRoute]) =>
    ofRoute.commands().map(({ command, count }) => ({ labels: { route, command }, value: count })),
  );
}

export function commandDurations(statistics: StatisticsByRoute): Sample[] {
  return [...statistics].flatMap(([route, ofRoute]) =>
    ofRoute
      .commands()
      .filter(({ command }) => !untimedCommands.has(command))
      .flatMap(({ command, buckets, seconds }) =>
        histogramSamples(DURATION, { route, command }, COMMAND_SECONDS, buckets, seconds),
      ),
  );
}
