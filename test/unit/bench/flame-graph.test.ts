import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CpuProfile,
  flameGraph,
  framesOf,
  withoutBeginning,
} from '../../../bench/report/flame-graph.js';

const node = (id: number, functionName: string, url: string, children: number[] = []) => ({
  id,
  callFrame: { functionName, url },
  children,
});

/** 100 µs of work, of which the proxy's relay takes 60, and 900 µs of waiting. */
const profile: CpuProfile = {
  nodes: [
    node(1, '(root)', '', [2, 3, 7]),
    node(2, '(idle)', ''),
    node(3, 'onStreamRead', 'node:internal/stream_base_commons', [4, 5, 6]),
    node(4, 'relay', 'file:///proxy/dist/src/proxy/splice.js'),
    node(5, 'relay', 'file:///proxy/dist/src/proxy/splice.js', [8]),
    node(6, 'info', 'file:///proxy/node_modules/pino/lib/proto.js'),
    node(7, '(garbage collector)', ''),
    node(8, 'writeBuffer', ''),
  ],
  samples: [2, 4, 5, 8, 6, 7, 3],
  timeDeltas: [900, 10, 20, 30, 15, 5, 20],
};

test('calls of one function are one frame, and waiting is none', () => {
  const root = framesOf(profile);
  assert.equal(root.time, 100);
  assert.deepEqual(
    [...root.callees.values()].map(({ name, origin, time }) => [name, origin, time]),
    [
      ['onStreamRead', 'node', 95],
      ['garbage collector', 'native', 5],
    ],
  );
  const callees = root.callees.get('onStreamRead node')?.callees;
  const relay = callees?.get('relay ours');
  assert.equal(relay?.time, 60);
  assert.equal(relay?.callees.get('writeBuffer native')?.time, 30);
  assert.equal(callees?.get('info dependency')?.time, 15);
});

test('frames are as wide as their share, and stand beneath their caller', () => {
  const svg = flameGraph('A <title>', profile);
  assert.match(svg, /<title>A &lt;title&gt;<\/title>/);
  const boxOf = (name: string) => {
    const found = new RegExp(
      `<title>${name}: ([\\d.]+) %</title><rect class="(\\w+)" x="([\\d.]+)" y="(\\d+)" width="([\\d.]+)"`,
    ).exec(svg);
    assert.ok(found, `${name} is in ${svg}`);
    const [, share, origin, left, top, width] = found;
    return {
      share: Number(share),
      origin,
      left: Number(left),
      top: Number(top),
      right: Number(left) + Number(width),
    };
  };
  const [all, read, relay, write] = ['all', 'onStreamRead', 'relay', 'writeBuffer'].map(boxOf);
  assert.deepEqual([all?.right, read?.right, relay?.right, write?.right], [1200, 1140, 720, 360]);
  assert.deepEqual([relay?.share, relay?.origin, write?.origin], [60, 'ours', 'native']);
  assert.ok((write?.top ?? 0) > (relay?.top ?? 0) && (relay?.top ?? 0) > (read?.top ?? 0));
  const end = Number(/viewBox="0 0 1200 (\d+)"/.exec(svg)?.[1]);
  assert.ok((write?.top ?? 0) + 17 <= end, `the picture ends at ${end}`);
});

test('the beginning can be left out', () => {
  const later = withoutBeginning(profile, 920);
  assert.deepEqual(later.samples, [5, 8, 6, 7, 3]);
  assert.equal(framesOf(later).time, 90);
  assert.deepEqual(withoutBeginning(profile, 5_000).samples, []);
});

test('what is too narrow to be seen is left out', () => {
  const thin: CpuProfile = {
    nodes: [node(1, '(root)', '', [2, 3]), node(2, 'wide', ''), node(3, 'thin', '')],
    samples: [2, 3],
    timeDeltas: [100_000, 10],
  };
  const svg = flameGraph('Thin', thin);
  assert.match(svg, />wide: 100\.0 %</);
  assert.doesNotMatch(svg, />thin:/);
});
