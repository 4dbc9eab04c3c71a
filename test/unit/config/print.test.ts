import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { printConfig } from '../../../src/config/print.js';
import { restartNeeded } from '../../../src/config/restart-needed.js';
import { makeCertificates } from '../../support/certificates.js';
import { configFile, load, loadFlags, temporaryFolder } from './problems.js';

const folder = temporaryFolder();
const { ca, server, client } = makeCertificates(folder);

writeFileSync(path.join(folder, 'app.password'), 'correct horse\n', { mode: 0o600 });
const credentials = path.join(folder, 'credentials.yaml');
writeFileSync(credentials, '- { user: app, password-file: app.password }\n', { mode: 0o600 });

const everything = {
  listen: ['[::1]:3307', 'unix:/run/my, sql.sock'],
  'listen-mode': '0600',
  server: ['db.example.com', '[2001:db8::1]:3310'],
  'allow-socket-server': true,
  'auth-bridge': 'sha256',
  'allow-cleartext': true,
  'report-plaintext': true,
  'connection-attributes': 'off',
  'reuse-server-connections': true,
  'reuse-idle-timeout': '30s',
  'route-handshake-timeout': '8s',
  'tcp-keep-alive': '2m',
  'reuse-max': '8',
  'rsa-private-key': server.keyFile,
  credentials,
  'state-directory': path.join(folder, 'state'),
  'connect-timeout': '1500ms',
  'handshake-timeout': '1m',
  'max-connections': '7',
  'reload-on-change': 'off',
  'admin-listen': 'off',
  metrics: 'aggregates',
  'connection-metrics-limit': '50',
  'log-level': 'DEBUG',
  'log-format': 'pretty',
  'client-ssl-mode': 'required',
  'client-ssl-cert': server.certificateFile,
  'client-ssl-key': server.keyFile,
  'client-ssl-ca': ca.certificateFile,
  'client-tls-version': 'TLSv1.2',
  'client-ssl-cipher': 'HIGH:!aNULL',
  'client-tls-ciphersuites': 'TLS_AES_256_GCM_SHA384',
  'client-plaintext-from': '10.0.0.0/8',
  'server-ssl-mode': 'verify-ca',
  'server-ssl-ca': ca.certificateFile,
  'server-ssl-cert': client.certificateFile,
  'server-ssl-key': client.keyFile,
  'server-tls-version': 'TLSv1,TLSv1.1',
  'server-ssl-cipher': 'AES256-SHA@SECLEVEL=0',
  'server-tls-ciphersuites': 'TLS_AES_128_GCM_SHA256',
  'server-tls-sni-servername': 'db.example.com',
};

describe('the printed configuration', () => {
  it('gives the same configuration when it is loaded', () => {
    for (const flags of [{}, everything, { 'client-ssl-mode': 'PASSTHROUGH' }]) {
      const loaded = loadFlags(flags);
      const file = configFile(printConfig(loaded));
      assert.deepEqual(load({ file }).config, loaded.config);
    }
  });

  it('says of each value where it came from', () => {
    const file = configFile('server: s\nserver-ssl-mode: verify-ca\n');
    const env = { MYSQL_TLS_PROXY_CLIENT_PLAINTEXT_FROM: '10.0.0.0/8,::1' };
    const printed = printConfig(load({ file, env, flags: { 'connect-timeout': '60' } }));
    assert.equal(
      printed.replaceAll(path.dirname(file), ''),
      `connect-timeout: 60s  # flag --connect-timeout
handshake-timeout: 9s  # default
workers: auto  # default
drain-delay: 0s  # default
drain-timeout: 30s  # default
max-connections: 4096  # default
reload-on-change: on  # default
admin-listen: 127.0.0.1:9307  # default
metrics: all  # default
connection-metrics-limit: 1000  # default
log-level: info  # default
log-format: json  # default
routes:
  - name: default
    listen: [127.0.0.1:3307]  # default
    listen-mode: "0660"  # default
    servers: [s:3306]  # file /proxy.yaml:1
    routing-strategy: first-available  # default
    allow-socket-server: false  # default
    auth-bridge: off  # default
    allow-cleartext: false  # default
    report-plaintext: false  # default
    connection-attributes: on  # default
    reuse-server-connections: false  # default
    reuse-idle-timeout: 60s  # default
    reuse-max: 64  # default
    route-max-handshakes: 100  # default
    tcp-keep-alive: 60s  # default
    client:
      ssl-mode: DISABLED  # default
      tls-profile: intermediate  # default
      tls-version: [TLSv1.2, TLSv1.3]  # default
      plaintext-from: [10.0.0.0/8, ::1/128]  # environment MYSQL_TLS_PROXY_CLIENT_PLAINTEXT_FROM
    server:
      proxy-protocol: off  # default
      ssl-mode: VERIFY_CA  # file /proxy.yaml:2
      tls-profile: intermediate  # default
      tls-version: [TLSv1.2, TLSv1.3]  # default
`,
    );
  });

  it('shows the default of state-directory, of which a file has no other way to tell', () => {
    const printed = printConfig(load({ flags: { server: 's' }, env: { HOME: folder } }));
    assert.ok(
      printed.includes(`state-directory: ${folder}/.local/state/mysql-tls-proxy  # default\n`),
      printed,
    );
  });

  it('names the credentials file, and shows nothing of it', () => {
    const printed = printConfig(loadFlags(everything));
    assert.match(printed, /^credentials: .*credentials\.yaml {2}# flag --credentials$/m);
    assert.doesNotMatch(printed, /correct horse|app\.password|users/);
  });

  it('shows no key', () => {
    const printed = printConfig(loadFlags(everything));
    assert.match(printed, /ssl-key: .*client-key\.pem {2}# flag --server-ssl-key/);
    for (const line of client.key.split('\n').filter((one) => one.length > 40)) {
      assert.equal(printed.includes(line), false);
    }
  });
});

describe('a changed configuration', () => {
  const changed = (flags: Record<string, unknown>) =>
    restartNeeded(loadFlags({}).config, loadFlags(flags).config);

  it('needs a restart only for what is bound at the start', () => {
    assert.deepEqual(changed({}), []);
    assert.deepEqual(
      changed({ server: 'other', 'server-ssl-mode': 'verify-ca', 'max-connections': 1, 'log-level': 'warn' }),
      [],
    );
    assert.deepEqual(
      changed({ listen: '127.0.0.1:1', 'listen-mode': '600', 'admin-listen': 'off', 'log-format': 'pretty' }),
      ['admin-listen', 'log-format', 'listen', 'listen-mode'],
    );
    assert.deepEqual(changed({ credentials, 'auth-bridge': 'sha256', 'allow-cleartext': true }), []);
    assert.deepEqual(changed({ 'state-directory': '/elsewhere' }), ['state-directory']);
  });

  it('needs a restart when routes come or go', () => {
    const routes = (...names: string[]) =>
      load({
        file: configFile(
          `routes:\n${names.map((name, i) => `  - { name: ${name}, listen: "h:${i + 1}", servers: s }\n`).join('')}`,
        ),
      }).config;
    assert.deepEqual(restartNeeded(routes('a'), routes('a', 'b')), ['routes']);
    assert.deepEqual(restartNeeded(routes('a', 'b'), routes('a')), ['routes']);
    assert.deepEqual(restartNeeded(routes('a'), routes('b')), ['routes']);
    assert.deepEqual(restartNeeded(routes('a', 'b'), routes('a', 'b')), []);
  });
});
