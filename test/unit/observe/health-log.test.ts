/** Lines about the health of servers: one for each change, with leg, cause and cure. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { it } from 'node:test';
import { errorTable, ProxyError } from '../../../src/errors.js';
import { logObserver } from '../../../src/observe/connection-log.js';
import type { ServerHealth } from '../../../src/observe/events.js';
import { createLogger } from '../../../src/observe/log.js';

type Line = Record<string, unknown>;

function openLog() {
  const lines: Line[] = [];
  const destination = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      for (const line of chunk.split('\n')) if (line !== '') lines.push(JSON.parse(line));
      done();
    },
  });
  const log = createLogger({ level: 'info', format: 'json', destination });
  const { serverHealth, serverChecked } = logObserver(log);
  const tell = (more: Partial<ServerHealth>) =>
    serverHealth?.({ route: 'r', server: 'a:1', changed: true, by: 'client', isOnly: false, ...more });
  const deny = () =>
    serverChecked?.({
      route: 'r',
      server: 'a:1',
      result: 'denied',
      greetedAfter: 0.1,
      error: new ProxyError('server_refused_health_check', 'a:1 refuses'),
    });
  const succeed = () =>
    serverChecked?.({ route: 'r', server: 'a:1', result: 'success', greetedAfter: 0.1, error: undefined });
  return { log, lines, tell, deny, succeed };
}

const error = new ProxyError('server_port_closed', 'a:1 can not be reached');

it('a server that falls and comes back has two lines, whatever happens between', () => {
  const { lines, tell } = openLog();
  tell({});
  tell({ error });
  tell({ error, changed: false });
  tell({ error, changed: false, by: 'check' });
  tell({ by: 'check' });
  assert.deepEqual(
    lines.map(({ time: _, ...line }) => line),
    [
      {
        level: 'warn',
        route: 'r',
        server: 'a:1',
        leg: 'server',
        code: 'server_port_closed',
        msg: `server a:1 is left out until it answers again: a:1 can not be reached. ${errorTable.server_port_closed.cure}`,
      },
      { level: 'info', route: 'r', server: 'a:1', msg: 'server a:1 is up again and gets connections' },
    ],
  );
});

it('of an only server, failures of clients are not told again, and those of checks are', () => {
  const { lines, tell } = openLog();
  tell({ error, isOnly: true });
  tell({ isOnly: true });
  assert.deepEqual(lines, []);
  tell({ error, isOnly: true, by: 'check' });
  assert.match(String(lines[0]?.['msg']), /^health checks of a:1 fail: a:1 can not be reached\. Check/);
});

it('a server that falls and rises all the time does not fill the log', async () => {
  const { log, lines, tell } = openLog();
  for (let i = 0; i < 50; i++) {
    tell({ error });
    tell({});
  }
  assert.equal(lines.length, 10);
  await log.close();
  assert.equal(lines.length, 11);
  assert.deepEqual([lines[10]?.['suppressed'], lines[10]?.['server']], [45, 'a:1']);
});

it('a refused user of health checks is told once, until a check succeeds', () => {
  const { lines, deny, succeed } = openLog();
  deny();
  deny();
  succeed();
  deny();
  assert.equal(lines.length, 2);
  assert.match(
    String(lines[0]?.['msg']),
    /^health checks of a:1 can not log in: a:1 refuses\. Compare --health-check-user/,
  );
});
