/** What must fit together within one route, whatever the files hold. */
import { createSecureContext } from 'node:tls';
import type { FileFault } from './config-error.js';
import { type Address, demandsTls, formatAddress, offersTls, type RouteConfig } from './model.js';
import { isLoopbackAddress, isLoopbackNetwork, isPublicNetwork } from './networks.js';
import { needsLegacyTls } from './tls-profiles.js';

/** A route and the ways to say something about it. */
export interface RouteCheck {
  readonly route: RouteConfig;
  /** Whether the option was given, rather than left to its default. */
  readonly given: (option: string) => boolean;
  readonly problem: Say;
  readonly warn: Say;
}

/** A file's fault comes instead of the message, which is then made of it. */
export type Say = (option: string, what: string | FileFault) => void;

/** Of a unix socket in bytes: Linux has room for 107, and one is for the name under which the file is born. */
const LONGEST_SOCKET_PATH = 106;

/** The default of `connect_timeout` in MySQL and MariaDB, after which a server drops an unfinished login. */
const SERVER_CONNECT_TIMEOUT_MS = 10_000;

/** What is to be said of a handshake timeout that is too long. */
export const OUTLASTS_SERVER =
  "is not below the server's connect_timeout (10s by default): the server then gives up first and counts it " +
  'against max_connect_errors, which can lock the proxy out; lower it, or raise connect_timeout in the server';

const legs = ['client', 'server'] as const;

export function checkRoute(check: RouteCheck): void {
  checkServers(check);
  checkHealthChecks(check);
  checkSocketPaths(check);
  checkHandshakeTimeout(check);
  checkPassthrough(check);
  checkPairs(check);
  checkClientLeg(check);
  checkReport(check);
  checkServerLeg(check);
  checkProfiles(check);
  checkAuthentication(check);
  checkReuse(check);
  checkProxyProtocol(check);
  checkCiphers(check);
}

export function outlastsServer(handshakeTimeout: number): boolean {
  return handshakeTimeout >= SERVER_CONNECT_TIMEOUT_MS;
}

function checkHandshakeTimeout({ route, warn }: RouteCheck): void {
  const { routeHandshakeTimeout } = route;
  if (routeHandshakeTimeout !== undefined && outlastsServer(routeHandshakeTimeout))
    warn('route-handshake-timeout', OUTLASTS_SERVER);
}

function checkServers({ route, given, problem, warn }: RouteCheck): void {
  if (route.servers.length === 0 && !given('server')) {
    problem('server', 'is missing; name the MySQL server, as in --server db.example.com:3306');
  }
  const socket = route.servers.find(({ kind }) => kind === 'unix');
  if (socket !== undefined && !route.allowSocketServer) {
    problem(
      'server',
      `${formatAddress(socket)} is a socket file: accounts of the server that use auth_socket or unix_socket would ` +
        'authenticate the user that runs the proxy, so that any client could log in as that user without a ' +
        'password. Use HOST:PORT, or add --allow-socket-server if there are no such accounts',
    );
  }
  const names = route.servers.map(formatAddress);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) warn('server', `${twice} is given twice, and counts once`);
  const listening = new Set(route.listen.map(formatAddress));
  const itself = route.servers.find((server) => listening.has(formatAddress(server)));
  if (itself !== undefined) {
    problem('server', `${formatAddress(itself)} is where the proxy itself listens; name the MySQL server`);
  }
}

function checkHealthChecks({ route, given, problem, warn }: RouteCheck): void {
  const { healthCheckUser: user, healthCheckPasswordFile: file, healthCheckInterval: interval } = route;
  if (user !== undefined && file === undefined) {
    problem('health-check-user', 'is given without its password; add --health-check-password-file');
  }
  if (file !== undefined && user === undefined) {
    problem('health-check-password-file', 'is given without the user; add --health-check-user');
  }
  if (interval === undefined && user !== undefined) {
    warn('health-check-user', 'is not used without health checks; give --health-check-interval');
  }
  if (route.servers.length === 1 && given('routing-strategy')) {
    warn(
      'routing-strategy',
      'is not used with one server; name another with --server, or remove this option',
    );
  }
  const server = serverInPlaintext(route);
  if (user !== undefined && server !== undefined && route.client.sslMode !== 'PASSTHROUGH') {
    warn(
      'health-check-user',
      `with --server-ssl-mode ${route.server.sslMode} to ${formatAddress(server)}, whoever is on the way can pose as the ` +
        'server and get the password of health checks; use VERIFY_IDENTITY',
    );
  }
}

