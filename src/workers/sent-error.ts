/** A ProxyError on its way from one process to another. */
import { type ErrorCode, ProxyError } from '../errors.js';

export interface SentError {
  readonly code: ErrorCode;
  readonly what: string;
  readonly clientText: string | undefined;
  readonly cause: string | undefined;
}

export function sendError(error: ProxyError): SentError {
  const { code, what, clientText, message, cause } = error;
  return {
    code,
    what,
    clientText: clientText === message ? undefined : clientText,
    cause: cause instanceof Error ? cause.message : undefined,
  };
}

export function receiveError({ code, what, clientText, cause }: SentError): ProxyError {
  return new ProxyError(code, what, {
    ...(clientText === undefined ? {} : { clientText }),
    ...(cause === undefined ? {} : { cause: new Error(cause) }),
  });
}
