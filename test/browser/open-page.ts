/** A page in a browser that must not complain, and must ask nobody but its own origin. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';

export interface OpenPage {
  readonly page: Page;
  /** What the console, the policy and failed requests said so far; emptied by a test that expects it. */
  readonly complaints: string[];
}

const desktop = { width: 1280, height: 900 };
export const phone = { width: 390, height: 844 };

/** At the end of the test, any complaint and any request elsewhere fails it. */
export async function openPage(
  t: TestContext,
  browser: Browser,
  address: string,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: desktop, timezoneId: 'UTC', ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  const elsewhere: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  const { origin } = new URL(address);
  page.on('request', (request) => {
    if (!request.url().startsWith(`${origin}/`) && !request.url().startsWith('data:'))
      elsewhere.push(request.url());
  });
  t.after(async () => {
    await context.close();
    assert.deepEqual(elsewhere, []);
    assert.deepEqual(complaints, []);
  });
  await page.goto(address);
  return { page, complaints };
}
