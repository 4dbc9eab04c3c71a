/** Whatever the proxy tells Prometheus is what happened: each metric, exactly, as Prometheus itself has it. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { after, before, describe, type TestContext, test } from 'node:test';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { promtool } from '../support/prometheus.js';
import type { HeldConnection } from './prometheus-held.js';
import { playScene, type Scene, type Theatre } from './prometheus-scene.js';
import { AT_MYSQL, certificates, limits, otherCa, TLS10, TLS13 } from './prometheus-stage.js';
import {
  type Counts,
  countsOf,
  definitions,
  labelsOf,
  onlyLeg,
  onlyRoute,
  type Snapshot,
  valuesOf,
  withoutLastLabel,
  withoutRoute,
  withRoute,
} from './prometheus-tally.js';
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

function labels(snapshot: Snapshot, metric: string): readonly Readonly<Record<string, string>>[] {
  examined.add(metric);
  return labelsOf(snapshot, metric);
}

/** Values of a connection metric, with the names of the connections in place of their numbers. */
function ofHeld(snapshot: Snapshot, metric: string): Counts {
  const names = new Map(labels(snapshot, 'connection_info').map((found) => [found['id'], nameOf(found)]));
  return Object.fromEntries(
    Object.entries(values(snapshot, metric)).map(([key, value]) => {
      const [id, _route, ...others] = key.split(' ');
      return [[names.get(id), ...others].join(' '), value];
    }),
  );
}

