/** The report about the client leg of a proxy: the same findings, with the options of that leg in their cures. */
import { fileFaults } from '../config/config-error.js';
import type { Report } from './examine.js';
import { type Finding, finding } from './findings.js';

/** Cures for whoever runs the proxy that was looked at. Other findings are about the way to it, and stay as they are. */
const CURES: Readonly<Record<string, string>> = {
  server_unreachable: 'Check that the machine of the proxy is on, and that no firewall is in the way to it.',
  server_port_closed: 'Check that the proxy runs, and that --proxy names an address that it has in --listen.',
  server_name_unknown: 'Correct the name in --proxy, or check the name servers of this machine.',
  server_silent: 'Look at the log of the proxy: it greets only when its --server has done so.',
  server_closed: 'Look at the log of the proxy: it has the cause and the cure.',
  server_not_mysql: 'Check that --proxy names an address of --listen, not of --admin-listen.',
  server_tls_not_offered: 'Give the proxy --client-ssl-cert and --client-ssl-key.',
  server_tls_version_mismatch:
    'Compare --client-tls-profile and --client-tls-version of the proxy with the client.',
  server_tls_cipher_mismatch:
    'Compare --client-ssl-cipher and --client-tls-ciphersuites of the proxy with the client.',
  server_ca_not_given:
    'Give the CA that signed --client-ssl-cert of the proxy with --ssl-ca, here and in the clients.',
  server_certificate_untrusted:
    'Give the CA that signed --client-ssl-cert of the proxy with --ssl-ca, here and in the clients, in place of the one there.',
  server_certificate_self_signed:
    'Give that very certificate with --ssl-ca, here and in the clients, or --client-ssl-cert one signed by a CA.',
  server_certificate_same_name_as_ca:
    'Make both anew with different common names, as mysql-tls-proxy certs create does, for --client-ssl-cert.',
  server_certificate_expired:
    'Renew the certificate in --client-ssl-cert; the proxy takes it by itself, or on SIGHUP.',
  server_certificate_expires_soon:
    'Renew the certificate in --client-ssl-cert; the proxy takes it by itself, or on SIGHUP.',
  server_certificate_not_yet_valid:
    'Check the clocks of both machines, or wait; --client-ssl-cert is not valid yet.',
  server_certificate_revoked:
    'Replace the certificate in --client-ssl-cert: the list in --ssl-crl names it as revoked.',
  server_certificate_crl_unusable:
    'Give with --ssl-crl a current list of the CA that signed --client-ssl-cert.',
  server_certificate_name_mismatch:
    'Give --client-ssl-cert a certificate with the name that clients connect to (mysql-tls-proxy certs create --host NAME).',
  server_certificate_no_ip_address:
    'Give --client-ssl-cert a certificate with the address that clients connect to (mysql-tls-proxy certs create --host ADDRESS).',
  server_certificate_name_only_in_cn:
    'Give --client-ssl-cert a certificate with the name as subjectAltName (mysql-tls-proxy certs create --host NAME).',
  server_certificate_invalid: 'Look at --client-ssl-cert with mysql-tls-proxy certs show, and replace it.',
  server_refused_key_pair: 'Give with --ssl-cert a certificate of the CA in --client-ssl-ca of the proxy.',
  server_refused_key_pair_ca: 'Give with --ssl-cert a certificate of the CA in --client-ssl-ca of the proxy.',
  server_refused_key_pair_usage:
    'Give with --ssl-cert a certificate made for clients (extendedKeyUsage clientAuth).',
  server_requires_key_pair:
    'Give with --ssl-cert and --ssl-key a certificate of the CA in --client-ssl-ca of the proxy.',
  server_accepts_old_tls:
    'Set --client-tls-profile intermediate in the proxy as soon as no old client connects to it.',
  server_accepts_plaintext: 'Set --client-ssl-mode REQUIRED in the proxy to refuse plaintext.',
  server_no_resumption: 'Nothing to do: each connection then costs a full handshake.',
  revocation_not_checked: 'Give the list of the CA with --ssl-crl if it revokes certificates.',
  server_certificate_chain_incomplete:
    'Add the root CA to --ssl-ca: it must hold the whole chain of --client-ssl-cert.',
  server_refused_key_pair_expired: 'Renew the certificate in --ssl-cert, and check the clock of the proxy.',
  server_refused_key_pair_revoked: 'Replace the certificate in --ssl-cert.',
  key_pair_not_sent: 'Give with --ssl-cert a certificate with an RSA key of 2048 bit or more.',
  server_refused_tls: 'Look at the log of the proxy: it has the cause and the cure.',
  server_requires_tls: 'Set --server-ssl-mode of the proxy to VERIFY_IDENTITY: its server demands TLS.',
  account_requires_x509:
    'Give the proxy a key pair toward its server: --server-ssl-cert and --server-ssl-key there.',
  account_requirement_not_met: 'Compare SHOW CREATE USER of the account with --server-ssl-cert of the proxy.',
  login_denied:
    'Check user and password; if they are right, the account demands more (SHOW CREATE USER shows REQUIRE): give the proxy ' +
    '--server-ssl-cert and --server-ssl-key.',
  weak_unverified: 'Give the CA that signed --client-ssl-cert of the proxy with --ssl-ca.',
};

export function clientLegReport(report: Report): Report {
  return { ...report, findings: report.findings.map(forClientLeg) };
}

function forClientLeg(one: Finding): Finding {
  if (one.code in fileFaults) {
    // The files of the doctor itself, by the names that its options have here.
    const renamed = (text: string) => text.replaceAll('server-ssl-', 'ssl-');
    const option = one.option === undefined ? {} : { option: renamed(one.option) };
    return { ...one, cause: renamed(one.cause), cure: renamed(one.cure), ...option };
  }
  const cure = CURES[one.code] ?? one.cure.replaceAll('--server-', '--client-');
  const code = one.code.startsWith('server_')
    ? (`client_leg_${one.code.slice('server_'.length)}` as const)
    : one.code;
  // There it is the proxy that verifies, here it is the doctor.
  const cause = one.cause.replace(/that the proxy does not (know|trust)/, 'that is not in --ssl-ca');
  return finding(code, one.severity, cause, cure);
}
