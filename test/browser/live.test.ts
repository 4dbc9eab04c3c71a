/**
 * The page in front of a real proxy with real servers and real connections: what it shows is what is there. The
 * pictures of the README come from here: `UPDATE_SCREENSHOTS=1 npm test -- browser/live`.
 */
import assert from 'node:assert/strict';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { type Connection, type ConnectionOptions, createConnection } from 'mysql2/promise';
import type { Locator, Page } from 'playwright-core';
import { type Account, createAccount } from '../integration/accounts.js';
import { orSkip, stopServer } from '../integration/real-server.js';
import { type RunningBrowser, startBrowser } from '../support/browser.js';
import { checkoutFolder } from '../support/cache.js';
import {
  issueCertificate,
  loopbackNames,
  type SavedIdentity,
  saveIdentity,
} from '../support/certificates.js';
import { makeTemporaryFolder } from '../support/clean-up.js';
import { CliProcess } from '../support/cli-process.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { freePort, type RealServer, startMariadb, startMysql9, startMysql56 } from '../support/servers.js';
import { openPage, phone } from './open-page.js';

const folder = makeTemporaryFolder();
const dayMs = 24 * 60 * 60 * 1000;
const ca = identity('Example CA', { purpose: 'ca', days: 3000 });
const proxyCertificate = identity('proxy.example.com', { purpose: 'server', days: 300 });
const serverTls = tlsFiles(identity('db.example.com', { purpose: 'server', days: 200 }));
const reportsTls = tlsFiles(identity('reports.example.com', { purpose: 'server', days: 5.5 }));

const tls13 = { ca: ca.certificate, minVersion: 'TLSv1.3' } as const;
const tls12 = { ca: ca.certificate, maxVersion: 'TLSv1.2' } as const;
// Node.js has these versions still, but only for those who insist.
const tls10 = {
  rejectUnauthorized: false,
  minVersion: 'TLSv1',
  maxVersion: 'TLSv1',
  ciphers: 'ALL:@SECLEVEL=0',
} as const;

interface Setup {
  readonly browser: RunningBrowser;
  readonly shop: RealServer;
  readonly reports: RealServer;
  readonly archive: RealServer;
  readonly closedPort: number;
  readonly proxy: CliProcess;
  readonly admin: string;
  /** Where the proxy listens for each route. */
  readonly ports: { readonly shop: number; readonly reports: number; readonly archive: number };
  readonly accounts: Readonly<Record<RouteName | 'etl', Account>>;
  readonly connections: Connection[];
}

type RouteName = keyof Setup['ports'];

