import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ClientLegConfig, RouteConfig } from '../../../../src/config/model.js';
import { ProxyError } from '../../../../src/errors.js';
import type { ConnectionRecord } from '../../../../src/observe/events.js';
import { plaintextReporter } from '../../../../src/observe/state/plaintext-report.js';
import type { PlaintextClient } from '../../../../src/observe/state/state.js';
import { connectionRecord, establish, tls10, tls13 } from '../records.js';

const route = (fields: Partial<RouteConfig> = {}, client: Partial<ClientLegConfig> = {}): RouteConfig => ({
  name: 'default',
  listen: [],
  listenMode: 0o600,
  servers: [],
  routingStrategy: 'first-available',
  allowSocketServer: false,
  authBridge: 'off',
  allowCleartext: false,
  reportPlaintext: true,
  connectionAttributes: 'on',
  routeMaxHandshakes: 100,
  reuseServerConnections: false,
  reuseIdleTimeout: 60_000,
  reuseMax: 64,
  ...fields,
  client: {
    sslMode: 'PREFERRED',
    sslCert: ['cert.pem'],
    sslKey: ['key.pem'],
    tlsProfile: 'legacy',
    tlsVersion: ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'],
    plaintextFrom: [],
    ...client,
  },
  server: {
    sslMode: 'REQUIRED',
    proxyProtocol: 'off',
    tlsProfile: 'intermediate',
    tlsVersion: ['TLSv1.2'],
  },
});

const required = new ProxyError('client_tls_required', 'insecure transport is prohibited');

function watched(routes: readonly RouteConfig[] = [route()], capacity?: number) {
  const clock = { now: 1_000 };
  const reporter = plaintextReporter(routes, {
    now: () => clock.now,
    ...(capacity === undefined ? {} : { capacity }),
  });
  const { observer } = reporter;
  const logIn = (fields: Partial<ConnectionRecord> = {}) => {
    const connection = connectionRecord({ user: 'app', ...fields });
    observer.opened?.(connection);
    establish(observer, connection);
    return connection;
  };
  const refuse = (fields: Partial<ConnectionRecord> = {}) => {
    const connection = connectionRecord({ user: 'app', ...fields });
    observer.opened?.(connection);
    observer.failed?.(connection, required);
    observer.closed?.(connection, 'client_tls_required');
  };
  const close = (connection: ConnectionRecord) => observer.closed?.(connection, 'client_closed');
  const clients = () => reporter.report().clients;
  const users = () =>
    clients()
      .map(({ user }) => user)
      .sort();
  return { ...reporter, clock, logIn, refuse, close, clients, users };
}

const only = (clients: readonly PlaintextClient[]): PlaintextClient => {
  assert.equal(clients.length, 1);
  const [client] = clients;
  assert.ok(client);
  return client;
};

describe('the plaintext report', () => {
  it('has a client that logged in without TLS, wherever its ports are', () => {
    const { clock, logIn, close, report } = watched();
    close(logIn({ clientAddress: '10.0.0.1:1', clientProgram: 'mysql 5.6.24' }));
    clock.now = 2_000;
    logIn({ clientAddress: '10.0.0.1:2', clientProgram: 'mysql 5.7.40' });
    clock.now = 3_000;
    const { clients, ...rest } = report();
    assert.deepEqual(rest, { routes: ['default'], since: 1_000, dropped: 0 });
    const { advice, ...client } = only(clients);
    assert.match(advice, /was offered TLS and did not use it.*ssl-mode/);
    assert.deepEqual(client, {
      route: 'default',
      client_address: '10.0.0.1',
      user: 'app',
      client_program: 'mysql 5.7.40',
      client_tls_version: 'none',
      client_cipher: 'none',
      first_seen: 1_000,
      // One is open: it is being seen.
      last_seen: 3_000,
      connections: 2,
      refused: 0,
      active: 1,
      under_required: 'refused',
    });
  });

  it('says when a client was there last, and whether it still is', () => {
    const { clock, logIn, close, clients } = watched();
    const connection = logIn();
    clock.now = 5_000;
    close(connection);
    clock.now = 9_000;
    assert.deepEqual([only(clients()).active, only(clients()).last_seen], [0, 5_000]);
  });

  it('has clients on TLS 1.0 and 1.1, not those on 1.2 and newer or passed through', () => {
    const { logIn, users } = watched();
    logIn({ user: 'one-zero', clientTls: tls10 });
    logIn({ user: 'one-one', clientTls: { ...tls10, version: 'TLSv1.1' } });
    logIn({ user: 'one-two', clientTls: { ...tls13, version: 'TLSv1.2' } });
    logIn({ user: 'one-three', clientTls: tls13 });
    logIn({ user: 'unseen', clientTls: { ...tls13, version: 'passthrough' } });
    assert.deepEqual(users(), ['one-one', 'one-zero']);
  });

  it('keeps route, client and user apart', () => {
    const { logIn, clients } = watched([route(), route({ name: 'other' })]);
    logIn();
    logIn({ route: 'other' });
    logIn({ clientAddress: '10.9.9.9:1' });
    logIn({ user: 'other' });
    assert.equal(clients().length, 4);
  });

  it('has only routes with the option', () => {
    const { logIn, refuse, report } = watched([route({ reportPlaintext: false }), route({ name: 'other' })]);
    logIn();
    refuse();
    assert.deepEqual([report().routes, report().clients], [['other'], []] satisfies [
      string[],
      PlaintextClient[],
    ]);
  });

  it('has most connections first', () => {
    const { logIn, clients } = watched();
    logIn({ user: 'once' });
    logIn({ user: 'twice' });
    logIn({ user: 'twice' });
    assert.deepEqual(
      clients().map(({ user }) => user),
      ['twice', 'once'],
    );
  });

  it('has those that were refused for their plaintext, and for nothing else', () => {
    const { refuse, logIn, observer, clients } = watched();
    refuse();
    refuse();
    observer.failed?.(connectionRecord(), new ProxyError('client_timeout', 'x'));
    assert.deepEqual([only(clients()).connections, only(clients()).refused], [2, 2]);
    assert.deepEqual([only(clients()).active, only(clients()).under_required], [0, 'refused']);
    logIn();
    assert.deepEqual([only(clients()).connections, only(clients()).refused], [3, 2]);
  });

  it('follows a change of the user', () => {
    const { logIn, observer, close, clients } = watched();
    const connection = logIn({ user: 'first' });
    connection.user = 'second';
    observer.userChanged?.(connection);
    const counts = () =>
      clients()
        .map(({ user, connections, active }) => [user, connections, active])
        .sort();
    assert.deepEqual(counts(), [
      ['first', 1, 0],
      ['second', 1, 1],
    ]);
    // As pools do it.
    observer.userChanged?.(connection);
    assert.deepEqual(counts()[1], ['second', 1, 1]);
    close(connection);
    assert.deepEqual(counts()[1], ['second', 1, 0]);
  });

  it('takes names of any length and content', () => {
    const { logIn, close, clients } = watched();
    const connection = logIn({ user: `\n${'x'.repeat(100_000)}`, clientProgram: 'y'.repeat(100_000) });
    assert.match(only(clients()).user, /^\\u000ax{100,130}…$/);
    assert.ok(only(clients()).client_program.length < 200);
    close(connection);
    assert.equal(only(clients()).active, 0);
  });
});

