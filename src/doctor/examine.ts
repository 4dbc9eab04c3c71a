/**
 * Examines a server as the proxy would meet it: each part by its own connections, with the proxy's own code, going on as
 * far as the server allows. Read from top to bottom: greeting, TLS as configured, the certificate, what else would work.
 */
import type { CertificateFacts } from '../certs/certificate-facts.js';
import {
  type Address,
  formatAddress,
  type RouteConfig,
  type ServerLegConfig,
  type TlsProfile,
} from '../config/model.js';
import { tlsProfiles } from '../config/tls-profiles.js';
import { type ErrorCode, errorTable, ProxyError } from '../errors.js';
import { createServerLegTls, type ServerLegTls } from '../tls/contexts.js';
import { CLIENT_SSL, has } from '../wire/capabilities.js';
import { certificateFindings, chainFacts } from './certificate.js';
import { type ClientSetting, clientSettings } from './client-settings.js';
import { doctorFinding, type Finding, Findings, findingFromError, findingFromWeakness } from './findings.js';
import { type Account, type Credentials, tryLogin } from './login.js';
import { type AcceptedVersion, probeVersions } from './probe.js';
import { type Visit, type VisitLimits, visit } from './visit.js';

export interface ExaminationRequest {
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

/** What a profile of the proxy would get: version and cipher, or why nothing. */
export interface ProfileResult {
  readonly profile: TlsProfile;
  readonly version: string;
  readonly cipher: string;
  readonly failure: ErrorCode | undefined;
}

export interface Report {
  /** `HOST:PORT`. */
  readonly target: string;
  /** Undefined where no MySQL server greeted: nothing could be tested. */
  readonly server:
    | { readonly kind: 'MySQL' | 'MariaDB'; readonly version: string; readonly plugin: string }
    | undefined;
  readonly offersTls: boolean | undefined;
  /** With the configuration that was given; undefined where there was no TLS. */
  readonly asConfigured: { readonly version: string; readonly cipher: string } | undefined;
  readonly profiles: readonly ProfileResult[];
  readonly versions: readonly AcceptedVersion[] | undefined;
  /** The leaf first. */
  readonly certificates: readonly CertificateFacts[];
  /** Undefined where none was given. */
  readonly keyPairAccepted: boolean | undefined;
  readonly resumes: boolean | undefined;
  readonly account: Account | undefined;
  readonly clientSettings: readonly ClientSetting[];
  readonly findings: readonly Finding[];
}

/** Codes of a TLS handshake that another profile may pass. */
const PROFILE_CODES: readonly ErrorCode[] = [
  'server_tls_version_mismatch',
  'server_tls_cipher_mismatch',
  'server_tls_no_secure_renegotiation',
  'server_tls_dh_key_too_small',
  'server_tls_failed',
];

export async function examine(request: ExaminationRequest): Promise<Report> {
  const { route, limits, onProgress } = request;
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
    return { ...nothingKnown(target), findings: findings.sorted() };
  }
  const { greeting } = first;
  const offersTls = has(greeting.capabilities, CLIENT_SSL);
  const acceptsPlaintext = takesPlaintext(first);
  if (acceptsPlaintext) {
    findings.add(
      doctorFinding('server_accepts_plaintext', `${target} accepts logins in plaintext from here`),
    );
  }
  const tls = offersTls ? await tlsIfReachable(address, request, findings) : undefined;
  if (!offersTls) findings.add(noTls(target, route.server));
  const account = await examineAccount(request, findings);
  const facts = {
    offersTls,
    versions: tls?.versions?.filter(({ accepted }) => accepted).map(({ version }) => version),
    requirement: account?.requirement,
    acceptsPlaintext: account?.serverAcceptsPlaintext ?? acceptsPlaintext,
  };
  findings.add(...advisoryFinding(facts.requirement));
  return {
    target,
    server: {
      kind: greeting.isMariaDb ? 'MariaDB' : 'MySQL',
      // MariaDB puts a version in front for old replicas.
      version: greeting.isMariaDb ? greeting.serverVersion.replace(/^5\.5\.5-/, '') : greeting.serverVersion,
      plugin: greeting.authPlugin,
    },
    offersTls,
    asConfigured: tls?.asConfigured,
    profiles: tls?.profiles ?? [],
    versions: tls?.versions,
    certificates: tls?.certificates ?? [],
    keyPairAccepted: tls?.keyPairAccepted,
    resumes: tls?.resumes,
    account,
    clientSettings: clientSettings(facts),
    findings: findings.sorted(),
  };
}

