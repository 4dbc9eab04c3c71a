import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { calendarDay } from '../../../../src/observe/page/browser/format.js';
import { type Finding, findingsIn } from '../../../../src/observe/page/browser/verdict.js';
import type { CertificateState, ProxyState, TlsCount } from '../../../../src/observe/state/state.js';
import { busyState, emptyState, now } from '../../../browser/states.js';

const day = 24 * 60 * 60 * 1000;

const clients = (...versions: [version: string, connections: number][]): TlsCount[] =>
  versions.map(([version, connections]) => ({
    route: 'default',
    leg: 'client',
    version,
    cipher: 'AES',
    connections,
  }));

const findingsOf = (change: Partial<ProxyState>): Finding[] => findingsIn({ ...emptyState, ...change });
const headline = (change: Partial<ProxyState>): string => findingsOf(change)[0]?.text ?? '';

describe('the verdict about clients', () => {
  const cases: [TlsCount[], string][] = [
    [[], 'No client is connected.'],
    [clients(['TLSv1.3', 400], ['TLSv1.2', 12]), 'All 412 clients are on TLS 1.2 or newer.'],
    [clients(['TLSv1.3', 1]), '1 client is on TLS 1.2 or newer.'],
    [
      clients(['TLSv1.3', 370], ['TLSv1', 5], ['none', 37]),
      '37 of 412 clients are in plaintext, 5 on TLS 1.0.',
    ],
    [clients(['none', 1]), '1 of 1 client is in plaintext.'],
    [clients(['TLSv1.1', 2], ['TLSv1', 1]), '1 of 3 clients is on TLS 1.0, 2 on TLS 1.1.'],
    [
      clients(['passthrough', 3], ['TLSv1.3', 2]),
      'All 2 clients are on TLS 1.2 or newer. 3 more negotiate TLS with the servers themselves (PASSTHROUGH).',
    ],
    [clients(['passthrough', 3]), 'All 3 clients negotiate TLS with the servers themselves (PASSTHROUGH).'],
  ];
  for (const [tls, text] of cases) test(text, () => assert.equal(headline({ tls }), text));
});

test('plaintext toward the servers is a finding of its own', () => {
  const server: TlsCount = {
    route: 'default',
    leg: 'server',
    version: 'none',
    cipher: 'none',
    connections: 2,
  };
  const findings = findingsOf({ tls: [...clients(['TLSv1.3', 2]), server] });
  assert.deepEqual(
    findings.map(({ severity, text }) => [severity, text]),
    [
      ['warning', 'Toward the servers, 2 of 2 connections are in plaintext.'],
      ['fine', 'All 2 clients are on TLS 1.2 or newer.'],
    ],
  );
});

test('a failed reload is told until one succeeds', () => {
  const reloads = { ...emptyState.reloads, failed: 1, last_failure: 'the file does not exist' };
  const told = (failedAt: number, succeededAt: number) =>
    findingsOf({ reloads: { ...reloads, last_failure_at: failedAt, last_success_at: succeededAt } }).find(
      ({ key }) => key.startsWith('reload'),
    );
  const finding = told(now - 1000, now - 2000);
  assert.equal(finding?.severity, 'warning');
  assert.match(
    finding?.text ?? '',
    /^The reload at .* failed: the old configuration and certificates stay in use\.$/,
  );
  assert.equal(finding?.cause, 'The file does not exist.');
  assert.match(finding?.cure ?? '', /tries again by itself, or on SIGHUP/);
  assert.equal(told(now - 3000, now - 2000), undefined);
  assert.equal(
    findingsOf({}).some(({ key }) => key.startsWith('reload')),
    false,
  );
});

