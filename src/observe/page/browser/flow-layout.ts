/** Where the parts of the picture go: client legs on the left, routes in the middle, server legs on the right. No drawing. */
import type { TlsCount } from '../../state/state.js';
import { compareVersions, type TlsKind, tlsKind, versionName } from './tls-kinds.js';

export type Side = 'client' | 'route' | 'server';

export interface FlowNode {
  readonly side: Side;
  readonly key: string;
  readonly name: string;
  /** The cipher; empty where there is none, or where there is no room for it. */
  readonly detail: string;
  readonly kind: TlsKind | 'route';
  readonly connections: number;
  /** What lets exactly these connections through in `/connections`; empty: there is no such filter. */
  readonly filters: Readonly<Record<string, string>>;
  readonly y: number;
  readonly height: number;
}

/** From a leg's node to a route's. */
export interface FlowBand {
  readonly key: string;
  readonly side: 'client' | 'server';
  readonly kind: TlsKind;
  /** Top and thickness at the leg and at the route. */
  readonly legY: number;
  readonly legHeight: number;
  readonly routeY: number;
  readonly routeHeight: number;
}

export interface Flow {
  readonly nodes: readonly FlowNode[];
  readonly bands: readonly FlowBand[];
  readonly height: number;
}

export interface FlowSize {
  readonly height: number;
  /** So that even a single connection has room for its label, and can be hit with a finger. */
  readonly leastNodeHeight: number;
  readonly gap: number;
  readonly mostNodes: number;
  readonly withCiphers: boolean;
}

type Unplaced = Omit<FlowNode, 'y' | 'height'>;

export function layoutFlow(counts: readonly TlsCount[], size: FlowSize): Flow {
  const routes = placed(routeNodes(counts, size), size);
  const legs = (['client', 'server'] as const).map((side) => {
    const ofSide = counts.filter(({ leg }) => leg === side);
    const nodeOf = grouping(ofSide, side, size);
    return { side, nodes: placed(mergedNodes(ofSide, nodeOf), size), ofSide, nodeOf };
  });
  const bands = legs.flatMap(({ side, nodes, ofSide, nodeOf }) => {
    const routeKeyOf = (entry: TlsCount): string => keyOfRoute(entry.route, routes);
    return placedBands(side, nodes, routes, ofSide, (entry) => nodeOf(entry).key, routeKeyOf);
  });
  const nodes = [...(legs[0]?.nodes ?? []), ...routes, ...(legs[1]?.nodes ?? [])];
  return { nodes, bands, height: Math.max(0, ...nodes.map(({ y, height }) => y + height)) };
}

/** Which node an entry belongs to: one for each version and cipher, or for each version where these are too many. */
function grouping(
  ofSide: readonly TlsCount[],
  side: 'client' | 'server',
  { withCiphers, mostNodes }: FlowSize,
): (entry: TlsCount) => Unplaced {
  const ciphers = new Map<string, number>();
  for (const { version, cipher, connections } of ofSide) {
    const key = `${version} ${cipher}`;
    ciphers.set(key, (ciphers.get(key) ?? 0) + connections);
  }
  const versions = new Set(ofSide.map(({ version }) => version));
  const commonest = [...ciphers].sort(([, left], [, right]) => right - left).map(([key]) => key);
  // Each version keeps room for a node of its other ciphers.
  const own = new Set(ciphers.size <= mostNodes ? commonest : commonest.slice(0, mostNodes - versions.size));
  const others = [...ciphers.keys()].filter((key) => !own.has(key));
  const ofVersion = (keys: Iterable<string>, version: string): string[] =>
    [...keys].filter((key) => key.startsWith(`${version} `));
  // Where the other ciphers are a single one, its node takes no more room than theirs.
  for (const version of versions) {
    const [only, ...more] = ofVersion(others, version);
    if (only !== undefined && more.length === 0) own.add(only);
  }
  const withOwn = new Set([...versions].filter((version) => ofVersion(own, version).length > 0));
  return ({ version, cipher }) => {
    const hasCipher = tlsKind(version) !== 'plaintext' && tlsKind(version) !== 'unseen';
    const isOwn = withCiphers && hasCipher && own.has(`${version} ${cipher}`);
    const filters = isOwn
      ? { [`${side}_tls_version`]: version, [`${side}_cipher`]: cipher }
      : { [`${side}_tls_version`]: version };
    const isRest = withCiphers && hasCipher && !isOwn;
    return {
      side,
      key: `${side} ${version} ${isOwn ? cipher : ''}`,
      name: versionName(version),
      detail: isOwn ? cipher : isRest ? 'other ciphers' : '',
      kind: tlsKind(version),
      connections: 0,
      filters: isRest && withOwn.has(version) ? {} : filters,
    };
  };
}

