/** What Grafana 10 and 11 want to read of panels, in as few words as this project's dashboard needs. */

export interface Query {
  readonly expr: string;
  /** `{{label}}` is the value of a label. */
  readonly legend?: string;
}

export interface Step {
  readonly color: string;
  /** From which value on; without one for all below the next. */
  readonly from?: number;
}

export interface Override {
  /** A time series as its legend says, or a column of a table. */
  readonly name: string;
  readonly properties: Readonly<Record<string, unknown>>;
}

/** What a panel of any kind has. */
export interface PanelContent {
  readonly title: string;
  /** For whoever looks at it for the first time. */
  readonly description: string;
  readonly unit: string;
  readonly queries: readonly Query[];
  /** In place of "No data". Without it, there is always something to show. */
  readonly nothing?: string;
  /** Of 24 columns. */
  readonly width: number;
  readonly height: number;
  readonly overrides?: readonly Override[];
  readonly steps?: readonly Step[];
  /** As `0.8` with the unit `percentunit`. */
  readonly max?: number;
  readonly decimals?: number;
}

export interface Panel {
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly w: number; readonly h: number };
  readonly [key: string]: unknown;
}

export interface Row {
  readonly title: string;
  /** Closed until someone opens it: its queries are not made before. */
  readonly collapsed?: boolean;
  readonly panels: readonly Panel[];
}

export const dataSource = { type: 'prometheus', uid: `\${datasource}` } as const;

const COLUMNS = 24;

export function timeSeries(
  content: PanelContent & { readonly style?: 'lines' | 'stacked' | 'bars'; readonly withLast?: boolean },
): Panel {
  const { style = 'lines', withLast = false } = content;
  const custom = {
    drawStyle: style === 'bars' ? 'bars' : 'line',
    fillOpacity: { lines: 5, stacked: 30, bars: 80 }[style],
    lineWidth: 1,
    showPoints: style === 'bars' ? 'never' : 'auto',
    stacking: { mode: style === 'lines' ? 'none' : 'normal', group: 'A' },
  };
  const legend = {
    displayMode: withLast ? 'table' : 'list',
    placement: 'bottom',
    showLegend: true,
    calcs: withLast ? ['lastNotNull'] : [],
  };
  const options = { legend, tooltip: { mode: 'multi', sort: 'desc' } };
  return panel('timeseries', content, { min: 0, custom }, options);
}

/** One number, or one for each time series. */
export function stat(content: PanelContent): Panel {
  const options = {
    ...lastValue,
    colorMode: content.steps === undefined ? 'none' : 'value',
    graphMode: 'none',
    justifyMode: 'auto',
    orientation: 'auto',
    textMode: content.queries.some(({ legend }) => legend?.includes('{{')) ? 'value_and_name' : 'value',
  };
  return panel('stat', content, {}, options, 'now');
}

export function gauge(content: PanelContent): Panel {
  const options = {
    ...lastValue,
    orientation: 'auto',
    showThresholdLabels: false,
    showThresholdMarkers: true,
  };
  return panel('gauge', content, { min: 0 }, options, 'now');
}

export function barGauge(content: PanelContent): Panel {
  const options = {
    ...lastValue,
    displayMode: 'basic',
    orientation: 'horizontal',
    showUnfilled: true,
    valueMode: 'text',
    minVizHeight: 16,
    minVizWidth: 8,
  };
  return panel('bargauge', content, { min: 0 }, options, 'now');
}

/** What was the case when; `states` are texts and colors of values. */
export function stateTimeline(
  content: PanelContent & { readonly states: Readonly<Record<string, { text: string; color: string }>> },
): Panel {
  const mappings = Object.entries(content.states).map(([value, result]) =>
    value === 'NaN'
      ? { type: 'special', options: { match: 'nan', result } }
      : { type: 'value', options: { [value]: result } },
  );
  const options = {
    showValue: 'auto',
    rowHeight: 0.8,
    mergeValues: true,
    alignValue: 'left',
    legend: { displayMode: 'list', placement: 'bottom', showLegend: false, calcs: [] },
    tooltip: { mode: 'single', sort: 'none' },
  };
  return panel('state-timeline', content, { mappings, custom: { fillOpacity: 70, lineWidth: 0 } }, options);
}

