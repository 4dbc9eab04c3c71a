import assert from 'node:assert/strict';
import { once } from 'node:events';
import net from 'node:net';
import { after, describe, it } from 'node:test';
import { type AdminServer, startAdminServer } from '../../../src/observe/admin-server.js';

const anyPort = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;

async function start(overrides: { metrics?: () => Promise<string>; reason?: () => string | undefined } = {}) {
  const metrics = {
    contentType: 'text/plain; version=0.0.4',
    metrics: overrides.metrics ?? (async () => 'a 1\n'),
  };
  const server = await startAdminServer({
    listen: anyPort,
    metrics,
    unreadyReason: overrides.reason ?? (() => undefined),
  });
  return { server, url: (path: string) => `http://${server.address}${path}` };
}

describe('the admin server', { timeout: 30_000 }, () => {
  const servers: AdminServer[] = [];
  after(() => Promise.all(servers.map((server) => server.close())));
  const running = async (overrides?: Parameters<typeof start>[0]) => {
    const started = await start(overrides);
    servers.push(started.server);
    return started;
  };

  it('tells its real port', async () => {
    const { server } = await running();
    assert.match(server.address, /^127\.0\.0\.1:[1-9]\d+$/);
  });

  it('serves metrics with their content type', async () => {
    const { url } = await running();
    const response = await fetch(url('/metrics?x=1'));
    assert.equal(response.status, 200);
    assert.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4');
    assert.equal(await response.text(), 'a 1\n');
  });

  it('is alive', async () => {
    const { url } = await running({ reason: () => 'stopping' });
    const response = await fetch(url('/livez'));
    assert.deepEqual([response.status, await response.text()], [200, 'ok\n']);
  });

  it('is ready until there is a reason not to be', async () => {
    let reason: string | undefined;
    const { url } = await running({ reason: () => reason });
    assert.equal((await fetch(url('/readyz'))).status, 200);
    reason = 'the proxy is stopping';
    const response = await fetch(url('/readyz'));
    assert.deepEqual([response.status, await response.text()], [503, 'not ready: the proxy is stopping\n']);
  });

  it('says what there is when asked for something else', async () => {
    const { url } = await running();
    const response = await fetch(url('/'));
    assert.deepEqual(
      [response.status, await response.text()],
      [404, 'There is nothing here. Paths: /metrics /livez /readyz\n'],
    );
  });

  it('answers HEAD without a body, and nothing but GET and HEAD', async () => {
    const { url } = await running();
    const head = await fetch(url('/metrics'), { method: 'HEAD' });
    assert.deepEqual([head.status, await head.text(), head.headers.get('content-length')], [200, '', '4']);
    const post = await fetch(url('/metrics'), { method: 'POST', body: 'x' });
    assert.deepEqual([post.status, post.headers.get('allow')], [405, 'GET, HEAD']);
    await post.text();
  });

  it('answers 500 when the metrics can not be collected, and goes on', async () => {
    const { url } = await running({ metrics: () => Promise.reject(new Error('broken')) });
    const response = await fetch(url('/metrics'));
    assert.deepEqual([response.status, await response.text()], [500, 'broken\n']);
    assert.equal((await fetch(url('/livez'))).status, 200);
  });

  it('rejects when the port is taken', async () => {
    const { server } = await running();
    const port = Number(server.address.split(':')[1]);
    const options = { metrics: { contentType: '', metrics: async () => '' }, unreadyReason: () => undefined };
    await assert.rejects(startAdminServer({ listen: { ...anyPort, port }, ...options }), {
      code: 'EADDRINUSE',
    });
  });

  it('closes although a client keeps its connection open', async () => {
    const { server } = await start();
    const port = Number(server.address.split(':')[1]);
    const idle = net.connect(port, '127.0.0.1');
    await once(idle, 'connect');
    const keptAlive = net.connect(port, '127.0.0.1');
    keptAlive.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
    await once(keptAlive, 'data');
    const closed = Promise.all([once(idle, 'close'), once(keptAlive, 'close')]);
    idle.on('error', () => undefined).resume();
    keptAlive.on('error', () => undefined).resume();
    await server.close();
    await closed;
  });
});
