/** What the person on call must know first, in words: findings, worst first. */
import type { CertificateState, FailureState, ProxyState, ServerState } from '../../state/state.js';
import { daysLeft, distinctCertificates, unreadableDate, type Validity, validityOf } from './certificates.js';
import { calendarDay, clock, count, counted, listed, moment, sentence } from './format.js';
import { standingOf } from './servers.js';
import { compareVersions, isWeak, tlsKind, versionName } from './tls-kinds.js';

export interface Finding {
  readonly severity: Severity;
  /** The same as long as the finding is the same in kind, whatever its numbers do: what is new is read aloud. */
  readonly key: string;
  readonly text: string;
  /** Why; may be empty. */
  readonly cause: string;
  /** What to do; may be empty. */
  readonly cure: string;
  /** The id of the section with the details. */
  readonly section: string;
}

/** Worst first. */
const severities = ['broken', 'warning', 'fine'] as const;
export type Severity = (typeof severities)[number];

const recentMs = 5 * 60 * 1000;
/** As many servers are told one by one. */
const mostAlone = 3;
/** Share of `--max-connections` from which on it is worth a word. */
const nearlyFull = 0.9;

/** Never empty: one of them tells about the clients. */
export function findingsIn(state: ProxyState): Finding[] {
  const findings = [
    ...readiness(state),
    ...serversDown(state),
    ...serversSilent(state),
    ...certificateTimes(state, 'broken'),
    ...certificateTimes(state, 'warning'),
    ...certificateTimes(state, 'unreadable'),
    ...failedReload(state),
    ...fullness(state),
    clientLeg(state),
    ...serverLeg(state),
    ...recentFailures(state),
  ];
  const rank = ({ severity }: Finding): number => severities.indexOf(severity);
  return findings.sort((left, right) => rank(left) - rank(right));
}

function readiness({ unready_reason: reason }: ProxyState): Finding[] {
  if (reason === '') return [];
  return [finding('broken', 'unready', 'routes', 'Not ready for clients.', reason)];
}

/** A few by themselves; many of them together, so that they leave room for what else there is to say. */
function serversDown(state: ProxyState): Finding[] {
  const down = state.servers.filter((server) => standingOf(server, state.at) === 'down');
  if (down.length <= mostAlone) return down.map((server) => serverDown(server, state));
  const [first] = down;
  const text = `${count(down.length)} of ${counted(state.servers.length, 'server')} are down.`;
  return [finding('broken', 'servers', 'routes', text, `${first?.server}: ${first?.cause}`, first?.cure)];
}

/** Nobody needed them since, so they may well be up again. */
function serversSilent(state: ProxyState): Finding[] {
  const silent = state.servers.filter((server) => standingOf(server, state.at) === 'silent');
  const [first] = silent;
  if (first === undefined) return [];
  if (silent.length <= mostAlone) return silent.map((server) => serverSilent(server, state));
  const text = `${count(silent.length)} of ${counted(state.servers.length, 'server')} did not answer when they were last needed.`;
  return [finding('warning', 'silent', 'routes', text, `${first.server}: ${first.cause}`, first.cure)];
}

function serverSilent(server: ServerState, state: ProxyState): Finding {
  const { route, server: name, tried_at: at, cause, cure } = server;
  const where = state.routes.length > 1 ? ` (route ${route})` : '';
  const when = at === null ? '' : `, at ${moment(at, state.at)}`;
  const text = `Server ${name}${where} did not answer when it was last needed${when}.`;
  return finding('warning', `silent ${route} ${name}`, 'routes', text, cause, cure);
}

function serverDown({ route, server, since, cause, cure }: ServerState, state: ProxyState): Finding {
  const where = state.routes.length > 1 ? ` (route ${route})` : '';
  const when = since === null ? '' : ` since ${moment(since, state.at)}`;
  const text = `Server ${server}${where} is down${when}.`;
  return finding('broken', `server ${route} ${server}`, 'routes', text, cause, cure);
}

function certificateTimes({ certificates, at }: ProxyState, validity: Exclude<Validity, 'fine'>): Finding[] {
  const [first, ...others] = distinctCertificates(certificates).filter(
    (certificate) => validityOf(certificate, at) === validity,
  );
  if (first === undefined) return [];
  const key = `certificates ${validity} ${first.source} ${others.length}`;
  const more = counted(others.length, 'more', 'more');
  const rest = {
    broken: `${more} can not be used now.`,
    warning: `${more} within 30 days.`,
    unreadable: `The same of ${more}.`,
  }[validity];
  const text = [certificateTime(first, at), ...(others.length === 0 ? [] : [rest])].join(' ');
  return [finding(validity === 'broken' ? 'broken' : 'warning', key, 'certificates', text)];
}

