/** A function that is fast because it does something else is no comparison. */
import assert from 'node:assert/strict';
import type { Subject } from './subject.js';

/** Throws an AssertionError unless all of them that can tell come to the same; they share a group and traffic. */
export async function assertSameOutcomes(subjects: readonly Subject[]): Promise<void> {
  let first: { name: string; outcome: unknown } | undefined;
  for (const { group, traffic, name, outcome: find } of subjects) {
    const outcome = await find();
    if (outcome === undefined) continue;
    first ??= { name, outcome };
    // Not the values themselves: they hold what clients and servers said.
    const isSame = isEqual(outcome, first.outcome);
    assert.ok(isSame, `${group}, ${traffic}: "${name}" comes to something else than "${first.name}"`);
  }
}

function isEqual(left: unknown, right: unknown): boolean {
  try {
    assert.deepEqual(left, right);
    return true;
  } catch {
    return false;
  }
}

/** In the order in which they come; each list is of one group and traffic. */
export function comparable(subjects: readonly Subject[]): Subject[][] {
  const lists = new Map<string, Subject[]>();
  for (const subject of subjects) {
    const key = `${subject.group}\0${subject.traffic}`;
    lists.set(key, [...(lists.get(key) ?? []), subject]);
  }
  return [...lists.values()];
}
