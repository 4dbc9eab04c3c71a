/**
 * A real HAProxy in front of the proxy, a real MariaDB behind it: whose address counts where. Clients connect from
 * 127.0.0.2, HAProxy to the proxy from 127.0.0.3, the proxy to the server from 127.0.0.1.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import type { ProxyOptions } from '../../src/index.js';
import { encodeProxyV1, encodeProxyV2 } from '../../src/wire/proxy-protocol-encode.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { type RunningHaproxy, startHaproxy } from '../support/haproxy.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { freePort, type RealServer, startServer } from '../support/servers.js';
import { type ProxyUnderTest, startProxyUnderTest } from './proxy-under-test.js';
import { orSkip, overTls, stopServer } from './real-server.js';

const CLIENT = '127.0.0.2';
const BALANCER = '127.0.0.3';
const PASSWORD = 'only for 127.0.0.2';

const certificates = makeCertificates(makeTemporaryFolder());
const clientLegTls: ProxyOptions = {
  clientSslCert: certificates.server.certificateFile,
  clientSslKey: certificates.server.keyFile,
};
const behindBalancer: ProxyOptions = { ...clientLegTls, proxyProtocolFrom: [`${BALANCER}/32`] };

/** All that HAProxy can be told to send. */
const sendings = {
  'send-proxy': 'send-proxy',
  'send-proxy-v2': 'send-proxy-v2',
  'send-proxy-v2-ssl': 'send-proxy-v2-ssl',
  'send-proxy-v2 with all options':
    'send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,cert-sig,cert-key,authority,crc32c,unique-id',
};

let server: RealServer | Unavailable;

before(async () => {
  server = await startServer('mariadb', {
    tls: certificates.serverTls,
    extraArgs: ['--proxy-protocol-networks=127.0.0.1/32'],
  });
  if (isUnavailable(server)) return;
  await server.sql(`CREATE USER 'app'@'${CLIENT}' IDENTIFIED BY '${PASSWORD}'; CREATE USER 'check'@'%'`);
});
after(() => stopServer(server));

interface Stage {
  readonly server: RealServer;
  readonly proxy: ProxyUnderTest;
  readonly haproxy: RunningHaproxy;
  /** Where HAProxy listens. */
  readonly port: number;
}

/** Undefined after having marked the test as skipped. */
async function setStage(
  t: TestContext,
  {
    send,
    proxyOptions = {},
    ofBackend = '',
  }: { send: string; proxyOptions?: ProxyOptions; ofBackend?: string },
): Promise<Stage | undefined> {
  const running = orSkip(t, server);
  if (running === undefined) return undefined;
  const proxy = await startProxyUnderTest({
    ...overTls(running, certificates),
    ...behindBalancer,
    ...proxyOptions,
  });
  t.after(() => proxy.close());
  const port = await freePort();
  const haproxy = orSkip(
    t,
    await startHaproxy(`defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen mysql
  bind 127.0.0.1:${port}
  ${ofBackend}
  server proxy ${proxy.host}:${proxy.port} source ${BALANCER} ${send}
`),
  );
  if (haproxy === undefined) return undefined;
  t.after(() => haproxy.stop());
  return { server: running, proxy, haproxy, port };
}

function logIn(port: number, options: { tls?: boolean; from?: string } = {}): Promise<Connection> {
  const { tls = false, from = CLIENT } = options;
  return createConnection({
    user: 'app',
    password: PASSWORD,
    stream: () => connect({ port, host: '127.0.0.1', localAddress: from, noDelay: true }),
    ...(tls ? { ssl: { ca: certificates.ca.certificate } } : {}),
  });
}

async function userOf(connection: Connection): Promise<string> {
  const [rows] = await connection.query<RowDataPacket[]>('SELECT USER() AS user');
  await connection.end();
  return String(rows[0]?.['user']);
}

describe('the address of the client', () => {
  for (const [what, send] of Object.entries(sendings)) {
    for (const serverProxyProtocol of ['v1', 'v2', 'v2-ssl'] as const) {
      for (const tls of [false, true]) {
        const leg = tls ? 'TLS' : 'plaintext';
        test(`HAProxy ${what}, client leg ${leg}, server-proxy-protocol ${serverProxyProtocol}`, async (t) => {
          const stage = await setStage(t, { send, proxyOptions: { serverProxyProtocol } });
          if (stage === undefined) return;
          const connection = await logIn(stage.port, { tls });
          assert.equal(await userOf(connection), `app@${CLIENT}`);
          const [record] = stage.proxy.established;
          assert.match(record?.clientAddress ?? '', /^127\.0\.0\.2:\d+$/);
          assert.match(record?.via ?? '', /^127\.0\.0\.3:\d+$/);
          assert.equal(record?.clientTls.version, tls ? 'TLSv1.3' : 'none');
          assert.deepEqual(stage.proxy.failures, []);
        });
      }
    }
  }

  test('PASSTHROUGH: the client talks TLS with the server, which knows its address', async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    const proxy = await startProxyUnderTest({
      server: `${running.host}:${running.port}`,
      clientSslMode: 'PASSTHROUGH',
      serverProxyProtocol: 'v2',
    });
    t.after(() => proxy.close());
    assert.equal(await userOf(await logIn(proxy.port, { tls: true })), `app@${CLIENT}`);
  });

  test('two proxies in a row behind HAProxy', async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    const second = await startProxyUnderTest({
      ...overTls(running, certificates),
      ...clientLegTls,
      proxyProtocolFrom: ['127.0.0.1/32'],
      serverProxyProtocol: 'v2-ssl',
    });
    t.after(() => second.close());
    const stage = await setStage(t, {
      send: 'send-proxy-v2',
      proxyOptions: {
        server: `127.0.0.1:${second.port}`,
        serverProxyProtocol: 'v2',
        clientSslMode: 'PREFERRED',
      },
    });
    if (stage === undefined) return;
    assert.equal(await userOf(await logIn(stage.port)), `app@${CLIENT}`);
    assert.match(second.established[0]?.clientAddress ?? '', /^127\.0\.0\.2:/);
  });

  test('without server-proxy-protocol the server sees the proxy', async (t) => {
    const stage = await setStage(t, { send: 'send-proxy-v2' });
    if (stage === undefined) return;
    await assert.rejects(logIn(stage.port), /Access denied for user 'app'@'127\.0\.0\.1'/);
  });

  test('a client on the machine of the proxy is one of the proxy for the server', async (t) => {
    const running = orSkip(t, server);
    if (running === undefined) return;
    const proxy = await startProxyUnderTest({
      ...overTls(running, certificates),
      serverProxyProtocol: 'v2',
    });
    t.after(() => proxy.close());
    await assert.rejects(logIn(proxy.port, { from: '127.0.0.1' }), /'app'@'127\.0\.0\.1'/);
  });
});