describe('the verdict about certificates', () => {
  const withDates = (not_before: number | null, not_after: number | null): CertificateState => ({
    route: 'default',
    leg: 'server',
    role: 'peer',
    subject: 'CN=db',
    not_before,
    not_after,
    source: 'db:3306',
    option: '',
  });
  const cases: [string, CertificateState, Finding['severity'] | undefined, string][] = [
    ['31 days', withDates(now - day, now + 31 * day), undefined, ''],
    [
      '5 days',
      withDates(now - day, now + 5.5 * day),
      'warning',
      'Certificate CN=db (server leg) expires in 5 days.',
    ],
    [
      '1 day',
      withDates(now - day, now + 1.5 * day),
      'warning',
      'Certificate CN=db (server leg) expires in 1 day.',
    ],
    [
      'hours',
      withDates(now - day, now + day / 2),
      'warning',
      'Certificate CN=db (server leg) expires in less than a day.',
    ],
    [
      'expired',
      withDates(now - 9 * day, now),
      'broken',
      `Certificate CN=db (server leg) expired on ${calendarDay(now)}.`,
    ],
    [
      'future',
      withDates(now + 1, now + day),
      'broken',
      `Certificate CN=db (server leg) is not valid before ${calendarDay(now)}.`,
    ],
    [
      'unreadable',
      withDates(null, null),
      'warning',
      'Certificate CN=db (server leg): its date can not be read.',
    ],
    [
      'expired, the other date unreadable',
      withDates(null, now),
      'broken',
      `Certificate CN=db (server leg) expired on ${calendarDay(now)}.`,
    ],
  ];
  for (const [name, certificate, severity, text] of cases) {
    test(name, () => {
      const found = findingsOf({ certificates: [certificate] }).find(
        ({ section }) => section === 'certificates',
      );
      assert.equal(found?.severity, severity);
      assert.equal(found?.text ?? '', text);
    });
  }
});

test('many certificates and servers make one finding each, and a certificate of several routes is one', () => {
  const [first] = busyState.certificates;
  const [down] = busyState.servers;
  assert.ok(first && down);
  const same = [first, { ...first, route: 'other' }];
  const text = (certificates: CertificateState[]): string => headline({ certificates });
  assert.equal(text(same), 'Certificate CN=reports.example.com (server leg) expires in 5 days.');
  assert.equal(
    text([...same, { ...first, source: 'another' }]),
    'Certificate CN=reports.example.com (server leg) expires in 5 days. 1 more within 30 days.',
  );
  const servers = ['a', 'b', 'c', 'd'].map((server) => ({ ...down, server }));
  const findings = findingsOf({ servers }).filter(({ section }) => section === 'routes');
  assert.deepEqual(
    findings.map(({ text: words }) => words),
    ['4 of 4 servers are down.'],
  );
});

test('what is broken comes before what is weak, and is not told twice', () => {
  assert.deepEqual(
    findingsIn(busyState).map(({ severity, section }) => [severity, section]),
    [
      ['broken', 'routes'],
      ['warning', 'certificates'],
      ['warning', 'now'],
    ],
  );
});

test('a server that is down is told with cause and cure', () => {
  const [down] = findingsIn(busyState);
  assert.match(down?.text ?? '', /^Server db-1\.example\.com:3306 \(route shop\) is down since .+\.$/);
  assert.equal(down?.cause, 'Connect to db-1.example.com:3306: connection refused.');
  assert.match(down?.cure ?? '', /^Check that the server runs/);
});

test('a server that nobody needed for more than five minutes may be up again: a warning', () => {
  const [down] = busyState.servers;
  assert.ok(down);
  const told = (minutes: number, servers = 1): (string | undefined)[] =>
    findingsOf({
      servers: Array.from({ length: servers }, () => ({ ...down, tried_at: now - minutes * 60_000 })),
    })
      .filter(({ section }) => section === 'routes')
      .flatMap(({ severity, text }) => [severity, text]);
  assert.equal(told(4)[0], 'broken');
  assert.equal(told(6)[0], 'warning');
  assert.match(
    told(6)[1] ?? '',
    /^Server db-1\.example\.com:3306 did not answer when it was last needed, at .+\.$/,
  );
  assert.deepEqual(told(6, 4), ['warning', '4 of 4 servers did not answer when they were last needed.']);
});

test('recent failures are told, old ones are not', () => {
  const [failure] = busyState.failures;
  assert.ok(failure);
  const told = (last_at: number): boolean =>
    findingsOf({ failures: [{ ...failure, last_at }] }).some(({ section }) => section === 'failures');
  assert.equal(told(now - 4 * 60 * 1000), true);
  assert.equal(told(now - 6 * 60 * 1000), false);
});

test('a limit that is nearly reached is told', () => {
  const told = (active: number): boolean =>
    findingsOf({ connections: { ...emptyState.connections, active, limit: 100 } }).some(
      ({ section }) => section === 'connections',
    );
  assert.deepEqual([told(89), told(90)], [false, true]);
});

test('the key stays while only numbers change, and changes with what is found', () => {
  const key = (tls: TlsCount[]): string => findingsOf({ tls })[0]?.key ?? '';
  assert.equal(key(clients(['none', 3])), key(clients(['none', 4], ['TLSv1.3', 9])));
  assert.notEqual(key(clients(['none', 3])), key(clients(['none', 3], ['TLSv1', 1])));
});
