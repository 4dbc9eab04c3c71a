import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorCodes, errorTable, ProxyError } from '../../../../src/errors.js';
import { connectionRecord, establish, tls10, tls13, weakTls10 } from '../records.js';
import { type MetricsUnderTest, metricsOf } from './sources.js';

/** Lines of one metric as they are scraped, sorted, without comments. */
async function scrape({ registry }: MetricsUnderTest, name: string): Promise<string[]> {
  const text = await registry.metrics();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`mysql_tls_proxy_${name}{`))
    .sort();
}

/** Only what is not 0. */
async function scrapeCounted(metrics: MetricsUnderTest, name: string): Promise<string[]> {
  return (await scrape(metrics, name)).filter((line) => !line.endsWith(' 0'));
}

describe('metrics before the first connection', () => {
  const metrics = metricsOf(['a', 'b']);

  it('say what is running', async () => {
    const { node, openssl } = process.versions;
    assert.deepEqual(await scrape(metrics, 'build_info'), [
      `mysql_tls_proxy_build_info{version="1.2.3",node="${node}",openssl="${openssl}"} 1`,
    ]);
  });

  it('are 0 for each route', async () => {
    for (const name of ['connections_total', 'connections_active', 'connection_duration_seconds_count']) {
      assert.deepEqual(await scrape(metrics, name), [
        `mysql_tls_proxy_${name}{route="a"} 0`,
        `mysql_tls_proxy_${name}{route="b"} 0`,
      ]);
    }
    assert.equal((await scrape(metrics, 'tls_handshake_duration_seconds_count')).length, 4);
    assert.equal((await scrape(metrics, 'tls_sessions_active')).length, 4);
    assert.equal((await scrape(metrics, 'bytes_total')).length, 8);
  });

  it('are 0 for each reason', async () => {
    const rejected = await scrape(metrics, 'connections_rejected_total');
    assert.equal(rejected.length, 2 * (errorCodes.length + 1));
    assert.ok(
      rejected.includes('mysql_tls_proxy_connections_rejected_total{route="a",reason="login_refused"} 0'),
    );
    const failures = await scrape(metrics, 'tls_handshake_failures_total');
    assert.equal(failures.length, 2 * errorCodes.filter((code) => errorTable[code].leg !== 'none').length);
    assert.ok(
      failures.includes(
        'mysql_tls_proxy_tls_handshake_failures_total{route="b",leg="server",reason="server_certificate_expired"} 0',
      ),
    );
  });

  it('leave out those of prom-client that mislead', async () => {
    const text = await metrics.registry.metrics();
    assert.doesNotMatch(text, /nodejs_gc|nodejs_active_\w+_total/);
  });

  it('are 0 for each weakness that the leg can have', async () => {
    const weak = await scrape(metrics, 'weak_tls_connections_total');
    assert.equal(weak.length, 2 * (7 + 8));
    const unverified = weak.filter((line) => line.includes('reason="unverified"'));
    assert.deepEqual(unverified, [
      'mysql_tls_proxy_weak_tls_connections_total{route="a",leg="server",reason="unverified"} 0',
      'mysql_tls_proxy_weak_tls_connections_total{route="b",leg="server",reason="unverified"} 0',
    ]);
  });

  it('tell of the process too', async () => {
    const text = await metrics.registry.metrics();
    assert.match(text, /^process_cpu_seconds_total /m);
    assert.match(text, /^nodejs_eventloop_lag_seconds /m);
  });

  it('are named by the rules', async () => {
    for (const { name, type, help } of await metrics.registry.getMetricsAsJSON()) {
      if (!name.startsWith('mysql_tls_proxy_')) continue;
      assert.equal(name.endsWith('_total'), String(type) === 'counter', name);
      assert.match(help, /\.$/, name);
    }
  });

  it('are not shared with another instance', async () => {
    metricsOf(['a']).observer.opened?.(connectionRecord({ route: 'a' }));
    assert.deepEqual(await scrapeCounted(metrics, 'connections_total'), []);
  });
});

