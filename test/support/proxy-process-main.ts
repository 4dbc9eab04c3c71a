/** Runs in the process that `startProxyProcess` starts; ends with the one that started it. */
import {
  type ConnectionRecord,
  createProxy,
  type MysqlTlsProxy,
  type ProxyOptions,
} from '../../src/index.js';
import type { InsideView } from './proxy-process.js';

interface Question {
  start?: ProxyOptions;
  view?: { collectGarbage?: boolean };
}

const open = new Set<ConnectionRecord>();
const closed = { bytesFromClient: 0, bytesFromServer: 0 };
const warnings: string[] = [];
let proxy: MysqlTlsProxy | undefined;

process.on('warning', (warning) => warnings.push(`${warning.name}: ${warning.message}`));
process.on('disconnect', () => process.exit(0));
process.on('message', async ({ start: options, view: wanted }: Question) => {
  const answer = options === undefined ? view(wanted?.collectGarbage ?? false) : await start(options);
  process.send?.(answer);
});

async function start(options: ProxyOptions): Promise<{ address: string }> {
  proxy = await createProxy(options, {
    observer: {
      opened: (record) => void open.add(record),
      closed: (record) => {
        open.delete(record);
        closed.bytesFromClient += record.clientBytes.in;
        closed.bytesFromServer += record.serverBytes.in;
      },
    },
  });
  return { address: proxy.addresses[0]?.address ?? '' };
}

function view(collectGarbage: boolean): InsideView {
  if (collectGarbage) globalThis.gc?.();
  const records = [...open];
  return {
    connections: proxy?.connections() ?? 0,
    bytesFromClient: records.reduce((sum, { clientBytes }) => sum + clientBytes.in, closed.bytesFromClient),
    bytesFromServer: records.reduce((sum, { serverBytes }) => sum + serverBytes.in, closed.bytesFromServer),
    heapBytes: process.memoryUsage().heapUsed,
    resources: countEach(process.getActiveResourcesInfo()),
    processListeners: Object.fromEntries(
      process.eventNames().map((event) => [String(event), process.listenerCount(event)]),
    ),
    warnings,
  };
}

function countEach(names: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of names) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}
