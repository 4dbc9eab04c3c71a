/** What all workers together report. */
import type { CertificateInUse, KeptCount, ServerConnections } from '../observe/events.js';
import type { Report } from './messages.js';

/** Each once: workers use the same files, and each sees what servers show. */
export function allCertificates(reports: readonly Report[]): readonly CertificateInUse[] {
  const found = new Map<string, CertificateInUse>();
  for (const certificate of reports.flatMap(({ certificates }) => certificates)) {
    const { route, leg, role, subject, source, option, notAfter } = certificate;
    // A server may have got another certificate since a worker saw it last: the one that lasts longer is the newer one.
    const key = [route, leg, role, role === 'peer' ? '' : subject, source, option].join('\n');
    const known = found.get(key);
    if (known === undefined || known.notAfter < notAfter) found.set(key, certificate);
  }
  return [...found.values()];
}

export function allKeptServers(reports: readonly Report[]): readonly KeptCount[] {
  const counts = new Map<string, number>();
  for (const { route, count } of reports.flatMap(({ keptServers }) => keptServers))
    counts.set(route, (counts.get(route) ?? 0) + count);
  return [...counts].map(([route, count]) => ({ route, count }));
}

export function allServerConnections(reports: readonly Report[]): readonly ServerConnections[] {
  const counts = new Map<string, ServerConnections>();
  for (const { route, server, count } of reports.flatMap(({ serverConnections }) => serverConnections)) {
    const key = `${route} ${server}`;
    counts.set(key, { route, server, count: (counts.get(key)?.count ?? 0) + count });
  }
  return [...counts.values()];
}
