/** Rates and latency over the last minutes. One cursor for all charts, moved by pointer or arrow keys. */
import type { HistoryPoint, ProxyState } from '../../state/state.js';
import { pointsInWindow, unbroken, windowMs } from './chart-window.js';
import { element, notice, svgElement } from './dom.js';
import { bytes, clock, latency, rate } from './format.js';

interface Series {
  readonly name: string;
  readonly value: (point: HistoryPoint) => number | null;
}

interface Chart {
  readonly title: string;
  /** The first is drawn as a solid line, the second dashed. */
  readonly series: readonly Series[];
  readonly text: (value: number) => string;
}

const charts: readonly Chart[] = [
  { title: 'Open connections', series: [{ name: '', value: ({ active }) => active }], text: rate },
  {
    title: 'Connections per second',
    series: [
      { name: 'all', value: (point) => point.connections_per_second },
      { name: 'failed', value: (point) => point.rejected_per_second },
    ],
    text: rate,
  },
  {
    title: 'Commands per second',
    series: [{ name: '', value: (point) => point.commands_per_second }],
    text: rate,
  },
  {
    title: 'Bytes per second',
    series: [
      { name: 'to clients', value: (point) => point.bytes_out_per_second },
      { name: 'to servers', value: (point) => point.bytes_in_per_second },
    ],
    text: bytes,
  },
  {
    title: 'Latency of commands',
    series: [
      { name: 'p50', value: (point) => point.p50_seconds },
      { name: 'p99', value: (point) => point.p99_seconds },
    ],
    text: latency,
  },
];

/** Points for each row of the table. */
const rowEvery = 15;
const width = 300;
const height = 72;

/** The time that the cursor is on; undefined: the newest. Moves out of sight with its point. */
let cursorAt: number | undefined;

export function moveCursor(all: readonly HistoryPoint[], change: (index: number) => number): void {
  const history = pointsInWindow(all);
  const last = history.length - 1;
  const index = Math.min(last, Math.max(0, change(cursorIndex(history))));
  cursorAt = index === last ? undefined : history[index]?.at;
}

export const removeCursor = (): void => {
  cursorAt = undefined;
};

function cursorIndex(history: readonly HistoryPoint[]): number {
  const found = history.findIndex(({ at }) => at === cursorAt);
  return found === -1 ? history.length - 1 : found;
}

export function chartPictures({ history: all, history_step_seconds: step }: ProxyState): Node[] {
  if (all.length < 2) return [notice(`The first values come ${2 * step} seconds after the start.`)];
  const history = pointsInWindow(all);
  return charts.map((chart) => picture(chart, history, step));
}

/** For those who read numbers rather than lines: one row for each half minute. */
export function chartTable({ history }: ProxyState): Node[] {
  const rows = [...pointsInWindow(history)].reverse().filter((_, index) => index % rowEvery === 0);
  const columns = charts.flatMap(({ title, series, text }) =>
    series.map(({ name, value }) => ({ title: name === '' ? title : `${title}, ${name}`, value, text })),
  );
  const cells = (tag: string, texts: readonly string[]): HTMLElement =>
    element('tr', {}, ...texts.map((text) => element(tag, tag === 'th' ? { scope: 'col' } : {}, text)));
  return [
    element('caption', { class: 'spoken' }, 'The last five minutes, the newest first'),
    element('thead', {}, cells('th', ['Time', ...columns.map(({ title }) => title)])),
    element(
      'tbody',
      {},
      ...rows.map((point) =>
        cells('td', [
          clock(point.at),
          ...columns.map(({ value, text }) => {
            const found = value(point);
            return found === null ? '–' : text(found);
          }),
        ]),
      ),
    ),
  ];
}

function picture(chart: Chart, history: readonly HistoryPoint[], step: number): HTMLElement {
  const index = cursorIndex(history);
  const point = history[index];
  const values = chart.series.flatMap(({ value }) => history.map(value));
  const top = niceTop(Math.max(0, ...values.filter((value) => value !== null)));
  const when = cursorAt === undefined || point === undefined ? 'now' : clock(point.at);
  const readings = chart.series.map(({ name, value }) => {
    const found = point === undefined ? null : value(point);
    return { name, text: found === null ? '–' : chart.text(found) };
  });
  const spokenReadings = readings.map(({ name, text }) => `${name} ${text}`.trim()).join(', ');
  return element(
    'figure',
    { class: 'chart', 'data-key': chart.title },
    element(
      'figcaption',
      {},
      element('span', { class: 'title' }, chart.title),
      element('span', { class: 'when' }, when),
    ),
    element(
      'div',
      { class: 'readings', 'aria-hidden': 'true' },
      ...readings.map(({ name, text }, place) =>
        element(
          'span',
          { class: `reading line-${place}` },
          element('b', {}, text),
          name !== '' && element('span', { class: 'name' }, name),
        ),
      ),
    ),
    element(
      'div',
      {
        class: 'plot',
        role: 'slider',
        tabindex: 0,
        'aria-label': `${chart.title}, the last five minutes`,
        'aria-valuemin': 0,
        'aria-valuemax': history.length - 1,
        'aria-valuenow': index,
        'aria-valuetext': `${when}: ${spokenReadings}; at most ${chart.text(Math.max(0, ...values.map((value) => value ?? 0)))}`,
      },
      element(
        'div',
        { class: 'axis', 'aria-hidden': 'true' },
        ...[top, top / 2, 0].map((value) => element('span', {}, value === 0 ? '0' : chart.text(value))),
      ),
      drawing(chart, history, step, top, cursorAt === undefined ? undefined : index),
    ),
    element(
      'div',
      { class: 'axis time', 'aria-hidden': 'true' },
      element('span', {}, '5 min ago'),
      element('span', {}, 'now'),
    ),
  );
}

function drawing(
  chart: Chart,
  history: readonly HistoryPoint[],
  step: number,
  top: number,
  cursor: number | undefined,
): SVGElement {
  const end = history.at(-1)?.at ?? 0;
  const x = ({ at }: HistoryPoint): number => round(width * (1 - (end - at) / windowMs));
  const y = (value: number): number => round(height * (1 - value / top));
  const marked = cursor === undefined ? undefined : history[cursor];
  return svgElement(
    'svg',
    { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' },
    svgElement('path', {
      class: 'grid',
      d: `M0,0.5 H${width} M0,${height / 2} H${width} M0,${height - 0.5} H${width}`,
    }),
    ...chart.series.flatMap(({ value }, place) => {
      const runs = unbroken(history, value, step);
      const line = runs.map((run) => `M${run.map((at) => `${x(at.point)},${y(at.value)}`).join(' L')} l0,0`);
      const area = runs.map((run) => {
        const [first, last] = [run[0], run.at(-1)];
        if (first === undefined || last === undefined) return '';
        return `M${x(first.point)},${height} L${run.map((at) => `${x(at.point)},${y(at.value)}`).join(' L')} L${x(last.point)},${height} Z`;
      });
      return [
        place === 0 && svgElement('path', { class: 'area', d: area.join(' ') }),
        svgElement('path', { class: `line line-${place}`, d: line.join(' ') }),
      ].filter((drawn) => drawn !== false);
    }),
    marked !== undefined && svgElement('path', { class: 'cursor', d: `M${x(marked)},0 V${height}` }),
  );
}

/** The next of 1, 2, 5, 10, … so that the axis does not change with every update. */
export function niceTop(most: number): number {
  if (most <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  const step = [1, 2, 5, 10].find((factor) => most <= factor * power) ?? 10;
  return step * power;
}

const round = (value: number): number => Math.round(value * 10) / 10;
