/** What is counted for each command and its reply. */
import { Counter, Histogram, Registry } from 'prom-client';
import { commandNames } from '../../src/observe/command-names.js';
import { COMMAND_SECONDS, CommandStatistics } from '../../src/observe/command-statistics.js';
import { newConnectionRecord, type Observer } from '../../src/observe/events.js';
import { createMetrics } from '../../src/observe/metrics/aggregates.js';
import { combineObservers } from '../../src/observe/observers.js';
import { commandMeter } from '../../src/proxy/command-meter.js';
import type { Subject, Variant } from './subject.js';

const ROUTE = 'main';

/** An observer, and what it has counted: commands sent and answered, by name. */
interface Counting {
  readonly observer: Observer;
  counts(): unknown;
}

/** `commands`: their first bytes, in the order of a recorded session, all of them answered. */
export function metricsSubjects(commands: readonly number[]): Subject[] {
  const subject = (name: string, variant: Variant, open: () => Counting): Subject => {
    const pass = passWith(open().observer, commands);
    return {
      ...{ group: 'metrics update', traffic: 'commands and their replies', name, variant, pass },
      packets: commands.length,
      bytes: 0,
      outcome: async () => {
        const counting = open();
        passWith(counting.observer, commands)();
        return await counting.counts();
      },
    };
  };
  return [
    subject('plain arrays (CommandStatistics)', 'shipping', withStatistics),
    subject('nobody counts', 'floor', () => ({ observer: {}, counts: () => undefined })),
    subject('prom-client, labels each time', 'rejected', withLabels),
    subject('prom-client, a child kept for each command', 'rejected', withChildren),
  ];
}

function passWith(observer: Observer, commands: readonly number[]): () => number {
  const record = newConnectionRecord({ id: 1, route: ROUTE, clientAddress: '' });
  const meter = commandMeter(record, combineObservers([observer]));
  return () => {
    for (const command of commands) {
      meter.sent(command);
      meter.answered(command, meter.now());
    }
    return record.commands;
  };
}

function withStatistics(): Counting {
  const statistics = new CommandStatistics();
  const { observer } = createMetrics([], '', {
    connectionsLimit: () => 0,
    traffic: () => new Map(),
    commands: new Map([[ROUTE, statistics]]),
    servers: () => [],
    serverConnections: () => [],
    waiting: () => new Map(),
    workers: () => [],
    keptServers: () => [],
    certificates: () => [],
    reloads: () => ({
      succeeded: 0,
      failed: 0,
      last_success_at: 0,
      last_failure_at: null,
      last_failure: '',
    }),
  });
  const counts = () =>
    statistics
      .commands()
      .filter(({ count }) => count > 0)
      .map(({ command, count, buckets }) => ({
        command,
        sent: count,
        answered: buckets.reduce((sum, answers) => sum + answers, 0),
      }));
  return { observer, counts };
}

function withLabels(): Counting {
  const { counter, histogram, counts } = promClient();
  const observer: Observer = {
    commandSent: ({ route }, code) => counter.labels({ route, command: nameOf(code) }).inc(),
    commandAnswered: ({ route }, code, seconds) =>
      histogram.labels({ route, command: nameOf(code) }).observe(seconds),
  };
  return { observer, counts };
}

/** By the byte of the command: as fast as the library can be used. */
function withChildren(): Counting {
  const { counter, histogram, counts } = promClient();
  const labels = (code: number) => ({ route: ROUTE, command: nameOf(code) });
  const sent: Counter.Internal[] = [];
  const answered: Histogram.Internal<string>[] = [];
  const observer: Observer = {
    commandSent: (_connection, code) => {
      sent[code] ??= counter.labels(labels(code));
      sent[code].inc();
    },
    commandAnswered: (_connection, code, seconds) => {
      answered[code] ??= histogram.labels(labels(code));
      answered[code].observe(seconds);
    },
  };
  return { observer, counts };
}

function promClient() {
  const registers = [new Registry()];
  const labelNames = ['route', 'command'];
  const counter = new Counter({ name: 'commands_total', help: 'Commands.', labelNames, registers });
  const buckets = [...COMMAND_SECONDS];
  const histogram = new Histogram({ name: 'seconds', help: 'Seconds.', labelNames, buckets, registers });
  const counts = async () => {
    const { values: answers } = await histogram.get();
    const { values } = await counter.get();
    return [...commandNames.values()].flatMap((command) => {
      const sent = values.find(({ labels }) => labels['command'] === command)?.value ?? 0;
      const answered = answers.find(
        ({ labels, metricName }) => labels['command'] === command && metricName === 'seconds_count',
      )?.value;
      return sent === 0 ? [] : [{ command, sent, answered }];
    });
  };
  return { counter, histogram, counts };
}

function nameOf(code: number): string {
  return commandNames.get(code) ?? 'other';
}
