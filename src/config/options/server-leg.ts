/** TLS between the proxy and the server, and the PROXY header ahead of it. */
import { defineOption } from '../option-definition.js';
import { cipherList, filePath, oneOf, serverName, tlsProfile, tlsVersion } from '../value-types.js';
import { profileDescription, tlsVersionList, versionsOfProfile } from './tls-choice.js';

export const serverLegOptions = [
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