describe('what REQUIRED would do', () => {
  const expected = (
    client: Partial<ConnectionRecord>,
    leg: Partial<ClientLegConfig> = {},
  ): readonly [string, string] => {
    const { logIn, clients } = watched([route({}, leg)]);
    logIn(client);
    const { under_required, advice } = only(clients());
    return [under_required, advice];
  };

  it('refuse who was offered TLS and did not use it', () => {
    for (const sslMode of ['PREFERRED', 'REQUIRED'] as const)
      assert.equal(expected({}, { sslMode })[0], 'refused');
  });

  it('nobody knows where the route offers no TLS', () => {
    const [prospect, advice] = expected({}, { sslMode: 'DISABLED' });
    assert.equal(prospect, 'unknown');
    assert.match(advice, /--client-ssl-cert and --client-ssl-key, with --client-ssl-mode PREFERRED first/);
  });

  it('accept who comes over a socket file, whether or not TLS is offered', () => {
    for (const sslMode of ['PREFERRED', 'DISABLED'] as const) {
      const [prospect, advice] = expected({ clientAddress: 'unix' }, { sslMode });
      assert.equal(prospect, 'accepted');
      assert.match(advice, /never leaves this machine/);
    }
  });

  it('accept old TLS, which a newer profile would refuse', () => {
    const [prospect, advice] = expected({ clientTls: tls10 });
    assert.equal(prospect, 'accepted');
    assert.match(advice, /^TLSv1 is TLS.*--client-tls-profile is legacy.*intermediate, which refuses it/);
  });
});

describe('a reload', () => {
  it('forgets routes that do not report any more, and keeps the others', () => {
    const { logIn, setRoutes, report, clock } = watched([route(), route({ name: 'other' })]);
    logIn({ user: 'a' });
    logIn({ user: 'b', route: 'other' });
    clock.now = 5_000;
    setRoutes([route(), route({ name: 'other', reportPlaintext: false })], []);
    assert.deepEqual(
      [report().routes, report().clients.map(({ user }) => user), report().since],
      [['default'], ['a'], 1_000],
    );
    setRoutes([route(), route({ name: 'other' })], []);
    assert.deepEqual(
      [report().routes, report().clients.map(({ user }) => user), report().since],
      [['default', 'other'], ['a'], 5_000],
    );
  });

  it('that takes the option out and puts it in again begins anew', () => {
    const { logIn, close, setRoutes, report, clock } = watched([route()], 1);
    const open = logIn({ user: 'a' });
    logIn({ user: 'b' });
    assert.equal(report().dropped, 1);
    clock.now = 5_000;
    setRoutes([], []);
    assert.deepEqual([report().routes, report().clients], [[], []]);
    setRoutes([route()], []);
    logIn({ user: 'a' });
    // Was counted before the report began anew.
    close(open);
    const { clients, dropped, since } = report();
    assert.deepEqual([only(clients).connections, only(clients).active, dropped, since], [1, 1, 0, 5_000]);
  });

  it('after which TLS is offered says nothing about clients that have not come back', () => {
    const { logIn, setRoutes, clients } = watched([route({}, { sslMode: 'DISABLED' })]);
    logIn();
    setRoutes([route()], []);
    assert.equal(only(clients()).under_required, 'unknown');
    assert.match(only(clients()).advice, /has not come in plaintext again/);
    logIn();
    assert.equal(only(clients()).under_required, 'refused');
    setRoutes([route({}, { sslMode: 'DISABLED' })], []);
    assert.equal(only(clients()).under_required, 'unknown');
  });
});

