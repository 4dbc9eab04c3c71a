import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ProxyError } from '../../../src/errors.js';
import { Outbox } from '../../../src/workers/outbox.js';
import { RemoteDoor } from '../../../src/workers/remote-door.js';
import { sendError } from '../../../src/workers/sent-error.js';

const client = { isUnix: false, remoteAddress: '192.0.2.1', remotePort: 1 };
const refusal = sendError(new ProxyError('route_full', 'all are in use'));

for (const asked of ['ask', 'wait'] as const) {
  test(`one waits until it is decided (${asked})`, async () => {
    const door = new RemoteDoor(1, asked, new Outbox(() => {}));
    const stay = door.enter('default', client, () => {});
    assert.equal(stay.isWaiting, true);
    door.decide({ refusal: undefined });
    assert.equal(stay.isWaiting, false);
    await stay.mayBegin;
  });
}

test('one that is decided does not wait', async () => {
  const door = new RemoteDoor(1, { refusal }, new Outbox(() => {}));
  const stay = door.enter('default', client, () => {});
  assert.equal(stay.isWaiting, false);
  await assert.rejects(stay.mayBegin, { code: 'route_full' });
});
