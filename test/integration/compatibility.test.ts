/**
 * Old and new clients, in plaintext and over TLS, at old and new servers, through one proxy for all of them: which TLS
 * each leg gets, and who can't. docs/compatibility.md is written from it.
 */
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { checkoutFolder } from '../support/cache.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type RealServer, startMysql56 } from '../support/servers.js';
import {
  type Cell,
  type CellResult,
  type CellTask,
  checkCell,
  checkTogether,
} from './compatibility-cells.js';
import { makeCompatibilityCertificates } from './compatibility-certificates.js';
import { compatibilityClients } from './compatibility-clients.js';
import { compatibilityPage, generationOf, testedKinds } from './compatibility-page.js';
import { prepareReplica } from './compatibility-replica.js';
import { closeProxies, prepareServer, type ServerSetup, serverLegModes } from './compatibility-servers.js';
import { orSkip, type ServerLegMode, stopServer } from './real-server.js';

const page = path.join(checkoutFolder, 'docs/compatibility.md');
const certificates = makeCompatibilityCertificates(makeTemporaryFolder());
const results = new Map<string, CellResult>();
/** Why the page can't be compared with what this machine measures. */
const obstacles = new Set<string>();
let cells = 0;

describe('compatibility', () => {
  let old: RealServer | Unavailable;
  before(async () => {
    old = await startMysql56({ extraArgs: ['--server-id=2'] });
    if (!isUnavailable(old)) await prepareReplica(old);
  });
  after(() => stopServer(old));

  for (const kind of testedKinds) {
    const { name, version } = generationOf[kind];
    describe(name, () => {
      let setup: ServerSetup | Unavailable;
      before(async () => {
        setup = await prepareServer(kind, certificates);
        if (!isUnavailable(setup) && !version.test(setup.source.version))
          obstacles.add(`the server for the column ${name} is ${setup.source.version}`);
      });
      after(async () => {
        if (isUnavailable(setup)) return;
        await closeProxies(setup);
        await stopServer(setup.source);
      });
      const taskOf = (mode: ServerLegMode): CellTask | Unavailable => {
        if (isUnavailable(setup)) return setup;
        if (isUnavailable(old)) return old;
        return { side: setup.sides[mode], certificates, old };
      };

      for (const mode of serverLegModes) {
        for (const client of compatibilityClients) {
          cells += 1;
          const cell = { client, kind, mode };
          test(nameOf(cell), async (t) => {
            const task = taskOf(mode);
            const result = isUnavailable(task) ? task : await checkCell(cell, task);
            if (isUnavailable(result)) obstacles.add(result.unavailable);
            const measured = orSkip(t, result);
            if (measured !== undefined) results.set(nameOf(cell), measured);
          });
        }

        test(`old and new clients at the same time, ${mode} server leg`, async (t) => {
          const task = orSkip(t, taskOf(mode));
          if (task === undefined) return;
          const versions = orSkip(t, await checkTogether(kind, task));
          if (versions !== undefined) assert.deepEqual(versions, ['TLSv1', 'TLSv1.3', 'none']);
        });
      }
    });
  }
});

test('the matrix has no hole', () => {
  assert.equal(cells, 26 * 4 * 2);
  assert.equal(new Set(allCells().map(nameOf)).size, cells);
});

test('docs/compatibility.md says what was measured', (t) => {
  const [obstacle] = obstacles;
  if (obstacle !== undefined) {
    t.skip(obstacle);
    return;
  }
  const missing = allCells()
    .map(nameOf)
    .filter((name) => !results.has(name));
  assert.deepEqual(missing, [], 'these cells have failed');
  const contents = compatibilityPage((cell) => results.get(nameOf(cell)));
  if (process.env['UPDATE_DOCS'] === '1') writeFileSync(page, contents);
  assert.equal(readFileSync(page, 'utf8'), contents, 'UPDATE_DOCS=1 npm test -- compatibility writes it');
});

function allCells(): Cell[] {
  return testedKinds.flatMap((kind) =>
    serverLegModes.flatMap((mode) => compatibilityClients.map((client) => ({ client, kind, mode }))),
  );
}

function nameOf({ client, kind, mode }: Cell): string {
  const who = client.role === 'known' ? `${client.name}, with --credentials` : client.name;
  return `${who}, ${client.leg} client leg, ${mode} server leg, ${generationOf[kind].name}`;
}