function checkSocketPaths({ route, problem }: RouteCheck): void {
  const check = (option: string, addresses: readonly Address[]) => {
    for (const address of addresses) {
      if (address.kind === 'unix' && Buffer.byteLength(address.path) > LONGEST_SOCKET_PATH) {
        problem(
          option,
          `"${address.path}" is longer than the ${LONGEST_SOCKET_PATH} bytes that a socket path may have`,
        );
      }
    }
  };
  check('listen', route.listen);
  check('server', route.servers);
}

const tlsOptions = [
  'ssl-ca',
  'ssl-cert',
  'ssl-key',
  'tls-profile',
  'tls-version',
  'ssl-cipher',
  'tls-ciphersuites',
];

/** Options that say how the proxy itself does TLS. */
const ownTlsOptions = [
  ...legs.flatMap((leg) => tlsOptions.map((option) => `${leg}-${option}`)),
  'server-ssl-key-passphrase-file',
  'server-ssl-crl',
  'server-tls-sni-servername',
];

/** Options that say how the proxy takes part in the login. */
const authenticationOptions = [
  'auth-bridge',
  'allow-cleartext',
  'rsa-private-key',
  'health-check-user',
  'health-check-password-file',
];

/** Options of server connections that serve one client after the other. */
const reuseOptions = ['reuse-server-connections', 'reuse-idle-timeout', 'reuse-max'];

/** Must not be given where client and server do all of that between themselves. */
export const meaninglessInPassthrough: readonly string[] = [
  ...ownTlsOptions,
  ...authenticationOptions,
  ...reuseOptions,
  'report-plaintext',
];

function checkPassthrough({ route, given, problem }: RouteCheck): void {
  if (route.client.sslMode !== 'PASSTHROUGH') return;
  for (const option of ownTlsOptions.filter(given)) {
    problem(
      option,
      'has no meaning with --client-ssl-mode PASSTHROUGH, where client and server do TLS between themselves; ' +
        'remove it, or choose another --client-ssl-mode',
    );
  }
  for (const option of authenticationOptions.filter(given)) {
    problem(
      option,
      'has no meaning with --client-ssl-mode PASSTHROUGH, where the proxy takes no part in the login; remove it, or ' +
        'choose another --client-ssl-mode',
    );
  }
  for (const option of reuseOptions.filter(given)) {
    problem(
      option,
      'has no meaning with --client-ssl-mode PASSTHROUGH, where the proxy takes no part in the login; remove it, or ' +
        'choose another --client-ssl-mode',
    );
  }
  if (route.reportPlaintext) {
    problem(
      'report-plaintext',
      'has no meaning with --client-ssl-mode PASSTHROUGH, where the proxy can not see whether clients use TLS; remove ' +
        'it, or choose another --client-ssl-mode',
    );
  }
  if (route.server.sslMode !== 'AS_CLIENT') {
    problem(
      'server-ssl-mode',
      `${route.server.sslMode} can't be kept with --client-ssl-mode PASSTHROUGH; write AS_CLIENT or remove it`,
    );
  }
}

function checkPairs({ route, problem }: RouteCheck): void {
  for (const leg of legs) {
    const { sslCert, sslKey } = route[leg];
    if (sslCert !== undefined && sslKey === undefined) {
      problem(`${leg}-ssl-cert`, `is given without its private key; add --${leg}-ssl-key`);
    }
    if (sslKey !== undefined && sslCert === undefined) {
      problem(`${leg}-ssl-key`, `is given without its certificate; add --${leg}-ssl-cert`);
    }
  }
  if (route.server.sslKeyPassphraseFile !== undefined && route.server.sslKey === undefined) {
    problem('server-ssl-key-passphrase-file', 'is given without a key; add --server-ssl-key, or remove it');
  }
}

