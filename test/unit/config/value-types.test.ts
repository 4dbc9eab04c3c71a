import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ReadResult, readOption } from '../../../src/config/option-definition.js';
import { options } from '../../../src/config/option-table.js';

function read(name: string, given: unknown, splitCommas = false): ReadResult {
  const option = options.find((row) => row.name === name);
  assert.ok(option, name);
  return readOption(option, given, splitCommas);
}

const tcp = (host: string, port: number) => ({ kind: 'tcp', host, port });

const accepted: readonly [option: string, given: unknown, value: unknown][] = [
  ['connect-timeout', '500ms', 500],
  ['connect-timeout', '9s', 9000],
  ['connect-timeout', '1m', 60_000],
  ['connect-timeout', '1.5s', 1500],
  ['connect-timeout', '7', 7000],
  ['connect-timeout', 7, 7000],
  ['connect-timeout', 0.25, 250],
  ['connect-timeout', '60m', 3_600_000],
  ['connect-timeout', '1h', 3_600_000],
  ['workers', 'Auto', 'auto'],
  ['workers', '3', 3],
  ['drain-delay', 0, 0],
  ['drain-delay', '5s', 5000],
  ['drain-timeout', '0s', 0],
  ['idle-timeout', 'off', undefined],
  ['idle-timeout', false, undefined],
  ['idle-timeout', '8h', 28_800_000],
  ['idle-timeout', '500ms', 500],
  ['idle-timeout', 90, 90_000],
  ['route-handshake-timeout', '8s', 8_000],
  ['tcp-keep-alive', '1s', 1_000],
  ['tcp-keep-alive', '8h', 28_800_000],
  ['tcp-keep-alive', 'off', undefined],
  ['max-server-connections', '10', 10],
  ['allow-from', ['10.0.0.0/8', '192.0.2.7'], ['10.0.0.0/8', '192.0.2.7/32']],
  ['route-max-connections', '10', 10],
  ['route-connection-rate', '50/s', { count: 50, periodMs: 1000 }],
  ['route-max-handshakes', '10', 10],
  ['address-max-connections', '10', 10],
  ['address-connection-rate', '600/m', { count: 600, periodMs: 60_000 }],
  ['address-connection-rate', '10000/h', { count: 10_000, periodMs: 3_600_000 }],
  ['address-max-handshakes', '10', 10],
  ['max-connections', '10', 10],
  ['reload-on-change', 'Off', 'off'],
  ['max-connections', 10, 10],
  ['allow-socket-server', true, true],
  ['allow-socket-server', 'Yes', true],
  ['allow-socket-server', 'off', false],
  ['allow-cleartext', true, true],
  ['auth-bridge', 'SHA256', 'sha256'],
  ['auth-bridge', 'off', 'off'],
  ['report-plaintext', true, true],
  ['connection-attributes', 'OFF', 'off'],
  ['reuse-server-connections', 'yes', true],
  ['reuse-idle-timeout', '2m', 120_000],
  ['reuse-max', '8', 8],
  ['routing-strategy', 'Least_Connections', 'least-connections'],
  ['health-check-interval', '2s', 2000],
  ['health-check-interval', 'off', undefined],
  ['health-check-interval', false, undefined],
  ['health-check-user', 'monitor', 'monitor'],
  ['metrics', 'Aggregates', 'aggregates'],
  ['connection-metrics-limit', '50', 50],
  ['state-directory', 'var/state', 'var/state'],
  ['listen-mode', '0660', 0o660],
  ['listen-mode', '777', 0o777],
  ['listen-mode', '0o600', 0o600],
  ['listen-mode', 0o640, 0o640],
  ['listen', '127.0.0.1:0', [tcp('127.0.0.1', 0)]],
  ['listen', ['[::1]:3307', 'proxy.example:1'], [tcp('::1', 3307), tcp('proxy.example', 1)]],
  ['listen', 'unix:/run/my,sql.sock', [{ kind: 'unix', path: '/run/my,sql.sock' }]],
  ['server', 'db.example', [tcp('db.example', 3306)]],
  ['server', '[2001:db8::1]', [tcp('2001:db8::1', 3306)]],
  ['server', '10.0.0.1:65535', [tcp('10.0.0.1', 65535)]],
  ['server', 'my_db', [tcp('my_db', 3306)]],
  ['admin-listen', 'OFF', undefined],
  ['admin-listen', false, undefined],
  ['admin-listen', '0.0.0.0:9307', tcp('0.0.0.0', 9307)],
  ['log-level', 'WARN', 'warn'],
  ['client-ssl-mode', 'passThrough', 'PASSTHROUGH'],
  ['server-ssl-mode', 'verify-ca', 'VERIFY_CA'],
  ['server-ssl-mode', 'Verify_Ca', 'VERIFY_CA'],
  ['server-ssl-mode', 'verify-full', 'VERIFY_IDENTITY'],
  ['server-ssl-mode', 'verify_full', 'VERIFY_IDENTITY'],
  ['server-ssl-mode', 'verify-identity', 'VERIFY_IDENTITY'],
  ['server-ssl-mode', 'as-client', 'AS_CLIENT'],
  ['client-tls-profile', 'Legacy', 'legacy'],
  ['server-tls-profile', 'modern', 'modern'],
  ['server-tls-version', 'tlsv1.3, TLSV1.2', ['TLSv1.2', 'TLSv1.3']],
  ['server-tls-version', ['TLSv1.0', 'tlsv1.1'], ['TLSv1', 'TLSv1.1']],
  ['server-tls-version', 'TLSv1,TLSv1.0', ['TLSv1']],
  ['client-plaintext-from', '10.0.0.0/8', ['10.0.0.0/8']],
  ['client-plaintext-from', ['192.0.2.7', '::1'], ['192.0.2.7/32', '::1/128']],
  ['proxy-protocol-from', ['10.0.0.5', 'fd00::/64'], ['10.0.0.5/32', 'fd00::/64']],
  ['server-proxy-protocol', 'V2-SSL', 'v2-ssl'],
  ['server-proxy-protocol', 'off', 'off'],
  ['server-tls-sni-servername', 'db.example.com', 'db.example.com'],
  ['server-ssl-cipher', 'HIGH:!aNULL@SECLEVEL=0', 'HIGH:!aNULL@SECLEVEL=0'],
];

