/** A flame graph of a CPU profile of V8, as SVG that is legible on a light and on a dark page. */
import { escaped } from './escaped.js';

/** What `node --cpu-prof` writes. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  /** The node on top of the stack at each sample. */
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: readonly number[];
}

export type Origin = 'ours' | 'dependency' | 'node' | 'native';

/** Calls of the same function from the same place, as one. */
export interface Frame {
  readonly name: string;
  readonly origin: Origin;
  /** Of itself and of what it calls, in microseconds. */
  time: number;
  readonly callees: Map<string, Frame>;
}

const width = 1200;
const rowHeight = 17;
const titleHeight = 46;
/** Narrower ones, in pixels, are left out: nobody sees them. */
const narrowest = 1.2;
/** Of text in the chart's font, in pixels for each character. */
const characterWidth = 6.3;

const meanings: Readonly<Record<Origin, string>> = {
  ours: 'this proxy',
  dependency: 'its dependencies',
  node: 'Node.js, in JavaScript',
  native: 'system calls, OpenSSL, V8',
};

const style = `
    text { font: 11px ui-monospace, Menlo, Consolas, monospace; fill: #1f2328; }
    .title { font: 600 14px system-ui, -apple-system, "Segoe UI", sans-serif; }
    .key { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; }
    rect { stroke: #ffffff; stroke-width: 0.5; }
    .ours { fill: #79b8ff; } .dependency { fill: #c8a5f0; } .node { fill: #ffd27f; } .native { fill: #f0a08c; }
    @media (prefers-color-scheme: dark) {
      .title, .key { fill: #f0f6fc; }
      rect { stroke: #0d1117; }
    }`;

/** Time in which the process waited is left out. */
export function flameGraph(title: string, profile: CpuProfile): string {
  const root = framesOf(profile);
  const height = titleHeight + (depthOf(root, scaleOf(root)) + 1) * rowHeight;
  const keys = Object.entries(meanings).map(
    ([origin, meaning], index) =>
      `  <rect class="${origin}" x="${index * 210}" y="24" width="12" height="12"/><text class="key" x="${index * 210 + 17}" y="34">${meaning}</text>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `  <title>${escaped(title)}</title>`,
    `  <style>${style}\n  </style>`,
    `  <text class="title" x="0" y="14">${escaped(title)}</text>`,
    ...keys,
    ...drawn(root, { left: 0, row: 0, scale: scaleOf(root), total: root.time }),
    '</svg>\n',
  ].join('\n');
}

/** The profile without its first `microseconds`: loading a program is deep, and done once. */
export function withoutBeginning(
  { nodes, samples, timeDeltas }: CpuProfile,
  microseconds: number,
): CpuProfile {
  let passed = 0;
  const first = timeDeltas.findIndex((delta) => {
    passed += delta;
    return passed > microseconds;
  });
  const from = first === -1 ? samples.length : first;
  return { nodes, samples: samples.slice(from), timeDeltas: timeDeltas.slice(from) };
}

/** The callers come first, whatever called them in the event loop: those that nothing calls are the first row. */
export function framesOf({ nodes, samples, timeDeltas }: CpuProfile): Frame {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const selfTime = new Map<number, number>();
  for (const [index, id] of samples.entries())
    selfTime.set(id, (selfTime.get(id) ?? 0) + (timeDeltas[index] ?? 0));
  const add = (node: ProfileNode, frame: Frame): number => {
    let time = selfTime.get(node.id) ?? 0;
    for (const id of node.children ?? []) {
      const child = byId.get(id);
      if (child === undefined || isWaiting(child)) continue;
      time += add(child, calleeOf(frame, child));
    }
    frame.time += time;
    return time;
  };
  const root: Frame = { name: 'all', origin: 'native', time: 0, callees: new Map() };
  const [first] = nodes;
  if (first !== undefined) add(first, root);
  return root;
}

/** `(program)` is what V8 can not name: mostly the poll of the event loop, which waits. */
function isWaiting({ callFrame }: ProfileNode): boolean {
  return callFrame.functionName === '(idle)' || callFrame.functionName === '(program)';
}

function calleeOf(frame: Frame, { callFrame }: ProfileNode): Frame {
  const name = callFrame.functionName.replace(/^\((.*)\)$/, '$1') || 'function without a name';
  const origin = originOf(callFrame.url);
  const key = `${name} ${origin}`;
  let callee = frame.callees.get(key);
  if (callee === undefined) {
    callee = { name, origin, time: 0, callees: new Map() };
    frame.callees.set(key, callee);
  }
  return callee;
}

function originOf(url: string): Origin {
  if (url === '') return 'native';
  if (url.startsWith('node:')) return 'node';
  return url.includes('/node_modules/') ? 'dependency' : 'ours';
}

/** Pixels for a microsecond. */
function scaleOf(root: Frame): number {
  return width / Math.max(root.time, 1);
}

function depthOf({ callees }: Frame, scale: number): number {
  const shown = [...callees.values()].filter(({ time }) => time * scale >= narrowest);
  return Math.max(0, ...shown.map((callee) => 1 + depthOf(callee, scale)));
}

interface Place {
  /** Pixels. */
  readonly left: number;
  readonly row: number;
  readonly scale: number;
  readonly total: number;
}

/** The widest first, the callees beneath. */
function drawn(frame: Frame, { left, row, scale, total }: Place): string[] {
  const frameWidth = frame.time * scale;
  if (frameWidth < narrowest) return [];
  const top = titleHeight + row * rowHeight;
  const share = `${((100 * frame.time) / total).toFixed(1)} %`;
  const fitting = Math.floor((frameWidth - 6) / characterWidth);
  const label = fitting < 3 ? '' : shortened(frame.name, fitting);
  const lines = [
    `  <g><title>${escaped(frame.name)}: ${share}</title>`,
    `<rect class="${frame.origin}" x="${left.toFixed(1)}" y="${top}" width="${frameWidth.toFixed(1)}" height="${rowHeight}"/>`,
    label === '' ? '' : `<text x="${(left + 3).toFixed(1)}" y="${top + 12}">${escaped(label)}</text>`,
    '</g>',
  ];
  let calleeLeft = left;
  const callees = [...frame.callees.values()].toSorted((a, b) => b.time - a.time);
  const beneath = callees.flatMap((callee) => {
    const place = { left: calleeLeft, row: row + 1, scale, total };
    calleeLeft += callee.time * scale;
    return drawn(callee, place);
  });
  return [lines.join(''), ...beneath];
}

function shortened(name: string, length: number): string {
  return name.length <= length ? name : `${name.slice(0, length - 1)}…`;
}
