// Opens the page with the engine of `fake-engine.js`, and watches what no journey may cause.
import { readFile } from 'node:fs/promises';
import { test as base, type Page } from '@playwright/test';

export interface Settings {
  /** Pause between documents, in ms. */
  stepMs?: number;
  /** Command that fails, or `init` for the module itself. */
  fails?: string;
  /** Kind of that failure. */
  kind?: string;
  /** Bytes of SmolLM2 that are stored. */
  stored?: number;
  /** Never answers, not even to a cancel. */
  hangs?: boolean;
  /** Throws where no promise catches it, after three documents. */
  crashes?: boolean;
}

export const SMOLLM2_BYTES = 98_362_432;

/** Serves the fake engine for every worker that starts from now on. */
export async function useEngine(page: Page, settings: Settings = {}): Promise<void> {
  const source = await readFile(new URL('fake-engine.js', import.meta.url), 'utf8');
  const body = source.replace('const SETTINGS = {};', `const SETTINGS = ${JSON.stringify(settings)};`);
  await page.unroute('**/engine/cpu/jeoul_web.js');
  await page.route('**/engine/cpu/jeoul_web.js', (route) => route.fulfill({ contentType: 'text/javascript', body }));
}

/** Opens a place of the page with the fake engine. */
export async function open(page: Page, settings: Settings = {}, hash = '#/'): Promise<void> {
  await useEngine(page, settings);
  await page.goto(`/${hash}`);
}

/** A page on which nothing may break the content security policy or throw. */
export const test = base.extend<{ watched: void }>({
  watched: [
    async ({ page }, use) => {
      const complaints: string[] = [];
      page.on('console', (message) => {
        if (/Content Security Policy|Refused to/.test(message.text())) complaints.push(message.text());
      });
      page.on('pageerror', (error) => complaints.push(String(error)));
      const outside = (url: string) => new URL(url).origin !== new URL(page.url()).origin && !/^(blob|data):/.test(url);
      page.on('request', (request) => {
        if (page.url() !== 'about:blank' && outside(request.url())) complaints.push(`asked ${request.url()}`);
      });
      await use();
      if (complaints.length > 0) throw new Error(complaints.join('\n'));
    },
    { auto: true },
  ],
});

export { expect } from '@playwright/test';
