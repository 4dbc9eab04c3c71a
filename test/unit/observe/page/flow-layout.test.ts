import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FlowNode, layoutFlow } from '../../../../src/observe/page/browser/flow-layout.js';
import type { TlsCount } from '../../../../src/observe/state/state.js';
import { busyState } from '../../../browser/states.js';

const size = { height: 300, leastNodeHeight: 30, gap: 8, mostNodes: 7, withCiphers: true };
const names = (nodes: readonly FlowNode[], side: FlowNode['side']): string[] =>
  nodes
    .filter((node) => node.side === side)
    .map(({ name, detail, connections }) => `${name} ${detail} ${connections}`.replace('  ', ' '));

test('legs are ordered from the worst to the best, and count what the state counts', () => {
  const { nodes } = layoutFlow(busyState.tls, size);
  assert.deepEqual(names(nodes, 'client'), [
    'Plaintext 37',
    'TLS 1.0 AES256-SHA 5',
    'TLS 1.2 ECDHE-RSA-AES128-GCM-SHA256 62',
    'TLS 1.3 TLS_AES_256_GCM_SHA384 308',
  ]);
  assert.deepEqual(names(nodes, 'route'), ['shop 318', 'reports 94']);
  assert.deepEqual(names(nodes, 'server'), [
    'TLS 1.2 ECDHE-RSA-AES256-GCM-SHA384 94',
    'TLS 1.3 TLS_AES_256_GCM_SHA384 318',
  ]);
});

test('a node filters for exactly what it counts', () => {
  const { nodes } = layoutFlow(busyState.tls, size);
  const filters = (key: string): unknown => nodes.find((node) => node.key === key)?.filters;
  assert.deepEqual(filters('client none '), { client_tls_version: 'none' });
  assert.deepEqual(filters('client TLSv1 AES256-SHA'), {
    client_tls_version: 'TLSv1',
    client_cipher: 'AES256-SHA',
  });
  assert.deepEqual(filters('route shop'), { route: 'shop' });
});

test('each column fills the height, and nothing is thinner than a finger needs', () => {
  const { nodes, height } = layoutFlow(busyState.tls, size);
  for (const side of ['client', 'route', 'server'] as const) {
    const last = nodes.filter((node) => node.side === side).at(-1);
    assert.equal(Math.round((last?.y ?? 0) + (last?.height ?? 0)), size.height, side);
  }
  assert.equal(Math.round(height), size.height);
  assert.ok(nodes.every((node) => node.height >= size.leastNodeHeight));
});

test('the bands of a node are as thick together as the node', () => {
  const { nodes, bands } = layoutFlow(busyState.tls, size);
  for (const node of nodes) {
    const thickness = bands
      .filter(({ key }) => ` ${key} `.includes(` ${node.key.trim()} `))
      .filter(({ side }) => node.side === 'route' || side === node.side);
    const sum = (side: 'client' | 'server', of: 'legHeight' | 'routeHeight'): number =>
      thickness.filter((band) => band.side === side).reduce((total, band) => total + band[of], 0);
    if (node.side === 'route') {
      assert.equal(Math.round(sum('client', 'routeHeight')), Math.round(node.height), node.key);
      assert.equal(Math.round(sum('server', 'routeHeight')), Math.round(node.height), node.key);
    } else assert.equal(Math.round(sum(node.side, 'legHeight')), Math.round(node.height), node.key);
  }
});

test('bands lie beneath each other, at both ends', () => {
  const { bands } = layoutFlow(busyState.tls, size);
  const ends = (side: 'client' | 'server'): [y: number, height: number][][] => {
    const ofSide = bands.filter((band) => band.side === side);
    return [
      ofSide.map(({ legY, legHeight }) => [legY, legHeight]),
      ofSide.map(({ routeY, routeHeight }) => [routeY, routeHeight]),
    ];
  };
  for (const places of [...ends('client'), ...ends('server')]) {
    const sorted = places.sort(([left], [right]) => left - right);
    const overlaps = sorted.filter(
      ([y, height], index) => y + height > (sorted[index + 1]?.[0] ?? Infinity) + 0.001,
    );
    assert.deepEqual(overlaps, []);
  }
});

test('too many ciphers and routes become one node each, and no connection is lost', () => {
  const many: TlsCount[] = Array.from({ length: 30 }, (_, index) => ({
    route: `route-${index}`,
    leg: 'client',
    version: index % 2 === 0 ? 'TLSv1.2' : 'TLSv1.3',
    cipher: `CIPHER-${index}`,
    connections: index + 1,
  }));
  const { nodes } = layoutFlow(many, size);
  for (const side of ['client', 'route'] as const) {
    const ofSide = nodes.filter((node) => node.side === side);
    assert.ok(ofSide.length <= size.mostNodes, `${ofSide.length} nodes`);
    assert.equal(
      ofSide.reduce((total, { connections }) => total + connections, 0),
      465,
    );
  }
  const rest = nodes.filter(
    ({ detail, name }) => detail === 'other ciphers' || name.endsWith('other routes'),
  );
  assert.equal(rest.length, 3);
  assert.ok(rest.every(({ filters }) => Object.keys(filters).length === 0));
});

test('without room for ciphers there is one node for each version', () => {
  const { nodes } = layoutFlow(busyState.tls, { ...size, withCiphers: false });
  assert.deepEqual(names(nodes, 'client'), ['Plaintext 37', 'TLS 1.0 5', 'TLS 1.2 62', 'TLS 1.3 308']);
  assert.deepEqual(nodes.find(({ name }) => name === 'TLS 1.2')?.filters, { client_tls_version: 'TLSv1.2' });
});

test('other ciphers that are a single one are shown as that; a version with others alone filters by version', () => {
  const entry = (version: string, cipher: string, connections: number): TlsCount => ({
    route: 'default',
    leg: 'client',
    version,
    cipher,
    connections,
  });
  const tls = [
    ...Array.from({ length: 7 }, (_, index) => entry('TLSv1.3', `NEW-${index}`, 100 - index)),
    entry('TLSv1.2', 'ONLY', 3),
    entry('TLSv1.1', 'OLD-1', 2),
    entry('TLSv1.1', 'OLD-2', 1),
  ];
  const { nodes } = layoutFlow(tls, size);
  const [old, only, ...newest] = nodes.filter(({ side }) => side === 'client');
  assert.equal(`${old?.name} ${old?.detail} ${old?.connections}`, 'TLS 1.1 other ciphers 3');
  assert.deepEqual(old?.filters, { client_tls_version: 'TLSv1.1' });
  assert.equal(`${only?.name} ${only?.detail} ${only?.connections}`, 'TLS 1.2 ONLY 3');
  assert.deepEqual(only?.filters, { client_tls_version: 'TLSv1.2', client_cipher: 'ONLY' });
  assert.deepEqual(
    newest.at(-1)?.filters,
    {},
    'beside nodes of its version there is no filter for the others',
  );
});
