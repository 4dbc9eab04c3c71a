import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { ConfigError } from '../../../src/config/config-error.js';
import { parseConfig } from '../../../src/config/load.js';
import { environmentName } from '../../../src/config/option-names.js';
import { options } from '../../../src/config/option-table.js';
import type { ProxyOptions } from '../../../src/config/proxy-options.js';
import { configFile, load, loadFlags, problemsOf, server } from './problems.js';

const serverAddress = { kind: 'tcp', host: '127.0.0.1', port: 3306 } as const;

/** What there is when only the server is given. */
const defaults = {
  routes: [
    {
      name: 'default',
      listen: [{ kind: 'tcp', host: '127.0.0.1', port: 3307 }],
      listenMode: 0o660,
      servers: [serverAddress],
      routingStrategy: 'first-available',
      allowSocketServer: false,
      authBridge: 'off',
      allowCleartext: false,
      reportPlaintext: false,
      connectionAttributes: 'on',
      reuseServerConnections: false,
      reuseIdleTimeout: 60_000,
      reuseMax: 64,
      routeMaxHandshakes: 100,
      tcpKeepAlive: 60_000,
      client: {
        sslMode: 'DISABLED',
        tlsProfile: 'intermediate',
        tlsVersion: ['TLSv1.2', 'TLSv1.3'],
        plaintextFrom: ['127.0.0.0/8', '::1/128'],
      },
      server: {
        proxyProtocol: 'off',
        sslMode: 'VERIFY_IDENTITY',
        tlsProfile: 'intermediate',
        tlsVersion: ['TLSv1.2', 'TLSv1.3'],
      },
    },
  ],
  connectTimeout: 5000,
  handshakeTimeout: 9000,
  workers: 'auto',
  drainDelay: 0,
  drainTimeout: 30_000,
  maxConnections: 4096,
  reloadOnChange: 'on',
  adminListen: { kind: 'tcp', host: '127.0.0.1', port: 9307 },
  metrics: 'all',
  connectionMetricsLimit: 1000,
  logLevel: 'info',
  logFormat: 'json',
  users: [],
};

describe('defaults', () => {
  it('are those of the documentation', () => {
    assert.deepEqual(loadFlags({}).config, defaults);
    assert.deepEqual(loadFlags({}).warnings, []);
  });

  it('log for people on a terminal', () => {
    assert.equal(load({ flags: { server }, terminal: true }).config.logFormat, 'pretty');
    assert.equal(load({ flags: { server, 'log-format': 'json' }, terminal: true }).config.logFormat, 'json');
  });

  it('leave TLS to client and server in PASSTHROUGH', () => {
    const { config } = loadFlags({ 'client-ssl-mode': 'passthrough' });
    assert.equal(config.routes[0]?.server.sslMode, 'AS_CLIENT');
  });

  it('check the servers of a route that has several', () => {
    const interval = (flags: Record<string, unknown>) =>
      loadFlags(flags).config.routes[0]?.healthCheckInterval;
    const several = { server: ['a:1', 'b:2'] };
    assert.equal(interval(several), 10_000);
    assert.equal(interval({}), undefined);
    assert.equal('healthCheckInterval' in (loadFlags({}).config.routes[0] ?? {}), false);
    assert.equal(interval({ ...several, 'health-check-interval': 'off' }), undefined);
    assert.equal(interval({ 'health-check-interval': '3s' }), 3_000);
  });

  it('have no admin listener when it is off', () => {
    assert.equal('adminListen' in loadFlags({ 'admin-listen': 'off' }).config, false);
  });
});

