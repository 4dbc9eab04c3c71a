/** The picture: which TLS the connections have now on each leg. Its parts filter the list of connections. */
import type { ProxyState, TlsCount } from '../../state/state.js';
import { element, notice, svgElement } from './dom.js';
import { connectionFilters } from './filters.js';
import { type Flow, type FlowBand, type FlowNode, layoutFlow } from './flow-layout.js';
import { count, counted, shortened } from './format.js';
import { compareVersions, versionName } from './tls-kinds.js';
import { noClients } from './verdict.js';

interface Columns {
  readonly width: number;
  readonly labelWidth: number;
  readonly routeWidth: number;
  readonly barWidth: number;
}

/** Below this there is no room for the names of ciphers. */
const narrowBelow = 620;
const mostNarrowLetters = 9;

export function flowPicture(state: ProxyState, width: number): Node[] {
  if (state.tls.length === 0) return [notice(noClients(state))];
  const isNarrow = width < narrowBelow;
  const columns = isNarrow
    ? { width, labelWidth: 82, routeWidth: width < 320 ? 62 : 84, barWidth: 10 }
    : { width, labelWidth: 214, routeWidth: 128, barWidth: 12 };
  const flow = layoutFlow(state.tls, {
    height: isNarrow ? 250 : 370,
    leastNodeHeight: isNarrow ? 46 : 38,
    gap: 8,
    mostNodes: 7,
    withCiphers: !isNarrow,
  });
  return [columnTitles(isNarrow), drawing(flow, columns), asTable(state.tls)];
}

function columnTitles(isNarrow: boolean): HTMLElement {
  return element(
    'div',
    { class: 'flow-titles', 'aria-hidden': 'true' },
    element('span', {}, isNarrow ? 'Clients' : 'Client leg: how clients reach the proxy'),
    element('span', {}, 'Route'),
    element('span', {}, isNarrow ? 'Servers' : 'Server leg: how it reaches servers'),
  );
}

function drawing(flow: Flow, columns: Columns): SVGElement {
  const { width } = columns;
  const height = Math.ceil(flow.height) + 4;
  return svgElement(
    'svg',
    {
      class: 'flow',
      width,
      height,
      viewBox: `0 -2 ${width} ${height}`,
      role: 'group',
      'aria-label': 'Connections now, by TLS of each leg. Each part shows its connections in the list below.',
    },
    svgElement(
      'defs',
      {},
      pattern('hatch-plaintext', 'M-2,2 l4,-4 M0,8 l8,-8 M6,10 l4,-4'),
      pattern('hatch-old', 'M2,2 h2 M6,6 h2'),
    ),
    ...flow.bands.map((band) => bandPath(band, columns)),
    ...flow.nodes.map((node) => nodeGroup(node, columns)),
  );
}

/** Plaintext and old TLS are told apart without colour, too. */
function pattern(id: string, lines: string): SVGElement {
  return svgElement(
    'pattern',
    { id, width: 8, height: 8, patternUnits: 'userSpaceOnUse' },
    svgElement('path', { d: lines, class: id }),
  );
}

function bandPath(band: FlowBand, { width, labelWidth, routeWidth, barWidth }: Columns): SVGElement {
  const { legY, legHeight, routeY, routeHeight } = band;
  const isClient = band.side === 'client';
  const legX = isClient ? labelWidth + barWidth : width - labelWidth - barWidth;
  const routeX = isClient ? (width - routeWidth) / 2 : (width + routeWidth) / 2;
  const middle = (legX + routeX) / 2;
  const d = [
    `M${legX},${legY} C${middle},${legY} ${middle},${routeY} ${routeX},${routeY}`,
    `V${routeY + routeHeight}`,
    `C${middle},${routeY + routeHeight} ${middle},${legY + legHeight} ${legX},${legY + legHeight} Z`,
  ].join(' ');
  return svgElement(
    'g',
    { 'data-key': band.key, class: `band ${band.kind}` },
    svgElement('path', { d, class: 'plain' }),
    svgElement('path', { d, class: 'texture' }),
  );
}

