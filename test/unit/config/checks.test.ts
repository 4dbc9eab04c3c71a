import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { makeCertificates } from '../../support/certificates.js';
import { configFile, flagProblems, flagWarnings, problemsOf, temporaryFolder } from './problems.js';

const folder = temporaryFolder();
const { ca, server: proxy, client } = makeCertificates(folder);

const clientPair = { 'client-ssl-cert': proxy.certificateFile, 'client-ssl-key': proxy.keyFile };
const serverPair = { 'server-ssl-cert': client.certificateFile, 'server-ssl-key': client.keyFile };
const remote = { server: 'db.example.com' };

type Flags = Record<string, unknown>;

const refused: readonly [what: string, flags: Flags, problems: readonly RegExp[]][] = [
  [
    'no server',
    { server: undefined },
    [/^server: is missing; name the MySQL server, as in --server db\.example\.com:3306$/],
  ],
  [
    'a socket file as server',
    { server: 'unix:/run/mysqld.sock' },
    [
      /^flag --server: unix:\/run\/mysqld\.sock is a socket file: .*auth_socket or unix_socket.*without a password.*--allow-socket-server/,
    ],
  ],
  [
    'itself as server',
    { listen: '127.0.0.1:3306' },
    [/^flag --server: 127\.0\.0\.1:3306 is where the proxy itself listens/],
  ],
  [
    'a long socket path',
    { listen: `unix:/${'x'.repeat(107)}` },
    [/^flag --listen: .*longer than the 106 bytes/],
  ],
  [
    'a long socket path of a server',
    { server: `unix:/${'é'.repeat(60)}`, 'allow-socket-server': true },
    [/^flag --server: .*longer than the 106 bytes/],
  ],
  [
    'a user of health checks without a password',
    { 'health-check-user': 'monitor' },
    [/^flag --health-check-user: is given without its password; add --health-check-password-file$/],
  ],
  [
    'a password of health checks without a user',
    { 'health-check-password-file': path.join(folder, 'none') },
    [
      /^flag --health-check-password-file: is given without the user; add --health-check-user$/,
      /^flag --health-check-password-file: the file \(not named here, in case it is the password itself\) does not exist$/,
    ],
  ],
  ['one address twice', { listen: ['a:1', 'A:1'] }, [/^flag --listen: A:1 is given twice$/]],
  [
    'the admin address',
    { listen: '127.0.0.1:9307' },
    [/^admin-listen \(default\): 127\.0\.0\.1:9307 is taken by the route default/],
  ],

  [
    'a PROXY header on connections that serve several clients',
    { 'server-proxy-protocol': 'v1', 'reuse-server-connections': true },
    [
      /^flag --server-proxy-protocol: v1 can't be kept with --reuse-server-connections: .*remove one of the two$/,
    ],
  ],
  [
    'the TLS of a client that the proxy does not see',
    { 'server-proxy-protocol': 'v2-ssl', 'client-ssl-mode': 'PASSTHROUGH' },
    [/^flag --server-proxy-protocol: v2-ssl .*PASSTHROUGH; write v2$/],
  ],
  [
    'PREFERRED without certificate',
    { 'client-ssl-mode': 'PREFERRED' },
    [/^flag --client-ssl-mode: PREFERRED needs --client-ssl-cert and --client-ssl-key; add both$/],
  ],
  ['REQUIRED without certificate', { 'client-ssl-mode': 'REQUIRED' }, [/REQUIRED needs --client-ssl-cert/]],
  [
    'a client certificate without key',
    { 'client-ssl-cert': proxy.certificateFile },
    [/^flag --client-ssl-cert: is given without its private key; add --client-ssl-key$/],
  ],
  [
    'a client key without certificate',
    { 'client-ssl-key': proxy.keyFile },
    [/^flag --client-ssl-key: .*add --client-ssl-cert$/],
  ],
  [
    'a server certificate without key',
    { 'server-ssl-cert': client.certificateFile },
    [/^flag --server-ssl-cert: .*add --server-ssl-key$/],
  ],
  [
    'a server key without certificate',
    { 'server-ssl-key': client.keyFile },
    [/^flag --server-ssl-key: .*add --server-ssl-cert$/],
  ],
  [
    'a CA for clients without certificate',
    { 'client-ssl-ca': ca.certificateFile },
    [/^flag --client-ssl-ca: asks clients for certificates, which needs TLS; add --client-ssl-cert/],
  ],
  [
    'a passphrase without key',
    { 'server-ssl-key-passphrase-file': client.keyFile },
    [/^flag --server-ssl-key-passphrase-file: is given without a key; add --server-ssl-key/],
  ],

  [
    'own TLS with PASSTHROUGH',
    {
      ...clientPair,
      ...serverPair,
      'client-ssl-mode': 'PASSTHROUGH',
      'client-ssl-ca': ca.certificateFile,
      'client-tls-version': 'TLSv1.2',
      'server-ssl-ca': ca.certificateFile,
      'server-tls-sni-servername': 'x',
    },
    [
      'client-ssl-ca',
      'client-ssl-cert',
      'client-ssl-key',
      'client-tls-version',
      'server-ssl-ca',
      'server-ssl-cert',
      'server-ssl-key',
      'server-tls-sni-servername',
    ].map(
      (option) =>
        new RegExp(`^flag --${option}: has no meaning with --client-ssl-mode PASSTHROUGH.*; remove it`),
    ),
  ],
  [
    'a mode of the server leg with PASSTHROUGH',
    { 'client-ssl-mode': 'PASSTHROUGH', 'server-ssl-mode': 'REQUIRED' },
    [
      /^flag --server-ssl-mode: REQUIRED can't be kept with --client-ssl-mode PASSTHROUGH; write AS_CLIENT or remove it$/,
    ],
  ],

  [
    'a part in the login with PASSTHROUGH',
    {
      'client-ssl-mode': 'PASSTHROUGH',
      'auth-bridge': 'sha256',
      'allow-cleartext': true,
      'rsa-private-key': proxy.keyFile,
    },
    ['auth-bridge', 'allow-cleartext', 'rsa-private-key'].map(
      (option) =>
        new RegExp(`^flag --${option}: has no meaning with --client-ssl-mode PASSTHROUGH.*login; remove it`),
    ),
  ],

  [
    'a report of what PASSTHROUGH hides',
    { 'client-ssl-mode': 'PASSTHROUGH', 'report-plaintext': true },
    [
      /^flag --report-plaintext: has no meaning with --client-ssl-mode PASSTHROUGH, where the proxy can not see .*; remove it/,
    ],
  ],

  [
    'ciphers that do not exist',
    { 'client-ssl-cipher': 'NONSENSE' },
    [/^flag --client-ssl-cipher: OpenSSL knows no cipher in "NONSENSE"/],
  ],
  [
    'a suite that does not exist',
    { 'server-tls-ciphersuites': 'TLS_AES_128_GCM_SHA256:TLS_NONSENSE' },
    [
      /^flag --server-tls-ciphersuites: "TLS_NONSENSE" is not a TLSv1\.3 cipher suite; write for example TLS_AES_256_GCM_SHA384$/,
    ],
  ],
  [
    'an old cipher as a suite',
    { 'server-tls-ciphersuites': 'AES128-SHA' },
    [/"AES128-SHA" is not a TLSv1\.3 cipher suite.*older ciphers with --server-ssl-cipher$/],
  ],
];

