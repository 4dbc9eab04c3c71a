/** A worker dies under load, as the system kills the one that takes too much memory. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { orSkip } from '../integration/real-server.js';
import { makeCertificates } from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { startMysql9 } from '../support/servers.js';
import { prepareServer, startStage, writersCount } from './fault-stage.js';

const certificates = makeCertificates(makeTemporaryFolder());

/** As the system does when the machine has no memory left, and as V8 does when the heap is full. */
const deaths = ['SIGKILL', 'SIGABRT'] as const;

test('killed twice under load: the sessions of the other go on, and nothing acknowledged is lost', async (t) => {
  const server = orSkip(t, await startMysql9({ tls: certificates.serverTls }));
  if (server === undefined) return;
  t.after(() => server.stop());
  await prepareServer(server);
  const { program, writers, assertAllIsWell } = await startStage(t, server, certificates);
  let cutBefore = 0;
  for (const [index, signal] of deaths.entries()) {
    const from = program.cli.lines.length;
    const [victim = 0] = program.children();
    process.kill(victim, signal);
    await program.cli.line('worker started', from);
    await writers.more(200);
    const cut = [...writers.statementErrors.values()].reduce((sum, count) => sum + count, 0);
    // At first each has half of the sessions; then the one that lives has those of both.
    assert.ok(
      cut - cutBefore <= (index === 0 ? writersCount / 2 : writersCount),
      `${cut} statements were cut off`,
    );
    cutBefore = cut;
  }
  assert.equal(program.children().length, 2);
  await assertAllIsWell();
});
