/** What a TLS version means to the person on call: its name, how bad it is, and with which shape and colour it is drawn. */

/** Worst first; also the names of CSS classes. `unseen`: the proxy does not end this TLS. */
export const tlsKinds = ['plaintext', 'old', 'tls12', 'tls13', 'unseen'] as const;
export type TlsKind = (typeof tlsKinds)[number];

const kindsByVersion: Readonly<Record<string, TlsKind>> = {
  none: 'plaintext',
  SSLv3: 'old',
  TLSv1: 'old',
  'TLSv1.1': 'old',
  'TLSv1.2': 'tls12',
  'TLSv1.3': 'tls13',
};

export const tlsKind = (version: string): TlsKind => kindsByVersion[version] ?? 'unseen';

export const isWeak = (version: string): boolean =>
  tlsKind(version) === 'plaintext' || tlsKind(version) === 'old';

export function versionName(version: string): string {
  if (version === 'none') return 'Plaintext';
  if (version === 'TLSv1') return 'TLS 1.0';
  if (version === 'passthrough') return 'Passed through';
  return version.replace(/^TLSv/, 'TLS ');
}

/** Worst first: plaintext, then versions from old to new, then what the proxy does not see. */
export function compareVersions(left: string, right: string): number {
  const rank = (version: string): number => tlsKinds.indexOf(tlsKind(version));
  return rank(left) - rank(right) || left.localeCompare(right);
}
