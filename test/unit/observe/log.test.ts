import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { describe, it } from 'node:test';
import { ProxyError } from '../../../src/errors.js';
import { logObserver } from '../../../src/observe/connection-log.js';
import { createLogger, type LogSettings } from '../../../src/observe/log.js';
import { connectionRecord, establish, tls10, tls13, weakTls10 } from './records.js';

type Line = Record<string, unknown>;

function logged(settings: Partial<LogSettings> = {}) {
  const chunks: string[] = [];
  const destination = new Writable({
    decodeStrings: false,
    write(chunk: string | Buffer, _encoding, done) {
      chunks.push(chunk.toString());
      done();
    },
  });
  const log = createLogger({ level: 'info', format: 'json', destination, ...settings });
  const text = () => chunks.join('');
  const lines = (): Line[] =>
    text()
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Line);
  return { ...log, observer: logObserver(log), lines, text };
}

const known = {
  user: 'app',
  serverAddress: 'db:3306',
  serverVersion: '9.7.0',
  serverThreadId: 12,
};

describe('the log', () => {
  it('is one JSON object a line, with level and time in words', () => {
    const { logger, lines } = logged();
    logger.info({ listen: ['a:1'] }, 'ready');
    const [line] = lines();
    assert.ok(line);
    assert.match(String(line['time']), /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.deepEqual({ ...line, time: '' }, { level: 'info', time: '', listen: ['a:1'], msg: 'ready' });
  });

  it('leaves out what is below its level', () => {
    const { logger, lines } = logged({ level: 'warn' });
    logger.info('no');
    logger.warn('yes');
    assert.deepEqual(
      lines().map(({ msg }) => msg),
      ['yes'],
    );
    const silent = logged({ level: 'silent' });
    silent.logger.error('no');
    assert.equal(silent.text(), '');
  });

  it('is written out when it is closed, and takes nothing after that', async () => {
    for (const format of ['json', 'pretty'] as const) {
      const { logger, text, close } = logged({ format });
      const started = performance.now();
      for (let i = 0; i < 1000; i++) logger.info('one');
      await close();
      assert.equal(logger.isLevelEnabled('error'), false);
      logger.info('late');
      assert.ok(performance.now() - started < 400, 'did not wait for its deadline');
      assert.equal(text().split('\n').length, 1001);
      assert.doesNotMatch(text(), /late/);
    }
  });

  it('can be text for people', async () => {
    const { logger, text, close } = logged({ format: 'pretty' });
    logger.info({ port: 1 }, 'ready');
    await close();
    assert.match(text(), /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: ready \{"port":1\}\n$/);
  });
});

describe('the log of connections', () => {
  it('has one line for a connection that went well', () => {
    const { observer, lines } = logged();
    const connection = connectionRecord({
      openedAt: Date.now() - 1500,
      clientTls: tls10,
      serverTls: tls13,
      ...known,
    });
    observer.opened?.(connection);
    observer.tlsEstablished?.(connection, 'client');
    establish(observer, connection);
    Object.assign(connection.clientBytes, { in: 10, out: 2000 });
    Object.assign(connection.serverBytes, { in: 2000, out: 10 });
    observer.closed?.(connection, 'client_closed');
    const [line, ...others] = lines();
    assert.deepEqual(others, []);
    assert.ok(line);
    const { time: _time, durationSeconds, ...rest } = line;
    assert.ok(Number(durationSeconds) >= 1.5 && Number(durationSeconds) < 60);
    assert.deepEqual(rest, {
      level: 'info',
      connection: connection.id,
      route: 'default',
      client: '203.0.113.7:51234',
      user: 'app',
      server: 'db:3306',
      serverVersion: '9.7.0',
      serverThreadId: 12,
      clientLeg: { version: 'TLSv1', cipher: 'AES256-SHA', resumed: false, bytesIn: 10, bytesOut: 2000 },
      serverLeg: {
        version: 'TLSv1.3',
        cipher: 'TLS_AES_256_GCM_SHA384',
        resumed: true,
        peerSubject: 'CN=db',
        bytesIn: 2000,
        bytesOut: 10,
      },
      commands: 0,
      reason: 'client_closed',
      msg: 'connection closed',
    });
  });

  it('says how the login came about, and by which program', () => {
    const { observer, lines } = logged();
    const connection = connectionRecord({
      ...known,
      serverUser: 'app_rw',
      authentication: 'credentials',
      clientPlugin: 'mysql_native_password',
      serverPlugin: 'caching_sha2_password',
      clientProgram: `old\nclient ${'x'.repeat(1000)}`,
      commands: 7,
    });
    establish(observer, connection);
    observer.closed?.(connection, 'client_closed');
    const [line] = lines();
    assert.deepEqual(
      ['user', 'serverUser', 'authentication', 'clientPlugin', 'serverPlugin', 'commands'].map(
        (name) => line?.[name],
      ),
      ['app', 'app_rw', 'credentials', 'mysql_native_password', 'caching_sha2_password', 7],
    );
    assert.match(String(line?.['clientProgram']), /^old\\u000aclient x{100,130}…$/);
  });

  it('does not say how a login came about that there was not', () => {
    const { observer, lines } = logged();
    observer.closed?.(connectionRecord(known), 'server_unreachable');
    assert.deepEqual([lines().length, lines()[0]?.['authentication']], [1, undefined]);
  });

  it('tells a failure at the level of its kind, with code, leg and cure', () => {
    const { observer, lines } = logged();
    const connection = connectionRecord(known);
    const cause = Object.assign(new Error('x'), { code: 'CERT_HAS_EXPIRED' });
    const error = new ProxyError('server_certificate_expired', 'the certificate expired', { cause });
    observer.tlsFailed?.(connection, 'server', error);
    observer.failed?.(connection, error);
    observer.closed?.(connection, error.code);
    const [failure, closed, ...others] = lines();
    assert.deepEqual(others, []);
    assert.equal(failure?.['level'], 'error');
    assert.equal(failure?.['code'], 'server_certificate_expired');
    assert.equal(failure?.['leg'], 'server');
    assert.equal(failure?.['cause'], 'CERT_HAS_EXPIRED');
    assert.equal(failure?.['connection'], connection.id);
    assert.match(String(failure?.['msg']), /server leg: the certificate expired\. Renew the certificate/);
    assert.equal(closed?.['level'], 'info');
    assert.equal(closed?.['reason'], 'server_certificate_expired');
  });

  it('shows the stack of what is a bug', () => {
    const { observer, lines } = logged();
    observer.failed?.(
      connectionRecord(),
      new ProxyError('internal_error', 'oops', { cause: new Error('oops') }),
    );
    assert.match(String(lines()[0]?.['stack']), /log\.test/);
  });

  it('tells a login that the server refused', () => {
    const { observer, lines } = logged();
    observer.refused?.(connectionRecord(known), 1045);
    const [line] = lines();
    assert.deepEqual(
      ['level', 'errno', 'user', 'code', 'leg'].map((name) => line?.[name]),
      ['info', 1045, 'app', 'login_refused', 'server'],
    );
  });

  it('is quiet about clients that go away before their login, as port scans do', () => {
    const gone = new ProxyError('client_gone', 'the client closed the connection');
    const report = (level: LogSettings['level']) => {
      const { observer, lines } = logged({ level });
      const connection = connectionRecord();
      observer.opened?.(connection);
      observer.failed?.(connection, gone);
      observer.closed?.(connection, 'client_gone');
      return lines().map((line) => line['msg']);
    };
    assert.deepEqual(report('info'), []);
    assert.deepEqual(report('debug').length, 3);
  });

  it('has one line for a client that said something and went away before its login was over', () => {
    const { observer, lines } = logged();
    const connection = connectionRecord({ clientBytes: { in: 36, out: 80 } });
    observer.failed?.(connection, new ProxyError('client_gone', 'the client closed the connection'));
    observer.closed?.(connection, 'client_gone');
    assert.deepEqual(
      lines().map(({ level, msg, reason }) => [level, msg, reason]),
      [['info', 'connection closed', 'client_gone']],
    );
  });

  it('is not quiet about clients that go away after it', () => {
    const { observer, lines } = logged();
    const connection = connectionRecord();
    establish(observer, connection);
    observer.closed?.(connection, 'client_gone');
    assert.deepEqual(
      lines().map((line) => line['msg']),
      ['connection closed'],
    );
  });

  it('has every step at level debug', () => {
    const { observer, lines } = logged({ level: 'debug' });
    const connection = connectionRecord({ serverTls: tls13 });
    observer.opened?.(connection);
    observer.tlsEstablished?.(connection, 'server');
    establish(observer, connection);
    const entries = lines();
    assert.deepEqual(
      entries.map((line) => line['msg']),
      ['connection opened', 'TLS established', 'login accepted'],
    );
    assert.deepEqual([entries[1]?.['leg'], entries[1]?.['version']], ['server', 'TLSv1.3']);
  });

  it('stays one line, and of bounded length, whatever a client calls itself', () => {
    const { observer, lines, text } = logged();
    observer.closed?.(
      connectionRecord({ user: `a\n{"level":"error"}${'x'.repeat(100_000)}` }),
      'client_closed',
    );
    assert.equal(text().split('\n').length, 2);
    assert.ok(String(lines()[0]?.['user']).length < 200);
  });
});

describe('weak TLS', () => {
  const lines = (log: ReturnType<typeof logged>) =>
    log.lines().map(({ level, leg, weakness, route, msg }) => ({ level, leg, weakness, route, msg }));

  it('is logged once for each kind, leg and route, with what it is and what to do', () => {
    const log = logged();
    for (const id of [1, 2, 3]) {
      const connection = connectionRecord({ id, ...known, clientTls: weakTls10, serverTls: tls13 });
      log.observer.tlsEstablished?.(connection, 'client');
      log.observer.tlsEstablished?.(connection, 'server');
    }
    assert.deepEqual(
      lines(log).map(({ weakness }) => weakness),
      ['old_version', 'rsa_key_exchange', 'no_forward_secrecy', 'cbc'],
    );
    assert.deepEqual(lines(log)[0], {
      level: 'warn',
      leg: 'client',
      weakness: 'old_version',
      route: 'default',
      msg:
        'weak TLS on the client leg: a version older than TLSv1.2 (RFC 8996). Update the client library; when none is ' +
        'left, set --client-tls-profile intermediate. (Logged once; weak_tls_connections_total counts.)',
    });
    const other = connectionRecord({
      route: 'other',
      ...known,
      serverTls: { ...tls13, weaknesses: ['unverified'] },
    });
    log.observer.tlsEstablished?.(other, 'server');
    const last = lines(log).at(-1);
    assert.deepEqual([last?.route, last?.leg, last?.weakness], ['other', 'server', 'unverified']);
    assert.match(String(last?.msg), /--server-ssl-mode VERIFY_IDENTITY/);
  });
});
