import { type ErrorCode, serverRefusal } from '../errors.js';

/** What failures are called in the log, the metrics and the page. */
export type FailureCode = ErrorCode | 'login_refused';

/** For the number of the ERR packet with which a server refused a login. */
export function codeOfRefusal(errno: number): FailureCode {
  return serverRefusal(errno) ?? 'login_refused';
}