/** `columns`: titles by label, in order; `Value #A` is what the first of several queries found, `Value` that of a single one. */
export function table(
  content: PanelContent & {
    readonly columns: Readonly<Record<string, string>>;
    readonly sortBy?: { readonly title: string; readonly descending: boolean };
  },
): Panel {
  const { columns, queries, sortBy } = content;
  const values = queries.length === 1 ? ['Value'] : queries.map((_query, index) => `Value #${refId(index)}`);
  const hidden = ['Time', ...values].filter((name) => columns[name] === undefined);
  const organize = {
    id: 'organize',
    options: {
      excludeByName: Object.fromEntries(hidden.map((name) => [name, true])),
      indexByName: Object.fromEntries(Object.keys(columns).map((name, index) => [name, index])),
      renameByName: columns,
    },
  };
  const transformations = [...(queries.length === 1 ? [] : [{ id: 'merge', options: {} }]), organize];
  const options = {
    cellHeight: 'sm',
    showHeader: true,
    footer: { show: false, reducer: ['sum'], countRows: false },
    sortBy: sortBy === undefined ? [] : [{ displayName: sortBy.title, desc: sortBy.descending }],
  };
  const custom = { align: 'auto', cellOptions: { type: 'auto' }, filterable: true, inspect: false };
  return { ...panel('table', content, { custom }, options, 'table'), transformations };
}

const lastValue = { reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false } };

/** `when`: the time that is shown, or its end, as numbers or as rows with a column for each label. */
function panel(
  type: string,
  {
    title,
    description,
    unit,
    queries,
    nothing,
    width,
    height,
    overrides,
    steps,
    max,
    decimals,
  }: PanelContent,
  defaults: object,
  options: object,
  when: 'time' | 'now' | 'table' = 'time',
): Panel {
  return {
    type,
    title,
    description,
    datasource: dataSource,
    // Newer versions of Grafana bring the panel up to date from there.
    pluginVersion: '10.4.0',
    gridPos: { w: width, h: height },
    targets: queries.map(({ expr, legend }, index) => ({
      refId: refId(index),
      datasource: dataSource,
      editorMode: 'code',
      expr,
      legendFormat: legend ?? '',
      format: when === 'table' ? 'table' : 'time_series',
      instant: when !== 'time',
      range: when === 'time',
    })),
    fieldConfig: {
      defaults: {
        unit,
        color: { mode: steps === undefined ? 'palette-classic' : 'thresholds' },
        thresholds: thresholds(steps ?? [{ color: 'green' }]),
        mappings: [],
        ...(nothing === undefined ? {} : { noValue: nothing }),
        ...(max === undefined ? {} : { max }),
        ...(decimals === undefined ? {} : { decimals }),
        ...defaults,
      },
      overrides: (overrides ?? []).map(({ name, properties }) => ({
        matcher: { id: 'byName', options: name },
        properties: Object.entries(properties).map(([id, value]) => ({ id, value })),
      })),
    },
    options,
  };
}

export function thresholds(steps: readonly Step[]): object {
  return {
    mode: 'absolute',
    steps: steps.map(({ color, from }) => ({ color, value: from ?? null })),
  };
}

function refId(index: number): string {
  return String.fromCharCode('A'.charCodeAt(0) + index);
}

/** Panels from left to right and from top to bottom, below a line with the title of their row. */
export function layOut(rows: readonly Row[]): object[] {
  const placed: object[] = [];
  let id = 1;
  let y = 0;
  for (const { title, collapsed = false, panels } of rows) {
    const row = { id: id++, type: 'row', title, collapsed, gridPos: { h: 1, w: COLUMNS, x: 0, y } };
    y++;
    const below: object[] = [];
    let x = 0;
    let lineHeight = 0;
    for (const { gridPos, ...rest } of panels) {
      if (x + gridPos.w > COLUMNS) {
        x = 0;
        y += lineHeight;
        lineHeight = 0;
      }
      below.push({ id: id++, ...rest, gridPos: { ...gridPos, x, y } });
      x += gridPos.w;
      lineHeight = Math.max(lineHeight, gridPos.h);
    }
    y = collapsed ? row.gridPos.y + 1 : y + lineHeight;
    // Grafana keeps the panels of a closed row in it, and those of an open one beside it.
    placed.push({ ...row, panels: collapsed ? below : [] }, ...(collapsed ? [] : below));
  }
  return placed;
}
