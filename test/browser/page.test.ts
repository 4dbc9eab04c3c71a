/** What the page shows, and how a person finds things in it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Locator } from 'playwright-core';
import type { TlsCount } from '../../src/observe/state/state.js';
import { phone } from './open-page.js';
import { describePage, focusedName, overflow, tabTo, textsOf } from './page-setup.js';
import {
  busyConnections,
  busyState,
  emptyState,
  hostileConnections,
  hostileState,
  hostileTexts,
  now,
} from './states.js';
import { connectionExample } from './stub-admin.js';

describePage('the page of the admin listener', ({ open, openBusy }) => {
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
    admin.publish({ ...busyState, plaintext_outcomes: { refused: 120, unknown: 100, accepted: 30 } });
    await inventory.getByText('247 more clients not shown; /plaintext has all.').waitFor();
    assert.match(
      await inventory.innerText(),
      /120 of these 250 clients would be refused; of 100 it is not known\./,
    );
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

  test('a click on another segment of a leg shows that one instead', async (t) => {
    const { page } = (await openBusy(t)) ?? {};
    if (page === undefined) return;
    const segment = (name: string): Locator => page.getByRole('button', { name });
    await segment('Client leg, TLS 1.0, AES256-SHA: 5 connections').click();
    await page.getByText('5 of 412 match').first().waitFor();
    await segment('Client leg, TLS 1.2, ECDHE-RSA-AES128-GCM-SHA256: 62 connections').click();
    await page.getByText('62 of 412 match').first().waitFor();
    await segment('Client leg, Plaintext: 37 connections').click();
    await page.getByText('37 of 412 match').first().waitFor();
    assert.equal(new URL(page.url()).search, '?client_tls_version=none');
    await segment('Server leg, TLS 1.2').click();
    await page.getByText('27 of 412 match').first().waitFor();
    await segment('Client leg, Plaintext: 37 connections').click();
    await page.getByText('94 of 412 match').first().waitFor();
  });

  test('the way back brings back the filters, and filters keep the section of the address', async (t) => {
    const { page } = (await openBusy(t, { reducedMotion: 'reduce' })) ?? {};
    if (page === undefined) return;
    await page.getByLabel('Search').fill('nightly');
    await page.getByText('27 of 412 match').first().waitFor();
    await page.getByRole('navigation', { name: 'Sections' }).getByText('Failures').click();
    assert.equal(new URL(page.url()).hash, '#failures');
    await page.getByLabel('Search').fill('etl');
    await page.getByText('5 of 412 match').first().waitFor();
    assert.equal(new URL(page.url()).search, '?search=etl');
    assert.equal(new URL(page.url()).hash, '#failures');
    await page.goBack();
    await page.getByText('27 of 412 match').first().waitFor();
    assert.equal(await page.getByLabel('Search').inputValue(), 'nightly');
    await page.goForward();
    await page.getByText('5 of 412 match').first().waitFor();
  });

  test('a server that nobody needed for a while, and dates that can not be read, are warnings', async (t) => {
    const [down, ...servers] = busyState.servers;
    const [, own] = busyState.certificates;
    assert.ok(down && own);
    const state = {
      ...busyState,
      servers: [{ ...down, tried_at: now - 3 * 24 * 60 * 60 * 1000 }, ...servers],
      certificates: [{ ...own, not_before: null, not_after: null }],
    };
    const { page } = (await open(t, state)) ?? {};
    if (page === undefined) return;
    const silent = 'db-1.example.com:3306 did not answer when it was last needed, at 2026-03-11 12:03:44';
    const server = await page.locator('#routes .server').first().innerText();
    assert.ok(server.replaceAll(/\s+/g, ' ').startsWith(`! ${silent}`), server);
    const certificate = await page.locator('.certificate').innerText();
    assert.match(certificate, /^!\s+date can not be read\s+CN=proxy/);
    assert.equal(await page.locator('.left.warning').count(), 1);
    const text = await page.locator('body').innerText();
    assert.doesNotMatch(text, /1970|is down since/);
    assert.match(await page.locator('h1').innerText(), /db-1.* did not answer when it was last needed/);
  });

  test('says what counts mean, in which zone times are, and where a failed reload is told', async (t) => {
    const reloads = { ...busyState.reloads, failed: 1, last_failure_at: now - 1000, last_failure: 'no file' };
    const { page } =
      (await open(t, { ...busyState, at: now + 1, reloads }, [], { timezoneId: 'Europe/Berlin' })) ?? {};
    if (page === undefined) return;
    await page.getByText('Live, 13:03:44').waitFor();
    assert.match(
      await page.locator('#facts').innerText(),
      / · 18,204 came since 2026-03-11 09:03:44, 131 of them failed · /,
    );
    const footer = await page.locator('footer').innerText();
    assert.match(footer, /Times on this page in Europe\/Berlin \(UTC\+01:00\); logs are in UTC/);
    assert.match(footer, /Reloads 2, 1 failed, the last at 13:03:43;/);
    const link = page.getByRole('link', { name: /The reload at 13:03:43 failed/ });
    assert.equal(await link.getAttribute('href'), '#footer');
  });

  test('parts of the picture that are no buttons are pictures with a name', async (t) => {
    const ciphers = Array.from({ length: 9 }, (_, index): TlsCount => {
      return { route: 'shop', leg: 'client', version: 'TLSv1.2', cipher: `CIPHER-${index}`, connections: 9 };
    });
    const { page } = (await open(t, { ...busyState, tls: ciphers })) ?? {};
    if (page === undefined) return;
    await page
      .getByRole('img', { name: 'Client leg, TLS 1.2, other ciphers: 27 connections', exact: true })
      .waitFor();
  });

  test('after a pause of the machine the charts draw within their frame, and up and down move, too', async (t) => {
    const { history } = busyState;
    const hours = 3 * 60 * 60 * 1000;
    const paused = history.map((point, index) => (index < 100 ? { ...point, at: point.at - hours } : point));
    const { page, admin } = (await open(t, { ...busyState, history: paused })) ?? {};
    if (page === undefined || admin === undefined) return;
    const slider = page.getByRole('slider', { name: 'Open connections' });
    assert.equal(await slider.getAttribute('aria-valuemax'), '49');
    const xs = (): Promise<number[]> =>
      page.evaluate(
        `[...document.querySelectorAll('.plot .line, .plot .area')].flatMap((path) =>
          [...path.getAttribute('d').matchAll(/[ML](-?[\\d.]+),/g)].map(([, x]) => Number(x)))`,
      );
    assert.deepEqual(
      (await xs()).filter((x) => x < 0 || x > 300),
      [],
    );
    assert.match(
      (await page.evaluate("getComputedStyle(document.querySelector('.plot svg')).clipPath")) as string,
      /^inset/,
    );
    await slider.focus();
    await page.keyboard.press('ArrowDown');
    assert.match((await slider.getAttribute('aria-valuetext')) ?? '', /^12:03:42: /);
    await page.keyboard.press('ArrowUp');
    assert.match((await slider.getAttribute('aria-valuetext')) ?? '', /^now: /);
    await page.getByText('These numbers as a table').click();
    const table = page.getByRole('table', { name: 'The last five minutes, the newest first' });
    assert.match(await table.locator('tbody tr').first().innerText(), /^12:03:44\s/);
    const setBack = history.map((point, index) => (index < 100 ? { ...point, at: point.at + hours } : point));
    admin.publish({ ...busyState, history: setBack, at: now + 2000 });
    await page.getByText('Live, 12:03:46').waitFor();
    assert.deepEqual(
      (await xs()).filter((x) => x < 0 || x > 300),
      [],
    );
  });
});
