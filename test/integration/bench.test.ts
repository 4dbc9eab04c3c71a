/** The load test of real servers, directly and through the proxy. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Unavailable } from '../support/programs.js';
import { fail, measure, mixFile, type Stage, serverTls, setUp, tablesIn, takeDown } from './bench-setup.js';
import { nameOf, orSkip } from './real-server.js';

for (const kind of ['mysql9', 'mariadb'] as const) {
  describe(nameOf[kind], () => {
    let stage: Stage | Unavailable;
    before(async () => {
      stage = await setUp(kind);
    });
    after(() => takeDown(stage));

    test('a plaintext client through the proxy, compared with TLS to the server', async (t) => {
      const up = orSkip(t, stage);
      if (up === undefined) return;
      const tls = [
        '--ssl-mode',
        'DISABLED',
        '--baseline-ssl-mode',
        'verify-identity',
        '--baseline-ssl-ca',
        serverTls.ca,
      ];
      const result = await measure(up, '--target', up.throughProxy, '--baseline', up.direct, ...tls);
      assert.deepEqual([result.rounds, result.plannedRounds, result.sliceMs], [4, 4, 250]);
      assert.deepEqual(
        result.comparisons.map(({ figure }) => figure),
        ['queryP50', 'queryP99', 'queriesPerSecond'],
      );
      const [target, baseline] = result.sides;
      assert.ok(target !== undefined && baseline !== undefined);
      for (const side of [target, baseline]) {
        const { latency, perSecond, histogram } = side.queries;
        assert.ok(latency !== undefined && perSecond !== undefined, side.role);
        assert.ok(latency.p50 > 0 && latency.p50 <= latency.p99 && latency.p99 <= latency.max);
        assert.ok(
          perSecond.min > 0 && perSecond.min <= perSecond.median && perSecond.median <= perSecond.max,
        );
        assert.equal(perSecond.rounds, 4);
        assert.equal(
          histogram.reduce((sum, { count }) => sum + count, 0),
          latency.count,
        );
        assert.deepEqual([side.failures, side.connects], [[], null]);
        assert.ok(up.server.version.startsWith(side.server?.version ?? 'none'));
        // One proxy or none in between: the server leg is TLS on both ways.
        assert.deepEqual([...new Set(side.tls.server.map(({ version }) => version))], ['TLSv1.3']);
        assert.equal(
          side.tls.server.reduce((sum, { connections }) => sum + connections, 0),
          4,
        );
      }
      assert.deepEqual(target.tls.client, [
        { version: 'none', cipher: 'none', resumed: false, connections: 4 },
      ]);
      assert.deepEqual([...new Set(baseline.tls.client.map(({ version }) => version))], ['TLSv1.3']);
      assert.deepEqual([target.sslMode, baseline.sslMode], ['DISABLED', 'VERIFY_IDENTITY']);
      assert.equal(target.server?.name, baseline.server?.name);
    });

    test('--reconnect: connects are measured apart, and the server counts none as broken', async (t) => {
      const up = orSkip(t, stage);
      if (up === undefined) return;
      const aborted = () => up.server.sql("SHOW GLOBAL STATUS LIKE 'Aborted%'");
      const before = await aborted();
      // With PREFERRED the first connection finds out that the proxy offers no TLS, and breaks off.
      const tls = ['--ssl-mode', 'DISABLED', '--baseline-ssl-mode', 'REQUIRED'];
      const sides = ['--target', up.throughProxy, '--baseline', up.direct, ...tls];
      const result = await measure(up, ...sides, '--reconnect');
      assert.deepEqual(
        result.comparisons.map(({ figure }) => figure),
        ['queryP50', 'queryP99', 'queriesPerSecond', 'connectP50', 'connectP99', 'connectionsPerSecond'],
      );
      for (const { role, queries, connects, tls } of result.sides) {
        assert.ok(connects?.latency !== undefined && queries.latency !== undefined, role);
        // One query for each connection; the last of a slice may lack it.
        assert.ok(Math.abs(connects.latency.count - queries.latency.count) <= 8 * 4, role);
        const seen = tls.client.reduce((sum, { connections }) => sum + connections, 0);
        assert.ok(seen >= connects.latency.count, role);
      }
      const [, baseline] = result.sides;
      assert.ok(baseline?.tls.client.some(({ resumed }) => resumed));
      assert.deepEqual(await aborted(), before);
    });

    test('its own table is made, used and dropped; others stay as they are', async (t) => {
      const up = orSkip(t, stage);
      if (up === undefined) return;
      await up.server.sql("SET GLOBAL general_log = 1, GLOBAL log_output = 'TABLE'");
      for (const mix of ['point-select', 'read-write']) {
        const sides = ['--target', up.throughProxy, '--baseline', up.direct];
        const result = await measure(up, ...sides, '--database', 'shop', '--mix', mix);
        for (const { queries, failures } of result.sides) {
          assert.ok((queries.latency?.count ?? 0) > 0);
          assert.deepEqual(failures, [], mix);
        }
        assert.deepEqual(await tablesIn(up), ['kept'], mix);
      }
      await up.server.sql('SET GLOBAL general_log = 0');
      const [made] = await up.server.sql(
        "SELECT COUNT(*) AS n FROM mysql.general_log WHERE argument LIKE 'CREATE TABLE `shop`.`mysql\\_tls\\_proxy\\_bench\\_%'",
      );
      assert.equal(Number(made?.['n']), 4);
      assert.deepEqual(await up.server.sql('SELECT id FROM shop.kept'), [{ id: 7 }]);
    });

    test('a mix of the user, with weights, random numbers and a statement that fails', async (t) => {
      const up = orSkip(t, stage);
      if (up === undefined) return;
      const mix = mixFile(
        `${kind}.sql`,
        '-- weight: 3\nSELECT {1..9} + 1, ";";\nSELECT * FROM shop.missing; # not there\n',
      );
      const [side] = (await measure(up, '--target', up.throughProxy, '--mix', mix)).sides;
      assert.ok(side?.queries.latency !== undefined);
      const [failure, ...others] = side.failures;
      assert.deepEqual(others, []);
      assert.equal(failure?.code, '1146');
      assert.match(failure.message, /Table 'shop\.missing' doesn't exist/);
      assert.equal(side.queries.latency.count, failure.count * 3);
    });

    test('every statement fails: it ends at once, with the first message', async (t) => {
      const up = orSkip(t, stage);
      if (up === undefined) return;
      const mix = mixFile('failing.sql', 'SELECT * FROM shop.missing; SELEC 1');
      const { code, stderr } = await fail(up, '--target', up.throughProxy, '--mix', mix);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /through the target \(127.*\) every statement fails: .*shop\.missing.*\(1146, \d+ times\)/,
      );
      assert.match(stderr, /\(1064, \d+ times\)/);
    });
  });
}
