/** A bar chart with ranges, as SVG that is legible on a light and on a dark page. */

import type { Spread } from '../statistics.js';
import { escaped } from './escaped.js';
import { spreadText } from './figures.js';

export interface Panel {
  readonly title: string;
  readonly bars: readonly Bar[];
}

export interface Bar {
  readonly name: string;
  /** The bar is as long as the median; a line shows the range. */
  readonly spread: Spread;
  /** Drawn in the colour of what the chart is about. */
  readonly standsOut?: boolean;
}

const width = 760;
/** As long as the longest name of an entry. */
const labelWidth = 235;
/** For the figure behind the longest bar. */
const figureWidth = 150;
const barHeight = 14;
const lineHeight = 24;
const titleHeight = 34;
const panelGap = 14;

/** Colours of the page's own scheme: a picture in a page can ask for it, but inherits nothing. */
const style = `
    text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #1f2328; }
    .title { font-weight: 600; }
    .figure { fill: #59636e; }
    .bar { fill: #a3b1c2; }
    .ours { fill: #0969da; }
    .range { stroke: #1f2328; stroke-width: 1.5; }
    @media (prefers-color-scheme: dark) {
      text { fill: #f0f6fc; }
      .figure { fill: #9198a1; }
      .bar { fill: #56616e; }
      .ours { fill: #4493f8; }
      .range { stroke: #f0f6fc; }
    }`;

/** Each panel has a scale of its own, from nought. */
export function chart(title: string, panels: readonly Panel[]): string {
  let top = 0;
  const drawn = panels.map((panel) => {
    const picture = drawPanel(panel, top);
    top += heightOf(panel) + panelGap;
    return picture;
  });
  const height = Math.max(0, top - panelGap) + 8;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">`,
    `  <title>${escaped(title)}</title>`,
    `  <style>${style}\n  </style>`,
    ...drawn,
    '</svg>\n',
  ].join('\n');
}

const heightOf = ({ bars }: Panel): number => titleHeight + bars.length * lineHeight;

function drawPanel({ title, bars }: Panel, top: number): string {
  const longest = Math.max(...bars.map(({ spread }) => spread.max));
  const scale = (value: number): number =>
    labelWidth + ((width - labelWidth - figureWidth) * Math.max(0, value)) / longest;
  const drawn = bars.map((bar, n) => drawBar(bar, top + titleHeight + n * lineHeight, scale));
  return [`  <text class="title" x="0" y="${top + 20}">${escaped(title)}</text>`, ...drawn].join('\n');
}

function drawBar({ name, spread, standsOut }: Bar, top: number, scale: (value: number) => number): string {
  const x = (value: number): string => scale(value).toFixed(1);
  const middle = top + barHeight / 2;
  const barWidth = (scale(spread.median) - labelWidth).toFixed(1);
  const line = (x1: string, y1: number, x2: string, y2: number): string =>
    `<line class="range" x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}"/>`;
  const [from, to] = [x(spread.min), x(spread.max)];
  return [
    `  <text x="${labelWidth - 8}" y="${middle + 4.5}" text-anchor="end">${escaped(name)}</text>`,
    `  <rect class="bar${standsOut ? ' ours' : ''}" x="${labelWidth}" y="${top}" width="${barWidth}" height="${barHeight}"/>`,
    `  ${line(from, middle, to, middle)}${line(from, top + 3, from, top + 11)}${line(to, top + 3, to, top + 11)}`,
    `  <text class="figure" x="${(scale(spread.max) + 8).toFixed(1)}" y="${middle + 4.5}">${spreadText(spread)}</text>`,
  ].join('\n');
}
