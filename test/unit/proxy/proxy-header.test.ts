/** A PROXY header is read from a socket however the network cuts it, and nothing of what follows is. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { clientEndOf } from '../../../src/admission/client-address.js';
import { Cancellation } from '../../../src/cancellation.js';
import { ProxyError } from '../../../src/errors.js';
import { PacketPort } from '../../../src/proxy/packet-port.js';
import { readProxyHeader } from '../../../src/proxy/proxy-header.js';
import {
  encodeProxyV1,
  encodeProxyV2,
  encodeProxyV2WithTls,
} from '../../../src/wire/proxy-protocol-encode.js';
import { unlessItHangs } from '../../support/cancellations.js';
import { isPending, openSocketPair, sendApart, singleBytes, splitsInTwo } from '../../support/chunked.js';
import { frame } from '../../support/scripted-peer.js';

const connection = {
  source: { address: '2001:db8::7', port: 51234 },
  destination: { address: '2001:db8::1', port: 3306 },
};
const tls = { version: 'TLSv1.2', cipher: 'AES256-SHA', isCertified: false, commonName: '' };
const headers = {
  'version 1': encodeProxyV1(connection),
  'version 2': encodeProxyV2(connection),
  'version 2 with TLS': encodeProxyV2WithTls(connection, tls),
};
const PATIENCE_MS = 60_000;
const payload = Buffer.from('a login, as far as anyone here knows');

const listenersOf = (socket: Socket) =>
  ['readable', 'end', 'close'].map((event) => socket.listenerCount(event));

async function arrive(t: TestContext, patience = PATIENCE_MS) {
  const { near, far, close } = await openSocketPair();
  t.after(close);
  near.pause();
  const peer = clientEndOf(near, false);
  const stopped = new Cancellation();
  const listeners = listenersOf(near);
  const arrival = readProxyHeader(near, peer, patience, stopped).then(
    (client) => ({ client, failure: undefined }),
    (failure: ProxyError) => ({ client: peer, failure }),
  );
  return { near, far, peer, listeners, stopped, arrival };
}

for (const [name, header] of Object.entries(headers)) {
  const all = Buffer.concat([header, frame(0, payload)]);
  for (const [how, cuts] of [
    ['cut anywhere', [...splitsInTwo(all)]],
    ['byte by byte', [singleBytes(all)]],
    ['in one piece', [[all]]],
  ] as const) {
    test(`${name}, ${how}: the client is known, and the packet behind it is whole`, async (t) => {
      for (const pieces of cuts) {
        const { near, far, listeners, arrival } = await arrive(t);
        const sent = sendApart(far, near, pieces);
        const { client, failure } = await arrival;
        assert.equal(failure, undefined);
        assert.deepEqual(listenersOf(near), listeners, 'it listens no more');
        assert.equal(client.remoteAddress, connection.source.address);
        assert.equal(client.remotePort, connection.source.port);
        assert.equal(client.proxied?.via, `127.0.0.1:${far.localPort}`);
        assert.deepEqual(client.proxied?.destination, connection.destination);
        assert.deepEqual(client.proxied?.tls, name === 'version 2 with TLS' ? tls : undefined);
        const port = new PacketPort(near, { leg: 'client', peer: 'the client' });
        assert.deepEqual((await port.read(unlessItHangs())).payload, payload);
        await sent;
        far.destroy();
        near.destroy();
      }
    });
  }
}

test('all but the last byte of a header is waited for', async (t) => {
  const { near, far, arrival } = await arrive(t);
  await sendApart(far, near, [headers['version 2'].subarray(0, -1)]);
  assert.ok(await isPending(arrival));
  far.write(headers['version 2'].subarray(-1));
  assert.equal((await arrival).failure, undefined);
});

const failures: readonly [what: string, bytes: Buffer, code: string, text: RegExp][] = [
  [
    'a header that is none',
    Buffer.from('PROXY TCP4 1.2.3.4 secret\r\n'),
    'client_proxy_header_invalid',
    /^the PROXY header of 127\.0\.0\.1:\d+ can not be read: it has not two addresses/,
  ],
  [
    'something else',
    frame(1, payload),
    'client_proxy_header_missing',
    /^127\.0\.0\.1:\d+ is in --proxy-protocol-from, but began with something else than a PROXY header$/,
  ],
];
for (const [what, bytes, code, text] of failures) {
  test(`${what}: ${code}, and not a byte of it is quoted`, async (t) => {
    const { far, peer, arrival } = await arrive(t);
    far.write(bytes);
    const { client, failure } = await arrival;
    assert.equal(client, peer);
    assert.equal(failure?.code, code);
    assert.match(failure?.what ?? '', text);
    assert.doesNotMatch(failure?.message ?? '', /secret|login/);
  });
}

for (const [when, bytes] of [
  ['without a word', Buffer.alloc(0)],
  ['in the middle of its header', headers['version 1'].subarray(0, 20)],
  ['after it has spoken for itself', encodeProxyV2(undefined)],
] as const) {
  for (const how of ['end', 'resetAndDestroy'] as const) {
    test(`a balancer that is gone (${how}) ${when}: client_gone`, async (t) => {
      const { near, far, peer, arrival } = await arrive(t);
      await sendApart(far, near, bytes.length === 0 ? [] : [bytes]);
      far[how]();
      const { client, failure } = await arrival;
      assert.equal(failure?.code, 'client_gone');
      assert.equal(client, peer);
    });
  }
}

test('a balancer that speaks for itself and stays is a client, with or without bytes of its own', async (t) => {
  for (const header of [encodeProxyV1(undefined), encodeProxyV2(undefined)]) {
    for (const pieces of [
      [header],
      [Buffer.concat([header, frame(0, payload)])],
      [header, frame(0, payload)],
    ]) {
      const { near, far, peer, arrival } = await arrive(t);
      await sendApart(far, near, pieces);
      const { client, failure } = await arrival;
      assert.equal(failure, undefined);
      assert.equal(client, peer);
      if (pieces.length > 1 || (pieces[0]?.length ?? 0) > header.length) {
        const port = new PacketPort(near, { leg: 'client', peer: 'the client' });
        assert.deepEqual((await port.read(unlessItHangs())).payload, payload);
      }
    }
  }
});

test('HAProxy checks with version 1 in its own name: it speaks for itself', async (t) => {
  const { far, peer, arrival } = await arrive(t);
  const { localAddress: address = '', localPort: port = 0 } = far;
  far.write(encodeProxyV1({ source: { address, port }, destination: { address, port: 3306 } }));
  assert.ok(await isPending(arrival), 'it may go away without a login');
  far.end();
  const { client, failure } = await arrival;
  assert.equal(client, peer);
  assert.equal(failure?.code, 'client_gone');
});

test('another client at the address of the balancer is none of its checks', async (t) => {
  const { far, peer, arrival } = await arrive(t);
  const { localAddress: address = '', localPort: port = 0 } = far;
  const source = { address, port: port - 1 };
  far.write(encodeProxyV1({ source, destination: { address, port: 3306 } }));
  const { client } = await arrival;
  assert.notEqual(client, peer);
  assert.equal(client.remotePort, port - 1);
});

test('a balancer that sends nothing in time', async (t) => {
  const { arrival } = await arrive(t, 50);
  const { failure } = await arrival;
  assert.equal(failure?.code, 'client_proxy_header_missing');
  assert.match(failure?.what ?? '', /sent no whole PROXY header within 0\.05 s$/);
});

test('a stop ends those that wait, and whoever waits for that finds nobody left', async (t) => {
  const { arrival, stopped } = await arrive(t);
  const reason = new ProxyError('proxy_shutdown', 'Server shutdown in progress');
  stopped.cancel(reason);
  assert.equal((await arrival).failure, reason);
});
