/**
 * The TLS part of an examination: as configured, the certificate and the key pair, what each profile would get, resumption,
 * and every version that the server accepts.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type CertificateFacts, certificateFacts } from '../certs/certificate-facts.js';
import { pemCertificates } from '../certs/pem.js';
import { type Address, formatAddress, type ServerLegConfig, type TlsProfile } from '../config/model.js';
import { tlsProfiles } from '../config/tls-profiles.js';
import { type ErrorCode, messageOf, ProxyError } from '../errors.js';
import { PLAINTEXT } from '../observe/events.js';
import { createServerLegTls, type ServerLegTls } from '../tls/contexts.js';
import { certificateFindings, chainFacts } from './certificate.js';
import {
  doctorFinding,
  type Finding,
  type Findings,
  finding,
  findingFromError,
  findingFromWeakness,
  type Severity,
} from './findings.js';
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

/** By which a server ends the connection without saying why. */
const SILENT_CODES: readonly ErrorCode[] = ['server_closed', 'server_refused_tls'];

/** Shorter ones have no room for RSA-PSS, which TLS 1.3 demands. */
const SHORTEST_SIGNING_RSA_BITS = 1024;

/** Codes of a TLS handshake that another profile may pass. */
const PROFILE_CODES: readonly ErrorCode[] = [
  'server_tls_version_mismatch',
  'server_tls_cipher_mismatch',
  'server_tls_no_secure_renegotiation',
  'server_tls_dh_key_too_small',
  'server_tls_failed',
];

export const NO_TLS: TlsExamination = {
  asConfigured: undefined,
  profiles: [],
  versions: undefined,
  certificates: [],
  keyPairAccepted: undefined,
  resumes: undefined,
};

/** A server may go away, or block this host, in the middle of it: what is known by then is the result. */
export async function examineTls(
  address: Address,
  given: ServerLegConfig,
  { limits, allCiphers, onProgress }: ProbeDepth & { onProgress: (step: string) => void },
  findings: Findings,
): Promise<TlsExamination> {
  const result: { -readonly [Each in keyof TlsExamination]: TlsExamination[Each] } = { ...NO_TLS };
  const target = formatAddress(address);
  const host = address.kind === 'tcp' ? address.host : 'localhost';
  const server = asIfTls(given);
  const severity = given.sslMode === 'DISABLED' ? 'warning' : 'error';
  const go = (config: ServerLegConfig) => visit(address, tlsFor(config), limits);
  try {
    onProgress('TLS as configured');
    const configured = await go(server);
    const { version, cipher, weaknesses } = configured.tls;
    if (given.sslMode === 'DISABLED')
      result.asConfigured = { version: PLAINTEXT.version, cipher: PLAINTEXT.cipher };
    else {
      if (version !== PLAINTEXT.version) result.asConfigured = { version, cipher };
      for (const weakness of weaknesses) findings.add(findingFromWeakness(weakness));
    }

    onProgress('the TLS profiles of the proxy');
    for (const profile of ['modern', 'intermediate', 'legacy'] as const) {
      result.profiles = [...result.profiles, await tryProfile(profile, server, go)];
    }
    const working = workingProfile(result.profiles);
    findings.add(...failureFindings(configured, severity, server.tlsProfile, working));

    onProgress('the certificate');
    const seen = await visitSomehow(configured, server, working, go);
    if (seen !== configured) findings.add(...failureFindings(seen, severity, server.tlsProfile, working));
    if (seen.certificate !== undefined) {
      result.certificates = chainFacts(seen.certificate);
      findings.add(...certificateFindings(seen.certificate, host, target, given));
    }
    result.keyPairAccepted = await examineKeyPair(configured, seen, server, go, findings);

    onProgress('resumption');
    result.resumes = working && (await resumesSessions(address, withProfile(server, working), limits));
    if (result.resumes === false)
      findings.add(doctorFinding('server_no_resumption', `${target} resumes no TLS session`));

    const showProgress = (tried: string, found: number) => onProgress(`${tried}: ${found} ciphers`);
    result.versions = await probeVersions(address, { allCiphers, limits }, showProgress);
    findings.add(...oldVersionFindings(result.versions, target));
  } catch (error) {
    if (!(error instanceof ProxyError)) throw error;
    const what = `${error.what} (in the middle of this examination, whose failed handshakes count, too)`;
    findings.add(findingFromError(new ProxyError(error.code, what)));
  }
  return result;
}

/** A leg that is to stay in plaintext is looked at as if it were not: verified, if there is something to verify with. */
function asIfTls(server: ServerLegConfig): ServerLegConfig {
  if (server.sslMode !== 'DISABLED') return server;
  return { ...server, sslMode: server.sslCa === undefined ? 'REQUIRED' : 'VERIFY_IDENTITY' };
}

