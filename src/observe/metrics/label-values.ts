/** Label values that peers have a say in, held to those that are known: nobody can make up time series. */
import { getCiphers } from 'node:tls';
import { PASSED_THROUGH, PLAINTEXT, type TlsDescription } from '../events.js';

const OTHER = 'other';
const NONE = 'none';

const tlsVersions: ReadonlySet<string> = new Set([
  PLAINTEXT.version,
  PASSED_THROUGH.version,
  'TLSv1',
  'TLSv1.1',
  'TLSv1.2',
  'TLSv1.3',
]);
const ciphers: ReadonlySet<string> = new Set([PLAINTEXT.cipher, PASSED_THROUGH.cipher, ...getCiphers()]);

/** Of MySQL 4.1 to 9 and MariaDB, client and server side. */
const plugins: ReadonlySet<string> = new Set([
  'mysql_native_password',
  'mysql_old_password',
  'mysql_clear_password',
  'sha256_password',
  'caching_sha2_password',
  'client_ed25519',
  'parsec',
  'dialog',
  'auth_gssapi_client',
  'authentication_windows_client',
  'authentication_ldap_sasl_client',
  'authentication_kerberos_client',
  'authentication_oci_client',
  'authentication_fido_client',
  'authentication_webauthn_client',
  'authentication_openid_connect_client',
]);

export function tlsLabels({ version, cipher }: TlsDescription): { version: string; cipher: string } {
  return {
    version: tlsVersions.has(version) ? version : OTHER,
    cipher: ciphers.has(cipher.toLowerCase()) ? cipher : OTHER,
  };
}

export function pluginLabel(plugin: string): string {
  if (plugin === '') return NONE;
  return plugins.has(plugin) ? plugin : OTHER;
}
