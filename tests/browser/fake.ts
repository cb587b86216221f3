// Opens the page with the engine of `fake-engine.js`, and watches what no journey may cause.
import { readFile } from 'node:fs/promises';
import { expect, test as base, type Page } from '@playwright/test';

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

/** The shortest wasm module: it holds nothing. */
const NO_WASM = Buffer.from('\0asm\x01\0\0\0');

/** The fake engine as one module. */
export async function engineSource(settings: Settings): Promise<string> {
  const files = ['fake-tasks.js', 'fake-engine.js'].map((name) => readFile(new URL(name, import.meta.url), 'utf8'));
  return [`const SETTINGS = ${JSON.stringify(settings)};`, ...(await Promise.all(files))].join('\n');
}

/** Serves a module's JavaScript, with wasm that it does not use, in place of what was served before. */
export async function serveModule(page: Page, name: 'cpu' | 'gpu', body: string): Promise<void> {
  const files = `**/engine/${name}/**`;
  await page.unroute(files);
  await page.route(files, (route) => {
    const isScript = route.request().url().endsWith('.js');
    return route.fulfill(isScript ? { contentType: 'text/javascript', body } : { contentType: 'application/wasm', body: NO_WASM });
  });
}

/** Serves the fake engine for every worker that starts from now on. */
export async function useEngine(page: Page, settings: Settings = {}): Promise<void> {
  const body = await engineSource(settings);
  await page.unroute('**/engine/cpu-threads/**');
  await page.route('**/engine/cpu-threads/**', (route) => route.fulfill({ status: 404 }));
  await serveModule(page, 'cpu', body);
}

/** Opens a place of the page with the fake engine. */
export async function open(page: Page, settings: Settings = {}, hash = '#/'): Promise<void> {
  await useEngine(page, settings);
  await page.goto(`/${hash}`);
}

/** Chooses one more task or group by its name. */
export async function choose(page: Page, name: string): Promise<void> {
  await page.getByRole('searchbox', { name: /^(Find a task|과제 찾기)$/ }).fill(name);
  await page.locator(`#task-${name}`).check();
  await page.getByRole('searchbox', { name: /^(Find a task|과제 찾기)$/ }).fill('');
}

/** Presses Weigh and waits for the end. */
export async function weigh(page: Page): Promise<void> {
  await page.locator('main button.primary').click();
  await expect(page.getByText(/^(The run is finished|측정을 마쳤습니다)/).first()).toBeVisible();
}

/** Drops a file on the page. */
export async function drop(page: Page, name: string, content: string): Promise<void> {
  const transfer = await page.evaluateHandle(
    ({ name, content }) => {
      const data = new DataTransfer();
      data.items.add(new File([content], name));
      return data;
    },
    { name, content },
  );
  await page.dispatchEvent('body', 'dragover', { dataTransfer: transfer });
  await page.dispatchEvent('body', 'drop', { dataTransfer: transfer });
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

export { expect };