function checkClientLeg({ route, given, problem, warn }: RouteCheck): void {
  const { sslMode, sslCert, sslKey, sslCa, plaintextFrom } = route.client;
  if (offersTls(route) && sslCert === undefined && sslKey === undefined) {
    problem('client-ssl-mode', `${sslMode} needs --client-ssl-cert and --client-ssl-key; add both`);
  }
  if (sslCa !== undefined && sslCert === undefined && sslMode !== 'PASSTHROUGH') {
    problem(
      'client-ssl-ca',
      'asks clients for certificates, which needs TLS; add --client-ssl-cert and --client-ssl-key',
    );
  }
  if (sslMode === 'DISABLED' && sslCert !== undefined) {
    warn('client-ssl-cert', 'is not used, because --client-ssl-mode is DISABLED');
  }
  if (sslMode === 'PASSTHROUGH' || demandsTls(route)) return;
  const open = plaintextFrom.filter(isPublicNetwork);
  if (open.length > 0) {
    warn(
      'client-plaintext-from',
      `${open.join(', ')} holds public addresses: logins and data of clients there cross the internet unencrypted`,
    );
  }
  const outside = route.listen.find((address) => !isLoopbackAddress(address));
  if (sslMode === 'DISABLED' && outside !== undefined && plaintextFrom.every(isLoopbackNetwork)) {
    warn(
      given('listen') ? 'listen' : 'client-ssl-mode',
      `${formatAddress(outside)} accepts clients from other machines, but they may use neither TLS nor plaintext; ` +
        'give --client-ssl-cert and --client-ssl-key, or name their network with --client-plaintext-from',
    );
  }
}

/** Named at each start: whoever reads REQUIRED in a configuration takes it to be enforced. */
function checkReport({ route, warn }: RouteCheck): void {
  if (!route.reportPlaintext || route.client.sslMode !== 'REQUIRED') return;
  warn(
    'report-plaintext',
    '--client-ssl-mode REQUIRED is not enforced while this is on: clients in plaintext from --client-plaintext-from are ' +
      'let in and reported. Remove it as soon as "mysql-tls-proxy report" names nobody who would be refused',
  );
}

function checkServerLeg({ route, given, warn }: RouteCheck): void {
  const { sslMode, sslCa, sslCert, sslCrl } = route.server;
  if (route.client.sslMode === 'PASSTHROUGH') return;
  const remote = route.servers.find((server) => !isLoopbackAddress(server));
  if (remote !== undefined) {
    const what = {
      DISABLED: 'passwords and data go to it unencrypted',
      PREFERRED: 'whoever can change packets on the way can switch TLS off unnoticed',
      REQUIRED: 'its certificate is not verified, so that anyone on the way can pose as the server',
      AS_CLIENT: 'the connection to it is in plaintext whenever the client uses plaintext',
      VERIFY_CA: undefined,
      VERIFY_IDENTITY: undefined,
    }[sslMode];
    if (what !== undefined) {
      warn('server-ssl-mode', `${sslMode} to ${formatAddress(remote)}: ${what}; better use VERIFY_IDENTITY`);
    }
  }
  // AS_CLIENT verifies when it has a CA to verify with.
  const verifies = sslMode === 'VERIFY_CA' || sslMode === 'VERIFY_IDENTITY' || sslMode === 'AS_CLIENT';
  if (!verifies && sslCa !== undefined) {
    warn(
      'server-ssl-ca',
      `is not used, because --server-ssl-mode is ${sslMode}; VERIFY_CA or VERIFY_IDENTITY use it`,
    );
  }
  if (!verifies && sslCrl !== undefined) {
    warn(
      'server-ssl-crl',
      `is not used, because --server-ssl-mode is ${sslMode}; VERIFY_CA or VERIFY_IDENTITY use it`,
    );
  }
  if (sslMode === 'DISABLED' && sslCert !== undefined && given('server-ssl-cert')) {
    warn('server-ssl-cert', 'is not used, because --server-ssl-mode is DISABLED');
  }
}

/** Named at each start: whoever reads the log should know that weak TLS is possible here. */
function checkProfiles({ route, warn }: RouteCheck): void {
  for (const leg of legs) {
    const { tlsProfile, tlsVersion, sslMode } = route[leg];
    if (sslMode === 'DISABLED' || route.client.sslMode === 'PASSTHROUGH' || !needsLegacyTls(route[leg]))
      continue;
    const isProfile = tlsProfile === 'legacy';
    warn(
      isProfile ? `${leg}-tls-profile` : `${leg}-tls-version`,
      `${isProfile ? 'legacy' : tlsVersion.join()} lets the ${leg} leg go down to ${tlsVersion[0]}, CBC and RSA key ` +
        `exchange, where the ${leg === 'client' ? 'client' : 'server'} can do no better; each weak connection is counted ` +
        'in mysql_tls_proxy_weak_tls_connections_total. Use intermediate as soon as nothing old is left',
    );
  }
}

