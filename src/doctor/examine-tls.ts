/**
 * The TLS part of an examination: as configured, the certificate and the key pair, what each profile would get, resumption,
 * and every version that the server accepts.
 */
import type { CertificateFacts } from '../certs/certificate-facts.js';
import { type Address, formatAddress, type ServerLegConfig, type TlsProfile } from '../config/model.js';
import { tlsProfiles } from '../config/tls-profiles.js';
import { type ErrorCode, ProxyError } from '../errors.js';
import { createServerLegTls, type ServerLegTls } from '../tls/contexts.js';
import { certificateFindings, chainFacts } from './certificate.js';
import { doctorFinding, type Findings, findingFromError, findingFromWeakness } from './findings.js';
import { type AcceptedVersion, type ProbeDepth, probeVersions } from './probe.js';
import { type Visit, type VisitLimits, visit } from './visit.js';

/** What a profile of the proxy would get: version and cipher, or why nothing. */
export interface ProfileResult {
  readonly profile: TlsProfile;
  readonly version: string;
  readonly cipher: string;
  readonly failure: ErrorCode | undefined;
}

export interface TlsExamination {
  /** With the configuration that was given; undefined where there was no TLS. */
  readonly asConfigured: { readonly version: string; readonly cipher: string } | undefined;
  readonly profiles: readonly ProfileResult[];
  /** Undefined where it was not found out. */
  readonly versions: readonly AcceptedVersion[] | undefined;
  /** The leaf first. */
  readonly certificates: readonly CertificateFacts[];
  /** Undefined where none was given. */
  readonly keyPairAccepted: boolean | undefined;
  readonly resumes: boolean | undefined;
}

/** Codes of a TLS handshake that another profile may pass. */
const PROFILE_CODES: readonly ErrorCode[] = [
  'server_tls_version_mismatch',
  'server_tls_cipher_mismatch',
  'server_tls_no_secure_renegotiation',
  'server_tls_dh_key_too_small',
  'server_tls_failed',
];

/** Rejects as `visit` does: a server may go away, or block this host, in the middle of it. */
export async function examineTls(
  address: Address,
  server: ServerLegConfig,
  { limits, allCiphers, onProgress }: ProbeDepth & { onProgress: (step: string) => void },
  findings: Findings,
): Promise<TlsExamination> {
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
