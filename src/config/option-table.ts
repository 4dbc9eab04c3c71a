/**
 * Every option of the proxy, once. Flags, environment variables, keys of the file, the type that programs use, the
 * JSON Schema and docs/configuration.md all come from here.
 */
import { type DefaultContext, defineOption, type OptionDefinition } from './option-definition.js';
import { defaultStateDirectory } from './state-directory.js';
import { tlsProfiles } from './tls-profiles.js';
import {
  cipherList,
  count,
  countOrAuto,
  directoryPath,
  duration,
  durationOrOff,
  durationOrZero,
  fileMode,
  filePath,
  keepAliveTime,
  listenAddress,
  listenAddressOrOff,
  longDurationOrOff,
  network,
  oneOf,
  orderTlsVersions,
  rate,
  serverAddress,
  serverName,
  switchedOn,
  tlsProfile,
  tlsVersion,
  userName,
} from './value-types.js';

const repeatable = { commas: false } as const;

/** The `tls_version` of MySQL servers is a list too, not a lowest version. */
const tlsVersionList = { commas: true, arrange: orderTlsVersions } as const;

/** Of the leg's profile, which stands earlier in the table. */
function versionsOfProfile(leg: 'client' | 'server', { value }: DefaultContext): string {
  const profile = Object.entries(tlsProfiles).find(([name]) => name === value(`${leg}-tls-profile`))?.[1];
  return (profile ?? tlsProfiles.intermediate).versions.join(',');
}

const hasSeveral = (values: unknown): boolean => Array.isArray(values) && values.length > 1;

const profileDescription =
  'modern (TLSv1.3 only), intermediate (TLSv1.2 and TLSv1.3 with forward secrecy and authenticated encryption) or ' +
  'legacy (also TLSv1, TLSv1.1, CBC and RSA key exchange, as old programs need them; each use is counted and logged)';