function nodeGroup(node: FlowNode, columns: Columns): SVGElement {
  const { width, labelWidth, routeWidth, barWidth } = columns;
  const isFilter = Object.keys(node.filters).length > 0;
  const isOn = isFilter && connectionFilters.has(node.filters);
  const partWidth = node.side === 'route' ? routeWidth : labelWidth + barWidth;
  const x = { client: 0, route: (width - routeWidth) / 2, server: width - partWidth }[node.side];
  const barX = { client: x + labelWidth, route: x, server: x }[node.side];
  return svgElement(
    'g',
    {
      'data-key': node.key,
      class: `node ${node.side} ${node.kind}${isFilter ? '' : ' fixed'}`,
      role: isFilter ? 'button' : 'img',
      ...(isFilter && {
        tabindex: 0,
        'aria-pressed': String(isOn),
        'data-filters': JSON.stringify(node.filters),
      }),
      'aria-label': spokenName(node),
    },
    svgElement('rect', { class: 'hit', x, y: node.y, width: partWidth, height: node.height, rx: 4 }),
    svgElement('rect', {
      class: 'bar',
      x: barX,
      y: node.y,
      width: node.side === 'route' ? routeWidth : barWidth,
      height: node.height,
      rx: node.side === 'route' ? 4 : 2,
    }),
    ...(node.side === 'route'
      ? []
      : [svgElement('rect', { class: 'texture', x: barX, y: node.y, width: barWidth, height: node.height })]),
    ...nodeTexts(node, x, columns),
    svgElement('title', {}, [node.name, node.detail].filter((text) => text !== '').join(' ')),
  );
}

function nodeTexts(node: FlowNode, x: number, { labelWidth, routeWidth, barWidth }: Columns): SVGElement[] {
  const textX = { client: labelWidth - 8, route: x + routeWidth / 2, server: x + barWidth + 8 }[node.side];
  const anchor = { client: 'end', route: 'middle', server: 'start' }[node.side];
  const middle = node.y + node.height / 2;
  const line = (y: number, cssClass: string, text: string): SVGElement =>
    svgElement('text', { x: textX, y, 'text-anchor': anchor, class: cssClass }, text);
  if (node.side === 'route' || labelWidth < 100) {
    const names =
      node.side === 'route' ? [shortened(node.name, Math.floor(routeWidth / 8))] : narrowLines(node.name);
    const top = middle + 12 - (names.length + 1) * 7.5;
    return [
      ...names.map((name, index) => line(top + index * 15, 'name', name)),
      line(top + names.length * 15, 'number', count(node.connections)),
    ];
  }
  const name = svgElement(
    'text',
    { x: textX, y: node.detail === '' ? middle + 5 : middle - 3, 'text-anchor': anchor, class: 'name' },
    `${node.name} `,
    svgElement('tspan', { class: 'number' }, count(node.connections)),
  );
  return node.detail === '' ? [name] : [name, line(middle + 13, 'detail', shortened(node.detail, 29))];
}

function spokenName({ side, name, detail, connections }: FlowNode): string {
  const number = counted(connections, 'connection');
  if (side === 'route') return `Route ${name}: ${number}`;
  return `${side === 'client' ? 'Client' : 'Server'} leg, ${name}${detail === '' ? '' : `, ${detail}`}: ${number}`;
}

/** `Passed through` is too long for one line beside the picture of a phone. */
const narrowLines = (name: string): string[] =>
  (name.length <= mostNarrowLetters ? [name] : name.split(' ').slice(0, 2)).map((part) =>
    shortened(part, mostNarrowLetters),
  );

function asTable(tls: readonly TlsCount[]): HTMLElement {
  const rows = [...tls].sort(
    (left, right) =>
      left.route.localeCompare(right.route) ||
      left.leg.localeCompare(right.leg) ||
      compareVersions(left.version, right.version),
  );
  const cells = (tag: string, texts: readonly string[]): HTMLElement =>
    element('tr', {}, ...texts.map((text) => element(tag, tag === 'th' ? { scope: 'col' } : {}, text)));
  return element(
    'details',
    { class: 'as-table' },
    element('summary', {}, 'The same as a table'),
    element(
      'table',
      {},
      element('caption', { class: 'spoken' }, 'Connections now, by route, leg, TLS version and cipher'),
      element('thead', {}, cells('th', ['Route', 'Leg', 'Version', 'Cipher', 'Connections'])),
      element(
        'tbody',
        {},
        ...rows.map(({ route, leg, version, cipher, connections }) =>
          cells('td', [
            route,
            leg,
            versionName(version),
            cipher === 'none' ? '–' : cipher,
            count(connections),
          ]),
        ),
      ),
    ),
  );
}
