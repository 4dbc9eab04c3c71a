/** Whatever the proxy tells Prometheus is what happened: each metric, exactly, as Prometheus itself has it. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, type TestContext, test } from 'node:test';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { promtool } from '../support/prometheus.js';
import {
  AT_MYSQL,
  certificates,
  limits,
  otherCa,
  playScene,
  type Scene,
  type Theatre,
  TLS10,
  TLS13,
} from './prometheus-scene.js';
import { type Counts, countsOf, definitions, type Snapshot, valuesOf } from './prometheus-tally.js';
import { orSkip } from './real-server.js';

/** Metrics that a test has looked at. */
const examined = new Set<string>();

function counts(snapshot: Snapshot, metric: string): Counts {
  examined.add(metric);
  return countsOf(snapshot, metric);
}

function values(snapshot: Snapshot, metric: string): Counts {
  examined.add(metric);
  return valuesOf(snapshot, metric);
}

describe('what Prometheus has of the proxy', () => {
  let theatre: Theatre | Unavailable;
  before(async () => {
    theatre = await playScene();
  });
  after(async () => {
    if (!isUnavailable(theatre)) await theatre.close();
  });

  const check = (name: string, examine: (scene: Scene, t: TestContext) => unknown) =>
    test(name, async (t) => {
      const ready = orSkip(t, theatre);
      if (ready !== undefined) await examine(ready.scene, t);
    });

  for (const metric of [
    'connections_total',
    'connections_rejected_total',
    'connection_duration_seconds',
    'tls_handshake_failures_total',
    'tls_handshake_duration_seconds',
    'tls_sessions_total',
    'weak_tls_connections_total',
    'tls_reloads_total',
    'auth_total',
    'server_connect_duration_seconds',
  ]) {
    check(`${metric}: what the clients did, and nothing else`, ({ tally, snapshots }) =>
      assert.deepEqual(counts(snapshots.end, metric), tally.of(metric)),
    );
  }

  check('connections_active: those that are open, and none afterwards', ({ snapshots }) => {
    assert.deepEqual(counts(snapshots.open, 'connections_active'), {
      counted: 1,
      modern: 1,
      old: 1,
      plain: 2,
    });
    assert.deepEqual(counts(snapshots.end, 'connections_active'), {});
  });

  check('connections_limit: as the latest reload left it', ({ snapshots }) => {
    assert.deepEqual(values(snapshots.idle, 'connections_limit'), { '': limits.usual });
    assert.deepEqual(values(snapshots.full, 'connections_limit'), { '': limits.low });
    assert.deepEqual(values(snapshots.end, 'connections_limit'), { '': limits.usual });
  });

  check('tls_sessions_active: those that are logged in, by leg, and none afterwards', ({ snapshots }) => {
    const [tls10, tls13, atMysql] = [TLS10, TLS13, AT_MYSQL].map((tls) => tls.join(' '));
    assert.deepEqual(counts(snapshots.open, 'tls_sessions_active'), {
      'counted client none none': 1,
      'counted server none none': 1,
      [`modern client ${tls13}`]: 1,
      [`modern server ${atMysql}`]: 1,
      [`old client ${tls10}`]: 1,
      [`old server ${atMysql}`]: 1,
      'plain client none none': 2,
      [`plain server ${atMysql}`]: 2,
    });
    assert.deepEqual(counts(snapshots.end, 'tls_sessions_active'), {});
  });

  check(
    'tls_handshakes_total: by version and cipher; resumed as MySQL says',
    ({ tally, snapshots, seenByMysql }) => {
      const found = counts(snapshots.end, 'tls_handshakes_total');
      const expected = tally.of('tls_handshakes_total');
      const onLeg = (all: Counts, leg: string) =>
        Object.fromEntries(Object.entries(all).filter(([labels]) => labels.split(' ')[1] === leg));
      assert.deepEqual(onLeg(found, 'client'), onLeg(expected, 'client'));
      // Whether a ticket came in time for the next connection nobody can tell beforehand.
      assert.deepEqual(withoutLastLabel(onLeg(found, 'server')), withoutLastLabel(onLeg(expected, 'server')));
      const resumed = Object.entries(onLeg(found, 'server')).filter(([labels]) => labels.endsWith(' true'));
      assert.equal(
        resumed.reduce((sum, [, count]) => sum + count, 0),
        seenByMysql.resumed,
      );
      assert.ok(seenByMysql.resumed > 0, 'nothing was resumed');
    },
  );

  check('certificate_not_after: of every file, and of the one that the server showed', ({ snapshots }) => {
    const notAfter = ({ certificate }: { certificate: string }) =>
      Date.parse(new X509Certificate(certificate).validTo) / 1000;
    const { ca, server, client } = certificates;
    const files = {
      'plain server ca CN=Test CA': notAfter(ca),
      'plain server own CN=Test client': notAfter(client),
      'old client own CN=Test server': notAfter(server),
      'old server ca CN=Test CA': notAfter(ca),
      'modern client own CN=Test server': notAfter(server),
      'modern server ca CN=Test CA': notAfter(ca),
      'filed server ca CN=Test CA': notAfter(ca),
      'untrusted server ca CN=Other CA': notAfter(otherCa),
      'tickets client own CN=Test server': notAfter(server),
    };
    const metric = 'certificate_not_after_timestamp_seconds';
    assert.deepEqual({ ...values(snapshots.idle, metric) }, files);
    assert.deepEqual(
      { ...values(snapshots.open, metric) },
      {
        ...files,
        'plain server peer CN=Test server': notAfter(server),
        'old server peer CN=Test server': notAfter(server),
        'modern server peer CN=Test server': notAfter(server),
        'filed server peer CN=Test server': notAfter(server),
        'untrusted server peer CN=Test server': notAfter(server),
      },
    );
  });

  check('tls_last_reload_success: the start, then the latest that succeeded', ({ snapshots, lastReload }) => {
    const metric = 'tls_last_reload_success_timestamp_seconds';
    const { after: earliest, before: latest } = lastReload;
    const [atStart = 0] = Object.values(values(snapshots.idle, metric));
    assert.ok(atStart > 0 && atStart < earliest, `${atStart}`);
    const [atEnd = 0] = Object.values(values(snapshots.end, metric));
    assert.ok(atEnd >= earliest && atEnd <= latest, `${atEnd} is not between ${earliest} and ${latest}`);
  });

  check(
    'bytes_total: what the sockets of plaintext clients counted, on both legs',
    ({ tally, snapshots }) => {
      const found = counts(snapshots.end, 'bytes_total');
      const expected = tally.of('bytes_total');
      for (const [labels, bytes] of Object.entries(expected)) {
        assert.equal(found[labels], bytes, labels);
      }
      // Two plaintext legs carry the same, until the proxy itself has something to say.
      const relayed = counts(snapshots.full, 'bytes_total');
      assert.equal(relayed['counted server out'], relayed['counted client in']);
      assert.equal(relayed['counted server in'], relayed['counted client out']);
      for (const route of ['plain', 'old', 'modern', 'filed', 'through', 'tickets', 'untrusted'])
        for (const side of ['client in', 'client out', 'server in', 'server out'])
          assert.ok((found[`${route} ${side}`] ?? 0) > 0, `${route} ${side}`);
    },
  );

  check('commands_total: each command that was sent', ({ tally, snapshots, seenByMysql }) => {
    const found = counts(snapshots.end, 'commands_total');
    assert.deepEqual(withoutRoute(found, 'old'), tally.of('commands_total'));
    console.log(seenByMysql.replicaCommands, onlyRoute(found, 'old'));
  });

  check('command_duration_seconds: each command that was answered', ({ tally, snapshots }) => {
    const found = counts(snapshots.end, 'command_duration_seconds');
    assert.deepEqual(withoutRoute(found, 'old'), tally.of('command_duration_seconds'));
    console.log(onlyRoute(found, 'old'));
  });

  check('server_up: NaN, 1, 0 while the server is stopped, and 1 again', ({ snapshots, addresses }) => {
    const { mysql, mariadb } = addresses;
    const idle = values(snapshots.idle, 'server_up');
    for (const value of Object.values(idle)) assert.equal(value, Number.NaN);
    const up = {
      [`counted ${mariadb}`]: 1,
      [`filed ${mysql}`]: 1,
      [`modern ${mysql}`]: 1,
      [`old ${mysql}`]: 1,
      [`plain ${mysql}`]: 1,
      [`through ${mysql}`]: 1,
      [`tickets ${mariadb}`]: 1,
      [`untrusted ${mysql}`]: 1,
    };
    assert.deepEqual(Object.keys(idle), Object.keys(up));
    assert.deepEqual(values(snapshots.open, 'server_up'), up);
    // Nobody asked for it on the route `tickets`.
    assert.deepEqual(values(snapshots.broken, 'server_up'), { ...up, [`counted ${mariadb}`]: 0 });
    assert.deepEqual(values(snapshots.end, 'server_up'), up);
  });

  check('build_info: the versions', ({ snapshots }) => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    const { node, openssl } = process.versions;
    assert.deepEqual(values(snapshots.end, 'build_info'), { [`${version} ${node} ${openssl}`]: 1 });
  });

  check('connection metrics', ({ snapshots }) => {
    for (const m of [
      'connection_info',
      'connection_bytes_total',
      'connection_commands_total',
      'connection_opened_timestamp_seconds',
      'connections_omitted',
    ])
      console.log(m, values(snapshots.open, m), values(snapshots.end, m));
  });

  for (const path of ['aggregates', 'connections'] as const) {
    check(`promtool has nothing to say against the scrape of ${path}`, async ({ scrapes }, t) => {
      const result = orSkip(t, await promtool(['check', 'metrics'], { input: scrapes[path] }));
      if (result === undefined) return;
      assert.equal(`${result.stdout}${result.stderr}`, '');
      assert.equal(result.code, 0);
    });
  }

  check('no metric was left out', () =>
    assert.deepEqual(Object.keys(definitions).sort(), [...examined].sort()),
  );
});

function withoutLastLabel(counts: Counts): Counts {
  const merged: Record<string, number> = {};
  for (const [labels, count] of Object.entries(counts)) {
    const rest = labels.slice(0, labels.lastIndexOf(' '));
    merged[rest] = (merged[rest] ?? 0) + count;
  }
  return merged;
}

function onlyRoute(counts: Counts, route: string): Counts {
  return Object.fromEntries(Object.entries(counts).filter(([labels]) => labels.startsWith(`${route} `)));
}

function withoutRoute(counts: Counts, route: string): Counts {
  return Object.fromEntries(Object.entries(counts).filter(([labels]) => !labels.startsWith(`${route} `)));
}
