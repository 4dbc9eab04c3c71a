/** How the page looks: sizes of windows, colours, motion, paper. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Page } from 'playwright-core';
import type { ProxyState, TlsCount } from '../../src/observe/state/state.js';
import { measureContrast } from './contrast.js';
import { phone } from './open-page.js';
import { describePage, overflow } from './page-setup.js';
import { busyConnections, busyState, emptyState, now } from './states.js';

describePage('the looks of the page', ({ open, openBusy }) => {
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

  const longHost = `db-${'a'.repeat(20)}-${'b'.repeat(20)}.example.internal:3306`.slice(-65);
  const longNames: ProxyState = {
    ...busyState,
    routes: busyState.routes.map((route) => ({ ...route, listen: [longHost], servers: [longHost] })),
    servers: busyState.servers.map((server) => ({
      ...server,
      server: longHost,
      cause: `connect to ${longHost}: connection refused, see --server-tls-profile and ${longHost.slice(20)}`,
    })),
    failures: busyState.failures.map((failure) => ({ ...failure, server: longHost, cause: longHost })),
  };
  for (const width of [320, 390, 768, 1000, 1024, 1280]) {
    test(`a host name of 60 characters fits ${width} pixels, and nothing is cut off`, async (t) => {
      const connections = busyConnections.slice(0, 20).map((one) => ({ ...one, server: longHost }));
      const viewport = { width, height: 900 };
      const { page } = (await open(t, longNames, connections, { viewport })) ?? {};
      if (page === undefined) return;
      await page.getByText('20 open').first().waitFor();
      await page.getByRole('button', { name: 'Details of the connection from' }).first().click();
      assert.equal(await page.evaluate(overflow), 0);
      assert.deepEqual(await page.evaluate(outsideOf('.panel, #verdict', '.whole, .option')), []);
      assert.deepEqual(await page.evaluate(brokenNumbers), []);
      assert.deepEqual(await page.evaluate(overlappingHeaders), []);
      const advice = await page.locator('.inventory .advice').first().boundingBox();
      assert.ok((advice?.width ?? 0) >= 150, `the advice has ${advice?.width} pixels`);
    });

    test(`titles and values of details are in pairs at ${width} pixels`, async (t) => {
      const { page } = (await openBusy(t, { viewport: { width, height: 900 } })) ?? {};
      if (page === undefined) return;
      await page.getByRole('button', { name: 'Details of the connection from' }).first().click();
      const pairs = (await page.evaluate(`[...document.querySelectorAll('.details dt')].map((title) => {
        const [from, value] = [title, title.nextElementSibling].map((part) => part.getBoundingClientRect());
        return { isBeneath: value.left === from.left && value.top >= from.bottom - 1, size: getComputedStyle(title).fontSize };
      })`)) as { isBeneath: boolean; size: string }[];
      assert.ok(pairs.length > 10);
      assert.deepEqual(
        pairs.filter(({ isBeneath, size }) => !isBeneath || size !== '12px'),
        [],
      );
    });

    test(`the picture cuts no name off at ${width} pixels`, async (t) => {
      const passed = { route: 'shop', version: 'passthrough', cipher: 'passthrough', connections: 1234 };
      const tls: TlsCount[] = [
        ...busyState.tls,
        { ...passed, leg: 'client' },
        { ...passed, leg: 'server' },
        { ...passed, leg: 'client', route: 'a-route-with-a-rather-long-name-eu-west-1' },
      ];
      const { page } = (await open(t, { ...busyState, tls }, [], { viewport: { width, height: 900 } })) ?? {};
      if (page === undefined) return;
      assert.deepEqual(await page.evaluate(outsideOf('svg.flow', '.flow text')), []);
      assert.deepEqual(await page.evaluate(overlapping('.flow text')), []);
      const route = page.getByRole('button', { name: 'Route a-route-with-a-rather-long-name-eu-west-1' });
      assert.match((await route.locator('.name').textContent()) ?? '', /^a.*….*1$/);
      assert.equal(await route.locator('title').textContent(), 'a-route-with-a-rather-long-name-eu-west-1');
    });
  }

  test('header and banner stay at the top together, and a finger or a mouse hits what opens details', async (t) => {
    const { page, admin, complaints } = (await openBusy(t)) ?? {};
    if (page === undefined || admin === undefined || complaints === undefined) return;
    const button = await page.locator('[data-details-of]').first().boundingBox();
    assert.ok((button?.width ?? 0) >= 24 && (button?.height ?? 0) >= 24, JSON.stringify(button));
    await page.setViewportSize({ width: 390, height: 600 });
    await admin.stop();
    const banner = page.getByRole('alert');
    await banner.getByText('The connection to the proxy is lost.').waitFor();
    await page.evaluate("scrollTo({ top: 900, behavior: 'instant' })");
    const [bar, told] = await Promise.all([page.locator('header'), banner].map((part) => part.boundingBox()));
    assert.equal(bar?.y, 0);
    assert.equal(told?.y, bar?.height, 'neither hides the other');
    complaints.length = 0;
  });

  test('on paper the header hides nothing and badges keep their colours', async (t) => {
    const { page } = (await openBusy(t)) ?? {};
    if (page === undefined) return;
    await page.getByText('412 open').first().waitFor();
    await page.emulateMedia({ media: 'print' });
    assert.equal(await page.evaluate("getComputedStyle(document.querySelector('#top')).position"), 'static');
    const adjust = "getComputedStyle(document.querySelector('.badge')).printColorAdjust";
    assert.equal(await page.evaluate(adjust), 'exact');
  });
});

/** Texts of those that are outside of what is around them. */
const outsideOf = (around: string, selector: string): string => `[...document.querySelectorAll('${selector}')]
  .filter((part) => {
    const [inner, outer] = [part, part.closest('${around}')].map((one) => one.getBoundingClientRect());
    return inner.left < outer.left - 0.5 || inner.right > outer.right + 0.5;
  })
  .map((part) => part.textContent)`;

const overlapping = (selector: string): string => `[...document.querySelectorAll('${selector}')]
  .map((part) => ({ text: part.textContent, box: part.getBoundingClientRect() }))
  .filter(({ box: a }, index, all) => all.some(({ box: b }, other) => other > index &&
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 4 && b.top < a.bottom - 4))
  .map(({ text }) => text)`;

/** Numbers that take more than one line. */
const brokenNumbers = `[...document.querySelectorAll('td.number')].filter((cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return new Set([...range.getClientRects()].map(({ top }) => top)).size > 1;
  }).map((cell) => cell.textContent)`;

const overlappingHeaders = `[...document.querySelectorAll('.cards th:not(:has(.spoken))')].filter((cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return cell.checkVisibility() && range.getBoundingClientRect().right > cell.getBoundingClientRect().right + 0.5;
  }).map((cell) => cell.textContent)`;

async function assertContrast(page: Page): Promise<void> {
  const { problems, measured } = (await page.evaluate(measureContrast)) as {
    problems: string[];
    measured: number;
  };
  assert.deepEqual(problems, []);
  assert.ok(measured > 20, `only ${measured} texts were looked at`);
}