describe('the page in front of real connections', { timeout: 230_000 }, () => {
  let setup: Setup | Unavailable;
  before(async () => {
    setup = await prepare();
  });
  after(async () => {
    if (isUnavailable(setup)) return;
    const { browser, proxy, connections, shop, reports, archive } = setup;
    for (const connection of connections) connection.destroy();
    await browser.close();
    proxy.signal('SIGKILL');
    await proxy.ended;
    await Promise.all([shop, reports, archive].map(stopServer));
  });

  test('counts, filters and finds what is connected', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { page } = await openPage(t, ready.browser.browser, ready.admin);
    const part = (name: string): Locator => page.getByRole('button', { name, exact: true });
    await part('Client leg, TLS 1.3, TLS_AES_256_GCM_SHA384: 7 connections').waitFor();
    await part('Client leg, Plaintext: 6 connections').waitFor();
    await part('Route shop: 11 connections').waitFor();
    await part('Route reports: 6 connections').waitFor();
    await part('Route archive: 1 connection').waitFor();
    assert.equal(
      await page.getByRole('button', { name: /^Client leg, TLS 1\.2, .+: 3 connections$/ }).count(),
      1,
    );
    assert.equal(
      await page.getByRole('button', { name: /^Client leg, TLS 1\.0, .+: 2 connections$/ }).count(),
      1,
    );
    assert.equal(
      await page.getByRole('button', { name: /^Server leg, TLS 1\.0, .+: 1 connection$/ }).count(),
      1,
    );
    const verdict = await page.locator('#verdict').innerText();
    assert.match(verdict, /6 of 18 clients are in plaintext, 2 on TLS 1\.0\./);
    assert.match(verdict, /Toward the servers, 1 of 18 connections is on TLS 1\.0\./);

    await part('Client leg, Plaintext: 6 connections').click();
    await page.getByText('6 of 18 match').first().waitFor();
    await part('Route reports: 6 connections').click();
    await page.getByText('4 of 18 match').first().waitFor();
    const programs = await page.locator('#connection-list tbody td:nth-child(1) .second').allInnerTexts();
    assert.equal(programs.length, 4);
    assert.ok(
      programs.every((program) => program.startsWith('nightly-report ')),
      programs.join(),
    );
    await page.getByRole('button', { name: 'Show all' }).click();
    await page.getByLabel('Search').fill('stock-keeper');
    await page.getByText('3 of 18 match').first().waitFor();
    assert.deepEqual(
      await page.locator('#connection-list tbody td:nth-child(4) .first').allInnerTexts(),
      Array(3).fill('TLS 1.2'),
    );

    await page.getByRole('button', { name: 'Details of the connection from' }).first().click();
    const details = await page.locator('tr.details').innerText();
    const thread = /Thread at the server\s+(\d+) /.exec(details)?.[1];
    const [row] = await ready.shop.sql(
      'SELECT USER AS user FROM information_schema.PROCESSLIST WHERE ID = ?',
      [thread],
    );
    assert.equal(row?.['user'], ready.accounts.shop.user);
  });

  test('follows connections as they come and go', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { page } = await openPage(t, ready.browser.browser, ready.admin);
    await page.getByText('18 open').first().waitFor();
    const newcomer = await connect(ready, 'shop', 'newcomer', tls13);
    await page.getByRole('button', { name: /^Client leg, TLS 1\.3, .+: 8 connections$/ }).waitFor();
    await page.getByText('19 open').first().waitFor();
    await newcomer.end();
    await page.getByRole('button', { name: /^Client leg, TLS 1\.3, .+: 7 connections$/ }).waitFor();
  });

  test('tells of certificates and of a server that is down, with cause and cure', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { page } = await openPage(t, ready.browser.browser, ready.admin);
    const down = page.locator('.server.down');
    await down.waitFor();
    const text = await down.innerText();
    assert.match(text, new RegExp(`127\\.0\\.0\\.1:${ready.closedPort} is down since \\d\\d:\\d\\d:\\d\\d`));
    assert.match(text, /Check that the server runs, and that --server names its host and port\./);
    assert.match(
      await page.locator('h1').innerText(),
      new RegExp(`127\\.0\\.0\\.1:${ready.closedPort} \\(route shop\\) is down`),
    );
    assert.match(
      await page.locator('.certificate').first().innerText(),
      /5 days[\s\S]*CN=reports\.example\.com/,
    );
    const reports = page.locator('.server', { hasText: `127.0.0.1:${ready.reports.port}` });
    assert.match(await reports.innerText(), /answers[\s\S]*MariaDB.*, greeted in/);
  });

  test('a client that fails is told with cause and cure', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { page } = await openPage(t, ready.browser.browser, ready.admin);
    await assert.rejects(connect(ready, 'archive', 'too old', tls10));
    const wrong = { user: ready.accounts.reports.user, password: 'wrong' };
    await assert.rejects(connect(ready, 'reports', 'forgetful', undefined, wrong), /Access denied/);
    const failure = (code: string): Locator => page.locator('.failure', { hasText: code });
    await failure('client_tls_version_mismatch').waitFor();
    assert.match(
      await failure('client_tls_version_mismatch').locator('.cure').innerText(),
      /Set --client-tls-profile legacy if the client is old/,
    );
    await failure('login_refused').waitFor();
    assert.match(
      await failure('login_refused').innerText(),
      /The server refused the login with error 1045\.[\s\S]*report from 127\.0\.0\.1/,
    );
  });

  test('the inventory names who is in plaintext', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { page } = await openPage(t, ready.browser.browser, ready.admin);
    const row = page.locator('.inventory tbody tr', { hasText: 'php-shop' });
    await row.waitFor();
    assert.match(await row.innerText(), /127\.0\.0\.1[\s\S]*shop_app[\s\S]*Plaintext[\s\S]*2 open/);
    assert.equal(await page.locator('.inventory tbody tr').count(), 3);
  });

  test('pictures for the README', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    if (process.env['UPDATE_SCREENSHOTS'] !== '1') {
      assert.ok(
        pictures.every(([name]) => statSync(pictureFile(name)).size > 20_000),
        'they are in the checkout',
      );
      return;
    }
    const traffic = new AbortController();
    const quiet = keepBusy(ready, traffic.signal);
    await delay(150_000);
    for (const [name, options] of pictures) {
      const { page } = await openPage(t, ready.browser.browser, ready.admin, options);
      await page.getByText('18 open').first().waitFor();
      const picture = await takePicture(page);
      assert.ok(picture.length < 250_000, `${name} has ${picture.length} bytes`);
      mkdirSync(path.dirname(pictureFile(name)), { recursive: true });
      writeFileSync(pictureFile(name), picture);
    }
    traffic.abort();
    await quiet;
  });

  test('a server that stops is down, and up again when it is started again', async (t) => {
    const ready = orSkip(t, setup);
    if (ready === undefined) return;
    const { page } = await openPage(t, ready.browser.browser, ready.admin);
    const { port } = ready.reports;
    const server = page.locator('.server', { hasText: `127.0.0.1:${port}` });
    await server.getByText('answers').waitFor();
    await ready.reports.stop();
    await assert.rejects(connect(ready, 'reports', 'nightly-report'), /nothing listens there/);
    await server.getByText('is down since').waitFor();
    assert.match(await server.innerText(), /nothing listens there/);
    await page.getByText('12 open').first().waitFor();
    const again = await startMariadb({ port, tls: reportsTls });
    if (isUnavailable(again)) throw new Error(again.unavailable);
    t.after(() => again.stop());
    const account = await createAccount(again, 'report');
    await (await connect(ready, 'reports', 'nightly-report', undefined, account)).end();
    await server.getByText('answers').waitFor();
  });
});

