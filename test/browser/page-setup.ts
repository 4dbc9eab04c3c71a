/** Tests of the page in a real browser, in front of an admin listener that says what each test needs. */
import assert from 'node:assert/strict';
import { after, before, describe, type TestContext } from 'node:test';
import type { BrowserContextOptions, Page } from 'playwright-core';
import type { ConnectionState, ProxyState } from '../../src/observe/state/state.js';
import { type RunningBrowser, startBrowser } from '../support/browser.js';
import { isUnavailable, type Unavailable } from '../support/programs.js';
import { type OpenPage, openPage } from './open-page.js';
import { busyConnections, busyState, now } from './states.js';
import { StubAdmin } from './stub-admin.js';

export interface Setup extends OpenPage {
  readonly admin: StubAdmin;
}

export type Options = BrowserContextOptions & { readonly path?: string; readonly refusal?: string };

export interface Openers {
  /** Undefined when there is no browser: the test is skipped. */
  open(
    t: TestContext,
    state: ProxyState,
    connections?: readonly ConnectionState[],
    options?: Options,
  ): Promise<Setup | undefined>;
  openBusy(t: TestContext, options?: Options): Promise<Setup | undefined>;
}

/** One browser for all tests that `define` names. */
export function describePage(name: string, define: (openers: Openers) => void): void {
  describe(name, { timeout: 200_000 }, () => {
    let running: RunningBrowser | Unavailable;
    before(async () => {
      running = await startBrowser();
    });
    after(async () => {
      if (!isUnavailable(running)) await running.close();
    });
    const open: Openers['open'] = async (t, state, connections = [], options = {}) => {
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
    };
    define({ open, openBusy: (t, options) => open(t, busyState, busyConnections, options) });
  });
}

/** Pixels by which the page is wider than its window. */
export const overflow = 'document.documentElement.scrollWidth - document.documentElement.clientWidth';

export const textsOf = async (page: Page, selector: string): Promise<string[]> =>
  (await page.locator(selector).allInnerTexts()).map((text) => text.trim());

/** What the focused element is called: its label, or else its text. */
export const focusedName = (page: Page): Promise<string> =>
  page.evaluate(
    'document.activeElement.ariaLabel ?? document.activeElement.labels?.[0]?.innerText ?? document.activeElement.innerText',
  );

export async function tabTo(page: Page, name: string): Promise<void> {
  const visited: string[] = [];
  for (let presses = 0; presses < 60; presses++) {
    await page.keyboard.press('Tab');
    const focused = await focusedName(page);
    if (focused === name) return;
    visited.push(focused.slice(0, 80));
  }
  assert.fail(`the Tab key does not reach "${name}", but: ${visited.join(', ')}`);
}

export async function eventually(condition: () => boolean, what: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.fail(`never: ${what}`);
}