function certificateTime(certificate: CertificateState, now: number): string {
  const { subject, leg, role, not_before: from, not_after: until, source } = certificate;
  const name = `${role === 'ca' ? 'CA' : 'Certificate'} ${subject || source} (${leg} leg)`;
  if (from !== null && now < from) return `${name} is not valid before ${calendarDay(from)}.`;
  if (until !== null && until <= now) return `${name} expired on ${calendarDay(until)}.`;
  if (from === null || until === null) return `${name}: its ${unreadableDate}.`;
  const days = daysLeft(until, now);
  return `${name} expires in ${days === 0 ? 'less than a day' : counted(days, 'day')}.`;
}

function failedReload({ reloads, at }: ProxyState): Finding[] {
  const { last_failure_at: failedAt, last_failure: reason, last_success_at: succeededAt } = reloads;
  if (failedAt === null || failedAt < succeededAt) return [];
  const text = `The reload at ${moment(failedAt, at)} failed: the old configuration and certificates stay in use.`;
  const cure =
    'Correct that: the proxy then tries again by itself, or on SIGHUP; --check-config says beforehand what is wrong.';
  return [finding('warning', `reload ${failedAt}`, 'footer', text, reason, cure)];
}

function fullness({ connections: { active, limit } }: ProxyState): Finding[] {
  if (active < nearlyFull * limit) return [];
  const text = `${count(active)} of ${counted(limit, 'connection')} are in use.`;
  const cure = 'Raise --max-connections, or find out who keeps them open.';
  return [finding('warning', 'full', 'connections', text, 'At the limit, clients are refused.', cure)];
}

function recentFailures({ failures, servers, at }: ProxyState): Finding[] {
  const isToldAlready = (failure: FailureState): boolean =>
    servers.some(
      ({ server, up, code }) => up === false && server === failure.server && code === failure.code,
    );
  const latest = failures.find((failure) => !isToldAlready(failure));
  if (latest === undefined || latest.last_at < at - recentMs) return [];
  const text = `Connections failed in the last 5 minutes, the latest at ${clock(latest.last_at)}.`;
  return [finding('warning', `failure ${latest.code}`, 'failures', text, latest.cause, latest.cure)];
}

function serverLeg(state: ProxyState): Finding[] {
  const byVersion = connectionsByVersion(state, 'server');
  const weak = weakVersions(byVersion);
  if (weak.length === 0) return [];
  const text = `Toward the servers, ${weakShare(byVersion, 'connection')}.`;
  return [finding('warning', `server leg ${weak.join(' ')}`, 'now', text)];
}

function clientLeg(state: ProxyState): Finding {
  const byVersion = connectionsByVersion(state, 'client');
  const total = sum(byVersion.values());
  if (total === 0) return finding('fine', 'no clients', 'now', 'No client is connected.');
  const weak = weakVersions(byVersion);
  if (weak.length > 0)
    return finding('warning', `clients ${weak.join(' ')}`, 'now', `${weakShare(byVersion, 'client')}.`);
  const unseen = sum([...byVersion].filter(([version]) => tlsKind(version) === 'unseen').map(([, n]) => n));
  const seen = total - unseen;
  const passed = `negotiate TLS with the servers themselves (PASSTHROUGH)`;
  if (seen === 0)
    return finding('fine', 'clients unseen', 'now', `All ${counted(total, 'client')} ${passed}.`);
  const others = unseen === 0 ? '' : ` ${count(unseen)} more ${passed}.`;
  const all = seen === 1 ? '1 client is' : `All ${count(seen)} clients are`;
  return finding('fine', 'clients modern', 'now', `${all} on TLS 1.2 or newer.${others}`);
}

/** `37 of 412 clients are in plaintext, 5 on TLS 1.0`. */
function weakShare(byVersion: ReadonlyMap<string, number>, noun: string): string {
  const total = sum(byVersion.values());
  const parts = weakVersions(byVersion).map((version, index) => {
    const value = byVersion.get(version) ?? 0;
    const share = index === 0 ? ` of ${counted(total, noun)} ${value === 1 ? 'is' : 'are'}` : '';
    return `${count(value)}${share} ${version === 'none' ? 'in plaintext' : `on ${versionName(version)}`}`;
  });
  return parts.join(', ');
}

export function noClients({ routes }: ProxyState): string {
  const places = routes.map(({ route, listen }) => `${listen.join(', ')} (route ${route})`);
  return `No client is connected. Applications connect to ${listed(places)}.`;
}

function connectionsByVersion({ tls }: ProxyState, leg: 'client' | 'server'): Map<string, number> {
  const byVersion = new Map<string, number>();
  for (const entry of tls) {
    if (entry.leg !== leg) continue;
    byVersion.set(entry.version, (byVersion.get(entry.version) ?? 0) + entry.connections);
  }
  return byVersion;
}

/** Worst first. */
const weakVersions = (byVersion: ReadonlyMap<string, number>): string[] =>
  [...byVersion.keys()].filter(isWeak).sort(compareVersions);

const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);

function finding(
  severity: Severity,
  key: string,
  section: string,
  text: string,
  cause = '',
  cure = '',
): Finding {
  return { severity, key, section, text, cause: sentence(cause), cure: sentence(cure) };
}