function identity(
  commonName: string,
  { purpose, days }: { purpose: 'ca' | 'server'; days: number },
): SavedIdentity {
  const validTo = new Date(Date.now() + days * dayMs);
  const issued = issueCertificate({
    commonName,
    purpose,
    validTo,
    ...(purpose === 'ca' ? {} : { issuer: ca, names: loopbackNames }),
  });
  const file = path.join(folder, commonName.replaceAll(' ', '-'));
  return saveIdentity(issued, `${file}.pem`, `${file}-key.pem`);
}

function tlsFiles({ certificateFile, keyFile }: SavedIdentity): { ca: string; cert: string; key: string } {
  return { ca: ca.certificateFile, cert: certificateFile, key: keyFile };
}

async function prepare(): Promise<Setup | Unavailable> {
  const browser = await startBrowser();
  if (isUnavailable(browser)) return browser;
  const shop = await startMysql9({ tls: serverTls });
  const reports = await startMariadb({ tls: reportsTls });
  const archive = await startMysql56({ tls: serverTls });
  const missing = [shop, reports, archive].find(isUnavailable);
  if (missing !== undefined || isUnavailable(shop) || isUnavailable(reports) || isUnavailable(archive)) {
    await browser.close();
    await Promise.all([shop, reports, archive].map(stopServer));
    return missing ?? { unavailable: 'a server is missing' };
  }
  const accounts = {
    shop: await createAccount(shop, 'shop_app'),
    reports: await createAccount(reports, 'report'),
    archive: await createAccount(archive, 'archivist'),
    etl: await createAccount(reports, 'etl'),
  };
  const closedPort = await freePort();
  const proxy = new CliProcess(['--config', writeConfig({ shop, reports, archive }, closedPort)]);
  const { listen, admin } = await proxy.line('ready');
  const [shopPort = 0, reportsPort = 0, archivePort = 0] = (listen as string[]).map((address) =>
    Number(address.split(':').at(-1)),
  );
  const ready: Setup = {
    browser,
    shop,
    reports,
    archive,
    closedPort,
    proxy,
    admin: `http://${admin}/`,
    ports: { shop: shopPort, reports: reportsPort, archive: archivePort },
    accounts,
    connections: [],
  };
  await connectAll(ready);
  return ready;
}

