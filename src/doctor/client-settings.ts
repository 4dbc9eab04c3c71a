/**
 * Which settings of MySQL clients would work against a server, and which would only seem to: before 5.7.3 every
 * `--ssl…` option of a client was advice, and a client that could not have TLS went on in plaintext without a word.
 * https://dev.mysql.com/doc/relnotes/mysql/5.7/en/news-5-7-3.html (--ssl becomes prescriptive)
 * https://dev.mysql.com/doc/relnotes/mysql/5.7/en/news-5-7-11.html (--ssl-mode)
 */
import type { TlsVersion } from '../config/model.js';

export type Verdict = 'works' | 'only seems to work' | 'fails';

export interface ClientSetting {
  readonly client: string;
  readonly settings: string;
  readonly verdict: Verdict;
  readonly reason: string;
}

/** What of an account is known: its REQUIRE, or that nothing is. */
export type Requirement = 'NONE' | 'SSL' | 'X509' | 'SPECIFIED' | undefined;

export interface ServerAsSeen {
  readonly offersTls: boolean;
  /** Undefined: not looked for. */
  readonly versions: readonly TlsVersion[] | undefined;
  readonly requirement: Requirement;
  /** Undefined: not known. */
  readonly acceptsPlaintext: boolean | undefined;
}

/** How a client with these settings behaves. */
interface Behaviour {
  readonly client: string;
  readonly settings: string;
  /** It asks for TLS where the server offers it. */
  readonly asksForTls: boolean;
  /** Without TLS it ends the connection. */
  readonly insistsOnTls: boolean;
  readonly hasKeyPair: boolean;
  /** The newest and oldest version that it can do. */
  readonly versions: readonly TlsVersion[];
  readonly verifies: 'nothing' | 'CA' | 'CA and name';
}

const YASSL: readonly TlsVersion[] = ['TLSv1'];
const MYSQL_57: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2'];
const MYSQL_8: readonly TlsVersion[] = ['TLSv1.2', 'TLSv1.3'];

const old = {
  client: 'MySQL 5.5, 5.6 (yaSSL)',
  insistsOnTls: false,
  hasKeyPair: false,
  versions: YASSL,
} as const;
const first57 = {
  client: 'MySQL 5.7.3 to 5.7.10',
  hasKeyPair: false,
  asksForTls: true,
  versions: MYSQL_57,
} as const;
/** The settings of --ssl-mode, which 5.7.11 brought and 8 and 9 kept. */
function withSslMode(client: string, versions: readonly TlsVersion[]): readonly Behaviour[] {
  const common = { client, versions, asksForTls: true, insistsOnTls: true, hasKeyPair: false } as const;
  return [
    { ...common, settings: '--ssl-mode=PREFERRED (the default)', insistsOnTls: false, verifies: 'nothing' },
    { ...common, settings: '--ssl-mode=REQUIRED', verifies: 'nothing' },
    { ...common, settings: '--ssl-mode=VERIFY_CA --ssl-ca', verifies: 'CA' },
    { ...common, settings: '--ssl-mode=VERIFY_IDENTITY --ssl-ca', verifies: 'CA and name' },
    {
      ...common,
      settings: '--ssl-mode=VERIFY_IDENTITY --ssl-ca --ssl-cert --ssl-key',
      hasKeyPair: true,
      verifies: 'CA and name',
    },
  ];
}

const BEHAVIOURS: readonly Behaviour[] = [
  { ...old, settings: '--ssl, or MASTER_SSL=1, alone', asksForTls: false, verifies: 'nothing' },
  { ...old, settings: '--ssl-ca', asksForTls: true, verifies: 'CA' },
  { ...old, settings: '--ssl-cert --ssl-key', asksForTls: true, hasKeyPair: true, verifies: 'nothing' },
  { ...old, settings: '--ssl-ca --ssl-cert --ssl-key', asksForTls: true, hasKeyPair: true, verifies: 'CA' },
  { ...first57, settings: '--ssl', insistsOnTls: true, verifies: 'nothing' },
  { ...first57, settings: '--ssl-ca', insistsOnTls: false, verifies: 'CA' },
  ...withSslMode('MySQL 5.7.11 to 5.7.44 (OpenSSL)', MYSQL_57),
  ...withSslMode('MySQL 8.0.28 and newer', MYSQL_8),
];

export function clientSettings(server: ServerAsSeen): readonly ClientSetting[] {
  return BEHAVIOURS.map((behaviour) => ({
    client: behaviour.client,
    settings: behaviour.settings,
    ...judge(behaviour, server),
  }));
}

function judge(
  { asksForTls, insistsOnTls, hasKeyPair, versions, verifies }: Behaviour,
  server: ServerAsSeen,
): { verdict: Verdict; reason: string } {
  const { requirement } = server;
  if (!server.offersTls && insistsOnTls) return { verdict: 'fails', reason: 'the server offers no TLS' };
  const common = server.versions === undefined || versions.some((one) => server.versions?.includes(one));
  if (server.offersTls && asksForTls && !common) {
    return {
      verdict: 'fails',
      reason: `the client can do ${versions.join(', ')}, the server only ${server.versions?.join(', ')}`,
    };
  }
  if (!server.offersTls || !asksForTls) {
    const why = server.offersTls
      ? 'the client does not ask for TLS with this alone'
      : 'the server offers no TLS';
    if (server.acceptsPlaintext === false)
      return { verdict: 'fails', reason: `${why}, and plaintext is refused` };
    return requirement === undefined || requirement === 'NONE'
      ? { verdict: 'only seems to work', reason: `${why}: it goes on in plaintext without a word` }
      : { verdict: 'fails', reason: `${why}, and the account has REQUIRE ${requirement}` };
  }
  if ((requirement === 'X509' || requirement === 'SPECIFIED') && !hasKeyPair) {
    return {
      verdict: 'fails',
      reason: `the account has REQUIRE ${requirement}, and the client shows no certificate`,
    };
  }
  if (!insistsOnTls) {
    const danger = 'TLS now, but whoever is on the way can pretend that the server has none';
    return requirement === undefined || requirement === 'NONE'
      ? { verdict: 'only seems to work', reason: `${danger}, and all goes on in plaintext without a word` }
      : { verdict: 'works', reason: `${danger}, and then sees the login in plaintext` };
  }
  const checked = {
    nothing: 'the certificate of the server is not verified, so anyone on the way can pose as it',
    CA: 'the certificate must be of the CA, but may be for another name',
    'CA and name': 'the certificate must be of the CA and for the name',
  }[verifies];
  return { verdict: 'works', reason: checked };
}
