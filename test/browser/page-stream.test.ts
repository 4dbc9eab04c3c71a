/** How the page follows the proxy: updates, pauses, and when the proxy goes away. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describePage, eventually, focusedName } from './page-setup.js';
import { busyConnections, busyState, emptyState, now } from './states.js';

describePage('the page over time', ({ open, openBusy }) => {
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
    assert.equal(await page.locator('#flow details.as-table').getAttribute('open'), '');
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

  test('a tab that nobody sees leaves its connections to others, and is not lost', async (t) => {
    const { page, admin } = (await openBusy(t)) ?? {};
    if (page === undefined || admin === undefined) return;
    await page.getByText('412 open').first().waitFor();
    await page.evaluate(showTab(false));
    await eventually(() => admin.listeners === 0, 'the stream is closed');
    const requests = admin.requests.length;
    admin.publish({ ...busyState, at: now + 60_000, servers: [] });
    assert.equal(await page.getByRole('alert').innerText(), '');
    assert.equal(await page.locator('body.lost').count(), 0);
    assert.equal(admin.requests.length, requests);
    await page.evaluate(showTab(true));
    await page.getByText('Live, 12:04:44').waitFor();
    await page.getByRole('button', { name: 'Pause' }).click();
    await eventually(() => admin.listeners === 0, 'the stream is closed');
    await page.evaluate(showTab(false));
    await page.evaluate(showTab(true));
    assert.match(await page.locator('#status').innerText(), /Paused/);
    assert.equal(admin.requests.filter((path) => path === '/events').length, 2, 'it stays paused');
  });

  test('a list that does not arrive is given up and asked for again', async (t) => {
    const { page, admin } = (await openBusy(t)) ?? {};
    if (page === undefined || admin === undefined) return;
    await page.getByText('412 open').first().waitFor();
    await page.evaluate(`{
      const { timeout } = AbortSignal;
      AbortSignal.timeout = (ms) => { window.patience = ms; return timeout.call(AbortSignal, ms / 50); };
    }`);
    admin.isListHanging = true;
    admin.publish();
    const asked = (): number => admin.requests.filter((path) => path.startsWith('/connections')).length;
    await eventually(() => asked() === 2, 'it is asked for');
    admin.isListHanging = false;
    admin.connections = busyConnections.slice(0, 7);
    await eventually(() => {
      admin.publish();
      return asked() > 2;
    }, 'it is asked for again');
    await page.getByText('7 open').first().waitFor();
    assert.equal(await page.evaluate('patience'), 10_000);
  });

  test('an answer instead of the stream is shown as it is', async (t) => {
    const { page, admin, complaints } = (await openBusy(t)) ?? {};
    if (page === undefined || admin === undefined || complaints === undefined) return;
    admin.eventsRefusal = 'there are 20 pages open already';
    await admin.stop();
    await admin.start();
    const banner = page.getByRole('alert');
    await banner.getByText('The proxy answers: There are 20 pages open already. This page shows').waitFor();
    assert.equal(await page.locator('body.lost').count(), 1);
    admin.eventsRefusal = '';
    await eventually(() => admin.listeners === 1, 'the stream is back');
    await banner.getByText('The proxy').waitFor({ state: 'detached' });
    assert.equal(await banner.innerText(), '');
    assert.match(complaints.splice(0).join(), /503/);
  });

  test('pausing while the connection is lost takes the banner away', async (t) => {
    const { page, admin, complaints } = (await openBusy(t)) ?? {};
    if (page === undefined || admin === undefined || complaints === undefined) return;
    await admin.stop();
    const banner = page.getByRole('alert');
    await banner.getByText('The connection to the proxy is lost.').waitFor();
    const pause = page.getByRole('button', { name: 'Pause' });
    assert.equal(await pause.getAttribute('aria-pressed'), null, 'its name says it');
    await pause.click();
    assert.equal(await banner.innerText(), '');
    assert.equal(await page.locator('body.lost').count(), 0);
    assert.match(await page.locator('#status').innerText(), /Paused, as of 12:03:44/);
    complaints.length = 0;
  });

  test('another start of the proxy forgets what was opened, another version loads its page', async (t) => {
    const { page, admin } = (await openBusy(t)) ?? {};
    if (page === undefined || admin === undefined) return;
    await page.getByRole('button', { name: 'Details of the connection from' }).first().click();
    assert.equal(await page.locator('tr.details').count(), 1);
    const pages = (): number => admin.requests.filter((path) => path === '/').length;
    admin.publish({ ...busyState, at: now + 2000, started_at: now });
    await page.getByText('Live, 12:03:46').waitFor();
    await page.locator('tr.details').waitFor({ state: 'detached' });
    assert.equal(pages(), 1);
    admin.publish({ ...busyState, at: now + 4000, version: '0.2.0' });
    await eventually(() => pages() === 2, 'the page is loaded again');
    await page.getByText('Version 0.2.0').waitFor();
    assert.equal(pages(), 2);
  });

  test('text that is selected stays so when another failure comes before it', async (t) => {
    const { page, admin } = (await openBusy(t)) ?? {};
    if (page === undefined || admin === undefined) return;
    await page.locator('.failure .cause').nth(1).selectText();
    const selected = await page.evaluate('getSelection().toString()');
    const [first] = busyState.failures;
    assert.ok(first);
    const another = { ...first, client_address: '10.9.9.9', cause: 'another' };
    admin.publish({ ...busyState, at: now + 2000, failures: [another, ...busyState.failures] });
    await page.locator('.failure').first().getByText('Another.').waitFor();
    assert.equal(await page.evaluate('getSelection().toString()'), selected);
    assert.equal(
      await page.evaluate(`{
        const { anchorNode: anchor } = getSelection();
        (anchor instanceof Element ? anchor : anchor.parentElement).closest('.cause').textContent;
      }`),
      await page.locator('.failure .cause').nth(2).textContent(),
    );
  });
});

/** As a browser says it when the person looks at another tab. */
const showTab = (isShown: boolean): string =>
  `Object.defineProperty(document, 'hidden', { get: () => ${!isShown}, configurable: true });
   document.dispatchEvent(new Event('visibilitychange'));`;
