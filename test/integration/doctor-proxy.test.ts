/** The doctor at the client leg of a running proxy: the same codes, with the options of that leg in the cures. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { ProxyOptions } from '../../src/index.js';
import { issueCertificate, makeCertificates, saveIdentity } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { runCli } from '../support/cli-process.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { freePort, type RealServer, startMysql9 } from '../support/servers.js';
import { createAccount } from './accounts.js';
import { startProxyUnderTest } from './proxy-under-test.js';
import { orSkip, overTls, stopServer } from './real-server.js';

const certificates = makeCertificates(makeTemporaryFolder());
const { ca, server: proxyIdentity, client } = certificates;
const offersTls = { clientSslCert: proxyIdentity.certificateFile, clientSslKey: proxyIdentity.keyFile };
const trusting = ['--ssl-ca', ca.certificateFile];
const keyPair = ['--ssl-cert', client.certificateFile, '--ssl-key', client.keyFile];
const folder = makeTemporaryFolder();
const wrongName = saveIdentity(
  issueCertificate({ commonName: 'proxy', purpose: 'server', issuer: ca, names: ['proxy.example'] }),
  `${folder}/proxy.pem`,
  `${folder}/proxy-key.pem`,
);

const stranger = saveIdentity(
  issueCertificate({ commonName: 'stranger', purpose: 'client' }),
  `${folder}/stranger.pem`,
  `${folder}/stranger-key.pem`,
);

let server: RealServer | Unavailable;
before(async () => {
  server = await startMysql9({ tls: certificates.serverTls });
  if (!isUnavailable(server)) await createAccount(server, 'anyone');
});
after(() => stopServer(server));

const rows: readonly {
  what: string;
  proxy: ProxyOptions;
  args: readonly string[];
  errors: readonly string[];
  cure?: RegExp;
}[] = [
  { what: 'nothing wrong', proxy: offersTls, args: trusting, errors: [] },
  {
    what: 'no TLS',
    proxy: {},
    args: trusting,
    errors: ['client_leg_tls_not_offered'],
    cure: /--client-ssl-cert and --client-ssl-key/,
  },
  { what: 'CA not given', proxy: offersTls, args: [], errors: ['client_leg_ca_not_given'], cure: /--ssl-ca/ },
  {
    what: 'a certificate for another name',
    proxy: { clientSslCert: wrongName.certificateFile, clientSslKey: wrongName.keyFile },
    args: trusting,
    errors: ['client_leg_certificate_no_ip_address'],
    cure: /--client-ssl-cert .* certs create --host/,
  },
  {
    what: 'old clients only',
    proxy: { ...offersTls, clientTlsProfile: 'legacy', clientTlsVersion: 'TLSv1' },
    args: trusting,
    errors: ['client_leg_tls_version_mismatch'],
    cure: /--client-tls-profile/,
  },
  {
    what: 'a client certificate is demanded, and none is shown',
    proxy: { ...offersTls, clientSslCa: ca.certificateFile },
    args: trusting,
    errors: ['client_leg_requires_key_pair'],
    cure: /--ssl-cert and --ssl-key .*--client-ssl-ca/,
  },
  {
    what: 'a client certificate is demanded, and one of another CA is shown',
    proxy: { ...offersTls, clientSslMode: 'REQUIRED', clientSslCa: ca.certificateFile },
    args: [...trusting, '--ssl-cert', stranger.certificateFile, '--ssl-key', stranger.keyFile],
    errors: ['client_leg_refused_key_pair'],
    cure: /--ssl-cert a certificate of the CA in --client-ssl-ca/,
  },
  {
    what: 'a client certificate is demanded, and shown',
    proxy: { ...offersTls, clientSslCa: ca.certificateFile },
    args: [...trusting, ...keyPair],
    errors: [],
  },
];

for (const { what, proxy: options, args, errors, cure } of rows) {
  test(what, async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    const proxy = await startProxyUnderTest({ ...overTls(running, certificates), ...options });
    t.after(() => proxy.close());
    const { code, stdout } = await runCli([
      ...['doctor', '--proxy', `127.0.0.1:${proxy.port}`, '--json', '--skip-ciphers'],
      ...args,
    ]);
    const report = JSON.parse(stdout) as {
      findings: { code: string; severity: string; cure: string; cause: string }[];
      keyPairAccepted?: boolean;
    };
    const found = report.findings.filter(({ severity }) => severity === 'error');
    assert.deepEqual([found.map((one) => one.code), code], [errors, errors.length === 0 ? 0 : 1]);
    if (cure !== undefined) assert.match(found[0]?.cure ?? '', cure);
    for (const one of report.findings) assert.doesNotMatch(one.cure, /--server-ssl-(ca|crl|mode)/);
    if (args.includes('--ssl-cert')) assert.equal(report.keyPairAccepted, errors.length === 0);
  });
}

test('the server behind the proxy is down: what the proxy says of it is passed on', async () => {
  const proxy = await startProxyUnderTest({ server: `127.0.0.1:${await freePort()}`, ...offersTls });
  try {
    const { code, stdout } = await runCli(['doctor', '--proxy', `127.0.0.1:${proxy.port}`, '--json']);
    const [first] = JSON.parse(stdout).findings as { code: string; cause: string }[];
    assert.equal(code, 2);
    assert.equal(first?.code, 'client_leg_closed');
    assert.match(first?.cause ?? '', /error 2003: mysql-tls-proxy, server leg: .* nothing listens there/);
  } finally {
    await proxy.close();
  }
});

test('wrong usage is said, with what to write instead', async () => {
  const usages: readonly [args: readonly string[], expected: RegExp][] = [
    [[], /either --server HOST\[:PORT\] or --proxy HOST:PORT/],
    [['--server', 'a', '--proxy', 'b:1'], /either --server/],
    [['--server', 'a', '--ssl-ca', 'x'], /--ssl-ca goes with --proxy; with --server use --server-ssl-ca/],
    [
      ['--proxy', 'a:1', '--server-ssl-ca', 'x'],
      /--server-ssl-ca goes with --server; with --proxy use --ssl-ca/,
    ],
    [['--server', 'a', '--server', 'b'], /--server is given several times/],
    [['--server', 'a', '--password-file', 'x'], /--password-file needs --user/],
    [['--server', 'a', '--user', 'u', '--password-file', '/nowhere'], /does not exist/],
    [['--server', 'a', '--listen', '127.0.0.1:1'], /unknown option --listen/],
    [['--server', 'a', '--server-ssl-mode', 'VERIFY_NAME'], /server-ssl-mode.*is unknown/],
    [['--server', 'a:99999'], /server/],
  ];
  for (const [args, expected] of usages) {
    const { code, stdout, stderr } = await runCli(['doctor', ...args]);
    assert.deepEqual([code, stdout], [2, ''], args.join(' '));
    assert.match(stderr, expected);
  }
});
