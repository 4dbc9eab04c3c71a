import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connectionMetricsText } from '../../../../src/observe/metrics/connections.js';
import { FilterError, listConnections } from '../../../../src/observe/state/connection-list.js';
import { LiveConnections } from '../../../../src/observe/state/live-connections.js';
import { connectionRecord, establish, tls10, tls13 } from '../records.js';

const plaintext = connectionRecord({ id: 1, user: 'Old App', serverTls: tls13, clientProgram: 'php 5.3' });
const old = connectionRecord({
  id: 2,
  route: 'reports',
  user: 'reports',
  clientTls: tls10,
  serverTls: tls13,
});
const modern = connectionRecord({ id: 3, user: 'app', clientTls: tls13, serverTls: tls13, commands: 7 });
const loggingIn = connectionRecord({ id: 4 });
Object.assign(plaintext.clientBytes, { in: 10, out: 5 });
Object.assign(old.clientBytes, { in: 100, out: 500 });
Object.assign(modern.clientBytes, { in: 1, out: 60 });
Object.assign(modern.serverBytes, { in: 62, out: 3 });

const live = new LiveConnections(['default', 'reports']);
for (const record of [plaintext, old, modern, loggingIn]) live.observer.opened?.(record);
for (const record of [plaintext, old, modern]) establish(live.observer, record);
const all = [...live.all()];

function list(query: string) {
  return listConnections(all, new URLSearchParams(query));
}

function ids(query: string): number[] {
  return list(query).connections.map(({ id }) => id);
}

describe('the list of connections', () => {
  it('has the busiest first', () => {
    const { total, matched } = list('');
    assert.deepEqual([total, matched], [4, 4]);
    assert.deepEqual(ids(''), [2, 3, 1, 4]);
    assert.deepEqual(ids('limit=2'), [2, 3]);
    assert.equal(list('limit=2').matched, 4);
    assert.deepEqual(ids('limit=0'), []);
  });

  it('can be narrowed by each field', () => {
    assert.deepEqual(ids('client_tls_version=none'), [1, 4]);
    assert.deepEqual(ids('client_tls_version=none&state=session'), [1]);
    assert.deepEqual(ids('client_cipher=AES256-SHA'), [2]);
    assert.deepEqual(ids('route=reports&server_tls_version=TLSv1.3'), [2]);
    assert.deepEqual(ids('id=3'), [3]);
    assert.deepEqual(ids('server_tls_resumed=true'), [2, 3, 1]);
    assert.deepEqual(ids('user=nobody'), []);
    assert.deepEqual(ids('user='), [4]);
  });

  it('can be searched in whatever case', () => {
    assert.deepEqual(ids('search=old%20APP'), [1]);
    assert.deepEqual(ids('search=PHP'), [1]);
    assert.deepEqual(ids('search=reports&client_tls_version=TLSv1'), [2]);
    assert.deepEqual(ids('search='), [2, 3, 1, 4]);
    assert.deepEqual(ids('search=nothing'), []);
  });

  it('says what is wrong with a filter, and which there are', () => {
    assert.throws(
      () => list('tls=none'),
      (error: Error) =>
        error instanceof FilterError && /no filter "tls".*client_tls_version/.test(error.message),
    );
    assert.throws(() => list('client_bytes_in=10'), FilterError);
    assert.throws(() => list('user=a&user=b'), { message: /filter user stands there twice/ });
    for (const limit of ['-1', 'x', '1.5', '', '1001', '0x10', ' 1', '1e1'])
      assert.throws(() => list(`limit=${limit}`), {
        message: /limit must be a whole number from 0 to 1000/,
      });
  });

  it('shows what peers call themselves so that it can be printed', () => {
    const record = connectionRecord({ user: `a\u202eb\n${'x'.repeat(500)}` });
    const [connection] = listConnections([record], new URLSearchParams()).connections;
    assert.match(connection?.user ?? '', /^a\\u202eb\\u000ax{124}…$/);
  });
});

describe('metrics of single connections', () => {
  const lines = async (limit: number, name: string) =>
    (await connectionMetricsText(all, limit))
      .split('\n')
      .filter((line) => line.startsWith(`mysql_tls_proxy_${name}`));

  it('are those of the busiest, and say how many are left out', async () => {
    const info = await lines(2, 'connection_info{');
    assert.deepEqual(
      info.map((line) => /id="(\d)"/.exec(line)?.[1]),
      ['2', '3'],
    );
    assert.deepEqual(await lines(2, 'connections_omitted'), ['mysql_tls_proxy_connections_omitted 2']);
    assert.deepEqual(await lines(4, 'connections_omitted'), ['mysql_tls_proxy_connections_omitted 0']);
    assert.deepEqual(await lines(2, 'connection_commands_total'), [
      'mysql_tls_proxy_connection_commands_total{id="2",route="reports"} 0',
      'mysql_tls_proxy_connection_commands_total{id="3",route="default"} 7',
    ]);
  });

  it('say what is known of a connection', async () => {
    const [info = ''] = (await lines(4, 'connection_info{')).filter((line) => line.includes('id="3"'));
    for (const label of [
      'route="default"',
      'state="session"',
      'client="203.0.113.7:51234"',
      'user="app"',
      'client_tls_version="TLSv1.3"',
      'client_cipher="TLS_AES_256_GCM_SHA384"',
      'client_tls_resumed="true"',
      'server_certificate_subject="CN=db"',
      'path="relayed"',
    ])
      assert.ok(info.includes(`${label}`), `${label} in ${info}`);
    assert.match(info, / 1$/);
  });

  it('count the bytes of each leg', async () => {
    const ofThird = (await lines(4, 'connection_bytes_total')).filter((line) => line.includes('id="3"'));
    assert.deepEqual(
      ofThird.map((line) => /leg="(\w+)",direction="(\w+)"} (\d+)/.exec(line)?.slice(1).join(' ')),
      ['client in 1', 'client out 60', 'server in 62', 'server out 3'],
    );
  });

  it('escape what peers call themselves', async () => {
    const record = connectionRecord({ user: 'a"b\\c\nd' });
    const text = await connectionMetricsText([record], 1);
    assert.ok(text.includes('user="a\\"b\\\\c\\\\u000ad"'), text);
  });
});
