/** Metrics of logins, commands, servers, certificates and reloads. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProxyError } from '../../../../src/errors.js';
import { commandNames } from '../../../../src/observe/command-names.js';
import { connectionRecord, establish, tls13 } from '../records.js';
import { type MetricsUnderTest, metricsOf, SERVER } from './sources.js';

async function scrape({ registry }: MetricsUnderTest, name: string): Promise<string[]> {
  const text = await registry.metrics();
  return text
    .split('\n')
    .filter((line) => line.startsWith(`mysql_tls_proxy_${name}`))
    .map((line) => line.slice('mysql_tls_proxy_'.length))
    .sort();
}

async function scrapeCounted(metrics: MetricsUnderTest, name: string): Promise<string[]> {
  return (await scrape(metrics, name)).filter((line) => !line.endsWith(' 0'));
}

describe('logins', () => {
  const login = { clientPlugin: 'mysql_native_password', serverPlugin: 'caching_sha2_password' };

  it('are counted by plugins, path and result', async () => {
    const metrics = metricsOf(['a']);
    const { observer } = metrics;
    establish(observer, connectionRecord({ route: 'a', ...login, authentication: 'translated' }));
    establish(observer, connectionRecord({ route: 'a', ...login, authentication: 'translated' }));
    observer.refused?.(connectionRecord({ route: 'a', ...login, serverPlugin: '' }), 1045);
    observer.failed?.(
      connectionRecord({ route: 'a', ...login, authentication: 'credentials' }),
      new ProxyError('access_denied', 'no'),
    );
    observer.failed?.(connectionRecord({ route: 'a', ...login }), new ProxyError('server_timeout', 'late'));
    const labels = 'auth_total{route="a",client_plugin="mysql_native_password",server_plugin=';
    assert.deepEqual(await scrapeCounted(metrics, 'auth_total'), [
      `${labels}"caching_sha2_password",path="credentials",result="refused"} 1`,
      `${labels}"caching_sha2_password",path="relayed",result="failed"} 1`,
      `${labels}"caching_sha2_password",path="translated",result="accepted"} 2`,
      `${labels}"none",path="relayed",result="refused"} 1`,
    ]);
  });

  it('of which nothing was seen are not', async () => {
    const metrics = metricsOf(['a']);
    const { observer } = metrics;
    establish(observer, connectionRecord({ route: 'a' }));
    observer.refused?.(connectionRecord({ route: 'a' }), 1040);
    observer.failed?.(connectionRecord({ route: 'a' }), new ProxyError('client_gone', 'gone'));
    assert.deepEqual(await scrapeCounted(metrics, 'auth_total'), []);
  });

  it('inside a session count as well, with what was tried', async () => {
    const metrics = metricsOf(['a']);
    const { observer } = metrics;
    const connection = connectionRecord({ route: 'a', ...login });
    const attempt = { ...connection, clientPlugin: 'dialog', serverPlugin: 'dialog' };
    establish(observer, connection);
    observer.userChangeRefused?.(connection, 1045, attempt);
    connection.serverPlugin = '';
    observer.userChanged?.(connection);
    observer.failed?.(connection, new ProxyError('client_timeout', 'late'), attempt);
    assert.deepEqual(await scrapeCounted(metrics, 'auth_total'), [
      'auth_total{route="a",client_plugin="dialog",server_plugin="dialog",path="relayed",result="failed"} 1',
      'auth_total{route="a",client_plugin="dialog",server_plugin="dialog",path="relayed",result="refused"} 1',
      'auth_total{route="a",client_plugin="mysql_native_password",server_plugin="caching_sha2_password",path="relayed",result="accepted"} 1',
      'auth_total{route="a",client_plugin="mysql_native_password",server_plugin="none",path="relayed",result="accepted"} 1',
    ]);
    assert.deepEqual(await scrapeCounted(metrics, 'connections_rejected_total'), []);
  });

  it('with plugins that nobody knows are one series', async () => {
    const metrics = metricsOf(['a']);
    for (const name of ['__proto__', 'x'.repeat(300), 'mine'])
      establish(metrics.observer, connectionRecord({ route: 'a', clientPlugin: name, serverPlugin: name }));
    assert.deepEqual(await scrapeCounted(metrics, 'auth_total'), [
      'auth_total{route="a",client_plugin="other",server_plugin="other",path="relayed",result="accepted"} 3',
    ]);
  });

  it('are counted by the TLS of each leg', async () => {
    const metrics = metricsOf(['a']);
    const connection = connectionRecord({ route: 'a', serverTls: tls13 });
    establish(metrics.observer, connection);
    metrics.observer.closed?.(connection, 'client_closed');
    assert.deepEqual(await scrapeCounted(metrics, 'tls_sessions_total'), [
      'tls_sessions_total{route="a",leg="client",version="none",cipher="none"} 1',
      'tls_sessions_total{route="a",leg="server",version="TLSv1.3",cipher="TLS_AES_256_GCM_SHA384"} 1',
    ]);
  });
});

describe('commands', () => {
  it('are 0 for each before the first', async () => {
    const metrics = metricsOf(['a', 'b']);
    assert.equal((await scrape(metrics, 'commands_total')).length, 2 * (commandNames.size + 1));
    assert.equal(
      (await scrape(metrics, 'command_duration_seconds_count')).length,
      2 * (commandNames.size + 1 - 4),
    );
    assert.deepEqual(await scrapeCounted(metrics, 'command'), []);
  });

  it('are counted when sent, and timed when answered', async () => {
    const metrics = metricsOf(['a', 'b']);
    const { observer } = metrics;
    const connection = connectionRecord({ route: 'b' });
    observer.commandSent?.(connection, 0x03);
    observer.commandSent?.(connection, 0x03);
    observer.commandSent?.(connection, 0x77);
    observer.commandAnswered?.(connection, 0x03, 0.002);
    observer.commandAnswered?.(connection, 0x03, 100);
    assert.deepEqual(await scrapeCounted(metrics, 'commands_total'), [
      'commands_total{route="b",command="COM_QUERY"} 2',
      'commands_total{route="b",command="other"} 1',
    ]);
    const buckets = await scrape(metrics, 'command_duration_seconds_bucket');
    const cumulative = (le: string) =>
      buckets.find((line) => line.includes(`le="${le}",route="b",command="COM_QUERY"`))?.split(' ')[1];
    assert.deepEqual(['0.001', '0.0025', '60', '+Inf'].map(cumulative), ['0', '1', '1', '2']);
    assert.deepEqual(await scrapeCounted(metrics, 'command_duration_seconds_count'), [
      'command_duration_seconds_count{route="b",command="COM_QUERY"} 2',
    ]);
    assert.deepEqual(await scrapeCounted(metrics, 'command_duration_seconds_sum'), [
      'command_duration_seconds_sum{route="b",command="COM_QUERY"} 100.002',
    ]);
  });
});

describe('servers', () => {
  const labels = `route="a",server="${SERVER}"`;

  it('are neither up nor down before somebody asked', async () => {
    const metrics = metricsOf(['a']);
    assert.deepEqual(await scrape(metrics, 'server_up'), [`server_up{${labels}} Nan`]);
    assert.deepEqual(await scrape(metrics, 'server_connect_duration_seconds_count'), [
      `server_connect_duration_seconds_count{${labels}} 0`,
    ]);
  });

  it('are up or down, and what failed, was checked and is open is counted', async () => {
    const metrics = metricsOf(['a']);
    const connection = connectionRecord({ route: 'a' });
    const error = new ProxyError('server_port_closed', 'x');
    const health = { route: 'a', server: SERVER, changed: true, by: 'client', isOnly: true } as const;
    metrics.observer.serverReached?.(connection, SERVER, 0.25);
    metrics.observer.serverHealth?.(health);
    assert.deepEqual(await scrape(metrics, 'server_up'), [`server_up{${labels}} 1`]);
    assert.deepEqual(await scrape(metrics, 'server_connect_duration_seconds_sum'), [
      `server_connect_duration_seconds_sum{${labels}} 0.25`,
    ]);
    metrics.observer.serverUnreachable?.(connection, SERVER, error);
    metrics.observer.serverHealth?.({ ...health, error });
    assert.deepEqual(await scrape(metrics, 'server_up'), [`server_up{${labels}} 0`]);
    assert.deepEqual(await scrape(metrics, 'server_connect_failures_total'), [
      `server_connect_failures_total{${labels}} 1`,
    ]);
    const check = { route: 'a', server: SERVER, greetedAfter: 0.5 };
    metrics.observer.serverChecked?.({ ...check, result: 'success', error: undefined });
    metrics.observer.serverChecked?.({ ...check, result: 'denied', error });
    assert.deepEqual(await scrape(metrics, 'server_health_checks_total'), [
      `server_health_checks_total{${labels},result="denied"} 1`,
      `server_health_checks_total{${labels},result="failure"} 0`,
      `server_health_checks_total{${labels},result="success"} 1`,
    ]);
    metrics.serverConnections = [{ route: 'a', server: SERVER, count: 3 }];
    assert.deepEqual(await scrape(metrics, 'server_connections_active'), [
      `server_connections_active{${labels}} 3`,
    ]);
  });

  it('that are gone after a reload leave nothing behind', async () => {
    const metrics = metricsOf(['a']);
    const connection = connectionRecord({ route: 'a' });
    metrics.observer.serverReached?.(connection, SERVER, 0.25);
    const next = [{ route: 'a', servers: ['new:3306'] }];
    metrics.servers.setRoutes(next);
    metrics.setRoutes(next);
    metrics.observer.serverReached?.(connection, SERVER, 0.25);
    metrics.observer.serverUnreachable?.(connection, SERVER, new ProxyError('server_port_closed', 'x'));
    for (const name of [
      'server_up',
      'server_connect_duration_seconds_count',
      'server_connect_failures_total',
    ]) {
      const [line = '', ...others] = await scrape(metrics, name);
      assert.deepEqual(others, [], name);
      assert.match(line, /server="new:3306"/);
    }
  });
});

describe('certificates', () => {
  const certificate = {
    route: 'a',
    leg: 'client',
    role: 'own',
    subject: 'CN=proxy',
    notBefore: 0,
    notAfter: 2_000_000_000_000,
    source: 'proxy.pem',
    option: 'client-ssl-cert',
  } as const;

  it('are what is in use when asked, the earliest of those with the same name', async () => {
    const metrics = metricsOf(['a']);
    metrics.certificates.push(
      certificate,
      { ...certificate, notAfter: 1_900_000_000_000 },
      { ...certificate, notAfter: 1_950_000_000_000 },
      { ...certificate, role: 'ca' },
      { ...certificate, notAfter: Number.NaN, subject: 'CN=unreadable' },
    );
    assert.deepEqual(await scrape(metrics, 'certificate_not_after'), [
      'certificate_not_after_timestamp_seconds{route="a",leg="client",role="ca",subject="CN=proxy"} 2000000000',
      'certificate_not_after_timestamp_seconds{route="a",leg="client",role="own",subject="CN=proxy"} 1900000000',
    ]);
    metrics.certificates.length = 0;
    assert.deepEqual(await scrape(metrics, 'certificate_not_after'), []);
  });
});

describe('reloads', () => {
  it('are counted by result', async () => {
    const metrics = metricsOf(['a']);
    assert.deepEqual(await scrape(metrics, 'tls_reloads_total'), [
      'tls_reloads_total{result="failure"} 0',
      'tls_reloads_total{result="success"} 0',
    ]);
    metrics.reloads = { ...metrics.reloads, succeeded: 2, failed: 1, last_success_at: 1_800_000_000_250 };
    assert.deepEqual(await scrape(metrics, 'tls_reloads_total'), [
      'tls_reloads_total{result="failure"} 1',
      'tls_reloads_total{result="success"} 2',
    ]);
    assert.deepEqual(await scrape(metrics, 'tls_last_reload_success_timestamp_seconds'), [
      'tls_last_reload_success_timestamp_seconds 1800000000.25',
    ]);
    assert.deepEqual(await scrape(metrics, 'connections_limit'), ['connections_limit 4096']);
  });
});
