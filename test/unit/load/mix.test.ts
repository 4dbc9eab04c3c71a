import assert from 'node:assert/strict';
import { test } from 'node:test';
import { builtInMixes, TABLE_ROWS } from '../../../src/load/built-in-mixes.js';
import { drawStatement, parseMix, UnusableMix } from '../../../src/load/mix.js';

const textsOf = (text: string): string[] => parseMix(text).map((statement) => statement.text);

test('statements end with a semicolon, the last one with the file', () => {
  assert.deepEqual(textsOf('SELECT 1; SELECT 2\n;\n;SELECT 3'), ['SELECT 1', 'SELECT 2', 'SELECT 3']);
});

test('a semicolon in quotes or in a comment ends nothing', () => {
  assert.deepEqual(
    textsOf(
      "SELECT ';', 'it''s \\'; --', \";\" FROM `a;b`; # one; two\nSELECT /*+ hint; */ 5--3 -- rest; of it\n",
    ),
    ["SELECT ';', 'it''s \\'; --', \";\" FROM `a;b`", 'SELECT /*+ hint; */ 5--3'],
  );
});

test('a weight repeats the next statement in each pass, and no other', () => {
  assert.deepEqual(textsOf('-- weight: 3\nSELECT 1;\nSELECT 2; --  WEIGHT : 2 \nSELECT 3'), [
    ...['SELECT 1', 'SELECT 1', 'SELECT 1'],
    'SELECT 2',
    ...['SELECT 3', 'SELECT 3'],
  ]);
  assert.deepEqual(textsOf('-- the weight: 3 of it\nSELECT 1'), ['SELECT 1']);
});

test('random numbers are drawn anew each time, both ends included', () => {
  const [statement] = parseMix('SELECT {3..5}, {7..7}, {1..x}');
  assert.ok(statement !== undefined);
  const drawn = new Set(Array.from({ length: 300 }, () => drawStatement(statement)));
  assert.deepEqual(
    [...drawn].sort(),
    [3, 4, 5].map((n) => `SELECT ${n}, 7, {1..x}`),
  );
});

test('what is no mix: the line, and what to write', () => {
  const cases: readonly (readonly [text: string, message: RegExp])[] = [
    ['', /^it has no statement$/],
    ['-- nothing\n;;', /^it has no statement$/],
    ["SELECT 1;\nSELECT 'a", /^line 2: ' is opened and not closed$/],
    ['SELECT 1;\n\n/* x', /^line 3: \/\* is opened and not closed$/],
    ['-- weight: many\nSELECT 1', /^line 1: "many" is no weight; write a whole number from 1 to 1000$/],
    ['-- weight: 0\nSELECT 1', /^line 1: "0" is no weight/],
    ['SELECT 1\n-- weight: 2\nSELECT 2', /^line 2: a weight stands before its statement/],
    ['SELECT 1;\n-- weight: 2\n', /no statement comes after the last weight$/],
    ['SELECT {5..3}', /^line 1: \{5\.\.3\} is no range/],
    ['SELECT {1..99999999999999999}', /is no range/],
    ['DELIMITER $$', /DELIMITER is of the mysql program/],
    [Array(11).fill('-- weight: 1000\nSELECT 1;').join('\n'), /a pass has more than 10000 statements/],
  ];
  for (const [text, message] of cases) {
    assert.throws(
      () => parseMix(text),
      (error: Error) => error instanceof UnusableMix && message.test(error.message),
      text,
    );
  }
});

test('the mixes with a name are mixes; those that need a table touch no other', () => {
  for (const { name, needsTable, textFor } of builtInMixes) {
    const statements = parseMix(textFor('`db`.`own`'));
    assert.ok(statements.length > 0, name);
    for (const { text } of statements) {
      const tables = [...text.matchAll(/\b(?:FROM|INTO|UPDATE)\s+(\S+)/g)].map(([, table]) => table);
      assert.deepEqual([...new Set(tables)], tables.length === 0 ? [] : ['`db`.`own`'], text);
      assert.equal(tables.length === 0 || needsTable, true, name);
    }
    const range = new RegExp(`\\{1\\.\\.${TABLE_ROWS}\\}`);
    assert.equal(range.test(textFor('t')), needsTable, name);
  }
});