function writeConfig(
  { shop, reports, archive }: Readonly<Record<RouteName, RealServer>>,
  closedPort: number,
): string {
  const file = path.join(folder, 'proxy.json');
  const client = {
    'ssl-cert': proxyCertificate.certificateFile,
    'ssl-key': proxyCertificate.keyFile,
  };
  const server = { 'ssl-ca': ca.certificateFile };
  const route = (name: RouteName, servers: string[], serverOptions = {}) => ({
    name,
    listen: ['127.0.0.1:0'],
    'report-plaintext': true,
    servers,
    client: { ...client, 'tls-profile': name === 'archive' ? 'intermediate' : 'legacy' },
    server: { ...server, ...serverOptions },
  });
  const address = ({ host, port }: RealServer): string => `${host}:${port}`;
  const config = {
    'admin-listen': '127.0.0.1:0',
    'log-format': 'json',
    routes: [
      route('shop', [`127.0.0.1:${closedPort}`, address(shop)]),
      route('reports', [address(reports)]),
      route('archive', [address(archive)], { 'tls-profile': 'legacy' }),
    ],
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

async function connectAll(ready: Setup): Promise<void> {
  const { etl } = ready.accounts;
  const wanted: [number, RouteName, string, ConnectionOptions['ssl'], Account?][] = [
    [6, 'shop', 'checkout', tls13],
    [3, 'shop', 'stock-keeper', tls12],
    [2, 'shop', 'php-shop', undefined],
    [4, 'reports', 'nightly-report', undefined],
    [2, 'reports', 'etl', tls10, etl],
    [1, 'archive', 'archivist', tls13],
  ];
  for (const [times, route, program, ssl, account] of wanted)
    for (let n = 0; n < times; n++)
      ready.connections.push(await connect(ready, route, program, ssl, account));
}

function connect(
  { ports, accounts }: Setup,
  route: RouteName,
  program: string,
  ssl?: ConnectionOptions['ssl'],
  account: Account = accounts[route],
): Promise<Connection> {
  return createConnection({
    host: '127.0.0.1',
    port: ports[route],
    ...account,
    ...(ssl === undefined ? {} : { ssl }),
    connectAttributes: { program_name: program },
  });
}

const pictures: readonly (readonly [name: string, options: Parameters<typeof openPage>[3]])[] = [
  ['page-light.png', { colorScheme: 'light' }],
  ['page-dark.png', { colorScheme: 'dark' }],
  ['page-phone.png', { colorScheme: 'light', viewport: phone }],
];

const pictureFile = (name: string): string => path.join(checkoutFolder, 'docs/screenshots', name);

/** Down to the third row of the connections, or what fits on two screens of a phone. */
async function takePicture(page: Page): Promise<Buffer> {
  const { width, height } = page.viewportSize() ?? phone;
  const row = await page.locator('#connection-list tbody tr').nth(2).boundingBox();
  const end = width === phone.width ? 2 * height : (row?.y ?? 0) + (row?.height ?? 0);
  return page.screenshot({ fullPage: true, clip: { x: 0, y: 0, width, height: Math.round(end) } });
}

/** With changing load, so that the charts have something to show. */
async function keepBusy({ connections }: Setup, until: AbortSignal): Promise<void> {
  for (let round = 0; !until.aborted; round++) {
    const busy = connections.slice(0, 4 + Math.round(5 * (1 + Math.sin(round / 12))));
    await Promise.all(busy.map((connection, index) => connection.query(queryFor(round, index))));
    await delay(30 + 20 * Math.sin(round / 40));
  }
}

/** Most are quick; some take a few milliseconds, as those that p99 is about. */
const queryFor = (round: number, index: number): string =>
  (round + index) % 40 === 0 ? 'SELECT SLEEP(0.02)' : `SELECT REPEAT('x', ${200 + 40 * index})`;
