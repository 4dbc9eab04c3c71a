/** A `node --test` reporter that lists the tests that were skipped, one line each. */
import type { TestEvent } from 'node:test/reporters';

export default async function* skippedTests(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const event of events) {
    if (event.type !== 'test:pass' || event.data.skip === undefined) continue;
    const reason = event.data.skip === true ? '' : ` (${event.data.skip})`;
    yield `${event.data.name}${reason}\n`;
  }
}
