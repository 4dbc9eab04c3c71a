import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { after, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type AdminServer, type Endpoint, startAdminServer } from '../../../src/observe/admin-server.js';
import { EventStream } from '../../../src/observe/event-stream.js';

/** How often the text of an event was asked for. */
let ticks = 0;

const anyPort = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;

async function start(overrides: { metrics?: () => Promise<string>; reason?: () => string | undefined } = {}) {
  const { metrics = async () => 'a 1\n' } = overrides;
  const server = await startAdminServer({
    listen: anyPort,
    endpoints: new Map<string, Endpoint>([
      [
        '/metrics',
        async () => ({ status: 200, body: await metrics(), contentType: 'text/plain; version=0.0.4' }),
      ],
      ['/echo', (query) => ({ status: 200, body: query.get('text') ?? '', headers: { 'X-Other': '1' } })],
    ]),
    streams: new Map([['/events', new EventStream('tick', 20, () => `${++ticks}`)]]),
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
      [404, 'There is nothing here. Paths: /echo /events /livez /metrics /readyz\n'],
    );
  });

  it('survives whatever can be asked for', async () => {
    const { server, url } = await running();
    const port = Number(server.address.split(':')[1]);
    for (const target of [
      '//',
      '//[',
      '*',
      'http://[',
      '/%',
      '/metrics?%&=%zz&&=',
      `/${'x'.repeat(10_000)}`,
    ]) {
      const socket = net.connect(port, '127.0.0.1');
      socket.end(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n`);
      const [answer] = await once(socket, 'data');
      assert.match(String(answer), /^HTTP\/1\.1 (404|400|200) /, target);
      socket.destroy();
    }
    assert.equal((await fetch(url('/livez'))).status, 200);
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

  it('hands the query to what answers, and takes headers from it', async () => {
    const { url } = await running();
    const response = await fetch(url('/echo?text=a%20b&x=1'));
    assert.deepEqual([response.headers.get('x-other'), await response.text()], ['1', 'a b']);
  });

  it('is nothing for other sites', async () => {
    const { url } = await running();
    const { headers } = await fetch(url('/metrics'));
    assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('access-control-allow-origin'), null);
  });

  it('answers under its address and as localhost, but not under the name of a site that points here', async () => {
    const { server, url } = await running();
    const port = server.address.split(':')[1];
    const status = async (host: string, path = '/metrics') => {
      const request = http.get(url(path), { headers: { Host: host } });
      const [response] = await once(request, 'response');
      response.resume();
      return response.statusCode;
    };
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, 'LOCALHOST', '[::1]:1', '10.0.0.1'])
      assert.equal(await status(host), 200, host);
    for (const host of [`evil.example:${port}`, 'localhost.evil.example', '127.0.0.1.evil.example'])
      assert.equal(await status(host), 403, host);
    assert.equal(await status('evil.example', '/events'), 403);
    assert.equal(await status('any.name', '/livez'), 200);
    assert.equal(await status('any.name', '/readyz'), 200);
  });

  it('lets other sites ask for nothing, and links from them lead here', async () => {
    const { url } = await running();
    const status = async (mode: string) => {
      const headers = { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Mode': mode };
      const [response] = await once(http.get(url('/metrics'), { headers }), 'response');
      response.resume();
      return response.statusCode;
    };
    assert.deepEqual(
      [await status('no-cors'), await status('cors'), await status('navigate')],
      [403, 403, 200],
    );
  });

  it('takes the whole address for a target, and HEAD for events', async () => {
    const { server, url } = await running();
    const socket = net.connect(Number(server.address.split(':')[1]), '127.0.0.1');
    socket.end('GET http://localhost/livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    assert.match(String((await once(socket, 'data'))[0]), /^HTTP\/1\.1 200 /);
    const head = await fetch(url('/events'), { method: 'HEAD' });
    assert.deepEqual([head.status, head.headers.get('content-type')], [200, 'text/event-stream']);
  });

  it('answers one request after the other, and lets others in between', async () => {
    let underWay = 0;
    let most = 0;
    let turns = 0;
    const counting = setInterval(() => (turns += 1), 0);
    const { server } = await running({
      metrics: async () => {
        underWay += 1;
        most = Math.max(most, underWay);
        await delay(1);
        underWay -= 1;
        return 'a 1\n';
      },
    });
    const socket = net.connect(Number(server.address.split(':')[1]), '127.0.0.1');
    const get = 'GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n';
    socket.write(get.repeat(300));
    let text = '';
    for await (const chunk of socket) {
      text += chunk;
      if (text.split('HTTP/1.1').length > 300) break;
    }
    clearInterval(counting);
    assert.equal(most, 1);
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status);
    assert.ok(statuses.filter((status) => status === '200').length >= 100, statuses.join(' '));
    assert.ok(statuses.every((status) => status === '200' || status === '503'));
    assert.ok(turns > 50, `${turns} turns of the event loop`);
  });

  it('holds no more connections than there is room for', async () => {
    const { server, url } = await running();
    const port = Number(server.address.split(':')[1]);
    const idle = Array.from({ length: 250 }, () => net.connect(port, '127.0.0.1').on('error', () => {}));
    const closed = idle.map((socket) => once(socket, 'close'));
    await Promise.race(closed);
    for (const socket of idle) socket.destroy();
    await Promise.all(closed);
    while ((await fetch(url('/livez')).catch(() => undefined))?.status !== 200) await delay(5);
  });

  it('sends events to everybody who listens, and asks for no more of them afterwards', async () => {
    const { url } = await running();
    const listen = async () => {
      const request = http.get(url('/events'));
      const [response] = await once(request, 'response');
      assert.equal(response.headers['content-type'], 'text/event-stream');
      let text = '';
      for await (const chunk of response) {
        text += chunk;
        if (text.split('\n\n').length > 3) break;
      }
      return text.split('\n\n').slice(0, 3);
    };
    for (const events of await Promise.all([listen(), listen()])) {
      const numbers = events.map((event) => Number(/^event: tick\ndata: (\d+)$/.exec(event)?.[1]));
      assert.deepEqual(
        numbers.toSorted((a, b) => a - b),
        numbers,
      );
      assert.equal(new Set(numbers).size, 3, events.join('|'));
    }
    let before = -1;
    // The proxy learns of a listener that went away in its own time.
    while (ticks !== before) {
      before = ticks;
      await delay(100);
    }
  });

  it('rejects when the port is taken', async () => {
    const { server } = await running();
    const port = Number(server.address.split(':')[1]);
    const options = { endpoints: new Map(), streams: new Map(), unreadyReason: () => undefined };
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
    const listening = net.connect(port, '127.0.0.1');
    listening.write('GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    await once(listening, 'data');
    listening.on('error', () => undefined).resume();
    const closed = Promise.all([idle, keptAlive, listening].map((socket) => once(socket, 'close')));
    idle.on('error', () => undefined).resume();
    keptAlive.on('error', () => undefined).resume();
    await server.close();
    await closed;
  });
});