describe('who is believed', () => {
  test('client-plaintext-from is judged by the address that HAProxy names', async (t) => {
    for (const [clientPlaintextFrom, isLetIn] of [
      [`${CLIENT}/32`, true],
      [`${BALANCER}/32`, false],
    ] as const) {
      const stage = await setStage(t, {
        send: 'send-proxy-v2',
        proxyOptions: { clientPlaintextFrom: [clientPlaintextFrom], serverProxyProtocol: 'v2' },
      });
      if (stage === undefined) return;
      if (isLetIn) assert.equal(await userOf(await logIn(stage.port)), `app@${CLIENT}`);
      else await assert.rejects(logIn(stage.port), /127\.0\.0\.2 using insecure transport are prohibited/);
      assert.equal(await userOf(await logIn(stage.port, { tls: true })), `app@${CLIENT}`);
    }
  });

  test('who is no balancer can not pose as another', async (t) => {
    const stage = await setStage(t, { send: 'send-proxy-v2', proxyOptions: { serverProxyProtocol: 'v2' } });
    if (stage === undefined) return;
    const connection = {
      source: { address: CLIENT, port: 51234 },
      destination: { address: '192.0.2.1', port: 3306 },
    };
    for (const header of [encodeProxyV1(connection), encodeProxyV2(connection)]) {
      const spoofing = createConnection({
        user: 'app',
        password: PASSWORD,
        stream: () => {
          const socket = connect({ port: stage.proxy.port, host: '127.0.0.1' });
          socket.write(header);
          return socket;
        },
      });
      await assert.rejects(spoofing, /began with a PROXY header|closed|reset/i);
    }
    await stage.proxy.quiet();
    const codes = stage.proxy.failures.map(({ code }) => code);
    assert.deepEqual(codes, ['client_proxy_header_refused', 'client_proxy_header_refused']);
    assert.deepEqual(stage.proxy.established, []);
  });

  for (const kind of ['mysql9', 'mariadb11'] as const) {
    for (const serverProxyProtocol of ['v2', 'v2-ssl'] as const) {
      test(`${kind}, which takes no header from the proxy: ${serverProxyProtocol} says so`, async (t) => {
        const other = orSkip(t, await startServer(kind, { tls: certificates.serverTls }));
        if (other === undefined) return;
        t.after(() => other.stop());
        await other.sql("CREATE USER 'app'@'%'");
        const proxy = await startProxyUnderTest({ ...overTls(other, certificates), serverProxyProtocol });
        t.after(() => proxy.close());
        await assert.rejects(logIn(proxy.port), /PROXY header.*proxy_protocol_networks/);
        assert.deepEqual(
          proxy.failures.map(({ code }) => code),
          ['server_refused_proxy_header'],
        );
      });
    }
  }
});

describe('health checks of HAProxy', () => {
  for (const send of ['send-proxy', 'send-proxy-v2']) {
    test(`${send}: nobody hears of those that only connect`, async (t) => {
      const stage = await setStage(t, {
        send: `${send} check check-send-proxy inter 50ms`,
        proxyOptions: { serverProxyProtocol: 'v2' },
      });
      if (stage === undefined) return;
      const connections = await connectionsOf(stage.server);
      while (stage.proxy.failures.length < 10) await delay(20);
      assert.equal(await stage.haproxy.statusOf('mysql', 'proxy'), 'UP');
      // Those of the questions themselves come through the socket file.
      assert.equal((await connectionsOf(stage.server)) - connections, 1);
      const codes = new Set(stage.proxy.failures.map(({ code }) => code));
      assert.deepEqual(codes, new Set(['client_gone']));
      assert.equal(await userOf(await logIn(stage.port)), `app@${CLIENT}`);
    });
  }

  test('mysql-check logs in through the proxy', async (t) => {
    const stage = await setStage(t, {
      send: 'send-proxy-v2 check check-send-proxy inter 50ms',
      ofBackend: 'option mysql-check user check',
      proxyOptions: { serverProxyProtocol: 'v2' },
    });
    if (stage === undefined) return;
    while (stage.proxy.established.length < 3) await delay(20);
    assert.equal(await stage.haproxy.statusOf('mysql', 'proxy'), 'UP');
    assert.match(stage.proxy.established[0]?.clientAddress ?? '', /^127\.0\.0\.3:/);
    assert.equal(stage.proxy.established[0]?.user, 'check');
  });
});

async function connectionsOf(real: RealServer): Promise<number> {
  const [row] = await real.sql("SHOW GLOBAL STATUS LIKE 'Connections'");
  return Number(row?.['Value']);
}
