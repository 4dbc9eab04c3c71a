/** How the clients of a route log in, what is told of their sessions, and what becomes of server connections afterwards. */
import { defineOption } from '../option-definition.js';
import { count, duration, filePath, oneOf, switchedOn } from '../value-types.js';

export const sessionOptions = [
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
] as const;

/** Stands by itself: behind the limits, in --help and in the documentation. */
export const rsaPrivateKeyOption = defineOption({
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
});
