/** The dashboard of config/grafana, as tests read it. */
import { readFileSync } from 'node:fs';

export interface DashboardTarget {
  readonly refId: string;
  readonly datasource: unknown;
  readonly expr: string;
  readonly legendFormat: string;
  readonly format: string;
  readonly instant: boolean;
}

export interface DashboardPanel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: unknown;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly DashboardTarget[];
  readonly options: Readonly<Record<string, unknown>>;
  readonly fieldConfig: {
    readonly defaults: {
      readonly unit: string;
      readonly noValue?: string;
      readonly thresholds: { readonly steps: readonly { readonly value: number | null }[] };
    };
    readonly overrides: readonly {
      readonly matcher: { readonly id: string; readonly options: string };
      readonly properties: readonly { readonly id: string; readonly value: unknown }[];
    }[];
  };
  readonly transformations?: readonly {
    readonly id: string;
    readonly options: Readonly<Record<string, Readonly<Record<string, string>>>>;
  }[];
  /** Of a row. */
  readonly panels?: readonly DashboardPanel[];
}

export interface Dashboard {
  readonly uid: string;
  readonly schemaVersion: number;
  readonly panels: readonly DashboardPanel[];
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      /** A text only in the variable that chooses the data source. */
      readonly query: string | { readonly query: string };
    }[];
  };
  readonly [key: string]: unknown;
}

export function readDashboard(file: string): Dashboard {
  return JSON.parse(readFileSync(file, 'utf8'));
}

export function isRow({ type }: DashboardPanel): boolean {
  return type === 'row';
}

/** Without rows, and with the panels of closed ones. */
export function panelsOf({ panels }: Dashboard): readonly DashboardPanel[] {
  return panels.flatMap((panel) => (isRow(panel) ? (panel.panels ?? []) : [panel]));
}

export function targetsOf({ targets }: DashboardPanel): readonly DashboardTarget[] {
  return targets ?? [];
}
