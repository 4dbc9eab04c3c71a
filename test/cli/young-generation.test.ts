/** How much memory V8 takes for new objects, in processes of their own. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CliProcess } from '../support/cli-process.js';

/** Megabytes: the first 2, and what a collection under way may need. */
const MOST_AT_REST = 4;

const moduleFile = fileURLToPath(new URL('../../src/young-generation.js', import.meta.url));

/** Of a proxy that has just started. */
async function megabytesAtStart(t: TestContext, env: NodeJS.ProcessEnv = {}): Promise<number> {
  const args = [
    ...['--listen', '127.0.0.1:0', '--admin-listen', '127.0.0.1:0', '--log-format', 'json'],
    ...['--server', '127.0.0.1:1', '--server-ssl-mode', 'disabled'],
  ];
  const cli = new CliProcess(args, { env });
  t.after(async () => {
    cli.signal('SIGKILL');
    await cli.ended;
  });
  const { admin } = await cli.line('ready');
  const text = await (await fetch(`http://${admin}/metrics`)).text();
  return Number(/^nodejs_heap_space_size_total_bytes\{space="new"\} (\d+)$/m.exec(text)?.[1]) / 2 ** 20;
}

test('a proxy takes little, unless Node.js is told otherwise', async (t) => {
  assert.ok((await megabytesAtStart(t)) <= MOST_AT_REST);
  assert.ok((await megabytesAtStart(t, { NODE_OPTIONS: '--max-semi-space-size=16' })) > MOST_AT_REST);
});

test('it takes more when connections have ended in numbers', () => {
  const script = `
    import v8 from 'node:v8';
    const { growYoungGenerationWithChurn } = await import(${JSON.stringify(moduleFile)});
    const observer = growYoungGenerationWithChurn();
    const megabytes = () => {
      const alive = [];
      for (let count = 0; count < 2_000_000; count++) alive[count % 100_000] = { count, of: [count] };
      return v8.getHeapSpaceStatistics().find((space) => space.space_name === 'new_space').space_size / 2 ** 20;
    };
    const end = (count) => { while (count-- > 0) observer.closed({}, 'client_closed'); };
    const before = megabytes();
    end(999);
    const quiet = megabytes();
    end(1);
    console.log(JSON.stringify({ before, quiet, busy: megabytes() }));`;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8',
  });
  const { before, quiet, busy } = JSON.parse(output);
  assert.ok(before <= MOST_AT_REST && quiet <= MOST_AT_REST, output);
  assert.ok(busy > MOST_AT_REST, output);
});
