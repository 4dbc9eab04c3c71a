import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorTable, ProxyError } from '../../../../src/errors.js';
import { recentFailures } from '../../../../src/observe/state/failures.js';
import { connectionRecord } from '../records.js';

function watched() {
  const clock = { now: 1_000 };
  const { observer, list } = recentFailures(() => clock.now);
  const fail = (fields: Parameters<typeof connectionRecord>[0], error: ProxyError) =>
    observer.failed?.(connectionRecord(fields), error);
  return { clock, observer, list, fail };
}

const expired = () => new ProxyError('server_certificate_expired', 'the certificate of db expired');

describe('recent failures', () => {
  it('have what happened, what to do about it, and to whom', () => {
    const { fail, list } = watched();
    fail({ user: 'app', serverAddress: 'db:3306', clientAddress: '[2001:db8::7]:4711' }, expired());
    assert.deepEqual(list(), [
      {
        first_at: 1_000,
        last_at: 1_000,
        count: 1,
        route: 'default',
        client_address: '2001:db8::7',
        user: 'app',
        server: 'db:3306',
        code: 'server_certificate_expired',
        leg: 'server',
        cause: 'the certificate of db expired',
        cure: errorTable.server_certificate_expired.cure,
      },
    ]);
  });

  it('that are equal but for the port are one, with the newest cause; the newest comes first', () => {
    const { clock, fail, list } = watched();
    fail({ clientAddress: '10.0.0.1:1' }, expired());
    clock.now = 2_000;
    fail({ clientAddress: '10.0.0.2:1' }, expired());
    clock.now = 3_000;
    fail({ clientAddress: '10.0.0.1:2' }, new ProxyError('server_certificate_expired', 'since yesterday'));
    assert.deepEqual(
      list().map(({ client_address, first_at, last_at, count, cause }) => [
        client_address,
        first_at,
        last_at,
        count,
        cause,
      ]),
      [
        ['10.0.0.1', 1_000, 3_000, 2, 'since yesterday'],
        ['10.0.0.2', 2_000, 2_000, 1, 'the certificate of db expired'],
      ],
    );
  });

  it('that differ in code, route, user or server are told apart', () => {
    const { fail, list, observer } = watched();
    fail({}, expired());
    fail({ route: 'other' }, expired());
    fail({ user: 'app' }, expired());
    fail({ serverAddress: 'db:3306' }, expired());
    fail({ clientAddress: 'unix' }, expired());
    fail({}, new ProxyError('server_certificate_revoked', 'x'));
    observer.refused?.(connectionRecord(), 1045);
    assert.equal(list().length, 7);
    assert.equal(list()[2]?.client_address, 'unix');
  });

  it('include logins and changes of user that the server refused, with what its error means', () => {
    const { observer, list } = watched();
    observer.refused?.(connectionRecord({ user: 'a' }), 1045);
    observer.userChangeRefused?.(connectionRecord({ user: 'a' }), 1045, connectionRecord({ user: 'b' }));
    observer.refused?.(connectionRecord({ user: 'c' }), 1040);
    const [full, change, login] = list();
    assert.deepEqual(
      [login?.code, login?.leg, login?.cause],
      ['login_refused', 'server', 'the server refused the login with error 1045'],
    );
    assert.match(login?.cure ?? '', /mysql-tls-proxy doctor --server … --user …/);
    assert.deepEqual(
      [change?.user, change?.cause],
      ['b', 'the server refused a change of the user with error 1045'],
    );
    assert.deepEqual(
      [full?.code, full?.cause, full?.cure],
      [
        'server_too_many_connections',
        'the server refused the login with error 1040',
        errorTable.server_too_many_connections.cure,
      ],
    );
  });

  it('of a change of the user are about the one that it was to become', () => {
    const { observer, list } = watched();
    const timeout = new ProxyError('client_timeout', 'the client did not finish');
    observer.failed?.(connectionRecord({ user: 'a' }), timeout, connectionRecord({ user: 'b' }));
    assert.equal(list()[0]?.user, 'b');
  });

  it('do not include clients that went away on their own account', () => {
    const { fail, list } = watched();
    fail({}, new ProxyError('client_gone', 'the client closed the connection'));
    assert.deepEqual(list(), []);
  });

  it('are the newest fifty, of bounded length, and printable', () => {
    const { fail, list } = watched();
    for (let i = 1; i <= 60; i += 1) fail({ user: `user ${i}` }, expired());
    fail({ user: 'user 12' }, expired());
    assert.equal(list().length, 50);
    assert.deepEqual([list()[0]?.user, list()[0]?.count, list()[1]?.user], ['user 12', 2, 'user 60']);
    assert.equal(list().at(-1)?.user, 'user 11');
    fail({ user: `\u202e\n${'x'.repeat(100_000)}` }, new ProxyError('internal_error', 'y'.repeat(100_000)));
    const [newest] = list();
    assert.match(newest?.user ?? '', /^\\u202e\\u000ax{100,130}…$/);
    assert.ok((newest?.cause.length ?? 0) < 600);
    assert.equal(list().length, 50);
  });
});