const refused: readonly [option: string, given: unknown, message: RegExp][] = [
  ['connect-timeout', '9 hours', /"9 hours" is not a duration; write for example 500ms, 9s or 1m/],
  ['connect-timeout', '-1', /is not a duration/],
  ['connect-timeout', '0', /out of range; use 1ms to 1h/],
  ['workers', '0', /"0" is neither auto nor a whole number from 1/],
  ['workers', 'many', /is neither auto/],
  ['drain-timeout', '2h', /out of range; use 0s to 1h$/],
  ['idle-timeout', '0', /out of range; use 1ms to 168h, or off$/],
  ['idle-timeout', true, /must be a duration or off/],
  ['tcp-keep-alive', '999ms', /out of range; use 1s to 8h/],
  ['tcp-keep-alive', '9h', /out of range; use 1s to 8h, or off$/],
  ['idle-timeout', 'never', /is not a duration/],
  ['route-connection-rate', '50', /"50" is not a rate; write for example 50\/s or 600\/m/],
  ['route-connection-rate', '0/s', /is not a rate/],
  ['route-connection-rate', '5/d', /is not a rate/],
  ['address-max-handshakes', '0', /is not a whole number from 1/],
  ['connect-timeout', '61m', /out of range/],
  ['connect-timeout', true, /must be a text or a number/],
  ['max-connections', '0', /is not a whole number from 1/],
  ['max-connections', '1e3', /is not a whole number/],
  ['max-connections', 1.5, /is not a whole number/],
  ['allow-socket-server', 'perhaps', /"perhaps" is neither true nor false/],
  ['allow-socket-server', 3, /must be true or false/],
  ['listen-mode', '0888', /"0888" is not a file mode; write three octal digits, as in 0660/],
  ['listen-mode', '1777', /is not a file mode/],
  ['listen-mode', 0o1777, /is not a file mode/],
  ['listen-mode', Number.NaN, /is not a file mode|must be a text or a number/],
  ['listen', ':3307', /":3307" lacks the host; write 127\.0\.0\.1:3307 .* or 0\.0\.0\.0:3307/],
  ['listen', '3307', /"3307" lacks the host; write 127\.0\.0\.1:3307/],
  ['listen', '127.0.0.1', /"127\.0\.0\.1" lacks the port; write 127\.0\.0\.1:3307/],
  ['listen', '[::1]', /lacks the port; write \[::1\]:3307/],
  ['listen', '*:3307', /write 0\.0\.0\.0 or \[::\]/],
  ['listen', '::1:3307', /put an IPv6 address in brackets/],
  ['listen', '[127.0.0.1]:3307', /is not an IPv6 address; brackets/],
  ['listen', 'a:65536', /"65536" is not a port; use 0 to 65535/],
  ['listen', 'a:', /"" is not a port/],
  ['listen', 'a:1,b:2', /holds a comma; repeat the option/],
  ['listen', '300.0.0.1:1', /"300\.0\.0\.1" is not an IPv4 address/],
  ['listen', 'a b:1', /"a b" is neither a host name nor an IP address/],
  ['listen', '', /is empty/],
  ['listen', [], /empty list/],
  ['listen', 'unix:', /the path is missing/],
  ['listen', 'unix:/a\0b', /zero byte/],
  ['listen', '/run/mysqld.sock', /is a path; write unix:\/run\/mysqld\.sock/],
  ['listen', 5, /must be a text/],
  ['server', ':3306', /lacks the host; write for example 127\.0\.0\.1:3306/],
  ['server', 'a:0', /"0" is not a port; use 1 to 65535/],
  ['server', 'mysql://a', /without "mysql:\/\/"/],
  ['admin-listen', 'unix:/a', /not a socket file/],
  ['admin-listen', true, /must be HOST:PORT or off/],
  ['log-level', ['info', 'debug'], /takes one value, but several are given/],
  ['log-level', 'wran', /did you mean "warn"\?.*use debug, info, warn, error, silent/],
  [
    'client-ssl-mode',
    'PREFERED',
    /"PREFERED" is unknown \(did you mean "PREFERRED"\?\); use DISABLED, PREFERRED/,
  ],
  ['client-ssl-mode', 'VERIFY_CA', /is unknown/],
  ['server-ssl-mode', 'verify-ful', /did you mean "VERIFY_FULL"\?/],
  ['server-tls-profile', 'old', /is unknown; use modern, intermediate, legacy/],
  ['server-tls-version', 'TLSv1.1,TLSv1.3', /TLSv1\.1,TLSv1\.3 leaves a gap; add TLSv1\.2/],
  ['server-tls-version', 'TLSv1,TLSv1.3', /add TLSv1\.1 and TLSv1\.2/],
  ['server-tls-version', 'TLSv1.2,SSLv3', /"SSLv3" is unknown/],
  ['server-tls-version', '', /"" is unknown/],
  ['client-plaintext-from', '10.0.0.0/33', /is not a network; write for example 10\.0\.0\.0\/8/],
  ['client-plaintext-from', 'example.com', /is not a network/],
  ['client-plaintext-from', 'fe80::1%eth0', /is not a network/],
  ['server-tls-sni-servername', '10.0.0.1', /is an IP address; TLS sends host names only/],
  ['server-tls-sni-servername', 'a b', /is not a host name/],
  ['server-ssl-cipher', 'A B', /without blanks/],
  ['server-ssl-ca', '', /is empty; write the path of a file/],
  ['credentials', '', /is empty; write the path of a file/],
  ['state-directory', '', /is empty; write the path of a directory/],
  ['state-directory', 'a\0b', /must not hold a zero byte/],
  ['routing-strategy', 'round robin', /"round robin" is unknown.*use first-available, round-robin, least/],
  ['health-check-interval', '0', /out of range/],
  ['health-check-interval', true, /must be a duration or off/],
  ['health-check-user', '', /is empty; write the name of an account/],
  ['auth-bridge', 'sha25', /"sha25" is unknown \(did you mean "sha256"\?\); use off, sha256/],
];

