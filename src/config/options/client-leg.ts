/** TLS between clients and the proxy, and who may do without. */
import { defineOption, repeatable } from '../option-definition.js';
import { cipherList, filePath, network, oneOf, tlsProfile, tlsVersion } from '../value-types.js';
import { profileDescription, tlsVersionList, versionsOfProfile } from './tls-choice.js';

export const clientLegOptions = [
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
] as const;
