/** The dashboard as Grafana reads it. That what it asks Prometheus for exists: test/integration/expressions.test.ts. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { labelMeanings } from '../../../../src/observe/metrics/definitions.js';
import {
  type DashboardPanel,
  isRow,
  panelsOf,
  readDashboard,
  targetsOf,
} from '../../../support/dashboard-file.js';

const file = 'config/grafana/mysql-tls-proxy.json';
const text = readFileSync(file, 'utf8');
const dashboard = readDashboard(file);
const rows = dashboard.panels.filter(isRow);
const panels = panelsOf(dashboard);
const dataSource = { type: 'prometheus', uid: `\${datasource}` };

/** Every name after a `$`, but those that Grafana itself sets. */
function variablesIn(value: unknown): readonly string[] {
  const names = [...JSON.stringify(value).matchAll(/\$\{?(\w+)/g)].map(([, name = '']) => name);
  return names.filter((name) => !name.startsWith('__'));
}

describe('the dashboard', () => {
  it('is of Grafana 10, which 11 reads, too, and of no instance', () => {
    assert.equal(dashboard.schemaVersion, 39);
    assert.equal(dashboard.uid, 'mysql-tls-proxy');
    assert.equal(dashboard['id'], undefined);
    assert.equal(dashboard['__inputs'], undefined);
    for (const uid of text.matchAll(/"uid": "([^"]*)"/g)) {
      assert.ok([dashboard.uid, dataSource.uid].includes(uid[1] ?? ''), uid[0]);
    }
  });

  it('is written as Grafana writes it', () => {
    assert.equal(text, `${JSON.stringify(JSON.parse(text), undefined, 2)}\n`);
  });

  it('has the rows that people look for', () => {
    const titles = ['Overview', 'TLS', 'Certificates', 'Traffic', 'Servers', 'Logins', 'Reloads', 'Process'];
    assert.deepEqual(rows.map(({ title }) => title).slice(0, titles.length), titles);
  });

  it('uses the variables that it defines, and defines those that it uses', () => {
    const { list } = dashboard.templating;
    const used = [...variablesIn(dashboard.panels), ...variablesIn(list)];
    assert.deepEqual([...new Set(used)].sort(), list.map(({ name }) => name).sort());
  });

  it('asks for values of a variable only with those of the variables before it', () => {
    const { list } = dashboard.templating;
    for (const [index, variable] of list.entries()) {
      const before = list.slice(0, index).map(({ name }) => name);
      for (const name of variablesIn(variable)) assert.ok(before.includes(name), `${variable.name}: ${name}`);
    }
  });

  it('gives each panel a number and a title of its own', () => {
    const all = [...rows, ...panels];
    assert.equal(new Set(all.map(({ id }) => id)).size, all.length);
    assert.equal(new Set(all.map(({ title }) => title)).size, all.length);
  });

  for (const panel of panels) describe(panel.title, () => examine(panel));

  it('has no two panels on the same place', () => {
    for (const group of [dashboard.panels, ...rows.map(({ panels: inside }) => inside ?? [])]) {
      const taken = new Map<string, string>();
      for (const { title, gridPos } of group) {
        assert.ok(gridPos.x >= 0 && gridPos.w > 0 && gridPos.x + gridPos.w <= 24, title);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            assert.equal(taken.get(`${x} ${y}`), undefined, `${title} is over another panel`);
            taken.set(`${x} ${y}`, title);
          }
        }
      }
    }
  });

  it('has panels from edge to edge', () => {
    for (const y of new Set(panels.map(({ gridPos }) => gridPos.y))) {
      const line = panels.filter(({ gridPos }) => gridPos.y === y);
      const width = line.reduce((sum, { gridPos }) => sum + gridPos.w, 0);
      assert.equal(width, 24, line.map(({ title }) => title).join(', '));
      assert.equal(new Set(line.map(({ gridPos }) => gridPos.h)).size, 1);
    }
  });
});

function examine(panel: DashboardPanel): void {
  const { title, description = '', datasource, gridPos, fieldConfig } = panel;

  it('asks the Prometheus that is chosen', () => {
    assert.deepEqual(datasource, dataSource);
    assert.ok(targetsOf(panel).length > 0);
    for (const target of targetsOf(panel)) assert.deepEqual(target.datasource, dataSource);
  });

  it('is large enough to be read', () => {
    assert.ok(gridPos.w >= 4 && gridPos.h >= 4, `${gridPos.w} × ${gridPos.h}`);
    if (!['stat', 'gauge'].includes(panel.type)) assert.ok(gridPos.w >= 8 && gridPos.h >= 5);
  });

  it('says in whole sentences what is seen, in which unit', () => {
    assert.match(title, /^[A-Z]/);
    assert.match(description, /^["A-Za-z0-9].{20,}\.$/);
    assert.match(fieldConfig.defaults.unit, /^[a-zA-Z]+(: \w+)?$/);
  });

  it('has thresholds from low to high', () => {
    const overridden = fieldConfig.overrides
      .flatMap(({ properties }) => properties)
      .filter(({ id }) => id === 'thresholds')
      .map(({ value }) => value as typeof fieldConfig.defaults.thresholds);
    for (const { steps } of [fieldConfig.defaults.thresholds, ...overridden]) {
      const [first, ...others] = steps.map(({ value }) => value);
      assert.equal(first, null);
      assert.deepEqual(
        others,
        others.toSorted((one, other) => Number(one) - Number(other)),
      );
    }
  });

  it('changes the looks of what it has', () => {
    const columns = Object.values(
      panel.transformations?.find(({ id }) => id === 'organize')?.options['renameByName'] ?? {},
    );
    const documented = Object.values(labelMeanings).join();
    for (const { matcher } of fieldConfig.overrides) {
      const name = matcher.options;
      assert.ok(columns.includes(name) || documented.includes(`\`${name}\``), name);
    }
    for (const { displayName } of (panel.options['sortBy'] ?? []) as { displayName: string }[]) {
      assert.ok(columns.includes(displayName), displayName);
    }
  });
}
