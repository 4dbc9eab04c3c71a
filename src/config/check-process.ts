/** What must fit together over all routes, and the options of the process. */
import { OUTLASTS_SERVER, outlastsServer, serverInPlaintext } from './check-route.js';
import { type Address, formatAddress, mayNeedOwnRsaKey, type ProxyConfig } from './model.js';
import { whyNotWritable } from './state-directory.js';

export interface ProcessCheck {
  readonly config: ProxyConfig;
  readonly given: (option: string) => boolean;
  readonly problem: (option: string, message: string, route?: string) => void;
  readonly warn: (option: string, message: string) => void;
}

export function checkProcess(check: ProcessCheck): void {
  checkListenAddresses(check);
  checkTimeouts(check);
  checkReport(check);
  checkCredentials(check);
  checkStateDirectory(check);
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
  if (outlastsServer(handshakeTimeout)) warn('handshake-timeout', OUTLASTS_SERVER);
  if (connectTimeout > handshakeTimeout && given('connect-timeout')) {
    warn('connect-timeout', 'is longer than --handshake-timeout, which includes it and ends first');
  }
}

function checkReport({ config, warn }: ProcessCheck): void {
  const reporting = config.routes.find((route) => route.reportPlaintext);
  if (reporting === undefined) return;
  const what = `so that nobody can read what report-plaintext gathers on the route ${reporting.name}`;
  if (config.adminListen === undefined)
    warn('admin-listen', `is off, ${what}; give an address, such as 127.0.0.1:9307`);
  else if (config.metrics !== 'all') warn('metrics', `is ${config.metrics}, ${what}; use all`);
}

function checkCredentials({ config, warn }: ProcessCheck): void {
  if (config.credentials === undefined) return;
  const taken = config.routes.filter(({ client }) => client.sslMode !== 'PASSTHROUGH');
  if (taken.length === 0 && config.routes.length > 0) {
    warn(
      'credentials',
      'is not used, because with --client-ssl-mode PASSTHROUGH the proxy takes no part in any login',
    );
  }
  for (const route of taken) {
    const server = serverInPlaintext(route);
    const isUsed = config.users.some((entry) => entry.route === undefined || entry.route === route.name);
    if (server === undefined || !isUsed) continue;
    warn(
      'credentials',
      `on the route ${route.name}, with --server-ssl-mode ${route.server.sslMode} to ${formatAddress(server)}, whoever ` +
        'is on the way can pose as the server and get the passwords that the proxy logs in with; use VERIFY_IDENTITY',
    );
  }
}

function checkStateDirectory({ config, warn }: ProcessCheck): void {
  if (config.stateDirectory === undefined || !config.routes.some(mayNeedOwnRsaKey)) return;
  const reason = whyNotWritable(config.stateDirectory);
  if (reason === undefined) return;
  warn(
    'state-directory',
    `${reason}: the proxy would have another RSA key after every restart, and clients that saved the public key are ` +
      'then refused; make it writable, choose another directory, or give the key with --rsa-private-key',
  );
}