const ER_ACCESS_DENIED = 1045;

/** MySQL checks require_secure_transport before the password; MariaDB denies both in the same words. */
function takesPlaintext({ greeting, refusedWith }: Visit): boolean | undefined {
  if (refusedWith === errorTable.server_requires_tls.errno) return false;
  return refusedWith === ER_ACCESS_DENIED && !greeting.isMariaDb ? true : undefined;
}

function nothingKnown(target: string): Omit<Report, 'findings'> {
  return {
    target,
    server: undefined,
    offersTls: undefined,
    asConfigured: undefined,
    profiles: [],
    versions: undefined,
    certificates: [],
    keyPairAccepted: undefined,
    resumes: undefined,
    account: undefined,
    clientSettings: [],
  };
}

function noTls(target: string, { sslMode }: ServerLegConfig): Finding {
  const demanded = !['DISABLED', 'PREFERRED', 'AS_CLIENT'].includes(sslMode);
  const error = new ProxyError('server_tls_not_offered', `${target} offers no TLS`);
  return findingFromError(error, demanded ? 'error' : 'warning');
}

type TlsResult = Pick<
  Report,
  'asConfigured' | 'profiles' | 'versions' | 'certificates' | 'keyPairAccepted' | 'resumes'
>;

/** A server may go away, or block this host, in the middle of the examination. */
async function tlsIfReachable(
  address: Address,
  request: ExaminationRequest,
  findings: Findings,
): Promise<TlsResult | undefined> {
  try {
    return await examineTls(address, request, findings);
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    findings.add(findingFromError(error));
    return undefined;
  }
}

async function examineTls(
  address: Address,
  { route, limits, allCiphers, onProgress }: ExaminationRequest,
  findings: Findings,
): Promise<TlsResult> {
  const { server } = route;
  const target = formatAddress(address);
  const host = address.kind === 'tcp' ? address.host : 'localhost';
  const go = (config: ServerLegConfig) => visit(address, tlsFor(config), limits);

  onProgress('TLS as configured');
  const configured = await go(server);
  addFailure(configured, findings);
  for (const weakness of configured.tls.weaknesses) findings.add(findingFromWeakness(weakness));

  onProgress('the certificate');
  const seen = await visitSomehow(configured, server, go);
  if (seen !== configured) addFailure(seen, findings);
  const keyPairAccepted = await examineKeyPair(configured, seen, server, go, findings);
  if (seen.certificate !== undefined)
    findings.add(...certificateFindings(seen.certificate, host, target, server));

  onProgress('the TLS profiles of the proxy');
  const profiles: ProfileResult[] = [];
  for (const profile of ['modern', 'intermediate', 'legacy'] as const) {
    const { tls, failure } = await go(withProfile({ ...server, sslMode: 'REQUIRED' }, profile));
    const { version, cipher } = tls;
    profiles.push({ profile, version, cipher, failure: version === 'none' ? failure?.code : undefined });
  }
  const working = profiles.find(({ version }) => version !== 'none')?.profile;

  onProgress('resumption');
  const resumes = working && (await resumesSessions(address, withProfile(server, working), limits));
  if (resumes === false)
    findings.add(doctorFinding('server_no_resumption', `${target} resumes no TLS session`));

  const showProgress = (version: string, found: number) => onProgress(`${version}: ${found} ciphers`);
  const versions = await probeVersions(address, { allCiphers, limits }, showProgress);
  const old = versions.filter(
    ({ version, accepted }) => accepted && version !== 'TLSv1.2' && version !== 'TLSv1.3',
  );
  if (old.length > 0) {
    const names = old.map(({ version }) => version).join(' and ');
    findings.add(doctorFinding('server_accepts_old_tls', `${target} accepts ${names}`));
  }
  return {
    asConfigured:
      configured.tls.version === 'none'
        ? undefined
        : { version: configured.tls.version, cipher: configured.tls.cipher },
    profiles,
    versions,
    certificates: seen.certificate === undefined ? [] : chainFacts(seen.certificate),
    keyPairAccepted,
    resumes,
  };
}

