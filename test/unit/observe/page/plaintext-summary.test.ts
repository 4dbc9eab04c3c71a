import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { plaintextSummary } from '../../../../src/observe/page/browser/plaintext-summary.js';
import type { ProxyState, TlsCount } from '../../../../src/observe/state/state.js';
import { emptyState } from '../../../browser/states.js';

const weak = (route: string, leg: TlsCount['leg'], connections: number): TlsCount => ({
  route,
  leg,
  version: 'none',
  cipher: 'none',
  connections,
});

function textOf(
  [refused, unknown, accepted]: readonly [number, number, number],
  { dropped = 0, tls = [] }: { dropped?: number; tls?: TlsCount[] } = {},
): string {
  const plaintext: ProxyState['plaintext'] = { ...emptyState.plaintext, routes: ['a', 'b'], dropped };
  const plaintext_outcomes = { refused, unknown, accepted };
  return plaintextSummary({ ...emptyState, plaintext, plaintext_outcomes, tls }).text;
}

describe('the summary of the plaintext report', () => {
  test('counts the whole report, not the clients that are listed', () => {
    assert.equal(
      textOf([300, 40, 1000]),
      'With --client-ssl-mode REQUIRED, 300 of these 1,340 clients would be refused; of 40 it is not known.',
    );
  });

  test('says that nobody would be refused only when that is known', () => {
    const nobody = /would refuse nobody/;
    assert.match(
      textOf([0, 0, 0]),
      /^Every client was on TLS 1\.2 or newer since .* on routes a and b: .*nobody/,
    );
    assert.match(textOf([0, 0, 5]), nobody);
    assert.match(
      textOf([0, 0, 0], { tls: [weak('elsewhere', 'client', 3), weak('a', 'server', 3)] }),
      nobody,
    );
    assert.doesNotMatch(textOf([1, 0, 0]), nobody);
    assert.doesNotMatch(textOf([0, 1, 0]), nobody);
    assert.doesNotMatch(textOf([0, 0, 0], { dropped: 1 }), nobody);
    assert.doesNotMatch(textOf([0, 0, 5], { tls: [weak('b', 'client', 1)] }), nobody);
  });

  test('tells what it does not know', () => {
    assert.equal(
      textOf([0, 0, 0], { tls: [weak('a', 'client', 2)] }),
      '2 connections not on TLS 1.2 or newer are open now, of which the report says nothing: what REQUIRED would do to them is not known.',
    );
    assert.match(
      textOf([2, 0, 1], { dropped: 7 }),
      /2 of these 3 clients would be refused\. 7 clients had no room in the report: what REQUIRED/,
    );
  });
});