function nameOf({ route, user }: Readonly<Record<string, string>>): HeldConnection['name'] {
  return `${route} ${user}`;
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
    'server_connections_total',
    'server_connect_duration_seconds',
    'server_connect_failures_total',
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

  check(
    'connections_closed_total: who was rejected, and all others by themselves',
    ({ tally, snapshots }) => {
      const closed = counts(snapshots.end, 'connections_closed_total');
      const isByItself = (labels: string) => /(client|server)_closed$/.test(labels);
      const rejected = Object.entries(closed).filter(([labels]) => !isByItself(labels));
      assert.deepEqual(Object.fromEntries(rejected), tally.of('connections_rejected_total'));
      const sum = (found: Counts) => Object.values(found).reduce((total, value) => total + value, 0);
      assert.equal(sum(closed), sum(tally.of('connections_total')));
    },
  );

  check('kept server connections: none where no route has the option', ({ snapshots }) => {
    assert.deepEqual(counts(snapshots.end, 'kept_server_connections'), {});
    assert.deepEqual(counts(snapshots.end, 'kept_server_connections_ended_total'), {});
  });

  check('workers: each has its figures, none has died, and no client had to wait', ({ snapshots }) => {
    assert.deepEqual(counts(snapshots.end, 'handshakes_waiting'), {});
    const connections = values(snapshots.end, 'worker_connections');
    assert.ok(Object.values(connections).every((count) => count === 0));
    for (const metric of ['worker_cpu_seconds_total', 'worker_resident_memory_bytes'] as const) {
      const ofWorkers = values(snapshots.end, metric);
      assert.deepEqual(Object.keys(ofWorkers), Object.keys(connections));
      assert.ok(Object.values(ofWorkers).every((value) => Number(value) > 0));
    }
    assert.deepEqual(values(snapshots.end, 'worker_restarts_total'), { '': 0 });
  });

  check('connections_limit: as the latest reload left it', ({ snapshots }) => {
    assert.deepEqual(values(snapshots.idle, 'connections_limit'), { '': limits.usual.clients });
    assert.deepEqual(values(snapshots.full, 'connections_limit'), { '': limits.low.clients });
    assert.deepEqual(values(snapshots.end, 'connections_limit'), { '': limits.usual.clients });
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

  check('tls_handshakes_total: by version and cipher', ({ tally, snapshots }) => {
    const found = counts(snapshots.end, 'tls_handshakes_total');
    const expected = tally.of('tls_handshakes_total');
    assert.deepEqual(onlyLeg(found, 'client'), onlyLeg(expected, 'client'));
    // Whether a ticket came in time for the next connection nobody can tell beforehand.
    assert.deepEqual(
      withoutLastLabel(onlyLeg(found, 'server')),
      withoutLastLabel(onlyLeg(expected, 'server')),
    );
  });

  check(
    'tls_handshakes_total: resumed on the server leg as often as MySQL says',
    ({ snapshots, seenByMysql }) => {
      const handshakes = Object.entries(onlyLeg(counts(snapshots.end, 'tls_handshakes_total'), 'server'));
      const resumed = handshakes.filter(([labels]) => labels.endsWith(' true'));
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
    const shown = {
      'plain server peer CN=Test server': notAfter(server),
      'old server peer CN=Test server': notAfter(server),
      'modern server peer CN=Test server': notAfter(server),
      'filed server peer CN=Test server': notAfter(server),
      'untrusted server peer CN=Test server': notAfter(server),
    };
    assert.deepEqual({ ...values(snapshots.idle, metric) }, files);
    assert.deepEqual({ ...values(snapshots.open, metric) }, { ...files, ...shown });
    // No server has shown one since the latest reload.
    assert.deepEqual({ ...values(snapshots.end, metric) }, { ...files, ...shown });
  });

  check('tls_last_reload_success: the start, then the latest that succeeded', ({ snapshots, lastReload }) => {
    const metric = 'tls_last_reload_success_timestamp_seconds';
    const { after: earliest, before: latest } = lastReload;
    const [atStart = 0] = Object.values(values(snapshots.idle, metric));
    assert.ok(atStart > 0 && atStart < earliest, `${atStart}`);
    const [atEnd = 0] = Object.values(values(snapshots.end, metric));
    assert.ok(atEnd >= earliest && atEnd <= latest, `${atEnd} is not between ${earliest} and ${latest}`);
  });

  check('bytes_total: of the client leg what each client counted', ({ tally, snapshots }) => {
    const found = onlyLeg(counts(snapshots.end, 'bytes_total'), 'client');
    assert.deepEqual(withoutRoute(found, 'old'), tally.of('bytes_total'));
    // The replica does not count.
    for (const direction of ['in', 'out']) assert.ok((found[`old client ${direction}`] ?? 0) > 0, direction);
  });

  check(
    'bytes_total: of the server leg those of the client where neither leg changes them',
    ({ snapshots }) => {
      const found = counts(snapshots.full, 'bytes_total');
      for (const route of ['counted', 'through']) {
        assert.ok((found[`${route} server in`] ?? 0) > 0);
        assert.equal(found[`${route} server in`], found[`${route} client out`]);
        assert.equal(found[`${route} server out`], found[`${route} client in`]);
      }
    },
  );

  check('commands_total: each command that was sent', ({ tally, snapshots, seenByMysql }) => {
    const found = counts(snapshots.end, 'commands_total');
    assert.deepEqual(withoutRoute(found, 'old'), tally.of('commands_total'));
    assert.deepEqual(onlyRoute(found, 'old'), withRoute(seenByMysql.replicaCommands, 'old'));
  });

  check('command_duration_seconds: each command that was answered', ({ tally, snapshots, seenByMysql }) => {
    const found = counts(snapshots.end, 'command_duration_seconds');
    assert.deepEqual(withoutRoute(found, 'old'), tally.of('command_duration_seconds'));
    assert.deepEqual(onlyRoute(found, 'old'), withRoute(seenByMysql.replicaCommands, 'old'));
  });

  check(
    'server_connections_active: those of the clients, and none afterwards',
    ({ snapshots, addresses }) => {
      const { mysql, mariadb } = addresses;
      assert.deepEqual(counts(snapshots.open, 'server_connections_active'), {
        [`counted ${mariadb}`]: 1,
        [`modern ${mysql}`]: 1,
        [`old ${mysql}`]: 1,
        [`plain ${mysql}`]: 2,
      });
      assert.deepEqual(counts(snapshots.end, 'server_connections_active'), {});
    },
  );

  check('server_health_checks_total: none where a route has one server', ({ snapshots }) =>
    assert.deepEqual(counts(snapshots.end, 'server_health_checks_total'), {}),
  );

  check(
    'server_up: NaN, 1, and 0 where the server is gone, refuses the host, or has a bad certificate',
    ({ snapshots, addresses }) => {
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
        [`untrusted ${mysql}`]: 0,
      };
      assert.deepEqual(Object.keys(idle), Object.keys(up));
      assert.deepEqual(values(snapshots.open, 'server_up'), up);
      // Nobody asked for it on the route `tickets`.
      assert.deepEqual(values(snapshots.broken, 'server_up'), { ...up, [`counted ${mariadb}`]: 0 });
      // It is there again, and refuses the host in place of a greeting.
      assert.deepEqual(values(snapshots.end, 'server_up'), { ...up, [`counted ${mariadb}`]: 0 });
    },
  );

  check('build_info: the versions', ({ snapshots }) => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
    const { node, openssl } = process.versions;
    assert.deepEqual(values(snapshots.end, 'build_info'), { [`${version} ${node} ${openssl}`]: 1 });
  });

  check('connection_info: what client and server know of each open connection', ({ snapshots, held }) => {
    const byName = new Map(labels(snapshots.open, 'connection_info').map((found) => [nameOf(found), found]));
    assert.deepEqual([...byName.keys()].sort(), held.map(({ name }) => name).sort());
    for (const { name, labels: expected } of held) {
      const { id, client, server_tls_resumed, ...found } = byName.get(name) ?? {};
      const { client: itsAddress, ...others } = expected;
      assert.match(id ?? '', /^\d+$/);
      if (itsAddress === undefined) assert.match(client ?? '', /^127\.0\.0\.1:\d+$/);
      else assert.equal(client, itsAddress);
      assert.match(
        server_tls_resumed ?? '',
        found['server_tls_version'] === 'none' ? /^false$/ : /^(true|false)$/,
      );
      assert.deepEqual(found, others);
    }
    assert.deepEqual(counts(snapshots.end, 'connection_info'), {});
  });

  check('connection_bytes_total: what client and server have counted', ({ snapshots, held }) => {
    const found = ofHeld(snapshots.open, 'connection_bytes_total');
    for (const { name, bytes } of held)
      for (const [direction, counted] of Object.entries(bytes))
        assert.equal(found[`${name} ${direction}`], counted, `${name} ${direction}`);
    assert.equal(Object.keys(found).length, 4 * held.length);
    assert.ok(Object.values(found).every((bytes) => bytes > 0));
    assert.deepEqual(counts(snapshots.end, 'connection_bytes_total'), {});
  });

  check('connection_commands_total: those that each has sent', ({ snapshots, held }) => {
    const commands = held.map(({ name, commands }) => [name, commands]);
    assert.deepEqual(ofHeld(snapshots.open, 'connection_commands_total'), Object.fromEntries(commands));
    assert.deepEqual(values(snapshots.end, 'connection_commands_total'), {});
  });

  check('connection_opened_timestamp_seconds: while its client connected', ({ snapshots, held }) => {
    const found = ofHeld(snapshots.open, 'connection_opened_timestamp_seconds');
    assert.equal(Object.keys(found).length, held.length);
    for (const { name, opened } of held) {
      const at = found[name] ?? 0;
      assert.ok(at >= opened.after && at <= opened.before, `${name}: ${opened.after} ${at} ${opened.before}`);
    }
    assert.deepEqual(counts(snapshots.end, 'connection_opened_timestamp_seconds'), {});
  });

  check('connections_omitted: those over --connection-metrics-limit', ({ snapshots, held }) => {
    const { shown } = limits.low;
    assert.deepEqual(values(snapshots.open, 'connections_omitted'), { '': 0 });
    assert.deepEqual(values(snapshots.full, 'connections_omitted'), { '': held.length - shown });
    assert.equal(labels(snapshots.full, 'connection_info').length, shown);
    assert.deepEqual(values(snapshots.end, 'connections_omitted'), { '': 0 });
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
