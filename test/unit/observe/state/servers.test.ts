import assert from 'node:assert/strict';
import { test } from 'node:test';
import { errorTable, ProxyError } from '../../../../src/errors.js';
import type { ServerHealth } from '../../../../src/observe/events.js';
import { Servers } from '../../../../src/observe/state/servers.js';
import { connectionRecord, establish } from '../records.js';

const routes = [
  { route: 'default', servers: ['a:1', 'b:2'] },
  { route: 'reports', servers: ['a:1'] },
];
const down = new ProxyError('server_port_closed', 'a:1 can not be reached');

function stateOf(servers: Servers, route: string, server: string) {
  return servers.all().find((state) => state.route === route && state.server === server);
}

test('nothing is known of a server that nobody asked', () => {
  const servers = new Servers(routes);
  assert.equal(servers.all().length, 3);
  for (const { up, since, tried_at, connect_seconds } of servers.all())
    assert.deepEqual([up, since, tried_at, connect_seconds], [null, null, null, null]);
});

function health(server: string, error?: ProxyError): ServerHealth {
  return { route: 'default', server, error, changed: true, by: 'client', isOnly: false };
}

test('a server is up or down as its pool says, since the first of its kind', (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1000 });
  const servers = new Servers(routes);
  const { observer } = servers;
  const connection = connectionRecord({ serverAddress: 'a:1', serverVersion: '9.1.0' });
  observer.serverReached?.(connection, 'a:1', 0.25);
  observer.serverHealth?.(health('a:1'));
  establish(observer, connection);
  t.mock.timers.tick(1000);
  observer.serverReached?.(connection, 'a:1', 0.5);
  assert.deepEqual(stateOf(servers, 'default', 'a:1'), {
    route: 'default',
    server: 'a:1',
    up: true,
    since: 1000,
    tried_at: 2000,
    connect_seconds: 0.5,
    server_version: '9.1.0',
    code: '',
    cause: '',
    cure: '',
  });
  t.mock.timers.tick(1000);
  observer.serverHealth?.(health('a:1', down));
  t.mock.timers.tick(1000);
  observer.serverUnreachable?.(connection, 'a:1', down);
  assert.deepEqual(stateOf(servers, 'default', 'a:1'), {
    route: 'default',
    server: 'a:1',
    up: false,
    since: 3000,
    tried_at: 4000,
    connect_seconds: null,
    server_version: '9.1.0',
    code: 'server_port_closed',
    cause: 'a:1 can not be reached',
    cure: errorTable.server_port_closed.cure,
  });
  assert.equal(stateOf(servers, 'reports', 'a:1')?.up, null);
  observer.serverHealth?.(health('a:1'));
  assert.deepEqual(
    [stateOf(servers, 'default', 'a:1')?.up, stateOf(servers, 'default', 'a:1')?.code],
    [true, ''],
  );
});

test('a greeting alone does not bring a server back, and a check tells how long its own took', () => {
  const servers = new Servers(routes);
  servers.observer.serverHealth?.(health('a:1', down));
  servers.observer.serverReached?.(connectionRecord(), 'a:1', 0.25);
  assert.equal(stateOf(servers, 'default', 'a:1')?.up, false);
  const check = { route: 'default', server: 'b:2', error: undefined };
  servers.observer.serverChecked?.({ ...check, result: 'success', greetedAfter: 0.75 });
  assert.equal(stateOf(servers, 'default', 'b:2')?.connect_seconds, 0.75);
  assert.notEqual(stateOf(servers, 'default', 'b:2')?.tried_at, null);
});

test('after a reload servers that stay are known, and those that are gone are forgotten for good', () => {
  const servers = new Servers(routes);
  servers.observer.serverHealth?.(health('a:1'));
  servers.observer.serverHealth?.(health('b:2'));
  servers.setRoutes([{ route: 'default', servers: ['a:1', 'c:3'] }]);
  servers.observer.serverHealth?.(health('b:2'));
  assert.deepEqual(
    servers.all().map(({ route, server, up }) => [route, server, up]),
    [
      ['default', 'a:1', true],
      ['default', 'c:3', null],
    ],
  );
});