describe('values of options', () => {
  for (const [option, given, value] of accepted) {
    it(`${option} takes ${JSON.stringify(given)}`, () => {
      assert.deepEqual(read(option, given), { value });
    });
  }

  for (const [option, given, message] of refused) {
    it(`${option} refuses ${JSON.stringify(given)}`, () => {
      const result = read(option, given);
      assert.ok('errors' in result, JSON.stringify(result));
      assert.equal(result.errors.length, 1);
      assert.match(result.errors[0] ?? '', message);
    });
  }

  it('says of each value of a list what is wrong with it', () => {
    const result = read('client-plaintext-from', ['x', '10.0.0.0/8', 'y']);
    assert.ok('errors' in result);
    assert.deepEqual(
      result.errors.map((message) => message.slice(0, 3)),
      ['"x"', '"y"'],
    );
  });

  it('splits a text at commas where that is asked for', () => {
    assert.deepEqual(read('server', 'a, b:1', true), { value: [tcp('a', 3306), tcp('b', 1)] });
  });

  it('does not repeat a key that was given instead of its file', () => {
    const result = read('server-ssl-key', '-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n');
    assert.deepEqual(result, { errors: ['must be the path of a file, not its contents'] });
  });

  it('writes each accepted value so that it reads the same again', () => {
    for (const [name, given] of accepted) {
      const option = options.find((row) => row.name === name);
      assert.ok(option);
      const first = read(name, given);
      assert.ok('value' in first);
      const written = Array.isArray(first.value)
        ? first.value.map((value) => option.type.format(value))
        : option.type.format(first.value);
      assert.deepEqual(
        read(name, written),
        first,
        `${name} ${JSON.stringify(given)} → ${JSON.stringify(written)}`,
      );
    }
  });

  it('tries every option', () => {
    const tried = new Set(accepted.map(([option]) => option));
    const files = options.filter((option) => option.file).map(({ name }) => name);
    const others = ['client-tls-version', 'client-ssl-cipher', 'log-format', 'handshake-timeout'];
    const ciphers = ['client-tls-ciphersuites', 'server-tls-ciphersuites'];
    const missing = options
      .map(({ name }) => name)
      .filter((name) => ![...tried, ...files, ...others, ...ciphers].includes(name));
    assert.deepEqual(missing, []);
  });
});