function addFailure({ failure }: Visit, findings: Findings): void {
  if (failure !== undefined) findings.add(findingFromError(failure));
}

/** Where the configuration gets no further than the handshake, one that does: the certificate can be looked at all the same. */
async function visitSomehow(
  configured: Visit,
  server: ServerLegConfig,
  go: (config: ServerLegConfig) => Promise<Visit>,
): Promise<Visit> {
  if (configured.certificate !== undefined) return configured;
  const code = configured.failure?.code;
  if (code !== undefined && PROFILE_CODES.includes(code)) {
    const legacy = await go(withProfile(server, 'legacy'));
    if (legacy.certificate !== undefined) return legacy;
  }
  for (const profile of ['intermediate', 'legacy'] as const) {
    const withoutKeyPair = await go(withProfile(serverOnly(server), profile));
    if (withoutKeyPair.certificate !== undefined) return withoutKeyPair;
  }
  return configured;
}

/** yaSSL breaks the handshake off without a word for a client certificate that it does not like. */
async function examineKeyPair(
  configured: Visit,
  seen: Visit,
  server: ServerLegConfig,
  go: (config: ServerLegConfig) => Promise<Visit>,
  findings: Findings,
): Promise<boolean | undefined> {
  if (server.sslCert === undefined) return undefined;
  const refused = [configured, seen].some(({ failure }) =>
    /^server_refused_key_pair/.test(failure?.code ?? ''),
  );
  if (refused) return false;
  if (configured.certificate !== undefined || configured.failure === undefined) return true;
  const profile = PROFILE_CODES.includes(configured.failure.code) ? 'legacy' : server.tlsProfile;
  const unverified = withProfile({ ...server, sslMode: 'REQUIRED' }, profile);
  const withKeyPair = await go(unverified);
  if (withKeyPair.failure === undefined) return true;
  const without = await go(serverOnly(unverified));
  if (without.failure !== undefined) return undefined;
  const what = `the TLS handshake succeeds without the client certificate of the proxy, and fails with it: ${withKeyPair.failure.what}`;
  findings.add(findingFromError(new ProxyError('server_refused_key_pair', what)));
  return false;
}

async function resumesSessions(
  address: Address,
  server: ServerLegConfig,
  limits: VisitLimits,
): Promise<boolean | undefined> {
  const tls = tlsFor(serverOnly({ ...server, sslMode: 'REQUIRED' }));
  const first = await visit(address, tls, limits);
  if (first.failure !== undefined) return undefined;
  return (await visit(address, tls, limits)).tls.resumed;
}

async function examineAccount(
  { route, limits, credentials, onProgress }: ExaminationRequest,
  findings: Findings,
): Promise<Account | undefined> {
  if (credentials === undefined) return undefined;
  onProgress(`login as ${credentials.user}`);
  const { account, findings: found } = await tryLogin(route, credentials, limits);
  findings.add(...found);
  return account;
}

function advisoryFinding(requirement: Account['requirement']): readonly Finding[] {
  if (requirement !== undefined && requirement !== 'NONE') return [];
  const what =
    'with clients before MySQL 5.7.3 every --ssl option is advice: --ssl alone never asks for TLS, and the others go on ' +
    'in plaintext where there is none';
  return [doctorFinding('client_ssl_option_is_advisory', what)];
}

/** As the proxy makes it; a leg that is to stay in plaintext is looked at as if it were to be verified. */
function tlsFor(server: ServerLegConfig): ServerLegTls {
  const sslMode = server.sslMode === 'DISABLED' ? 'VERIFY_IDENTITY' : server.sslMode;
  const tls = createServerLegTls({ ...server, sslMode });
  if (tls === undefined) throw new Error('the server leg has no TLS settings');
  return tls;
}

/** Only what the profile says: versions and ciphers that were given one by one do not count. */
function withProfile(server: ServerLegConfig, tlsProfile: TlsProfile): ServerLegConfig {
  const { sslCipher: _ciphers, tlsCiphersuites: _suites, ...others } = server;
  return { ...others, tlsProfile, tlsVersion: tlsProfiles[tlsProfile].versions };
}

function serverOnly(server: ServerLegConfig): ServerLegConfig {
  const { sslCert: _certificate, sslKey: _key, sslKeyPassphraseFile: _passphrase, ...others } = server;
  return others;
}