describe('precedence', () => {
  const file = configFile(
    'server: file.example\nlog-level: error\nmax-connections: 3\nconnect-timeout: 3s\n',
  );
  const env = { MYSQL_TLS_PROXY_LOG_LEVEL: 'warn', MYSQL_TLS_PROXY_MAX_CONNECTIONS: '2' };
  const { config, origins } = load({ flags: { 'log-level': 'debug' }, env, file });

  it('is flag, environment, file, default', () => {
    assert.equal(config.logLevel, 'debug');
    assert.equal(config.maxConnections, 2);
    assert.equal(config.connectTimeout, 3000);
    assert.equal(config.handshakeTimeout, 9000);
  });

  it('is told by the origins', () => {
    const text = (key: string) => origins.get(key)?.text;
    assert.equal(text('log-level'), 'flag --log-level');
    assert.equal(text('max-connections'), 'environment MYSQL_TLS_PROXY_MAX_CONNECTIONS');
    assert.equal(text('connect-timeout'), `file ${file}:4`);
    assert.equal(text('handshake-timeout'), 'default');
    assert.equal(text('default/server'), `file ${file}:1`);
  });

  it('holds for lists as a whole', () => {
    const { config } = load({ flags: { server: ['a', 'b'] }, env: { MYSQL_TLS_PROXY_SERVER: 'c' } });
    assert.deepEqual(
      config.routes[0]?.servers.map((one) => one.kind === 'tcp' && one.host),
      ['a', 'b'],
    );
  });

  it('does not judge a value that another one overrules', () => {
    assert.equal(
      load({ flags: { server, 'log-level': 'info' }, env: { MYSQL_TLS_PROXY_LOG_LEVEL: 'x' } }).config
        .logLevel,
      'info',
    );
  });
});

describe('environment variables', () => {
  it('have commas between the values of a list', () => {
    const env = { MYSQL_TLS_PROXY_SERVER: 'a:1, b:2', MYSQL_TLS_PROXY_CLIENT_PLAINTEXT_FROM: '10.0.0.0/8' };
    const route = load({ env }).config.routes[0];
    assert.deepEqual(route?.servers, [
      { kind: 'tcp', host: 'a', port: 1 },
      { kind: 'tcp', host: 'b', port: 2 },
    ]);
    assert.deepEqual(route?.client.plaintextFrom, ['10.0.0.0/8']);
  });

  it('that are empty count as not given', () => {
    assert.equal(
      load({ flags: { server }, env: { MYSQL_TLS_PROXY_LOG_LEVEL: '', MYSQL_TLS_PROXY_CONFIG: '' } }).config
        .logLevel,
      'info',
    );
  });

  it('name the file as --config does, which takes precedence', () => {
    const one = configFile('server: one\n');
    const two = configFile('server: two\n');
    const host = (sources: Parameters<typeof load>[0]) => load(sources).origins.get('default/server')?.text;
    assert.equal(host({ env: { MYSQL_TLS_PROXY_CONFIG: one } }), `file ${one}:1`);
    assert.equal(host({ env: { MYSQL_TLS_PROXY_CONFIG: one }, file: two }), `file ${two}:1`);
  });

  it('that are unknown are errors, with the nearest name', () => {
    assert.deepEqual(
      problemsOf({ flags: { server }, env: { MYSQL_TLS_PROXY_LISEN: 'x', MYSQL_TLS: 'x', LISTEN: 'x' } }),
      [
        'environment MYSQL_TLS_PROXY_LISEN: is not a variable of the proxy (did you mean "MYSQL_TLS_PROXY_LISTEN"?)',
      ],
    );
  });

  it('that Kubernetes sets for a Service called mysql-tls-proxy are none of ours', () => {
    const env = {
      MYSQL_TLS_PROXY_SERVICE_HOST: '10.0.0.1',
      MYSQL_TLS_PROXY_SERVICE_PORT: '3306',
      MYSQL_TLS_PROXY_SERVICE_PORT_MYSQL: '3306',
      MYSQL_TLS_PROXY_PORT: 'tcp://10.0.0.1:3306',
      MYSQL_TLS_PROXY_PORT_3306_TCP: 'tcp://10.0.0.1:3306',
      MYSQL_TLS_PROXY_PORT_3306_TCP_ADDR: '10.0.0.1',
      MYSQL_TLS_PROXY_PORT_3306_TCP_PORT: '3306',
      MYSQL_TLS_PROXY_PORT_3306_TCP_PROTO: 'tcp',
      MYSQL_TLS_PROXY_ADMIN_SERVICE_HOST: '10.0.0.2',
    };
    assert.deepEqual(problemsOf({ flags: { server }, env }), []);
    assert.equal(problemsOf({ flags: { server }, env: { MYSQL_TLS_PROXY_PORT: '3307' } }).length, 1);
  });

  it('exist for every option', () => {
    for (const { name } of options) {
      const [problem = ''] = problemsOf({ env: { [environmentName(name)]: '\u0000' } });
      assert.doesNotMatch(problem, /is not a variable/, name);
    }
  });
});

