import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { options } from '../../../src/config/option-table.js';
import { configJsonSchema } from '../../../src/config/schema.js';
import { nearestName } from '../../../src/config/suggestion.js';
import { generatedFiles } from '../../support/generate-docs.js';
import { flagProblems, load, problemsOf, server, temporaryFolder } from './problems.js';

describe('generated files', () => {
  for (const [path, contents] of generatedFiles()) {
    it(`${path} is what "npm run docs" writes`, () => assert.equal(readFileSync(path, 'utf8'), contents));
  }

  it('document every option', () => {
    const page = generatedFiles().get('docs/configuration.md') ?? '';
    for (const { name, metavar, description } of options) {
      assert.ok(page.includes(`### \`--${name}${metavar === '' ? '' : ` ${metavar}`}\``), name);
      assert.ok(page.includes(`${description}.`), name);
    }
  });

  it('list what needs a restart, and so does docs/reload.md', () => {
    const page = generatedFiles().get('docs/configuration.md') ?? '';
    const list = /^.*These options need a restart, .*:\n(.*)\. A reload changes all others\./m.exec(
      page,
    )?.[1];
    const expected = options.filter(({ reloadable }) => !reloadable).map(({ name }) => name);
    assert.deepEqual(
      list?.split(', '),
      expected.map((name) => `\`--${name}\``),
    );
    const sentence = /Every option but seven: ([^.]*), marked/.exec(
      readFileSync('docs/reload.md', 'utf8'),
    )?.[1];
    assert.equal(expected.length, 7, 'docs/reload.md and docs/operations.md say seven');
    assert.deepEqual(sentence?.match(/[a-z-]+(?=`)/g)?.sort(), expected.sort());
  });

  it('have no loose ends in the texts', () => {
    for (const { name, description } of options) assert.doesNotMatch(description, /[.;, ]$/, name);
  });
});

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly anyOf?: readonly Schema[];
  readonly enum?: readonly string[];
  readonly default?: unknown;
}

describe('the JSON Schema', () => {
  const schema = configJsonSchema() as Schema;

  it('knows the keys of the example', () => {
    const example: unknown = parse(readFileSync('config/proxy.example.yaml', 'utf8'));
    const walk = (value: unknown, at: Schema | undefined, place: string): void => {
      assert.ok(at, `${place} is not in the schema`);
      const below = at.items ?? at.anyOf?.find((one) => one.items)?.items;
      if (Array.isArray(value)) for (const item of value) walk(item, below, place);
      else if (typeof value === 'object' && value !== null) {
        for (const [key, item] of Object.entries(value)) walk(item, at.properties?.[key], `${place}.${key}`);
      }
    };
    walk(example, schema, '');
  });

  it('offers modes in the usual spellings', () => {
    const mode = schema.properties?.['server-ssl-mode'];
    for (const word of ['VERIFY_CA', 'verify_ca', 'verify-ca', 'verify-full', 'DISABLED', 'disabled']) {
      assert.ok(mode?.enum?.includes(word), word);
    }
  });

  it('has a list wherever one may be given', () => {
    assert.ok(schema.properties?.['listen']?.anyOf?.some((one) => one.items !== undefined));
    assert.equal(schema.properties?.['log-level']?.anyOf, undefined);
  });
});

describe('config/proxy.example.yaml', () => {
  it('lacks nothing but its files', () => {
    const problems = problemsOf({ file: 'config/proxy.example.yaml', cwd: process.cwd() });
    const others = problems.filter((problem) => !problem.includes('does not exist'));
    assert.deepEqual(others, []);
    assert.equal(problems.length, 6);
  });
});

describe('config/credentials.example.yaml', () => {
  it('lacks nothing but its files, its variables, and being private', () => {
    const folder = temporaryFolder();
    const write = (name: string, text: string) => {
      writeFileSync(path.join(folder, name), text, { mode: 0o600 });
      return path.join(folder, name);
    };
    const credentials = write('c.yaml', readFileSync('config/credentials.example.yaml', 'utf8'));
    const problems = flagProblems({ credentials });
    assert.equal(problems.length, 3, problems.join('\n'));
    for (const problem of problems) assert.match(problem, /does not exist$|is not set, or empty/);

    write('app.password', 'a');
    write('app_rw.password', 'b');
    const env = { REPORT_PASSWORD: 'c' };
    const { config, warnings } = load({ flags: { server, credentials }, env });
    assert.equal(config.users.length, 2);
    assert.deepEqual(warnings, []);
  });
});

describe('suggestions', () => {
  const names = options.map(({ name }) => name);
  const cases: readonly [given: string, meant: string | undefined][] = [
    ['lisen', 'listen'],
    ['serverSslCA', 'server-ssl-ca'],
    ['SERVER_SSL_CERT', 'server-ssl-cert'],
    ['handshake-timout', 'handshake-timeout'],
    ['servers', 'server'],
    ['zzzzzz', undefined],
    ['x', undefined],
  ];
  for (const [given, meant] of cases) {
    it(`${given} is meant to be ${meant ?? 'nothing known'}`, () =>
      assert.equal(nearestName(given, names), meant));
  }
});
