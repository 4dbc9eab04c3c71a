/** What /metrics/connections serves: the open connections one by one, made anew at each scrape. */
import { Registry } from 'prom-client';
import type { ConnectionRecord } from '../events.js';
import { connectionState } from '../state/connection-list.js';
import { busiest } from '../state/live-connections.js';
import { connectionMetrics } from './definitions.js';
import { Instruments } from './instruments.js';

/** At most `limit` of them, the busiest. */
export async function connectionMetricsText(
  connections: readonly ConnectionRecord[],
  limit: number,
): Promise<string> {
  const shown = busiest(connections, limit).map(connectionState);
  const registry = new Registry();
  const instruments = new Instruments(connectionMetrics, registry);
  instruments.collected('connection_info', () =>
    shown.map((connection) => ({
      labels: Object.fromEntries(
        connectionMetrics.connection_info.labels.map((label) => [label, String(connection[label])]),
      ),
      value: 1,
    })),
  );
  instruments.collected('connection_bytes_total', () =>
    shown.flatMap(({ id, route, ...connection }) =>
      (['client', 'server'] as const).flatMap((leg) =>
        (['in', 'out'] as const).map((direction) => ({
          labels: { id, route, leg, direction },
          value: connection[`${leg}_bytes_${direction}`],
        })),
      ),
    ),
  );
  instruments.collected('connection_commands_total', () =>
    shown.map(({ id, route, commands }) => ({ labels: { id, route }, value: commands })),
  );
  instruments.collected('connection_opened_timestamp_seconds', () =>
    shown.map(({ id, route, opened_at }) => ({ labels: { id, route }, value: opened_at / 1000 })),
  );
  instruments.collected('connections_omitted', () => [
    { labels: {}, value: connections.length - shown.length },
  ]);
  return registry.metrics();
}