function mergedNodes(counts: readonly TlsCount[], nodeOf: (entry: TlsCount) => Unplaced): Unplaced[] {
  const merged = new Map<string, Unplaced>();
  const sorted = [...counts].sort((left, right) => compareVersions(left.version, right.version));
  for (const entry of sorted) {
    const node = nodeOf(entry);
    const before = merged.get(node.key)?.connections ?? 0;
    merged.set(node.key, { ...node, connections: before + entry.connections });
  }
  return [...merged.values()];
}

/** Each connection is counted on its client leg; the server leg of one that is only logged in here may be missing. */
function routeNodes(counts: readonly TlsCount[], { mostNodes }: FlowSize): Unplaced[] {
  const connectionsByRoute = new Map<string, number>();
  for (const { route, leg, connections } of counts) {
    const before = connectionsByRoute.get(route) ?? 0;
    connectionsByRoute.set(route, before + (leg === 'client' ? connections : 0));
  }
  const busiest = [...connectionsByRoute].sort(([, left], [, right]) => right - left);
  const shown = busiest.length <= mostNodes ? busiest : busiest.slice(0, mostNodes - 1);
  const nodes = shown.map(([route, connections]) =>
    routeNode(`route ${route}`, route, connections, { route }),
  );
  const rest = busiest.slice(shown.length);
  if (rest.length === 0) return nodes;
  const connections = rest.reduce((total, [, value]) => total + value, 0);
  return [...nodes, routeNode(otherRoutes, `${rest.length} other routes`, connections, {})];
}

const otherRoutes = 'other routes';

const routeNode = (
  key: string,
  name: string,
  connections: number,
  filters: Readonly<Record<string, string>>,
): Unplaced => ({ side: 'route', key, name, detail: '', kind: 'route', connections, filters });

const keyOfRoute = (route: string, routes: readonly FlowNode[]): string =>
  routes.some(({ key }) => key === `route ${route}`) ? `route ${route}` : otherRoutes;

/** From top to bottom over the whole height: the least for each, and a share of the rest by connections. */
function placed(nodes: readonly Unplaced[], { height, leastNodeHeight, gap }: FlowSize): FlowNode[] {
  const total = nodes.reduce((sum, { connections }) => sum + connections, 0);
  const rest = Math.max(0, height - nodes.length * (leastNodeHeight + gap) + gap);
  let y = 0;
  return nodes.map((node) => {
    const share = total === 0 ? 0 : node.connections / total;
    const place = { ...node, y, height: leastNodeHeight + rest * share };
    y += place.height + gap;
    return place;
  });
}

function placedBands(
  side: 'client' | 'server',
  legNodes: readonly FlowNode[],
  routes: readonly FlowNode[],
  counts: readonly TlsCount[],
  legKeyOf: (entry: TlsCount) => string,
  routeKeyOf: (entry: TlsCount) => string,
): FlowBand[] {
  const connections = new Map<string, number>();
  for (const entry of counts) {
    const key = JSON.stringify([legKeyOf(entry), routeKeyOf(entry)]);
    connections.set(key, (connections.get(key) ?? 0) + entry.connections);
  }
  const usedOfLeg = new Map<string, number>();
  const usedOfRoute = new Map<string, number>();
  const take = (used: Map<string, number>, node: FlowNode, part: number, of: number): [number, number] => {
    const offset = used.get(node.key) ?? 0;
    const height = of === 0 ? 0 : (node.height * part) / of;
    used.set(node.key, offset + height);
    return [node.y + offset, height];
  };
  const ofRoute = (route: FlowNode): number =>
    counts.reduce((total, entry) => total + (routeKeyOf(entry) === route.key ? entry.connections : 0), 0);
  return legNodes.flatMap((leg) =>
    routes.flatMap((route) => {
      const part = connections.get(JSON.stringify([leg.key, route.key])) ?? 0;
      if (part === 0 || leg.kind === 'route') return [];
      const [legY, legHeight] = take(usedOfLeg, leg, part, leg.connections);
      const [routeY, routeHeight] = take(usedOfRoute, route, part, ofRoute(route));
      const key = `${leg.key} ${route.key}`;
      return [{ key, side, kind: leg.kind, legY, legHeight, routeY, routeHeight }];
    }),
  );
}