/** Without the key pair: it does not change what is negotiated, and one that is refused costs a failed handshake. */
async function tryProfile(
  profile: TlsProfile,
  server: ServerLegConfig,
  go: (config: ServerLegConfig) => Promise<Visit>,
): Promise<ProfileResult> {
  const { tls, failure } = await go(withProfile(serverOnly({ ...server, sslMode: 'REQUIRED' }), profile));
  const { version, cipher } = tls;
  return { profile, version, cipher, failure: version === PLAINTEXT.version ? failure?.code : undefined };
}

/** The default where it does, else the one that allows least. */
function workingProfile(profiles: readonly ProfileResult[]): TlsProfile | undefined {
  const working = profiles
    .filter(({ version }) => version !== PLAINTEXT.version)
    .map(({ profile }) => profile);
  return working.includes('intermediate') ? 'intermediate' : working[0];
}

/** Names the profile that would do, where it is known. */
function failureFindings(
  { failure }: Visit,
  severity: Severity,
  profile: TlsProfile,
  working: TlsProfile | undefined,
): readonly Finding[] {
  if (failure === undefined) return [];
  if (!PROFILE_CODES.includes(failure.code) || working === profile)
    return [findingFromError(failure, severity)];
  const cure =
    working === undefined
      ? 'Update the server, or give with --server-ssl-cipher a cipher that it accepts: no profile of the proxy gets TLS with it.'
      : `Set --server-tls-profile ${working}${working === 'legacy' ? ', or update the server' : ''}.`;
  return [finding(failure.code, severity, failure.what, cure)];
}

function oldVersionFindings(versions: readonly AcceptedVersion[], target: string): readonly Finding[] {
  const old = versions.filter(
    ({ version, accepted }) => accepted && version !== 'TLSv1.2' && version !== 'TLSv1.3',
  );
  if (old.length === 0) return [];
  const names = old.map(({ version }) => version).join(' and ');
  return [doctorFinding('server_accepts_old_tls', `${target} accepts ${names}`)];
}

/** Where the configuration gets no further than the handshake, one that does: the certificate can be looked at all the same. */
async function visitSomehow(
  configured: Visit,
  server: ServerLegConfig,
  working: TlsProfile | undefined,
  go: (config: ServerLegConfig) => Promise<Visit>,
): Promise<Visit> {
  if (configured.certificate !== undefined || working === undefined) return configured;
  // OpenSSL may refuse the key pair at the level of another profile.
  return go(withProfile(serverOnly(server), working));
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
    /^server_re(fused|quires)_key_pair/.test(failure?.code ?? ''),
  );
  if (refused) return false;
  const unusable = whyNotSent(server.sslCert, configured.tls.version);
  if (unusable !== undefined) {
    findings.add(doctorFinding('key_pair_not_sent', unusable));
    return undefined;
  }
  // Refusing it silently looks like any other end of the connection.
  const code = configured.failure?.code;
  const isSilent = code !== undefined && SILENT_CODES.includes(code);
  if (configured.certificate !== undefined && !isSilent) return true;
  const profile = code !== undefined && PROFILE_CODES.includes(code) ? 'legacy' : server.tlsProfile;
  const unverified = withProfile({ ...server, sslMode: 'REQUIRED' }, profile);
  const withKeyPair = await go(unverified);
  if (withKeyPair.failure === undefined) return true;
  const without = await go(serverOnly(unverified));
  if (without.failure !== undefined) return undefined;
  const what = `the TLS handshake succeeds without the client certificate of the proxy, and fails with it: ${withKeyPair.failure.what}`;
  findings.add(findingFromError(new ProxyError('server_refused_key_pair', what)));
  return false;
}

/** OpenSSL leaves a certificate out, without a word, that it can not sign the handshake with. */
function whyNotSent(certificateFile: string, version: string): string | undefined {
  const [pem = ''] = pemCertificates(readFileSync(certificateFile, 'utf8'));
  const { keyType, keyBits } = certificateFacts(new X509Certificate(pem));
  const isOld = version === 'TLSv1' || version === 'TLSv1.1';
  const canSign = keyType === 'RSA' ? keyBits >= SHORTEST_SIGNING_RSA_BITS : keyType === 'EC' || !isOld;
  if (canSign || version === PLAINTEXT.version) return undefined;
  return `the client certificate was not sent: its ${keyType} key of ${keyBits} bit can't sign a handshake of ${version}`;
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

/** Throws ProxyError where OpenSSL takes the files of the configuration, but not together with the rest of it. */
function tlsFor(server: ServerLegConfig): ServerLegTls {
  let tls: ServerLegTls | undefined;
  try {
    tls = createServerLegTls(server);
  } catch (error) {
    const what = `OpenSSL refuses the settings of the server leg (${messageOf(error)})`;
    throw new ProxyError('server_tls_failed', what, { cause: error });
  }
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