describe('paths', () => {
  it('start from the current folder in flags and variables, and from the folder of the file in it', () => {
    const file = configFile('server: unix:db.sock\nallow-socket-server: true\nserver-ssl-ca: sub/ca.pem\n');
    const problems = problemsOf({
      flags: { 'client-ssl-ca': 'flag.pem' },
      env: { MYSQL_TLS_PROXY_SERVER_SSL_CRL: '../env.pem' },
      file,
      cwd: '/nowhere/at',
    }).join('\n');
    assert.match(problems, new RegExp(`"${path.dirname(file)}/sub/ca.pem" does not exist`));
    assert.match(problems, /"\/nowhere\/at\/flag.pem" does not exist/);
    assert.match(problems, /"\/nowhere\/env.pem" does not exist/);
  });

  it('of sockets are made absolute as well', () => {
    const { config } = loadFlags({ listen: ['unix:a.sock', 'unix:/b.sock'] });
    assert.deepEqual(config.routes[0]?.listen, [
      { kind: 'unix', path: path.join(tmpdir(), 'a.sock') },
      { kind: 'unix', path: '/b.sock' },
    ]);
  });
});

describe('the result', () => {
  it('is deeply frozen', () => {
    const { config } = loadFlags({});
    const walk = (value: unknown) => {
      if (typeof value !== 'object' || value === null) return;
      assert.ok(Object.isFrozen(value), JSON.stringify(value));
      Object.values(value).forEach(walk);
    };
    walk(config);
  });

  it('is all problems at once, or nothing', () => {
    const flags = { listen: ':1', 'log-level': 'x', 'server-ssl-mode': 'y', nonsense: '1' };
    assert.throws(
      () => load({ flags }),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        assert.deepEqual(
          error.problems.map(({ option }) => option),
          ['nonsense', 'log-level', 'listen', 'server-ssl-mode', 'server'],
        );
        assert.match(
          error.message,
          /^configuration is not valid:\n {2}- flag --nonsense: is not an option\n/,
        );
        return true;
      },
    );
  });
});

describe('a configuration object', () => {
  it('has the keys of a file, in either spelling', () => {
    const kebab: ProxyOptions = { server, 'log-level': 'warn', 'server-tls-version': ['TLSv1.3'] };
    const camel: ProxyOptions = { server: [server], logLevel: 'warn', serverTlsVersion: 'TLSv1.3' };
    assert.deepEqual(parseConfig(kebab).config, parseConfig(camel).config);
    assert.equal(parseConfig(camel).config.logLevel, 'warn');
  });

  it('can have several routes', () => {
    const given: ProxyOptions = {
      maxConnections: 5,
      routes: [
        {
          name: 'a',
          listen: '127.0.0.1:1',
          listenMode: 0o600,
          servers: ['s'],
          server: { sslMode: 'required' },
        },
        {
          name: 'b',
          listen: '127.0.0.1:2',
          servers: 's',
          client: { plaintextFrom: '10.0.0.0/8', sslCa: undefined },
        },
      ],
    };
    const { config, origins } = parseConfig(given);
    assert.equal(config.maxConnections, 5);
    assert.deepEqual(
      config.routes.map(({ name, listenMode, client, server }) => [
        name,
        listenMode,
        client.plaintextFrom,
        server.sslMode,
      ]),
      [
        ['a', 0o600, ['127.0.0.0/8', '::1/128'], 'REQUIRED'],
        ['b', 0o660, ['10.0.0.0/8'], 'VERIFY_IDENTITY'],
      ],
    );
    assert.equal(origins.get('a/server-ssl-mode')?.text, 'argument routes[0].server.sslMode');
  });

  it('is checked although its type says it is right', () => {
    const wrong = { server, loglevel: 'x', connectTimeout: null } as unknown as ProxyOptions;
    assert.throws(() => parseConfig(wrong), /argument loglevel: is not a key \(did you mean "log-level"\?\)/);
    assert.throws(() => parseConfig(wrong), /argument connectTimeout: has no value/);
    // @ts-expect-error a number is no level
    const mistyped: ProxyOptions = { logLevel: 5 };
    // @ts-expect-error there is no such option
    const misspelled: ProxyOptions = { sslmode: 'x' };
    // @ts-expect-error a route has servers
    const incomplete: ProxyOptions = { routes: [{ name: 'a' }] };
    assert.ok([mistyped, misspelled, incomplete]);
  });
});
