/** Failures in the log: how often they are told, and that none is lost. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { it } from 'node:test';
import { ProxyError } from '../../../src/errors.js';
import { logObserver } from '../../../src/observe/connection-log.js';
import { createLogger, type LogSettings } from '../../../src/observe/log.js';
import { connectionRecord } from './records.js';

type Line = Record<string, unknown>;

function openLog(level: LogSettings['level'] = 'info') {
  const lines: Line[] = [];
  const destination = new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      for (const line of chunk.split('\n')) if (line !== '') lines.push(JSON.parse(line));
      done();
    },
  });
  const log = createLogger({ level, format: 'json', destination });
  return { log, observer: logObserver(log), lines };
}

const required = () => new ProxyError('client_tls_required', 'insecure transport is prohibited');

it('a client that fails again and again is told five times; the rest is one line when the log ends', async () => {
  const { log, observer, lines } = openLog();
  for (let port = 1; port <= 20; port += 1) {
    const connection = connectionRecord({ clientAddress: `[2001:db8::7]:${port}`, user: 'app' });
    observer.failed?.(connection, required());
    observer.closed?.(connection, 'client_tls_required');
  }
  const failures = () => lines.filter(({ msg }) => msg !== 'connection closed');
  assert.equal(failures().length, 5);
  assert.equal(lines.length - failures().length, 20, 'each connection has its line');
  await log.close();
  assert.equal(failures().length, 6);
  const { time: _time, msg, ...rest } = failures().at(-1) ?? {};
  assert.match(String(msg), /^client_tls_required: 15 more like this in the last \d+ s$/);
  assert.deepEqual(rest, {
    level: 'warn',
    route: 'default',
    client: '2001:db8::7',
    code: 'client_tls_required',
    leg: 'client',
    suppressed: 15,
  });
});

it('refused logins and refused changes of the user are failures of one kind', async () => {
  const { log, observer, lines } = openLog();
  for (let i = 0; i < 4; i += 1) {
    observer.refused?.(connectionRecord(), 1045);
    observer.userChangeRefused?.(
      connectionRecord({ user: 'before' }),
      1045,
      connectionRecord({ user: 'after' }),
    );
  }
  assert.equal(lines[1]?.['user'], 'after');
  assert.equal(lines.length, 5);
  await log.close();
  assert.deepEqual([lines[5]?.['level'], lines[5]?.['suppressed'], lines[5]?.['leg']], ['info', 3, 'server']);
});

it('a failed change of the user is about the one that it was to become', () => {
  const { observer, lines } = openLog();
  const timeout = new ProxyError('client_timeout', 'the client did not finish');
  observer.failed?.(connectionRecord({ user: 'before' }), timeout, connectionRecord({ user: 'after' }));
  assert.deepEqual([lines[0]?.['user'], lines[0]?.['code']], ['after', 'client_timeout']);
});

it('what the server says of its own state has the code of that, not of a login', async () => {
  const { log, observer, lines } = openLog();
  for (let i = 0; i < 6; i += 1) observer.refused?.(connectionRecord(), 1040);
  await log.close();
  assert.deepEqual(
    lines.map(({ code }) => code),
    Array(6).fill('server_too_many_connections'),
  );
  assert.deepEqual([lines[0]?.['errno'], lines[5]?.['suppressed']], [1040, 1]);
});

it('at level debug each one is told', async () => {
  const { log, observer, lines } = openLog('debug');
  for (let i = 0; i < 20; i += 1) observer.failed?.(connectionRecord(), required());
  await log.close();
  assert.equal(lines.length, 20);
});

it('health checks, which leave without a word, are not even counted at level info', async () => {
  const { log, observer, lines } = openLog();
  for (let i = 0; i < 20; i += 1) {
    const connection = connectionRecord();
    observer.opened?.(connection);
    observer.failed?.(connection, new ProxyError('client_gone', 'the client closed the connection'));
    observer.closed?.(connection, 'client_gone');
  }
  await log.close();
  assert.deepEqual(lines, []);
});

it('what is not logged uses up nothing of what may be', async () => {
  const { log, observer, lines } = openLog();
  for (let host = 0; host < 1_500; host += 1) {
    const clientAddress = `10.0.${host >> 8}.${host & 255}:1`;
    observer.failed?.(connectionRecord({ clientAddress }), new ProxyError('client_gone', 'gone'));
  }
  for (let host = 1; host <= 10; host += 1)
    observer.failed?.(connectionRecord({ clientAddress: `10.9.9.${host}:1` }), required());
  await log.close();
  assert.equal(lines.length, 10);
});