const passwordFile = path.join(folder, 'health-password');
writeFileSync(passwordFile, 'secret\n', { mode: 0o600 });
const healthLogin = { 'health-check-user': 'monitor', 'health-check-password-file': passwordFile };
const several = { server: ['127.0.0.1:1', '127.0.0.1:2'] };

const warned: readonly [what: string, flags: Flags, warnings: readonly RegExp[]][] = [
  [
    'a long handshake timeout',
    { 'handshake-timeout': '10s' },
    [/^flag --handshake-timeout: is not below the server's connect_timeout.*max_connect_errors/],
  ],
  [
    'a long handshake timeout of a route',
    { 'route-handshake-timeout': '10s' },
    [/^flag --route-handshake-timeout: is not below the server's connect_timeout.*max_connect_errors/],
  ],
  [
    'a useless connect timeout',
    { 'connect-timeout': '9.5s' },
    [/^flag --connect-timeout: is longer than --handshake-timeout/],
  ],
  [
    'a server that is given twice',
    { server: ['127.0.0.1:1', '127.0.0.1:1'] },
    [/^flag --server: 127\.0\.0\.1:1 is given twice, and counts once$/],
  ],
  [
    'a choice of one server',
    { 'routing-strategy': 'round-robin' },
    [/^flag --routing-strategy: is not used with one server/],
  ],
  [
    'a login of health checks that do not happen',
    { ...several, ...healthLogin, 'health-check-interval': 'off' },
    [/^flag --health-check-user: is not used without health checks; give --health-check-interval$/],
  ],
  [
    'plaintext from public networks',
    { 'client-plaintext-from': ['10.0.0.0/8', '0.0.0.0/0', '2001:db8::/32', '172.16.0.0/11'] },
    [
      /^flag --client-plaintext-from: 0\.0\.0\.0\/0, 2001:db8::\/32, 172\.16\.0\.0\/11 holds public addresses/,
    ],
  ],
  [
    'no TLS to another machine',
    { ...remote, 'server-ssl-mode': 'disabled' },
    [/^flag --server-ssl-mode: DISABLED to db\.example\.com:3306: .*unencrypted/],
  ],
  [
    'advisory TLS to another machine',
    { ...remote, 'server-ssl-mode': 'preferred' },
    [/PREFERRED to db\.example\.com:3306: .*switch TLS off/],
  ],
  [
    'unverified TLS to another machine',
    { ...remote, 'server-ssl-mode': 'required' },
    [/REQUIRED to db\.example\.com:3306: its certificate is not verified/],
  ],
  [
    "the client's choice to another machine",
    { ...remote, 'server-ssl-mode': 'as_client' },
    [/AS_CLIENT to .*whenever the client uses plaintext/],
  ],
  [
    'a CA that is not used',
    { 'server-ssl-mode': 'REQUIRED', 'server-ssl-ca': ca.certificateFile },
    [
      /^flag --server-ssl-ca: is not used, because --server-ssl-mode is REQUIRED; VERIFY_CA or VERIFY_IDENTITY use it$/,
    ],
  ],
  [
    'a key pair that is not used',
    { 'server-ssl-mode': 'DISABLED', ...serverPair },
    [/^flag --server-ssl-cert: is not used, because --server-ssl-mode is DISABLED$/],
  ],
  [
    'a client certificate that is not used',
    { 'client-ssl-mode': 'DISABLED', ...clientPair },
    [/^flag --client-ssl-cert: is not used/],
  ],
  [
    'a listener that lets nobody in',
    { listen: ['127.0.0.1:1', '0.0.0.0:3307'] },
    [
      /^flag --listen: 0\.0\.0\.0:3307 accepts clients from other machines, but they may use neither TLS nor plaintext; give --client-ssl-cert/,
    ],
  ],
];

const requiredButReporting = { ...clientPair, 'client-ssl-mode': 'REQUIRED', 'report-plaintext': true };
const notEnforced =
  /^flag --report-plaintext: --client-ssl-mode REQUIRED is not enforced while this is on: .*--client-plaintext-from .*Remove it/;

const bridgeMessage = (mode: string) =>
  new RegExp(
    `^flag --auth-bridge: with --server-ssl-mode ${mode} to db.example.com:3306, .*; use VERIFY_IDENTITY$`,
  );

const warnedTogether: readonly [what: string, flags: Flags, warnings: readonly RegExp[]][] = [
  ...['DISABLED', 'PREFERRED', 'AS_CLIENT'].map((mode): [string, Flags, RegExp[]] => [
    `a bridge to another machine with ${mode}`,
    { ...remote, 'server-ssl-mode': mode, 'auth-bridge': 'sha256' },
    [/^flag --server-ssl-mode: /, bridgeMessage(mode)],
  ]),
  [
    'passwords in clear to another machine',
    { ...remote, 'server-ssl-mode': 'PREFERRED', 'allow-cleartext': true },
    [
      /^flag --server-ssl-mode: /,
      /^flag --allow-cleartext: passwords and tokens can cross the network in clear to db\.example\.com:3306; demand TLS/,
    ],
  ],
  ['REQUIRED that is only reported', requiredButReporting, [notEnforced]],
  [
    'plaintext from public networks, which REQUIRED does not keep out then',
    { ...requiredButReporting, 'client-plaintext-from': '0.0.0.0/0' },
    [/^flag --client-plaintext-from: 0\.0\.0\.0\/0 holds public addresses/, notEnforced],
  ],
  [
    'passwords in clear, which REQUIRED does not keep out then',
    {
      ...requiredButReporting,
      listen: '0.0.0.0:3307',
      'client-plaintext-from': '10.0.0.0/8',
      'allow-cleartext': true,
    },
    [notEnforced, /^flag --allow-cleartext: .* in clear from clients in 10\.0\.0\.0\/8/],
  ],
  [
    'balancers anywhere',
    { 'proxy-protocol-from': ['10.0.0.5', '0.0.0.0/0'] },
    [
      /^flag --proxy-protocol-from: 0\.0\.0\.0\/0 holds public addresses: whoever connects .* can pose as a client at any/,
    ],
  ],
  [
    'balancers that connect to a socket file',
    { 'proxy-protocol-from': '10.0.0.5', listen: 'unix:/run/proxy.sock' },
    [/^flag --proxy-protocol-from: is not used, because --listen names nothing but socket files/],
  ],
  [
    'a report that nobody can read, without the admin listener',
    { 'report-plaintext': true, 'admin-listen': 'off' },
    [
      /^flag --admin-listen: is off, so that nobody can read what report-plaintext gathers on the route default; /,
    ],
  ],
  [
    'a report that nobody can read, without the page',
    { 'report-plaintext': true, metrics: 'aggregates' },
    [/^flag --metrics: is aggregates, so that nobody can read what report-plaintext gathers .*; use all$/],
  ],
  [
    'passwords in clear from other machines',
    { listen: '0.0.0.0:3307', 'client-plaintext-from': ['127.0.0.1', '10.0.0.0/8'], 'allow-cleartext': true },
    [/^flag --allow-cleartext: .* in clear from clients in 10\.0\.0\.0\/8; demand TLS/],
  ],
];

const silent: readonly [what: string, flags: Flags][] = [
  ['a socket server that is allowed', { server: 'unix:/run/mysqld.sock', 'allow-socket-server': true }],
  ['a bridge to a server that is verified', { ...remote, 'auth-bridge': 'sha256' }],
  ['a bridge on this machine', { 'server-ssl-mode': 'DISABLED', 'auth-bridge': 'sha256' }],
  ['a bridge that is off', { 'auth-bridge': 'off' }],
  [
    'passwords in clear on this machine',
    { 'allow-cleartext': true, 'server-ssl-mode': 'DISABLED', 'client-plaintext-from': '10.0.0.0/8' },
  ],
  [
    'passwords in clear where everybody uses TLS',
    {
      ...clientPair,
      ...remote,
      listen: '0.0.0.0:3307',
      'client-ssl-mode': 'REQUIRED',
      'client-plaintext-from': '10.0.0.0/8',
      'allow-cleartext': true,
    },
  ],
  ['balancers in a private network', { 'proxy-protocol-from': '10.0.0.0/24' }],
  ['a PROXY header with PASSTHROUGH', { 'server-proxy-protocol': 'v2', 'client-ssl-mode': 'PASSTHROUGH' }],
  [
    'no PROXY header on kept connections',
    { 'server-proxy-protocol': 'off', 'reuse-server-connections': true },
  ],
  ['a report where plaintext is allowed anyway', { ...clientPair, 'report-plaintext': true }],
  ['PASSTHROUGH without a report', { 'client-ssl-mode': 'PASSTHROUGH', 'report-plaintext': false }],
  ['any free port twice', { listen: ['127.0.0.1:0', '127.0.0.1:0'] }],
  ['AS_CLIENT with PASSTHROUGH', { 'client-ssl-mode': 'PASSTHROUGH', 'server-ssl-mode': 'as-client' }],
  ['PASSTHROUGH to another machine', { ...remote, 'client-ssl-mode': 'PASSTHROUGH' }],
  ['both pairs', { ...clientPair, ...serverPair, 'client-ssl-ca': ca.certificateFile }],
  [
    'plaintext from private networks',
    {
      'client-plaintext-from': [
        '10.1.0.0/16',
        '172.16.0.0/12',
        '192.168.7.0/24',
        '169.254.0.0/16',
        '100.64.0.0/10',
        '127.0.0.1',
        'fd00::/8',
        'fe80::/10',
        '::1',
      ],
    },
  ],
  [
    'public networks when TLS is required',
    { ...clientPair, 'client-ssl-mode': 'REQUIRED', 'client-plaintext-from': '0.0.0.0/0' },
  ],
  [
    'weak TLS on this machine',
    { server: ['localhost', '127.9.9.9', '[::1]'], 'server-ssl-mode': 'DISABLED' },
  ],
  ['verification', { ...remote, 'server-ssl-mode': 'VERIFY_CA', 'server-ssl-ca': ca.certificateFile }],
  [
    'AS_CLIENT with a CA on this machine',
    { 'server-ssl-mode': 'AS_CLIENT', 'server-ssl-ca': ca.certificateFile },
  ],
  ['TLS for other machines', { ...clientPair, listen: '0.0.0.0:3307' }],
  [
    'plaintext for other machines',
    { listen: '0.0.0.0:3307', 'client-plaintext-from': ['127.0.0.1', '10.0.0.0/8'] },
  ],
  ['a short handshake timeout', { 'handshake-timeout': '2s' }],
  ['health checks with a login', { ...several, ...healthLogin, 'routing-strategy': 'round-robin' }],
  ['several servers without health checks', { ...several, 'health-check-interval': 'off' }],
  [
    'known ciphers',
    { 'server-ssl-cipher': 'AES256-SHA@SECLEVEL=0', 'server-tls-ciphersuites': 'TLS_AES_128_CCM_SHA256' },
  ],
];

describe('what does not fit together', () => {
  for (const [what, flags, expected] of refused) {
    it(`is refused: ${what}`, () => {
      const problems = flagProblems(flags);
      assert.equal(problems.length, expected.length, problems.join('\n'));
      for (const [index, pattern] of expected.entries()) assert.match(problems[index] ?? '', pattern);
    });
  }

  it('is told with the route it is about', () => {
    const file = configFile(
      'routes:\n  - { name: a, listen: "h:1", servers: s }\n  - name: b\n    listen: "H:1"\n    servers: s\n    client: { ssl-mode: required }\n',
    );
    const problems = problemsOf({ file, flags: { 'admin-listen': 'h:1' } }).map((text) =>
      text.replace(file, path.basename(file)),
    );
    assert.deepEqual(problems, [
      'file proxy.yaml:6, route b, client-ssl-mode: REQUIRED needs --client-ssl-cert and --client-ssl-key; add both',
      'file proxy.yaml:4, route b, listen: H:1 is taken by the route a; choose another',
      'flag --admin-listen: h:1 is taken by the route a; choose another',
    ]);
  });
});

describe('what is questionable', () => {
  for (const [what, flags, expected] of [...warned, ...warnedTogether]) {
    it(`is warned of: ${what}`, () => {
      const warnings = flagWarnings(flags);
      assert.equal(warnings.length, expected.length, warnings.join('\n'));
      for (const [index, pattern] of expected.entries()) assert.match(warnings[index] ?? '', pattern);
    });
  }

  for (const [what, flags] of silent) {
    it(`is not: ${what}`, () => assert.deepEqual(flagWarnings(flags), []));
  }
});
