/** What must fit together over all routes, and the options of the process. */
import { type Address, formatAddress, type ProxyConfig } from './model.js';

/** The default of `connect_timeout` in MySQL and MariaDB, after which a server drops an unfinished login. */
const SERVER_CONNECT_TIMEOUT_MS = 10_000;

export interface ProcessCheck {
  readonly config: ProxyConfig;
  readonly given: (option: string) => boolean;
  readonly problem: (option: string, message: string, route?: string) => void;
  readonly warn: (option: string, message: string) => void;
}

export function checkProcess(check: ProcessCheck): void {
  checkListenAddresses(check);
  checkTimeouts(check);
}

function checkListenAddresses({ config, problem }: ProcessCheck): void {
  const users = new Map<string, string>();
  for (const route of config.routes) {
    for (const address of route.listen) {
      if (isAnyFreePort(address)) continue;
      const key = formatAddress(address).toLowerCase();
      const user = users.get(key);
      if (user === undefined) users.set(key, route.name);
      else if (user === route.name) problem('listen', `${formatAddress(address)} is given twice`, route.name);
      else
        problem(
          'listen',
          `${formatAddress(address)} is taken by the route ${user}; choose another`,
          route.name,
        );
    }
  }
  const admin = config.adminListen;
  if (admin === undefined || isAnyFreePort(admin)) return;
  const user = users.get(formatAddress(admin).toLowerCase());
  if (user !== undefined)
    problem('admin-listen', `${formatAddress(admin)} is taken by the route ${user}; choose another`);
}

function isAnyFreePort(address: Address): boolean {
  return address.kind === 'tcp' && address.port === 0;
}

function checkTimeouts({ config, given, warn }: ProcessCheck): void {
  const { handshakeTimeout, connectTimeout } = config;
  if (handshakeTimeout >= SERVER_CONNECT_TIMEOUT_MS) {
    warn(
      'handshake-timeout',
      `is not below the server's connect_timeout (10s by default): the server then gives up first and counts it ` +
        'against max_connect_errors, which can lock the proxy out; lower it, or raise connect_timeout in the server',
    );
  }
  if (connectTimeout > handshakeTimeout && given('connect-timeout')) {
    warn('connect-timeout', 'is longer than --handshake-timeout, which includes it and ends first');
  }
}
