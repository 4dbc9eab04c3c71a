/**
 * Examines a server as the proxy would meet it: each part by its own connections, with the proxy's own code, going on as
 * far as the server allows: the greeting, TLS, the account, and what it all means for clients.
 */
import { formatAddress, type RouteConfig, type ServerLegConfig } from '../config/model.js';
import { errorTable, ProxyError } from '../errors.js';
import { ownHeader } from '../proxy/announce-client.js';
import { CLIENT_SSL, has } from '../wire/capabilities.js';
import { versionForPeople } from '../wire/greeting.js';
import { type ClientSetting, clientSettings } from './client-settings.js';
import { examineTls, NO_TLS, type TlsExamination } from './examine-tls.js';
import { doctorFinding, type Finding, Findings, findingFromError } from './findings.js';
import { type Account, type Credentials, tryLogin } from './login.js';
import { type Visit, type VisitLimits, visit } from './visit.js';

export interface ExaminationRequest {
  /** Of the proxy: `client` where what is looked at is a proxy, and this side of it its client. */
  readonly leg: 'client' | 'server';
  /** With one server. */
  readonly route: RouteConfig;
  readonly limits: VisitLimits;
  /** Whether every cipher of each version is tried, or one. */
  readonly allCiphers: boolean;
  readonly credentials: Credentials | undefined;
  /** What is known before the first connection: what is wrong with files. */
  readonly known: readonly Finding[];
  readonly onProgress: (step: string) => void;
}

export interface Report extends TlsExamination {
  /** `HOST:PORT`. */
  readonly target: string;
  /** Of a proxy: `client` where a proxy was looked at. */
  readonly leg: 'client' | 'server';
  /** Undefined where no MySQL server greeted: nothing could be tested. */
  readonly server:
    | { readonly kind: 'MySQL' | 'MariaDB'; readonly version: string; readonly plugin: string }
    | undefined;
  readonly offersTls: boolean | undefined;
  readonly account: Account | undefined;
  readonly clientSettings: readonly ClientSetting[];
  readonly findings: readonly Finding[];
}

export async function examine(given: ExaminationRequest): Promise<Report> {
  const { leg, route, onProgress } = given;
  const limits = { ...given.limits, header: ownHeader(route.server.proxyProtocol) };
  const request = { ...given, limits };
  const [address] = route.servers;
  if (address === undefined) throw new Error('the route has no server');
  const target = formatAddress(address);
  const findings = new Findings();
  findings.add(...request.known);
  let first: Visit;
  onProgress(`connecting to ${target}`);
  try {
    first = await visit(address, undefined, limits);
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    findings.add(findingFromError(error));
    return { ...nothingKnown(target, leg), findings: findings.sorted() };
  }
  const { greeting } = first;
  const offersTls = has(greeting.capabilities, CLIENT_SSL);
  const acceptsPlaintext = takesPlaintext(first, leg);
  if (acceptsPlaintext) {
    findings.add(
      doctorFinding('server_accepts_plaintext', `${target} accepts logins in plaintext from here`),
    );
  }
  const tls = offersTls ? await examineTls(address, route.server, request, findings) : NO_TLS;
  if (!offersTls) findings.add(...noTls(target, route.server));
  const account = await examineAccount(request, findings);
  const facts = {
    offersTls,
    versions: tls.versions?.filter(({ accepted }) => accepted).map(({ version }) => version),
    // What the account demands is met by the proxy, on its other leg.
    requirement: leg === 'client' ? undefined : account?.requirement,
    acceptsPlaintext: leg === 'client' ? acceptsPlaintext : account?.serverAcceptsPlaintext,
  };
  findings.add(...advisoryFinding(facts.requirement));
  return {
    target,
    leg,
    server: {
      kind: greeting.isMariaDb ? 'MariaDB' : 'MySQL',
      // MariaDB puts a version in front for old replicas.
      version: versionForPeople(greeting),
      plugin: greeting.authPlugin,
    },
    offersTls,
    ...tls,
    account,
    // Without the versions nothing can be said of clients.
    clientSettings: offersTls && facts.versions === undefined ? [] : clientSettings(facts),
    findings: findings.sorted(),
  };
}

const ER_ACCESS_DENIED = 1045;

/** Servers look at require_secure_transport only after the password, a proxy refuses before it has bothered the server. */
function takesPlaintext({ refusedWith }: Visit, leg: 'client' | 'server'): boolean | undefined {
  if (refusedWith === errorTable.client_tls_required.errno) return false;
  return leg === 'client' && refusedWith === ER_ACCESS_DENIED ? true : undefined;
}

function nothingKnown(target: string, leg: 'client' | 'server'): Omit<Report, 'findings'> {
  return {
    target,
    leg,
    server: undefined,
    offersTls: undefined,
    ...NO_TLS,
    account: undefined,
    clientSettings: [],
  };
}

function noTls(target: string, { sslMode }: ServerLegConfig): readonly Finding[] {
  if (sslMode === 'DISABLED') return [];
  const demanded = sslMode !== 'PREFERRED' && sslMode !== 'AS_CLIENT';
  const error = new ProxyError('server_tls_not_offered', `${target} offers no TLS`);
  return [findingFromError(error, demanded ? 'error' : 'warning')];
}

async function examineAccount(
  { leg, route, limits, credentials, onProgress }: ExaminationRequest,
  findings: Findings,
): Promise<Account | undefined> {
  if (credentials === undefined) return undefined;
  onProgress(`login as ${credentials.user}`);
  const { account, findings: found } = await tryLogin(route, credentials, limits);
  // Behind a proxy the settings of the server and its account say nothing about the leg that was looked at.
  findings.add(...found.filter(({ severity }) => leg === 'server' || severity !== 'info'));
  return account;
}

function advisoryFinding(requirement: Account['requirement']): readonly Finding[] {
  if (requirement !== undefined && requirement !== 'NONE') return [];
  const what =
    'with clients before MySQL 5.7.3 every --ssl option is advice: --ssl alone never asks for TLS, and the others go on ' +
    'in plaintext where there is none';
  return [doctorFinding('client_ssl_option_is_advisory', what)];
}
