/** What `reportPlaintext` changes for clients, and what it does not. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, type TestContext, test } from 'node:test';
import { makeCertificates } from '../support/certificates.js';
import { login, OK, readErr } from '../support/packets.js';
import { type Scenario, type ScenarioOptions, startScenario } from './scenario.js';

const folder = mkdtempSync(join(tmpdir(), 'report-plaintext-'));
after(() => rmSync(folder, { recursive: true }));
const { serverTls } = makeCertificates(folder);
const required: NonNullable<ScenarioOptions['client']> = {
  sslMode: 'REQUIRED',
  sslCert: [serverTls.cert],
  sslKey: [serverTls.key],
};

const start = (t: TestContext, reportPlaintext: boolean, client: ScenarioOptions['client']) =>
  startScenario(t, { route: { reportPlaintext }, client: { ...required, ...client } });

async function refusalOf(scenario: Scenario): Promise<number> {
  const { client } = await scenario.connectGreeted();
  client.send(1, login({ user: 'shop' }));
  const { errno } = readErr((await client.packet()).payload);
  client.close();
  return errno;
}

test('REQUIRED lets plaintext in while it is reported', async (t) => {
  const scenario = await start(t, true, {});
  const { client, server } = await scenario.connectGreeted();
  client.send(1, login({ user: 'shop' }));
  await server.packet();
  server.send(2, OK);
  assert.deepEqual((await client.packet()).payload, OK);
  assert.deepEqual(
    [scenario.observed[0]?.established, scenario.observed[0]?.connection.clientTls.version],
    [true, 'none'],
  );
});

test('REQUIRED refuses plaintext where it is not, and the record says whom', async (t) => {
  const scenario = await start(t, false, {});
  assert.equal(await refusalOf(scenario), 3159);
  const [observed] = scenario.observed;
  assert.deepEqual([observed?.error?.code, observed?.connection.user], ['client_tls_required', 'shop']);
});

test('the networks of plaintextFrom hold all the same, and the record says who was refused', async (t) => {
  for (const sslMode of ['REQUIRED', 'PREFERRED'] as const) {
    const scenario = await start(t, true, { sslMode, plaintextFrom: ['10.0.0.0/8'] });
    assert.equal(await refusalOf(scenario), 3159);
    const [observed] = scenario.observed;
    assert.deepEqual([observed?.error?.code, observed?.connection.user], ['client_tls_required', 'shop']);
  }
});

test('where the route offers no TLS, a client from elsewhere is not even asked who it is', async (t) => {
  const scenario = await startScenario(t, {
    route: { reportPlaintext: true },
    client: { plaintextFrom: ['10.0.0.0/8'] },
  });
  const client = await scenario.connectClient();
  assert.equal(readErr((await client.packet()).payload).errno, 3159);
  client.close();
  await scenario.quiet();
  assert.equal(scenario.server.accepted.length, 0);
  assert.equal(scenario.observed[0]?.connection.user, '');
});
