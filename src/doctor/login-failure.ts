/** Why a login failed, as far as the server lets one know: it denies a wrong password and an unmet REQUIRE with the same 1045. */
import type { RouteConfig } from '../config/model.js';
import { ProxyError, serverRefusal } from '../errors.js';
import { type ConnectionRecord, PLAINTEXT } from '../observe/events.js';
import { doctorFinding, type Finding, findingFromError } from './findings.js';

/** As mysql2 throws it; without a number where it is mysql2's own. */
export type MysqlError = Error & { errno?: number };

const ER_ACCESS_DENIED = 1045;

/** What is known of a login that came to nothing. */
export interface FailedLogin {
  readonly passwordIsRight: boolean;
  readonly user: string;
  readonly route: RouteConfig;
  readonly record: ConnectionRecord | undefined;
}

export function explainFailure(
  error: MysqlError,
  { passwordIsRight, user, route, record }: FailedLogin,
): Finding {
  const { errno = 0 } = error;
  const refusal = serverRefusal(errno);
  if (refusal !== undefined) {
    const what = `the server refuses the login of ${user} with error ${errno}`;
    return findingFromError(new ProxyError(refusal, what));
  }
  // mysql2 says so in words of its own; servers ask for a plugin for users, too, that they do not have.
  if (errno === 0 && /unknown plugin/.test(error.message)) {
    return doctorFinding(
      'login_plugin_unsupported',
      `the server asks ${user} for ${record?.serverPlugin}, with which the doctor can not log in`,
    );
  }
  if (errno !== ER_ACCESS_DENIED) {
    const number = errno === 0 ? '' : ` with error ${errno}`;
    return doctorFinding('login_failed', `the login of ${user} failed${number}: ${error.message}`);
  }
  return denial(user, passwordIsRight, route, record);
}

function denial(
  user: string,
  passwordIsRight: boolean,
  { server }: RouteConfig,
  record: ConnectionRecord | undefined,
): Finding {
  const isPlaintext = record?.serverTls.version === PLAINTEXT.version;
  if (!passwordIsRight) {
    const orElse = isPlaintext
      ? 'demands TLS (REQUIRE SSL)'
      : server.sslCert === undefined
        ? 'demands a client certificate (REQUIRE X509)'
        : 'demands another certificate or cipher';
    const what = `the server denies the login of ${user} (1045): user or password are wrong, or the account ${orElse}`;
    return doctorFinding('login_denied', what);
  }
  const right = `the password of ${user} is right, but`;
  if (isPlaintext) {
    return findingFromError(
      new ProxyError(
        'server_requires_tls',
        `${right} the account demands TLS, and the login was in plaintext`,
      ),
    );
  }
  return server.sslCert === undefined
    ? doctorFinding(
        'account_requires_x509',
        `${right} the account demands a client certificate (REQUIRE X509, SUBJECT or ISSUER), or another cipher`,
      )
    : doctorFinding(
        'account_requirement_not_met',
        `${right} certificate or cipher are not those that the account demands (REQUIRE SUBJECT, ISSUER or CIPHER)`,
      );
}
