/** The page in a real browser, in front of an admin listener that says what each test needs. */
import assert from 'node:assert/strict';
import { after, before, describe, type TestContext, test } from 'node:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import type { ConnectionState, ProxyState } from '../../src/observe/state/state.js';
import { type RunningBrowser, startBrowser } from '../support/browser.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { measureContrast } from './contrast.js';
import { type OpenPage, openPage, phone } from './open-page.js';
import {
  busyConnections,
  busyState,
  emptyState,
  hostileConnections,
  hostileState,
  hostileTexts,
  now,
} from './states.js';
import { connectionExample, StubAdmin } from './stub-admin.js';

interface Setup extends OpenPage {
  readonly admin: StubAdmin;
}

describe('the page of the admin listener', { timeout: 200_000 }, () => {
  let running: RunningBrowser | Unavailable;
  before(async () => {
    running = await startBrowser();
  });
  after(async () => {
    if (!isUnavailable(running)) await running.close();
  });

  /** Undefined when there is no browser: the test is skipped. */
  async function open(
    t: TestContext,
    state: ProxyState,
    connections: readonly ConnectionState[] = [],
    options: BrowserContextOptions & { path?: string; refusal?: string } = {},
  ): Promise<Setup | undefined> {
    if (isUnavailable(running)) {
      t.skip(running.unavailable);
      return undefined;
    }
    const { path = '/', refusal = '', ...contextOptions } = options;
    const admin = new StubAdmin(state);
    admin.connections = connections;
    admin.refusal = refusal;
    await admin.start();
    const address = `${admin.origin}${path}`;
    // The page goes first, because it would complain that the proxy is gone.
    const opened = await openPage(t, running.browser, address, contextOptions).finally(() =>
      t.after(() => admin.stop()),
    );
    if (state.at === now) await opened.page.getByText('Live, 12:03:44').waitFor();
    return { ...opened, admin };
  }

  const openBusy = (t: TestContext, options?: Parameters<typeof open>[3]): Promise<Setup | undefined> =>
    open(t, busyState, busyConnections, options);

  test('says first what is wrong, then what to do', async (t) => {
    const { page } = (await openBusy(t)) ?? {};
    if (page === undefined) return;
    const verdict = page.locator('#verdict');
    assert.equal(
      await verdict.locator('h1').textContent(),
      'Broken: Server db-1.example.com:3306 (route shop) is down since 11:59:44.',
    );
    const text = await verdict.innerText();
    assert.match(text, /connection refused\./);
    assert.match(text, /Check that the server runs, and that --server names its host and port\./);
    assert.match(text, /Certificate CN=reports\.example\.com \(server leg\) expires in 5 days\./);
    assert.match(text, /37 of 412 clients are in plaintext, 5 on TLS 1\.0\./);
    assert.match(await page.title(), /^✕ Server db-1/);
    await verdict.getByText('Certificate CN=reports').click();
    assert.equal(new URL(page.url()).hash, '#certificates');
  });

  test('shows servers, certificates, failures and the plaintext inventory', async (t) => {
    const { page, admin } = (await openBusy(t)) ?? {};
    if (page === undefined || admin === undefined) return;
    assert.match(
      await page.locator('.server.down').innerText(),
      /db-1\.example\.com:3306 is down since 11:59:44/,
    );
    assert.match(await page.locator('#routes').innerText(), /11\.8\.9-MariaDB, greeted in 8\.1 ms/);
    const certificates = page.locator('.certificate');
    assert.equal(await certificates.count(), 3);
    assert.match(await certificates.first().innerText(), /!\s*5 days[\s\S]*CN=reports\.example\.com/);
    const failure = page.locator('.failure').nth(1);
    assert.match(await failure.innerText(), /4 times since 10:03:44 client_tls_version_mismatch/);
    assert.match(await failure.locator('.cure').innerText(), /Set --client-tls-profile legacy/);
    const inventory = page.locator('#plaintext');
    assert.match(
      await inventory.innerText(),
      /With --client-ssl-mode REQUIRED, 1 of these 3 clients would be refused; of 1 it is not known/,
    );
    assert.match(await inventory.locator('tbody tr').first().innerText(), /nightly-report[\s\S]*refused/);
    admin.publish({ ...busyState, plaintext_clients: 250 });
    await inventory.getByText('247 more clients not shown.').waitFor();
    assert.match(await page.locator('footer').innerText(), /Version 0\.1\.0\s+Node\.js 20\.20\.2/);
  });

  test('the picture counts each leg and filters the list by click', async (t) => {
    const { page, admin } = (await openBusy(t)) ?? {};
    if (page === undefined || admin === undefined) return;
    const plaintext = page.getByRole('button', { name: 'Client leg, Plaintext: 37 connections' });
    await plaintext.click();
    await page.getByText('37 of 412 match').first().waitFor();
    assert.equal(await plaintext.getAttribute('aria-pressed'), 'true');
    assert.ok(admin.requests.includes('/connections?client_tls_version=none&limit=100'));
    assert.deepEqual(
      await textsOf(page, '#connection-list tbody td:nth-child(4)'),
      Array(10).fill('Plaintext'),
    );
    await page.getByRole('button', { name: 'Route shop: 318 connections' }).click();
    await page.getByText('10 of 412 match').first().waitFor();
    await page.getByRole('button', { name: 'Remove the filter client tls version: Plaintext' }).click();
    await page.getByText('318 of 412 match').first().waitFor();
    assert.equal(await plaintext.getAttribute('aria-pressed'), 'false');
    assert.equal(new URL(page.url()).search, '?route=shop');
    await page.getByRole('button', { name: 'Show all' }).click();
    await page.getByText('412 open').first().waitFor();
    assert.equal(new URL(page.url()).search, '');
  });

  test('everything works with the keyboard alone', async (t) => {
    const { page } = (await openBusy(t)) ?? {};
    if (page === undefined) return;
    await tabTo(page, 'Skip to the list of connections');
    await tabTo(page, 'Pause');
    await tabTo(page, 'Client leg, TLS 1.0, AES256-SHA: 5 connections');
    await page.keyboard.press('Enter');
    await page.getByText('5 of 412 match').first().waitFor();
    assert.match(await focusedName(page), /^Client leg, TLS 1\.0/, 'the focus stays');
    await page.keyboard.press('Space');
    await page.getByText('412 open').first().waitFor();
    await page.keyboard.press('Space');
    await page.getByText('5 of 412 match').first().waitFor();
    await tabTo(page, 'Latency of commands, the last five minutes');
    await page.keyboard.press('ArrowLeft');
    const latency = page.getByRole('slider', { name: 'Latency of commands' });
    assert.match(
      (await latency.getAttribute('aria-valuetext')) ?? '',
      /^12:03:42: p50 .+ µs, p99 .+ ms; at most/,
    );
    await page.keyboard.press('Home');
    assert.match((await latency.getAttribute('aria-valuetext')) ?? '', /^11:58:46: /);
    await page.keyboard.press('Escape');
    assert.match((await latency.getAttribute('aria-valuetext')) ?? '', /^now: /);
    await tabTo(page, 'Search');
    await page.keyboard.type('nothing has this');
    await page.getByText('No connection matches. Remove a filter to see more.').waitFor();
    await page.keyboard.press('Escape');
    await page.getByText('5 of 412 match').first().waitFor();
    await tabTo(page, 'Remove the filter client cipher: AES256-SHA');
    await page.keyboard.press('Enter');
    await page
      .getByRole('button', { name: 'Remove the filter client cipher' })
      .waitFor({ state: 'detached' });
    assert.match(
      await focusedName(page),
      /Remove the filter client tls version/,
      'the focus goes to the next filter',
    );
    const busiest = busyConnections.find(({ user }) => user === 'etl');
    await tabTo(page, `Details of the connection from ${busiest?.client}`);
    await page.keyboard.press('Enter');
    await tabTo(page, 'etl');
    const details = await page.locator('tr.details').innerText();
    assert.match(details, new RegExp(`Thread at the server\\s+${busiest?.server_thread_id} \\(for KILL\\)`));
    await page.keyboard.press('Enter');
    await page.getByRole('button', { name: 'Remove the filter user: etl' }).waitFor();
  });

  test('searches on the server, and an address with filters is read again', async (t) => {
    const { page, admin } = (await openBusy(t, { path: '/?route=reports&search=NIGHTLY' })) ?? {};
    if (page === undefined || admin === undefined) return;
    await page.getByText('27 of 412 match').first().waitFor();
    assert.equal(await page.getByLabel('Search').inputValue(), 'NIGHTLY');
    await page.getByLabel('Search').fill('etl & co=1');
    await page.getByText('0 of 412 match').first().waitFor();
    assert.equal(admin.requests.at(-1), '/connections?route=reports&search=etl+%26+co%3D1&limit=100');
    await page.getByLabel('Search').fill('');
    await page.getByText('94 of 412 match').first().waitFor();
  });

  test('a wrong filter is answered with what the proxy says of it', async (t) => {
    const { page, complaints } = (await openBusy(t, { path: '/?colour=red' })) ?? {};
    if (page === undefined || complaints === undefined) return;
    await page.getByText('There is no field "colour".').waitFor();
    await page.getByRole('button', { name: 'Show all' }).click();
    await page.getByText('412 open').first().waitFor();
    assert.match(complaints.splice(0).join(), /400/);
  });

  test('of 10,000 connections the busiest 100 are in the page, ten of them at first', async (t) => {
    const many = Array.from({ length: 10_000 }, (_, id) => ({ ...connectionExample, id, opened_at: now }));
    const { page } = (await open(t, busyState, many)) ?? {};
    if (page === undefined) return;
    await page.getByText('10,000 open, the 100 busiest listed, 9,900 not').first().waitFor();
    const rows = page.locator('#connection-list tbody tr');
    assert.equal(await rows.count(), 10);
    await page.getByRole('button', { name: 'Show 90 more' }).click();
    assert.equal(await rows.count(), 100);
  });

  test('an update changes numbers and nothing else', async (t) => {
    const { page, admin } = (await openBusy(t, { reducedMotion: 'reduce' })) ?? {};
    if (page === undefined || admin === undefined) return;
    await page.getByRole('button', { name: 'Details of the connection from' }).first().click();
    await page.getByText('The same as a table').click();
    const search = page.getByLabel('Search');
    await search.fill('10.0');
    await page.getByText('412 of 412 match').first().waitFor();
    await search.selectText();
    await page.evaluate('scrollTo(0, 500); document.querySelector(".failure .cause").dataset.marked = "yes"');
    const before = await page.evaluate('[scrollY, document.documentElement.scrollHeight]');
    const spoken = await page.locator('#spoken-verdict').innerText();
    const more = busyState.tls.map((entry) => ({ ...entry, connections: entry.connections * 2 }));
    admin.publish({ ...busyState, at: now + 2000, tls: more });
    await page.getByText('Live, 12:03:46').waitFor();
    await page.getByText('74 of 824 clients are in plaintext, 10 on TLS 1.0.').waitFor();
    assert.deepEqual(await page.evaluate('[scrollY, document.documentElement.scrollHeight]'), before);
    assert.equal(await page.evaluate('document.activeElement.id'), 'search');
    assert.equal(await page.evaluate('getSelection().toString()'), '10.0');
    assert.equal(await page.locator('tr.details').count(), 1, 'details stay open');
    assert.equal(await page.locator('details.as-table').getAttribute('open'), '');
    assert.equal(await page.locator('.failure .cause').first().getAttribute('data-marked'), null);
    assert.equal(await page.locator('#spoken-verdict').innerText(), spoken, 'nothing new is read aloud');
    const onlyClients = { ...busyState, servers: [], certificates: [], failures: [] };
    admin.publish(onlyClients);
    const aloud = page.locator('#spoken-verdict');
    await aloud.getByText('Warning: 37 of 412 clients are in plaintext, 5 on TLS 1.0.').waitFor();
    admin.publish({ ...onlyClients, at: now + 2000, tls: more });
    await page.locator('h1').getByText('74 of 824 clients').waitFor();
    assert.match((await aloud.textContent()) ?? '', /37 of 412/, 'other numbers are not read aloud');
  });

  test('a row that moves keeps the focus', async (t) => {
    const few = busyConnections.slice(0, 5);
    const { page, admin } = (await open(t, busyState, few)) ?? {};
    if (page === undefined || admin === undefined) return;
    const name = `Details of the connection from ${few.at(-1)?.client}`;
    await page.getByRole('button', { name }).focus();
    admin.connections = few.toReversed();
    admin.publish({ ...busyState, at: now + 2000 });
    const first = page.locator('#connection-list tbody tr').first();
    await first.getByRole('button', { name }).waitFor();
    assert.equal(await focusedName(page), name);
  });

  test('pausing stops what changes, and the requests', async (t) => {
    const { page, admin } = (await openBusy(t)) ?? {};
    if (page === undefined || admin === undefined) return;
    await page.getByText('412 open').first().waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByText('Paused, as of 12:03:44').waitFor();
    await eventually(() => admin.listeners === 0, 'the stream is closed');
    const requests = admin.requests.length;
    admin.publish({ ...busyState, at: now + 60_000, servers: [] });
    assert.match(await page.locator('h1').innerText(), /db-1/);
    assert.equal(admin.requests.length, requests);
    await page.getByRole('button', { name: 'Resume' }).click();
    await page.getByText('Live, 12:04:44').waitFor();
    assert.doesNotMatch(await page.locator('h1').innerText(), /db-1/);
  });

  test('a lost connection is told, with how old the page is, and comes back by itself', async (t) => {
    const { page, admin, complaints } = (await openBusy(t)) ?? {};
    if (page === undefined || admin === undefined || complaints === undefined) return;
    await admin.stop();
    const banner = page.getByRole('alert');
    await banner.getByText('The connection to the proxy is lost.').waitFor();
    assert.match(await banner.innerText(), /This page shows what was known at 12:03:44\. Trying again …/);
    assert.match(await page.locator('h1').innerText(), /db-1/, 'what was known stays');
    admin.state = { ...emptyState, at: now + 30_000 };
    await admin.start();
    await page.getByText('Live, 12:04:14').waitFor();
    assert.equal(await banner.innerText(), '');
    assert.match(await page.locator('h1').innerText(), /No client is connected\./);
    assert.match(complaints.splice(0).join(), /ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING/);
  });

  test('where nothing is, the page says so and what would be there', async (t) => {
    const { page } = (await open(t, emptyState)) ?? {};
    if (page === undefined) return;
    assert.equal(await page.locator('h1').textContent(), 'Fine: No client is connected.');
    const here = 'No client is connected. Applications connect to 127.0.0.1:3307 (route default).';
    await page.locator('#connection-list').getByText(here).waitFor();
    assert.equal(await page.locator('#flow').innerText(), here);
    assert.equal(
      await page.locator('#failure-list').innerText(),
      'No failure since the start at 2026-03-11 08:03:44.',
    );
    assert.match(
      await page.locator('#inventory').innerText(),
      /^--report-plaintext is off: turn it on to see here/,
    );
    assert.match(await page.locator('#certificate-list').innerText(), /^The proxy has no certificates/);
    assert.match(await page.locator('#routes').innerText(), /db\.example\.com:3306 was not needed yet/);
    assert.equal(
      await page.locator('#charts').innerText(),
      'The first values come 4 seconds after the start.',
    );
  });

  test('with --metrics aggregates, lists say why they are not there', async (t) => {
    const refusal = 'Nothing is kept about single connections: the proxy runs with --metrics aggregates.';
    const { page, admin, complaints } =
      (await open(t, { ...busyState, failures: [], plaintext: emptyState.plaintext }, [], { refusal })) ?? {};
    if (page === undefined || admin === undefined || complaints === undefined) return;
    await page.locator('#connection-list').getByText(refusal).waitFor();
    await page.locator('#inventory').getByText(refusal).waitFor();
    await page.locator('#failure-list').getByText(refusal).waitFor();
    assert.match(await page.locator('#flow').innerText(), /Route/, 'the picture is there');
    admin.publish({ ...admin.state, at: now + 2000 });
    await page.getByText('Live, 12:03:46').waitFor();
    assert.deepEqual(
      admin.requests.filter((request) => /^.(connections|plaintext)/.test(request)),
      ['/connections?limit=100', '/plaintext'],
      'it is not asked for again',
    );
    assert.match(complaints.splice(0).join(), /404/);
  });

  test('names of peers are shown as they are and do nothing', async (t) => {
    const { page } = (await open(t, hostileState, hostileConnections)) ?? {};
    if (page === undefined) return;
    await page.getByText('9 open').first().waitFor();
    for (const button of await page.locator('[data-details-of]').all()) await button.click();
    const text = await page.locator('body').innerText();
    for (const name of hostileTexts.slice(0, 4)) assert.ok(text.includes(name), name);
    assert.equal(await page.locator('img, #connection-list script, #connection-list svg').count(), 0);
    assert.match(await page.title(), /^✕ Not ready for clients\. – /);
    assert.equal(await page.evaluate(overflow), 0);
    await page.setViewportSize(phone);
    assert.equal(await page.evaluate(overflow), 0);
    await page
      .getByRole('button', { name: hostileTexts[0] ?? '', exact: true })
      .first()
      .click();
    await page.getByText('1 of 9 match').first().waitFor();
  });

  test('fits a phone: no scrolling sideways, rows as cards, parts large enough for a finger', async (t) => {
    const { page } = (await openBusy(t, { viewport: phone, hasTouch: true })) ?? {};
    if (page === undefined) return;
    await page.getByText('412 open').first().waitFor();
    assert.equal(await page.evaluate(overflow), 0);
    const row = page.locator('#connection-list tbody tr').first();
    assert.match(await row.innerText(), /10\.0\.3\.\d+/);
    const [first, fourth] = await Promise.all([0, 3].map((n) => row.locator('td').nth(n).boundingBox()));
    assert.ok((fourth?.y ?? 0) > (first?.y ?? 0), 'cells are beneath each other');
    const part = page.getByRole('button', { name: 'Client leg, TLS 1.0: 5 connections' });
    assert.ok(((await part.boundingBox())?.height ?? 0) >= 24);
    await part.tap();
    await page.getByText('5 of 412 match').first().waitFor();
  });

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`every text has enough contrast when it is ${colorScheme}`, async (t) => {
      const { page, admin, complaints } = (await openBusy(t, { colorScheme, path: '/?route=shop' })) ?? {};
      if (page === undefined || admin === undefined || complaints === undefined) return;
      await page.getByText('318 of 412 match').first().waitFor();
      await page.getByRole('button', { name: 'Details of the connection from' }).first().click();
      await page.getByText('The same as a table').click();
      await assertContrast(page);
      admin.publish({ ...emptyState, at: now + 2000, unready_reason: 'the proxy is stopping' });
      await page.getByText('Live, 12:03:46').waitFor();
      await assertContrast(page);
      await admin.stop();
      await page.getByRole('alert').getByText('The connection to the proxy is lost.').waitFor();
      await assertContrast(page);
      complaints.length = 0;
    });
  }

  test('moves only where motion is welcome', async (t) => {
    const behaviour = 'getComputedStyle(document.documentElement).scrollBehavior';
    const { page } = (await openBusy(t, { reducedMotion: 'reduce' })) ?? {};
    if (page === undefined) return;
    assert.equal(await page.evaluate(behaviour), 'auto');
    await page.emulateMedia({ reducedMotion: 'no-preference' });
    assert.equal(await page.evaluate(behaviour), 'smooth');
    assert.equal(await page.evaluate('document.getAnimations().length'), 0);
  });

  test('all charts show the same moment when the pointer is over one', async (t) => {
    const { page } = (await openBusy(t)) ?? {};
    if (page === undefined) return;
    await page.locator('.chart', { hasText: 'Commands per second' }).locator('svg').hover();
    const moments = await textsOf(page, '.chart .when');
    assert.equal(moments.length, 5);
    assert.equal(new Set(moments).size, 1);
    assert.match(moments[0] ?? '', /^12:01:1\d$/);
    await page.mouse.move(5, 5);
    assert.deepEqual(await textsOf(page, '.chart .when'), Array(5).fill('now'));
  });
});

/** Pixels by which the page is wider than its window. */
const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';

const textsOf = async (page: Page, selector: string): Promise<string[]> =>
  (await page.locator(selector).allInnerTexts()).map((text) => text.trim());

/** What the focused element is called: its label, or else its text. */
const focusedName = (page: Page): Promise<string> =>
  page.evaluate(
    'document.activeElement.ariaLabel ?? document.activeElement.labels?.[0]?.innerText ?? document.activeElement.innerText',
  );

async function assertContrast(page: Page): Promise<void> {
  const { problems, measured } = (await page.evaluate(measureContrast)) as {
    problems: string[];
    measured: number;
  };
  assert.deepEqual(problems, []);
  assert.ok(measured > 20, `only ${measured} texts were looked at`);
}

async function tabTo(page: Page, name: string): Promise<void> {
  const visited: string[] = [];
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press('Tab');
    const focused = await focusedName(page);
    if (focused === name) return;
    visited.push(focused.slice(0, 80));
  }
  assert.fail(`the Tab key does not reach "${name}", but: ${visited.join(', ')}`);
}

async function eventually(condition: () => boolean, what: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail(`never: ${what}`);
}
