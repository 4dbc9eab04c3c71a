/**
 * Finds every TLS version and cipher that a server accepts: offers all of a version, takes note of the one that it
 * picks, and offers the rest, until it refuses. Each list so ends in one failed handshake, which servers count against
 * max_connect_errors (100 by default).
 */
import { constants } from 'node:crypto';
import { createSecureContext, getCiphers } from 'node:tls';
import type { Address, TlsVersion } from '../config/model.js';
import type { ErrorCode, ProxyError } from '../errors.js';
import type { ServerLegTls } from '../tls/contexts.js';
import { type VisitLimits, visit } from './visit.js';

export interface AcceptedVersion {
  readonly version: TlsVersion;
  readonly accepted: boolean;
  /** In the order in which the server picks them. */
  readonly ciphers: readonly string[];
  /** Why nothing (more) was accepted; `server_tls_dh_key_too_small` hides all DHE ciphers. */
  readonly endedBy: ErrorCode | undefined;
}

const VERSIONS: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

const TLS13_SUITES: readonly string[] = getCiphers()
  .filter((name) => name.startsWith('tls_'))
  .map((name) => name.toUpperCase());

/** More than any server has; an end for one that never refuses. */
const MOST_CIPHERS = 200;

export interface ProbeDepth {
  readonly limits: VisitLimits;
  /** False: one cipher of each version is enough, and only versions that are not accepted cost a failed handshake. */
  readonly allCiphers: boolean;
}

/** @param onProgress is called with the number of ciphers found so far. Rejects as `visit` does. */
export async function probeVersions(
  address: Address,
  depth: ProbeDepth,
  onProgress: (version: TlsVersion, found: number) => void,
): Promise<readonly AcceptedVersion[]> {
  const versions: AcceptedVersion[] = [];
  for (const version of VERSIONS) {
    versions.push(await probeVersion(version, address, depth, (found) => onProgress(version, found)));
  }
  return versions;
}

async function probeVersion(
  version: TlsVersion,
  address: Address,
  { limits, allCiphers }: ProbeDepth,
  onProgress: (found: number) => void,
): Promise<AcceptedVersion> {
  const ciphers: string[] = [];
  const leftOut: string[] = [];
  onProgress(0);
  while (ciphers.length < (allCiphers ? MOST_CIPHERS : 1)) {
    const offer = offerOf(version, [...ciphers, ...leftOut]);
    if (offer === undefined) break;
    const { tls, failure } = await visit(address, offer, limits);
    // The verdict on a missing client certificate comes after the cipher was agreed on.
    if (tls.version === version) {
      ciphers.push(tls.cipher);
      onProgress(ciphers.length);
    } else if (failure?.code === 'server_tls_dh_key_too_small' && !leftOut.includes('kDHE')) {
      leftOut.push('kDHE');
    } else return { version, accepted: ciphers.length > 0, ciphers, endedBy: endOf(failure, leftOut) };
  }
  return { version, accepted: ciphers.length > 0, ciphers, endedBy: endOf(undefined, leftOut) };
}

function endOf(failure: ProxyError | undefined, leftOut: readonly string[]): ErrorCode | undefined {
  return leftOut.includes('kDHE') ? 'server_tls_dh_key_too_small' : failure?.code;
}

/** Undefined when nothing is left to offer. */
function offerOf(version: TlsVersion, without: readonly string[]): ServerLegTls | undefined {
  const list =
    version === 'TLSv1.3'
      ? TLS13_SUITES.filter((suite) => !without.includes(suite)).join(':')
      : ['ALL:COMPLEMENTOFALL', ...without.map((cipher) => `!${cipher}`), '@SECLEVEL=0'].join(':');
  if (list === '') return undefined;
  return {
    secureContext: createSecureContext({
      minVersion: version,
      maxVersion: version,
      ciphers: list,
      secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT,
    }),
    verifyChain: false,
    verifyIdentity: false,
    caGiven: false,
    sniServername: undefined,
    sessions: new Map(),
    certificates: new Map(),
    files: [],
  };
}