describe('what would be overlooked', () => {
  it('a program in plaintext beside one on old TLS, of the same user and host', () => {
    const { logIn, close, clients } = watched();
    logIn();
    close(logIn({ clientTls: tls10 }));
    assert.deepEqual(
      clients().map(({ client_tls_version, active, under_required }) => [
        client_tls_version,
        active,
        under_required,
      ]),
      [
        ['none', 1, 'refused'],
        ['TLSv1', 0, 'accepted'],
      ],
    );
  });

  it('a connection that was open before its route began to report', () => {
    const { observer, setRoutes, clients } = watched([route({ reportPlaintext: false })]);
    const connection = connectionRecord({ user: 'early' });
    observer.opened?.(connection);
    establish(observer, connection);
    const modern = connectionRecord({ user: 'modern', clientTls: tls13 });
    setRoutes([route()], [connection, modern]);
    const { user, active, under_required } = only(clients());
    assert.deepEqual([user, active, under_required], ['early', 1, 'refused']);
    observer.closed?.(connection, 'client_closed');
    assert.equal(only(clients()).active, 0);
  });

  it('a pooled connection after the report began anew, or after its entry was forgotten', () => {
    const { logIn, observer, setRoutes, clients } = watched([route()], 1);
    const pooled = logIn({ user: 'pool' });
    setRoutes([], []);
    setRoutes([route()], []);
    observer.userChanged?.(pooled);
    assert.equal(only(clients()).user, 'pool');
    observer.closed?.(logIn({ user: 'other' }), 'client_closed');
    observer.userChanged?.(pooled);
    assert.deepEqual([only(clients()).user, only(clients()).active], ['pool', 1]);
  });

  it('that a connection from before a reload was never offered TLS', () => {
    const { logIn, observer, setRoutes, clients } = watched([route({}, { sslMode: 'DISABLED' })]);
    const connection = logIn({ user: 'first' });
    setRoutes([route()], []);
    connection.user = 'second';
    observer.userChanged?.(connection);
    assert.deepEqual(
      clients().map(({ under_required }) => under_required),
      ['unknown', 'unknown'],
    );
  });
});

describe('a full plaintext report', () => {
  it('forgets the client that was seen least recently', () => {
    const { logIn, close, users, report } = watched([route()], 3);
    for (const user of ['a', 'b', 'c']) close(logIn({ user }));
    close(logIn({ user: 'a' }));
    logIn({ user: 'd' });
    assert.deepEqual([users(), report().dropped], [['a', 'c', 'd'], 1]);
  });

  it('keeps a client that is connected, however long ago it logged in', () => {
    const { logIn, close, users } = watched([route()], 2);
    const old = logIn({ user: 'old' });
    close(logIn({ user: 'b' }));
    logIn({ user: 'c' });
    assert.deepEqual(users(), ['c', 'old']);
    // With all connected there is no other way.
    logIn({ user: 'd' });
    assert.deepEqual(users(), ['c', 'd']);
    close(old);
    assert.deepEqual(users(), ['c', 'd']);
  });

  it('never lets one that was only refused displace one that logged in', () => {
    const { logIn, close, refuse, users, report } = watched([route()], 3);
    close(logIn({ user: 'a' }));
    refuse({ user: 'x' });
    for (let i = 0; i < 100; i += 1) refuse({ user: `made up ${i}` });
    assert.deepEqual(users(), ['a', 'made up 98', 'made up 99']);
    close(logIn({ user: 'b' }));
    close(logIn({ user: 'c' }));
    assert.deepEqual(users(), ['a', 'b', 'c']);
    const before = report().dropped;
    refuse({ user: 'y' });
    assert.deepEqual([users(), report().dropped], [['a', 'b', 'c'], before + 1]);
    refuse({ user: 'a' });
    assert.deepEqual(
      [report().clients.find(({ user }) => user === 'a')?.refused, report().dropped],
      [1, before + 1],
    );
  });

  it('has room for one that was refused before and logs in now', () => {
    const { logIn, refuse, users, report } = watched([route()], 2);
    logIn({ user: 'a' });
    refuse({ user: 'b' });
    logIn({ user: 'b' });
    assert.deepEqual([users(), report().dropped], [['a', 'b'], 0]);
  });

  it('holds ten thousand clients', () => {
    const { logIn, report } = watched();
    for (let i = 0; i < 10_001; i += 1) logIn({ user: `user ${i}` });
    assert.deepEqual([report().clients.length, report().dropped], [10_000, 1]);
  });
});
