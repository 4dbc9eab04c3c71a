import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import type { ProxyConfig } from '../../../src/config/model.js';
import type { Observer } from '../../../src/observe/events.js';
import { createMonitor, type Monitor } from '../../../src/observe/monitor.js';
import { combineObservers } from '../../../src/observe/observers.js';
import type { ProxyState } from '../../../src/observe/state/state.js';
import { loadFlags } from '../config/problems.js';
import { connectionRecord, establish, tls10, tls13 } from './records.js';

interface WatchingMonitor extends Monitor {
  readonly observer: Observer;
}

function monitorOf(t: TestContext, config: Partial<ProxyConfig> = {}): WatchingMonitor {
  const monitor = createMonitor({ ...loadFlags({ server: 'db:3306' }).config, ...config }, '1.2.3', {
    addresses: () => [{ route: 'default', address: '127.0.0.1:3307' }],
    certificates: () => [],
    serverConnections: () => [],
    keptServers: () => [],
    waiting: () => new Map(),
    workers: () => [],
    refresh: () => Promise.resolve(),
    unreadyReason: () => undefined,
  });
  t.after(() => monitor.close());
  return { ...monitor, observer: combineObservers(monitor.observers) };
}

async function ask(monitor: Monitor, path: string, query = '') {
  const endpoint = monitor.endpoints.get(path) ?? assert.fail(`nothing at ${path}`);
  return endpoint(new URLSearchParams(query));
}

async function stateOf(monitor: Monitor): Promise<ProxyState> {
  const { status, body, contentType } = await ask(monitor, '/state');
  assert.deepEqual([status, contentType], [200, 'application/json; charset=utf-8']);
  return JSON.parse(body);
}

describe('the monitor', () => {
  it('says what is connected by version and cipher of each leg', async (t) => {
    const monitor = monitorOf(t);
    const { observer } = monitor;
    const connect = (fields: Parameters<typeof connectionRecord>[0]) => {
      const connection = connectionRecord(fields);
      observer.opened?.(connection);
      establish(observer, connection);
      return connection;
    };
    connect({ clientTls: tls10, serverTls: tls13 });
    const ended = connect({ serverTls: tls13 });
    connect({ serverTls: tls13 });
    observer.opened?.(connectionRecord());
    observer.closed?.(ended, 'client_closed');
    const state = await stateOf(monitor);
    assert.deepEqual(state.tls, [
      {
        route: 'default',
        leg: 'server',
        version: 'TLSv1.3',
        cipher: 'TLS_AES_256_GCM_SHA384',
        connections: 2,
      },
      { route: 'default', leg: 'client', version: 'TLSv1', cipher: 'AES256-SHA', connections: 1 },
      { route: 'default', leg: 'client', version: 'none', cipher: 'none', connections: 1 },
    ]);
    assert.deepEqual(state.connections, { active: 3, limit: 4096, total: 4, rejected: 0, commands: 0 });
    assert.deepEqual(state.routes, [
      {
        route: 'default',
        listen: ['127.0.0.1:3307'],
        servers: ['db:3306'],
        client_ssl_mode: 'DISABLED',
        server_ssl_mode: 'VERIFY_IDENTITY',
        kept_server_connections: null,
      },
    ]);
    assert.deepEqual([state.version, state.node, state.unready_reason], ['1.2.3', process.versions.node, '']);
  });

  it('says of a long plaintext report how long it is', async (t) => {
    const { config } = loadFlags({ server: 'db', 'report-plaintext': true });
    const monitor = monitorOf(t, config);
    for (let n = 0; n < 130; n++) establish(monitor.observer, connectionRecord({ user: `user ${n}` }));
    const { plaintext, plaintext_outcomes } = await stateOf(monitor);
    assert.equal(plaintext.clients.length, 100);
    assert.deepEqual(plaintext_outcomes, { refused: 0, unknown: 130, accepted: 0 });
    assert.equal(JSON.parse((await ask(monitor, '/plaintext')).body).clients.length, 130);
  });

  it('counts reloads, and uses what they bring', async (t) => {
    const monitor = monitorOf(t);
    monitor.reloadFailed(new Error('server-ssl-ca: the file\ndoes not exist'));
    monitor.reloaded({ ...loadFlags({ server: 'new:3306' }).config, maxConnections: 7 });
    const { reloads, connections, servers } = await stateOf(monitor);
    assert.deepEqual([reloads.succeeded, reloads.failed], [1, 1]);
    assert.equal(reloads.last_failure, 'server-ssl-ca: the file; does not exist');
    assert.ok((reloads.last_failure_at ?? 0) <= reloads.last_success_at);
    assert.equal(connections.limit, 7);
    assert.deepEqual(
      servers.map(({ server }) => server),
      ['new:3306'],
    );
  });

  it('refuses a filter that there is not', async (t) => {
    const { status, body } = await ask(monitorOf(t), '/connections', 'x=1');
    assert.equal(status, 400);
    assert.match(body, /^There is no filter "x"\. Filters: .*\.\n$/);
  });

  it('takes the limit of single connections from the configuration, and from a later one', async (t) => {
    const monitor = monitorOf(t, { connectionMetricsLimit: 2 });
    for (let n = 0; n < 5; n++) monitor.observer.opened?.(connectionRecord());
    const omitted = async () =>
      /omitted (\d+)$/m.exec((await ask(monitor, '/metrics/connections')).body)?.[1];
    assert.equal(await omitted(), '3');
    monitor.reloaded({ ...loadFlags({ server: 'db' }).config, connectionMetricsLimit: 4 });
    assert.equal(await omitted(), '1');
  });
});

describe('--metrics', () => {
  it('aggregates: says nothing about single connections, and why', async (t) => {
    const monitor = monitorOf(t, { metrics: 'aggregates' });
    for (const path of ['/connections', '/metrics/connections']) {
      const { status, body } = await ask(monitor, path);
      assert.equal(status, 404);
      assert.match(body, /--metrics aggregates/);
    }
    assert.equal((await ask(monitor, '/metrics')).status, 200);
    assert.equal((await ask(monitor, '/state')).status, 200);
  });

  it('none: there is nothing, and no command is looked at', (t) => {
    const { endpoints, streams, observers } = monitorOf(t, { metrics: 'none' });
    assert.deepEqual([endpoints.size, streams.size], [0, 0]);
    assert.deepEqual(observers, []);
    assert.notEqual(monitorOf(t).observer.commandAnswered, undefined);
  });
});