describe('metrics of a connection', () => {
  it('follow it from its beginning to its end', async () => {
    const metrics = metricsOf(['default']);
    const { observer } = metrics;
    const connection = connectionRecord({ openedAt: Date.now() - 2000 });
    observer.opened?.(connection);
    assert.deepEqual(await scrapeCounted(metrics, 'connections_total'), [
      'mysql_tls_proxy_connections_total{route="default"} 1',
    ]);
    assert.deepEqual(await scrapeCounted(metrics, 'connections_active'), [
      'mysql_tls_proxy_connections_active{route="default"} 1',
    ]);

    connection.serverTls = tls13;
    observer.tlsEstablished?.(connection, 'server');
    connection.clientTls = tls10;
    observer.tlsEstablished?.(connection, 'client');
    assert.deepEqual(await scrapeCounted(metrics, 'tls_handshakes_total'), [
      'mysql_tls_proxy_tls_handshakes_total{route="default",leg="client",version="TLSv1",cipher="AES256-SHA",resumed="false"} 1',
      'mysql_tls_proxy_tls_handshakes_total{route="default",leg="server",version="TLSv1.3",cipher="TLS_AES_256_GCM_SHA384",resumed="true"} 1',
    ]);
    assert.deepEqual(await scrapeCounted(metrics, 'tls_handshake_duration_seconds_sum'), [
      'mysql_tls_proxy_tls_handshake_duration_seconds_sum{route="default",leg="client"} 0.2',
      'mysql_tls_proxy_tls_handshake_duration_seconds_sum{route="default",leg="server"} 0.003',
    ]);
    assert.deepEqual(await scrapeCounted(metrics, 'tls_sessions_active'), []);

    establish(observer, connection);
    assert.deepEqual(await scrapeCounted(metrics, 'tls_sessions_active'), [
      'mysql_tls_proxy_tls_sessions_active{route="default",leg="client",version="TLSv1",cipher="AES256-SHA"} 1',
      'mysql_tls_proxy_tls_sessions_active{route="default",leg="server",version="TLSv1.3",cipher="TLS_AES_256_GCM_SHA384"} 1',
    ]);

    observer.closed?.(connection, 'client_closed');
    assert.deepEqual(await scrapeCounted(metrics, 'connections_active'), []);
    assert.deepEqual(await scrapeCounted(metrics, 'tls_sessions_active'), []);
    assert.deepEqual(await scrapeCounted(metrics, 'connection_duration_seconds_count'), [
      'mysql_tls_proxy_connection_duration_seconds_count{route="default"} 1',
    ]);
    const [sum = ''] = await scrape(metrics, 'connection_duration_seconds_sum');
    assert.ok(Number(sum.split(' ')[1]) >= 2, sum);
  });

  it('count plaintext legs as "none"', async () => {
    const metrics = metricsOf(['default']);
    const connection = connectionRecord();
    metrics.observer.opened?.(connection);
    establish(metrics.observer, connection);
    assert.deepEqual(await scrapeCounted(metrics, 'tls_sessions_active'), [
      'mysql_tls_proxy_tls_sessions_active{route="default",leg="client",version="none",cipher="none"} 1',
      'mysql_tls_proxy_tls_sessions_active{route="default",leg="server",version="none",cipher="none"} 1',
    ]);
  });

  it('never let a session count fall below 0', async () => {
    const metrics = metricsOf(['default']);
    const connection = connectionRecord({ serverTls: tls13 });
    metrics.observer.opened?.(connection);
    metrics.observer.closed?.(connection, 'client_gone');
    assert.deepEqual(await scrapeCounted(metrics, 'tls_sessions_active'), []);
  });

  it('say why connections were rejected', async () => {
    const metrics = metricsOf(['default']);
    const { observer } = metrics;
    const error = new ProxyError('server_certificate_expired', 'the certificate expired');
    const connection = connectionRecord();
    observer.tlsFailed?.(connection, 'server', error);
    observer.failed?.(connection, error);
    observer.refused?.(connectionRecord(), 1045);
    assert.deepEqual(await scrapeCounted(metrics, 'tls_handshake_failures_total'), [
      'mysql_tls_proxy_tls_handshake_failures_total{route="default",leg="server",reason="server_certificate_expired"} 1',
    ]);
    assert.deepEqual(await scrapeCounted(metrics, 'connections_rejected_total'), [
      'mysql_tls_proxy_connections_rejected_total{route="default",reason="login_refused"} 1',
      'mysql_tls_proxy_connections_rejected_total{route="default",reason="server_certificate_expired"} 1',
    ]);
  });

  it('do not take label values from a peer', async () => {
    const metrics = metricsOf(['default']);
    const connection = connectionRecord({ clientTls: { ...tls10, version: 'TLSv9', cipher: 'MADE-UP' } });
    metrics.observer.tlsEstablished?.(connection, 'client');
    const [line = ''] = await scrapeCounted(metrics, 'tls_handshakes_total');
    assert.match(line, /version="other",cipher="other"/);
  });
});