function checkAuthentication({ route, warn }: RouteCheck): void {
  if (route.client.sslMode === 'PASSTHROUGH') return;
  const server = serverInPlaintext(route);
  if (route.authBridge !== 'off' && server !== undefined) {
    warn(
      'auth-bridge',
      `with --server-ssl-mode ${route.server.sslMode} to ${formatAddress(server)}, whoever is on the way can pose as ` +
        'the server and get the passwords that clients give to the proxy; use VERIFY_IDENTITY',
    );
  }
  if (!route.allowCleartext) return;
  const { listen, client } = route;
  const clients = client.plaintextFrom.filter((network) => !isLoopbackNetwork(network));
  const offersPlaintext = !demandsTls(route) && listen.some((one) => !isLoopbackAddress(one));
  const ways = [
    ...(offersPlaintext && clients.length > 0 ? [`from clients in ${clients.join(', ')}`] : []),
    ...(server === undefined ? [] : [`to ${formatAddress(server)}`]),
  ];
  if (ways.length > 0) {
    warn(
      'allow-cleartext',
      `passwords and tokens can cross the network in clear ${ways.join(' and ')}; demand TLS there, with ` +
        '--client-ssl-mode REQUIRED and --server-ssl-mode VERIFY_IDENTITY, or remove this option',
    );
  }
}

/** A server on another machine to which the connection may be in plaintext, if there is one. */
export function serverInPlaintext({ server, servers }: RouteConfig): Address | undefined {
  if (!['DISABLED', 'PREFERRED', 'AS_CLIENT'].includes(server.sslMode)) return undefined;
  return servers.find((address) => !isLoopbackAddress(address));
}

function checkReuse({ route, given, warn }: RouteCheck): void {
  if (route.reuseServerConnections) return;
  for (const option of ['reuse-idle-timeout', 'reuse-max'].filter(given)) {
    warn(option, 'is not used without --reuse-server-connections; add it, or remove this option');
  }
}

function checkProxyProtocol({ route, problem, warn }: RouteCheck): void {
  const { client, server, listen, proxyProtocolFrom = [] } = route;
  const open = proxyProtocolFrom.filter(isPublicNetwork);
  if (open.length > 0) {
    warn(
      'proxy-protocol-from',
      `${open.join(', ')} holds public addresses: whoever connects from one of them can pose as a client at any address; name ` +
        'the addresses of your balancers alone',
    );
  }
  if (proxyProtocolFrom.length > 0 && listen.every(({ kind }) => kind === 'unix')) {
    warn(
      'proxy-protocol-from',
      'is not used, because --listen names nothing but socket files, whose clients send no header',
    );
  }
  if (server.proxyProtocol !== 'off' && route.reuseServerConnections) {
    problem(
      'server-proxy-protocol',
      `${server.proxyProtocol} can't be kept with --reuse-server-connections: a header names one client, and the connection ` +
        'would serve others under its address; remove one of the two',
    );
  }
  if (server.proxyProtocol === 'v2-ssl' && client.sslMode === 'PASSTHROUGH') {
    problem(
      'server-proxy-protocol',
      'v2-ssl says which TLS the client uses, which the proxy can not see with --client-ssl-mode PASSTHROUGH; write v2',
    );
  }
}

function checkCiphers({ route, problem }: RouteCheck): void {
  for (const leg of legs) {
    const { sslCipher, tlsCiphersuites } = route[leg];
    if (sslCipher !== undefined && !isCipherList(sslCipher)) {
      problem(
        `${leg}-ssl-cipher`,
        `OpenSSL knows no cipher in "${sslCipher}"; "openssl ciphers -v" lists them`,
      );
    }
    for (const suite of tlsCiphersuites?.split(':') ?? []) {
      if (suite.startsWith('TLS_') && isCipherList(suite)) continue;
      problem(
        `${leg}-tls-ciphersuites`,
        `"${suite}" is not a TLSv1.3 cipher suite; write for example TLS_AES_256_GCM_SHA384` +
          (isCipherList(suite) ? `, and older ciphers with --${leg}-ssl-cipher` : ''),
      );
    }
  }
}

function isCipherList(ciphers: string): boolean {
  try {
    createSecureContext({ ciphers });
    return true;
  } catch {
    return false;
  }
}