export const optionTable = [
  defineOption({
    name: 'listen',
    scope: 'route',
    type: listenAddress,
    list: repeatable,
    metavar: 'HOST:PORT|unix:PATH',
    description:
      'Where clients connect; an IPv6 address in brackets; port 0 takes a free one. Old programs that connect to ' +
      '"localhost" use a socket file: name it with unix:PATH',
    default: ['127.0.0.1:3307'],
    reloadable: false,
  }),
  defineOption({
    name: 'listen-mode',
    scope: 'route',
    type: fileMode,
    metavar: 'MODE',
    description:
      'Mode of the socket files that the proxy listens on, in octal; who may write to one may connect',
    default: '0660',
    reloadable: false,
  }),
  defineOption({
    name: 'proxy-protocol-from',
    scope: 'route',
    type: network,
    list: repeatable,
    metavar: 'CIDR',
    description:
      'Networks of the balancers in front of the proxy: each connection from there must begin with a PROXY header, version 1 ' +
      'or 2, whose client address then counts. From anywhere else a header is refused. Name nobody but balancers: whoever ' +
      'connects from there can pose as any address. Not for clients on a socket file; see docs/proxy-protocol.md',
  }),
  defineOption({
    name: 'server',
    scope: 'route',
    type: serverAddress,
    list: repeatable,
    metavar: 'HOST[:PORT]',
    description: 'The MySQL server (port 3306 when left out); of several, routing-strategy chooses',
  }),
  defineOption({
    name: 'routing-strategy',
    scope: 'route',
    type: oneOf(['first-available', 'round-robin', 'least-connections']),
    metavar: 'STRATEGY',
    description:
      'Which of several servers a connection goes to: first-available (the first, in the order given), round-robin (each ' +
      'in turn) or least-connections (the one with the fewest open connections). One that failed is left out for a ' +
      'while; see docs/servers.md',
    default: 'first-available',
  }),
  defineOption({
    name: 'health-check-interval',
    scope: 'route',
    type: durationOrOff,
    metavar: 'DURATION|off',
    description:
      'How often each server is checked: TCP, greeting and TLS as for a client, and a login with health-check-user',
    default: ({ value }) => (hasSeveral(value('server')) ? '10s' : 'off'),
    defaultText: '10s for a route with several servers, else off',
  }),
  defineOption({
    name: 'health-check-user',
    scope: 'route',
    type: userName,
    metavar: 'USER',
    description:
      'Log in as this user at each health check. Without it, a check leaves with a login that the server refuses',
  }),
  defineOption({
    name: 'health-check-password-file',
    scope: 'route',
    type: filePath,
    metavar: 'FILE',
    description: 'File that holds the password of health-check-user',
    file: true,
    secret: true,
  }),
  defineOption({
    name: 'allow-socket-server',
    scope: 'route',
    type: switchedOn,
    metavar: '',
    description:
      'Allow --server unix:PATH. Dangerous: accounts that use auth_socket or unix_socket then let any client in as ' +
      'the user that runs the proxy, without a password',
    default: 'false',
  }),
  defineOption({
    name: 'auth-bridge',
    scope: 'route',
    type: oneOf(['off', 'sha256']),
    metavar: 'off|sha256',
    description:
      "With sha256, a client that can't do the authentication plugin of the server's account is asked for its " +
      "password with sha256_password (inside TLS, or encrypted with the proxy's RSA key), and the proxy uses it " +
      'once, for this login',
    default: 'off',
  }),
  defineOption({
    name: 'allow-cleartext',
    scope: 'route',
    type: switchedOn,
    metavar: '',
    description:
      'Let plugins that send the password or a token in clear (mysql_clear_password, dialog/PAM, LDAP, OpenID ' +
      'Connect) through although not both legs are TLS',
    default: 'false',
  }),
  defineOption({
    name: 'report-plaintext',
    scope: 'route',
    type: switchedOn,
    metavar: '',
    description:
      'Keep a table of the clients that are not on TLSv1.2 or newer, for "mysql-tls-proxy report" and the page of ' +
      'admin-listen. Nobody is refused because of it: while it is on, client-ssl-mode REQUIRED only reports those that it ' +
      'would refuse; client-plaintext-from holds as ever',
    default: 'false',
  }),
  defineOption({
    name: 'connection-attributes',
    scope: 'route',
    type: oneOf(['on', 'off']),
    metavar: 'on|off',
    description:
      'Add _client_ssl_version, _client_ssl_cipher and _client_ip, those of the client leg, to the connection attributes ' +
      'of clients that send any; seen in performance_schema.session_connect_attrs of the server',
    default: 'on',
  }),
  defineOption({
    name: 'reuse-server-connections',
    scope: 'route',
    type: switchedOn,
    metavar: '',
    description:
      'When a client leaves, keep its server connection, TLS and all, for the next client, which the server authenticates ' +
      'on it by COM_CHANGE_USER. Recommended for applications that connect for every request, such as PHP. Only with ' +
      'servers where that is safe (MySQL 8 and newer; the proxy finds out); see docs/reuse.md',
    default: 'false',
  }),
  defineOption({
    name: 'reuse-idle-timeout',
    scope: 'route',
    type: duration,
    metavar: 'DURATION',
    description:
      'How long a server connection waits for the next client with reuse-server-connections. Keep it below the ' +
      "server's wait_timeout",
    default: '60s',
  }),
  defineOption({
    name: 'reuse-max',
    scope: 'route',
    type: count,
    metavar: 'COUNT',
    description: 'How many server connections wait at most, for each route with reuse-server-connections',
    default: '64',
  }),
  defineOption({
    name: 'max-server-connections',
    scope: 'route',
    type: count,
    metavar: 'COUNT',
    description:
      'How many connections the route has open at its servers at most, those that wait for another client included; more ' +
      'clients wait for connect-timeout at most, and then get error 1040. Divided among workers',
  }),
  defineOption({
    name: 'allow-from',
    scope: 'route',
    type: network,
    list: repeatable,
    metavar: 'CIDR',
    description:
      'Networks whose clients may connect, if not all; others get error 1130 before a server is bothered. Clients on a socket ' +
      'file always may',
  }),
  defineOption({
    name: 'route-max-connections',
    scope: 'route',
    type: count,
    metavar: 'COUNT',
    description: 'How many clients may be connected to the route at once; more get error 1040',
  }),
  defineOption({
    name: 'route-connection-rate',
    scope: 'route',
    type: rate,
    metavar: 'COUNT/s|m|h',
    description:
      'How many new connections the route takes in a second, minute or hour, at once or spread; more get error 1040',
  }),
  defineOption({
    name: 'route-max-handshakes',
    scope: 'route',
    type: count,
    metavar: 'COUNT',
    description:
      'How many handshakes of the route may be under way at once, each of which holds a connection of the server; more wait, ' +
      'and as long as they do, handshakes whose client keeps silent for half a second end',
    default: '100',
  }),
  defineOption({
    name: 'route-handshake-timeout',
    scope: 'route',
    type: duration,
    metavar: 'DURATION',
    description: 'handshake-timeout for this route',
  }),
  defineOption({
    name: 'address-max-connections',
    scope: 'route',
    type: count,
    metavar: 'COUNT',
    description:
      'How many connections one source address may have at once, or one /64 network of IPv6 addresses; more get error 1040. ' +
      'Does not hold for clients on a socket file',
  }),
  defineOption({
    name: 'address-connection-rate',
    scope: 'route',
    type: rate,
    metavar: 'COUNT/s|m|h',
    description: 'route-connection-rate for one source address, counted as by address-max-connections',
  }),
  defineOption({
    name: 'address-max-handshakes',
    scope: 'route',
    type: count,
    metavar: 'COUNT',
    description: 'route-max-handshakes for one source address, counted as by address-max-connections',
  }),
  defineOption({
    name: 'idle-timeout',
    scope: 'route',
    type: longDurationOrOff,
    metavar: 'DURATION|off',
    description:
      'How long a client may send no command before it gets error 4031 and its connection ends, up to a quarter later; up to ' +
      '168h. Where commands can not be seen (compression, PASSTHROUGH): how long no byte may come from either side',
    default: 'off',
  }),
  defineOption({
    name: 'tcp-keep-alive',
    scope: 'route',
    type: keepAliveTime,
    metavar: 'DURATION|off',
    description:
      'After how long a silence TCP asks a peer whether it is still there, on both legs: ten times, once a second, after which the ' +
      'connection ends. Where a firewall forgets connections that are idle, stay below its time. From 1s to 8h',
    default: '60s',
  }),
  defineOption({
    name: 'rsa-private-key',
    scope: 'route',
    type: filePath,
    metavar: 'FILE',
    description:
      'RSA private key, PEM, at least 2048 bit, with which plaintext clients encrypt their password for the proxy. ' +
      "Give the server's own private_key.pem where clients pin the public key of the server. Without it the proxy " +
      'makes one and keeps it in state-directory',
    file: true,
    secret: true,
  }),
  defineOption({
    name: 'connect-timeout',
    scope: 'process',
    type: duration,
    metavar: 'DURATION',
    description:
      'How long to wait for the TCP connection to one server (9s, 500ms, 1m; a bare number is seconds)',
    default: '5s',
  }),
  defineOption({
    name: 'handshake-timeout',
    scope: 'process',
    type: duration,
    metavar: 'DURATION',
    description:
      'How long a connection may take from accept to the end of authentication, TLS included, on routes without a ' +
      "route-handshake-timeout. Keep it below the server's connect_timeout, which is 10s by default",
    default: '9s',
  }),
  defineOption({
    name: 'workers',
    scope: 'process',
    type: countOrAuto,
    metavar: 'COUNT|auto',
    description:
      'How many processes serve connections, on the same addresses and with one admin listener; auto: one for each core that ' +
      'may be used. With 1 there is no other process. Has no effect in programs that use the library',
    default: 'auto',
    reloadable: false,
  }),
  defineOption({
    name: 'drain-delay',
    scope: 'process',
    type: durationOrZero,
    metavar: 'DURATION',
    description:
      'After SIGTERM or SIGINT /readyz fails at once, and listeners stay open for so long: as long as load balancers take to ' +
      'notice',
    default: '0s',
  }),
  defineOption({
    name: 'drain-timeout',
    scope: 'process',
    type: durationOrZero,
    metavar: 'DURATION',
    description:
      'How long sessions have to end when the proxy stops: by themselves, or between two commands outside of a transaction, ' +
      'with error 1053. What is left then is cut',
    default: '30s',
  }),
  defineOption({
    name: 'max-connections',
    scope: 'process',
    type: count,
    metavar: 'COUNT',
    description: 'How many clients may be connected at once, over all routes; more get error 1040',
    default: '4096',
  }),
  defineOption({
    name: 'credentials',
    scope: 'process',
    type: filePath,
    metavar: 'FILE',
    description:
      'YAML file with users whose login the proxy checks itself, and with what it then logs in to the server; see ' +
      'docs/authentication.md',
    file: true,
    secret: true,
  }),
  defineOption({
    name: 'reload-on-change',
    scope: 'process',
    type: oneOf(['on', 'off']),
    metavar: 'on|off',
    description:
      'Reload by itself when the configuration file or a file that an option or the credentials file names changes, as by ' +
      'SIGHUP; see docs/reload.md. Programs that use the library call reload() instead: it watches no files',
    default: 'on',
  }),
  defineOption({
    name: 'state-directory',
    scope: 'process',
    type: directoryPath,
    metavar: 'DIRECTORY',
    description:
      'Where the proxy keeps its own RSA key, so that it is the same after a restart; without a directory the key ' +
      'lives in memory only',
    default: ({ env }) => defaultStateDirectory(env),
    defaultText:
      '$STATE_DIRECTORY, else $XDG_STATE_HOME/mysql-tls-proxy, else $HOME/.local/state/mysql-tls-proxy; none in ' +
      'programs that use the library',
    directory: true,
    reloadable: false,
  }),
  defineOption({
    name: 'admin-listen',
    scope: 'process',
    type: listenAddressOrOff,
    metavar: 'HOST:PORT|off',
    description:
      'Where the page for people (/), /metrics, /metrics/connections, /state, /events, /connections, /plaintext, /livez and /readyz are ' +
      'served over HTTP',
    default: '127.0.0.1:9307',
    reloadable: false,
  }),
  defineOption({
    name: 'metrics',
    scope: 'process',
    type: oneOf(['all', 'aggregates', 'none']),
    metavar: 'all|aggregates|none',
    description:
      'What is kept for admin-listen: all, aggregates (nothing about single connections and users: the page, /metrics and ' +
      '/state without them), or none (health checks alone)',
    default: 'all',
    reloadable: false,
  }),
  defineOption({
    name: 'connection-metrics-limit',
    scope: 'process',
    type: count,
    metavar: 'COUNT',
    description: 'How many connections /metrics/connections shows at most, the busiest first',
    default: '1000',
  }),
  defineOption({
    name: 'log-level',
    scope: 'process',
    type: oneOf(['debug', 'info', 'warn', 'error', 'silent']),
    metavar: 'LEVEL',
    description: 'The least important messages to log: debug, info, warn, error or silent',
    default: 'info',
  }),
  defineOption({
    name: 'log-format',
    scope: 'process',
    type: oneOf(['json', 'pretty']),
    metavar: 'FORMAT',
    description: 'One JSON object a line (json), or text for people (pretty)',
    default: ({ terminal }) => (terminal ? 'pretty' : 'json'),
    defaultText: 'pretty on a terminal, else json',
    reloadable: false,
  }),

  defineOption({
    name: 'client-ssl-mode',
    scope: 'client',
    type: oneOf(['DISABLED', 'PREFERRED', 'REQUIRED', 'PASSTHROUGH']),
    metavar: 'MODE',
    description:
      'TLS between clients and the proxy: DISABLED (not offered), PREFERRED (offered), REQUIRED, or PASSTHROUGH ' +
      '(client and server agree on TLS between themselves, the proxy passes bytes on untouched)',
    default: ({ given }) => (given('client-ssl-cert') ? 'PREFERRED' : 'DISABLED'),
    defaultText: 'PREFERRED when client-ssl-cert is given, else DISABLED',
  }),
  defineOption({
    name: 'client-ssl-cert',
    scope: 'client',
    type: filePath,
    metavar: 'FILE',
    list: repeatable,
    description:
      'Certificate that the proxy shows to clients, PEM, followed by any intermediate ones. Give an RSA and an ECDSA ' +
      'one, and old clients get RSA, new ones ECDSA',
    file: true,
  }),
  defineOption({
    name: 'client-ssl-key',
    scope: 'client',
    type: filePath,
    metavar: 'FILE',
    list: repeatable,
    description:
      'Private key of client-ssl-cert, PEM, without passphrase; one for each certificate, in any order',
    file: true,
    secret: true,
  }),
  defineOption({
    name: 'client-ssl-ca',
    scope: 'client',
    type: filePath,
    metavar: 'FILE',
    description:
      'CA certificates, PEM; when given, a client that uses TLS must present a certificate signed by one',
    file: true,
  }),
  defineOption({
    name: 'client-tls-profile',
    scope: 'client',
    type: tlsProfile,
    metavar: 'PROFILE',
    description: `What clients may negotiate: ${profileDescription}`,
    default: 'intermediate',
  }),
  defineOption({
    name: 'client-tls-version',
    scope: 'client',
    type: tlsVersion,
    list: tlsVersionList,
    metavar: 'LIST',
    description: 'TLS versions that clients may use: any of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3, without gaps',
    default: (context) => versionsOfProfile('client', context),
    defaultText: 'those of client-tls-profile',
  }),
  defineOption({
    name: 'client-ssl-cipher',
    scope: 'client',
    type: cipherList,
    metavar: 'LIST',
    description:
      'Ciphers that clients may use with TLSv1.2 and older, as an OpenSSL cipher list, instead of those of client-tls-profile',
  }),
  defineOption({
    name: 'client-tls-ciphersuites',
    scope: 'client',
    type: cipherList,
    metavar: 'LIST',
    description: 'Cipher suites that clients may use with TLSv1.3, separated by colons',
  }),
  defineOption({
    name: 'client-plaintext-from',
    scope: 'client',
    type: network,
    list: repeatable,
    metavar: 'CIDR',
    description:
      'Networks whose clients may stay in plaintext; from anywhere else a client must use TLS or gets error 3159. ' +
      'Clients on a socket file always may',
    default: ['127.0.0.0/8', '::1/128'],
  }),

  defineOption({
    name: 'server-proxy-protocol',
    scope: 'server',
    type: oneOf(['off', 'v1', 'v2', 'v2-ssl']),
    metavar: 'off|v1|v2|v2-ssl',
    description:
      'Tell the server the address of the client in a PROXY header, so that it counts in its accounts and logs; the server ' +
      'must take one from the proxy (proxy_protocol_networks). v1 and v2 for MariaDB and Percona Server; v2-ssl, which ' +
      'says which TLS the client uses, for MariaDB only. Not together with reuse-server-connections; see docs/proxy-protocol.md',
    default: 'off',
  }),
  defineOption({
    name: 'server-ssl-mode',
    scope: 'server',
    type: oneOf(['DISABLED', 'PREFERRED', 'REQUIRED', 'VERIFY_CA', 'VERIFY_IDENTITY', 'AS_CLIENT'], {
      VERIFY_FULL: 'VERIFY_IDENTITY',
    }),
    metavar: 'MODE',
    description:
      'TLS between the proxy and the server: DISABLED, PREFERRED (if the server offers it), REQUIRED (but any ' +
      'certificate will do), VERIFY_CA (signed by a trusted CA), VERIFY_IDENTITY (and for the name of the server), ' +
      'or AS_CLIENT (TLS if the client uses it)',
    default: ({ value }) => (value('client-ssl-mode') === 'PASSTHROUGH' ? 'AS_CLIENT' : 'VERIFY_IDENTITY'),
    defaultText: 'VERIFY_IDENTITY; AS_CLIENT with client-ssl-mode PASSTHROUGH',
  }),
  defineOption({
    name: 'server-ssl-ca',
    scope: 'server',
    type: filePath,
    metavar: 'FILE',
    description:
      'CA certificates that the certificate of the server is checked with, PEM; else those of Node.js',
    file: true,
  }),
  defineOption({
    name: 'server-ssl-cert',
    scope: 'server',
    type: filePath,
    metavar: 'FILE',
    description:
      'Client certificate that the proxy presents to the server, PEM, with any intermediate ones. Together with ' +
      'server-ssl-key it makes up the key pair mode; without both the connection is server-only',
    file: true,
  }),
  defineOption({
    name: 'server-ssl-key',
    scope: 'server',
    type: filePath,
    metavar: 'FILE',
    description: 'Private key of server-ssl-cert, PEM',
    file: true,
    secret: true,
  }),
  defineOption({
    name: 'server-ssl-key-passphrase-file',
    scope: 'server',
    type: filePath,
    metavar: 'FILE',
    description: 'File that holds the passphrase of server-ssl-key',
    file: true,
    secret: true,
  }),
  defineOption({
    name: 'server-ssl-crl',
    scope: 'server',
    type: filePath,
    metavar: 'FILE',
    description: 'Certificate revocation list of the CA, PEM; a server whose certificate it names is refused',
    file: true,
  }),
  defineOption({
    name: 'server-tls-profile',
    scope: 'server',
    type: tlsProfile,
    metavar: 'PROFILE',
    description: `What is offered to the server: ${profileDescription}. MySQL 5.5 and 5.6 servers (yaSSL) need legacy`,
    default: 'intermediate',
  }),
  defineOption({
    name: 'server-tls-version',
    scope: 'server',
    type: tlsVersion,
    list: tlsVersionList,
    metavar: 'LIST',
    description: 'TLS versions to offer to the server: any of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3, without gaps',
    default: (context) => versionsOfProfile('server', context),
    defaultText: 'those of server-tls-profile',
  }),
  defineOption({
    name: 'server-ssl-cipher',
    scope: 'server',
    type: cipherList,
    metavar: 'LIST',
    description:
      'Ciphers to offer to the server for TLSv1.2 and older, as an OpenSSL cipher list, instead of those of server-tls-profile',
  }),
  defineOption({
    name: 'server-tls-ciphersuites',
    scope: 'server',
    type: cipherList,
    metavar: 'LIST',
    description: 'Cipher suites to offer to the server for TLSv1.3, separated by colons',
  }),
  defineOption({
    name: 'server-tls-sni-servername',
    scope: 'server',
    type: serverName,
    metavar: 'NAME',
    description: 'Server name to send in the TLS handshake (SNI)',
  }),
] as const;

export type OptionName = (typeof optionTable)[number]['name'];

/** The same table for code that treats all options alike. */
export const options: readonly OptionDefinition[] = optionTable as unknown as readonly OptionDefinition[];

const optionsByName = new Map(options.map((option) => [option.name, option]));

export function findOption(name: string): OptionDefinition | undefined {
  return optionsByName.get(name);
}
