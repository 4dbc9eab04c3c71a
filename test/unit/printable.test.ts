import assert from 'node:assert/strict';
import { test } from 'node:test';
import { printable } from '../../src/printable.js';

test('what could forge a line, or change the direction of writing, is escaped', () => {
  const told = printable('a\nb\u0000c\u2028d\u200ee\u200ff\u061cg\u202eh\u2069i', 100);
  assert.equal(told, 'a\\u000ab\\u0000c\\u2028d\\u200ee\\u200ff\\u061cg\\u202eh\\u2069i');
});

test('text of other writings stays as it is', () => {
  const text = 'Ünï 日本語 שלום 😀';
  assert.equal(printable(text, 100), text);
});

test('what is too long is cut, and never to half a character', () => {
  assert.equal(printable('abcd', 4), 'abcd');
  assert.equal(printable('abcde', 4), 'abcd…');
  const cut = printable('abc😀', 4);
  assert.equal(cut, 'abc\\ud83d…');
  assert.equal(Buffer.from(cut).toString(), cut);
});
