/** The rows of the bench, as data. Those of the target table come first: they are the ones to have when time runs out. */
import type { NodeVersion } from '../../test/support/node-versions.js';
import { type FloodKind, sessionInFlood } from './flood.js';
import { ours, oursWithOneWorker, oursWithTwoWorkers } from './ours.js';
import { haproxy, nodeRelay, nodeTlsRelay, router, routerWithPool } from './peers.js';
import { type Entry, type Row, through } from './row.js';
import { direct, type Legs, type System } from './system.js';
import type { Workload } from './workload.js';
import {
  connectAndClose,
  connectOverTls,
  idleConnections,
  largeInsert,
  largeResult,
  pointSelect,
  preparedSelect,
} from './workloads.js';

/** What the proxy is for. */
const toTls: Legs = { client: 'plaintext', server: 'TLS' };
const throughTls: Legs = { client: 'TLS', server: 'TLS' };

const directs = [direct('plaintext'), direct('TLS')];
const all = [...directs, haproxy, router, oursWithOneWorker, oursWithTwoWorkers];
const allWithRelays = [
  ...directs,
  nodeRelay,
  nodeTlsRelay,
  haproxy,
  router,
  oursWithOneWorker,
  oursWithTwoWorkers,
];

/** What the hand-over to workers costs. */
const byWorkers = [oursWithOneWorker, oursWithTwoWorkers];

const reusing = ours('ours, --reuse-server-connections', { args: ['--reuse-server-connections'] });

/** Enough rounds for a target; a point of a second for all others. */
const ofTheTargets = { rounds: 5, seconds: 2 };
const minor = { rounds: 3, seconds: 1 };

const usual = {
  warmsUp: true,
  database: 'mysql9',
  legs: toTls,
  reference: router.name,
  quick: 'ours',
} as const;

const selectAt1000: Entry[] = [
  ...through(pointSelect(1000), all),
  { name: 'ours, 16 connections', system: oursWithOneWorker, workload: pointSelect(16) },
];

/** `nodes`: other lines of Node.js to run the proxy with. */
export function allRows(nodes: readonly NodeVersion[]): Row[] {
  return [
    row('select-16', 'Point select, 16 connections', through(pointSelect(16), allWithRelays), {
      ...ofTheTargets,
      quick: 'all',
    }),
    row(
      'select-128',
      'Point select, 128 connections',
      through(pointSelect(128), allWithRelays),
      ofTheTargets,
    ),
    row(
      'connect',
      'Connect, one query, close; 8 at once',
      through(connectAndClose(8), [...allWithRelays, routerWithPool, reusing]),
      { ...ofTheTargets, quick: 'all' },
    ),
    row('result', 'Results of 1 MB, 8 connections', through(largeResult(8), allWithRelays), ofTheTargets),
    row(
      'idle',
      'Memory of idle connections, 500 of them',
      through(idleConnections(500), [haproxy, router, ...byWorkers]),
      // A new program in each round has nothing that would be warm.
      { ...ofTheTargets, warmsUp: false },
    ),
    row('select-1000', 'Point select, 1000 connections', selectAt1000, {
      ...ofTheTargets,
      // A thousand logins come before each round, and take most of its time.
      warmsUp: false,
      quick: 'none',
    }),
    row('workers-select', 'Point select, 16 connections, by --workers', through(pointSelect(16), byWorkers), {
      ...ofTheTargets,
      reference: oursWithOneWorker.name,
      quick: 'none',
    }),
    row(
      'workers-connect',
      'Connect, one query, close; 8 at once; by --workers',
      through(connectAndClose(8), byWorkers),
      { ...ofTheTargets, reference: oursWithOneWorker.name, quick: 'none' },
    ),
    row('metrics', 'Point select, 16 connections, by --metrics', through(pointSelect(16), metricsLevels), {
      ...ofTheTargets,
      reference: 'ours, --metrics none',
    }),
    row('flood', 'One session and one client that connects again and again, in floods', floods(), {
      ...ofTheTargets,
      reference: quietEntry(oursWithOneWorker).name,
      quick: [`${oursWithOneWorker.name}: silent`, `${oursWithTwoWorkers.name}: garbage`],
    }),
    row('select-1', 'Point select, 1 connection', through(pointSelect(1), all), minor),
    row('prepared-16', 'Prepared statement, 16 connections', through(preparedSelect(16), all), minor),
    row('insert', 'Inserts of 1 MB, 8 connections', through(largeInsert(8), all), minor),
    row('connect-tls', 'Connect over TLS on the client leg, one query, close; 8 at once', connectsOverTls(), {
      ...minor,
      legs: throughTls,
      reference: `${router.name}, full`,
    }),
    ...otherLegs(),
    row('ciphers-select', 'Point select, 16 connections, by cipher', through(pointSelect(16), ciphers), {
      ...minor,
      reference: ciphers[0]?.name ?? '',
    }),
    row('ciphers-result', 'Results of 1 MB, 8 connections, by cipher', through(largeResult(8), ciphers), {
      ...minor,
      reference: ciphers[0]?.name ?? '',
      quick: 'none',
    }),
    row('mysql56', 'MySQL 5.6: point select, 16 connections', through(pointSelect(16), toOldServer), {
      ...minor,
      database: 'mysql56',
      reference: haproxy.name,
    }),
    row('mysql56-result', 'MySQL 5.6: results of 1 MB, 8 connections', through(largeResult(8), toOldServer), {
      ...minor,
      database: 'mysql56',
      reference: haproxy.name,
      quick: 'none',
    }),
    row('mariadb', 'MariaDB: point select, 16 connections', through(pointSelect(16), all), {
      ...minor,
      database: 'mariadb',
    }),
    ...byNode(nodes),
  ];
}