describe('bytes', () => {
  it('count live connections, and go on from there when they end', async () => {
    const metrics = metricsOf(['default', 'other']);
    const { observer } = metrics;
    const expected = (inClient: number, outClient: number, inServer: number, outServer: number) => [
      `mysql_tls_proxy_bytes_total{route="default",leg="client",direction="in"} ${inClient}`,
      `mysql_tls_proxy_bytes_total{route="default",leg="client",direction="out"} ${outClient}`,
      `mysql_tls_proxy_bytes_total{route="default",leg="server",direction="in"} ${inServer}`,
      `mysql_tls_proxy_bytes_total{route="default",leg="server",direction="out"} ${outServer}`,
    ];
    const first = connectionRecord();
    const second = connectionRecord();
    observer.opened?.(first);
    observer.opened?.(second);
    Object.assign(first.clientBytes, { in: 10, out: 1000 });
    Object.assign(first.serverBytes, { in: 1001, out: 11 });
    second.clientBytes.in = 5;
    second.serverBytes.out = 6;
    assert.deepEqual(await scrapeCounted(metrics, 'bytes_total'), expected(15, 1000, 1001, 17));
    first.serverBytes.in = 3001;
    assert.deepEqual(await scrapeCounted(metrics, 'bytes_total'), expected(15, 1000, 3001, 17));
    observer.closed?.(first, 'client_closed');
    assert.deepEqual(await scrapeCounted(metrics, 'bytes_total'), expected(15, 1000, 3001, 17));
    first.clientBytes.in = 99;
    second.serverBytes.in = 1;
    assert.deepEqual(await scrapeCounted(metrics, 'bytes_total'), expected(15, 1000, 3002, 17));
    observer.closed?.(second, 'client_closed');
    assert.deepEqual(await scrapeCounted(metrics, 'bytes_total'), expected(15, 1000, 3002, 17));
    assert.equal((await scrape(metrics, 'bytes_total')).length, 8);
  });
});

describe('weak TLS', () => {
  it('is counted for each connection and kind', async () => {
    const metrics = metricsOf(['a']);
    for (const id of [1, 2]) {
      const connection = connectionRecord({ id, route: 'a', clientTls: weakTls10, serverTls: tls13 });
      metrics.observer.tlsEstablished?.(connection, 'client');
      metrics.observer.tlsEstablished?.(connection, 'server');
    }
    const counted = await scrapeCounted(metrics, 'weak_tls_connections_total');
    assert.deepEqual(
      counted,
      ['cbc', 'no_forward_secrecy', 'old_version', 'rsa_key_exchange'].map(
        (reason) => `mysql_tls_proxy_weak_tls_connections_total{route="a",leg="client",reason="${reason}"} 2`,
      ),
    );
  });
});

describe('reused server connections', () => {
  it('are counted beside new ones, by server', async () => {
    const metrics = metricsOf(['a']);
    for (const serverConnection of ['fresh', 'reused', 'reused'] as const)
      establish(
        metrics.observer,
        connectionRecord({ route: 'a', serverAddress: 'db:3306', serverConnection }),
      );
    assert.deepEqual(await scrapeCounted(metrics, 'server_connections_total'), [
      'mysql_tls_proxy_server_connections_total{route="a",server="db:3306",connection="fresh"} 1',
      'mysql_tls_proxy_server_connections_total{route="a",server="db:3306",connection="reused"} 2',
    ]);
  });

  it('that wait are shown, and why they ended instead', async () => {
    const metrics = metricsOf(['a']);
    metrics.keptServers = [{ route: 'a', count: 3 }];
    assert.deepEqual(await scrape(metrics, 'kept_server_connections'), [
      'mysql_tls_proxy_kept_server_connections{route="a"} 3',
    ]);
    metrics.observer.keptServerEnded?.('a', 'db:3306', 'idle_timeout');
    assert.deepEqual(await scrapeCounted(metrics, 'kept_server_connections_ended_total'), [
      'mysql_tls_proxy_kept_server_connections_ended_total{route="a",reason="idle_timeout"} 1',
    ]);
  });
});
