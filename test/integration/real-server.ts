/** The three servers as the integration tests use them. */
import type { TestContext } from 'node:test';
import type { ProxyOptions } from '../../src/index.js';
import type { TestCertificates } from '../support/certificates.js';
import type { ServerKind } from '../support/downloads.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import type { RealServer } from '../support/servers.js';

export const nameOf: Readonly<Record<ServerKind, string>> = {
  mysql56: 'MySQL 5.6',
  mysql9: 'MySQL 9',
  mariadb: 'MariaDB',
  mariadb11: 'MariaDB 11',
};

/** Undefined after having marked the test as skipped. */
export function orSkip<T extends object>(t: TestContext, found: T | Unavailable): T | undefined {
  if (!isUnavailable(found)) return found;
  t.skip(found.unavailable);
  return undefined;
}

export async function stopServer(server: RealServer | Unavailable | undefined): Promise<void> {
  if (server !== undefined && !isUnavailable(server)) await server.stop();
}

export type ServerLegMode = 'key pair' | 'server-only';

/** The options of the server leg that reach this server over verified TLS; the yaSSL of 5.6 knows nothing above TLS 1.0. */
export function overTls(
  server: Pick<RealServer, 'kind' | 'host' | 'port'>,
  certificates: TestCertificates,
  mode: ServerLegMode = 'server-only',
): ProxyOptions {
  return {
    server: `${server.host}:${server.port}`,
    serverSslMode: 'VERIFY_IDENTITY',
    serverSslCa: certificates.ca.certificateFile,
    ...(server.kind === 'mysql56' ? { serverTlsProfile: 'legacy' as const } : {}),
    ...(mode === 'key pair'
      ? { serverSslCert: certificates.client.certificateFile, serverSslKey: certificates.client.keyFile }
      : {}),
  };
}
