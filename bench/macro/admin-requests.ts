/** What one request to the admin listener costs the proxy, while connections are open. */
import { createConnection } from 'mysql2/promise';
import { isUnavailable } from '../../test/support/programs.js';
import { freePort } from '../../test/support/servers.js';
import { account, type Database } from './database.js';
import { ours } from './ours.js';
import { cpuMicroseconds } from './process-usage.js';

export interface AdminRequestCost {
  readonly path: string;
  readonly bytes: number;
  /** CPU of the proxy, milliseconds. */
  readonly milliseconds: number;
}

const paths = ['/metrics', '/metrics/connections', '/state'];
const openConnections = 16;

export async function measureAdminRequests(
  database: Database,
  { requests }: { requests: number },
): Promise<AdminRequestCost[]> {
  const adminPort = await freePort();
  const system = ours('ours', { adminPort, args: ['--metrics', 'all'] });
  const proxy = await system.start(database, { client: 'plaintext', server: 'TLS' });
  if (isUnavailable(proxy)) return [];
  const connections = await Promise.all(
    Array.from({ length: openConnections }, () => createConnection({ ...account, port: proxy.port })),
  );
  const costs: AdminRequestCost[] = [];
  for (const path of paths) {
    const url = `http://127.0.0.1:${adminPort}${path}`;
    const get = async () => (await (await fetch(url)).arrayBuffer()).byteLength;
    // The first ones pay for compilation.
    for (let n = 0; n < requests / 4; n++) await get();
    const before = cpuMicroseconds(proxy.pids());
    let bytes = 0;
    for (let n = 0; n < requests; n++) bytes = await get();
    const microseconds = cpuMicroseconds(proxy.pids()) - before;
    costs.push({ path, bytes, milliseconds: microseconds / requests / 1000 });
  }
  await Promise.all(connections.map((connection) => connection.end()));
  await proxy.stop();
  return costs;
}