/** Each beside the same system without one; and beside a session that only shares the machine with it. */
function floods(): Entry[] {
  const flooded = (system: System, kind: FloodKind): Entry => ({
    name: `${system.name}: ${kind}`,
    system,
    workload: sessionInFlood({ kind }),
  });
  const besides = (name: string, kind: FloodKind | undefined): Entry => ({
    name: `session at the server: ${name}`,
    system: oursWithOneWorker,
    workload: sessionInFlood({ kind, besides: true }),
  });
  return [
    quietEntry(oursWithOneWorker),
    flooded(oursWithOneWorker, 'silent'),
    flooded(oursWithOneWorker, 'slow'),
    flooded(oursWithOneWorker, 'garbage'),
    quietEntry(oursWithTwoWorkers),
    flooded(oursWithTwoWorkers, 'silent'),
    flooded(oursWithTwoWorkers, 'garbage'),
    besides('no flood', undefined),
    besides('garbage', 'garbage'),
  ];
}

function quietEntry(system: System): Entry {
  return { name: `${system.name}: no flood`, system, workload: sessionInFlood({ kind: undefined }) };
}

const metricsLevels: System[] = ['none', 'aggregates', 'all'].map((level) =>
  ours(`ours, --metrics ${level}`, { args: ['--metrics', level] }),
);

const suites = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];
const ciphers: System[] = [
  ...suites.map((suite) => {
    const args = ['--server-tls-version', 'TLSv1.3', '--server-tls-ciphersuites', suite];
    return ours(`ours, TLS 1.3, ${suite}`, { args });
  }),
  ...['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-RSA-AES256-GCM-SHA384'].map((cipher) => {
    const args = ['--server-tls-version', 'TLSv1.2', '--server-ssl-cipher', cipher];
    return ours(`ours, TLS 1.2, ${cipher}`, { args });
  }),
];

/** The server's yaSSL knows TLS 1.0 and 1.1, which sysbench's client library does not offer. */
const toOldServer: System[] = [
  direct('plaintext'),
  haproxy,
  ours('ours, TLS 1.0', { args: ['--server-tls-profile', 'legacy', '--server-tls-version', 'TLSv1'] }),
];

function connectsOverTls(): Entry[] {
  const systems = [direct('TLS'), haproxy, router, ...byWorkers];
  const entries = (tls: 'full' | 'resumed', those: readonly System[]): Entry[] =>
    those.map((system) => ({ name: `${system.name}, ${tls}`, system, workload: connectOverTls(8, tls) }));
  return [...entries('full', systems), ...entries('resumed', systems)];
}

/** The other ways to have TLS on the legs: what each of them adds. */
function otherLegs(): Row[] {
  const legs: Legs[] = [
    { client: 'plaintext', server: 'plaintext' },
    { client: 'TLS', server: 'plaintext' },
    throughTls,
  ];
  return legs.map((each) => {
    const title = `Point select, 16 connections, ${each.client} to ${each.server}`;
    const systems = [router, oursWithOneWorker];
    return row(
      `select-16-${each.client}-${each.server}`.toLowerCase(),
      title,
      through(pointSelect(16), systems),
      {
        ...minor,
        legs: each,
      },
    );
  });
}

/** This Node.js comes first, and is what the newer ones are compared with. */
function byNode(nodes: readonly NodeVersion[]): Row[] {
  const own = ours(`ours, Node.js ${process.versions.node}`);
  const systems = [
    own,
    ...nodes.map(({ version, file }) => ours(`ours, Node.js ${version}`, { node: file })),
  ];
  // What runs for each connection is much code: V8 has it compiled only after some thousands of them.
  const works: [id: string, title: string, workload: Workload, settings: Settings][] = [
    ['node-select', 'Node.js lines: point select, 16 connections', pointSelect(16), minor],
    ['node-connect', 'Node.js lines: connect, one query, close; 8 at once', connectAndClose(8), ofTheTargets],
    ['node-result', 'Node.js lines: results of 1 MB, 8 connections', largeResult(8), minor],
  ];
  if (nodes.length === 0) return [];
  return works.map(([id, title, workload, settings]) =>
    row(id, title, through(workload, systems), { ...settings, reference: own.name, quick: 'none' }),
  );
}

type Settings = Pick<Row, 'rounds' | 'seconds'> & Partial<Row>;

function row(id: string, title: string, entries: readonly Entry[], settings: Settings): Row {
  return { id, title, entries, ...usual, ...settings };
}
