// The engine's worker without the page around it: downloads that go wrong, and a storage that is full, taken or refused.
// The tiny checkpoint is what is downloaded; `cargo xtask test` sets the variables.
import { readFile } from 'node:fs/promises';
import { expect, test, type Page, type Route } from '@playwright/test';
import type { Command, Event, FaultKind, RunSettings } from '../../www/src/engine/generated';

const { JEOUL_URL, JEOUL_MODEL } = process.env;

const settings: RunSettings = { seed: 1234, apply_chat_template: false, fewshot_as_multiturn: false, system_instruction: null };

/** Starts the module as the page's worker does; `before` runs first. */
const worker = (before: string) => `${before}
const engine = await import('/engine/cpu/jeoul_web.js');
await engine.default();
engine.serve(null);
self.postMessage({ ready: true });
export {};`;

declare global {
  interface Window {
    /** Resolves with all events of a command. */
    ask: (command: Command, file?: File) => Promise<Event[]>;
    cancel: () => void;
  }
}

/** Opens a page with a worker of its own. */
async function open(page: Page, before = ''): Promise<void> {
  await page.route('**/test-worker.js', (route) =>
    route.fulfill({
      contentType: 'text/javascript',
      headers: { 'cross-origin-embedder-policy': 'require-corp' },
      body: worker(before),
    }),
  );
  await page.goto('/');
  await start(page);
}

async function start(page: Page): Promise<void> {
  await page.evaluate(async () => {
    const worker = new Worker('/test-worker.js', { type: 'module' });
    await new Promise((ready) => worker.addEventListener('message', ready, { once: true }));
    let id = 0;
    window.cancel = () => worker.postMessage({ id: ++id, command: { type: 'cancel' } });
    window.ask = (command, file) =>
      new Promise((end) => {
        const asked = ++id;
        const events: Event[] = [];
        const listen = ({ data }: MessageEvent<{ id: number; event: Event }>) => {
          if (data.id !== asked) return;
          events.push(data.event);
          if (['fetching', 'loading', 'progress', 'document'].includes(data.event.type)) return;
          worker.removeEventListener('message', listen);
          end(events);
        };
        worker.addEventListener('message', listen);
        worker.postMessage({ id: asked, command, file });
      });
  });
}

const ask = (page: Page, command: Command) => page.evaluate((command) => window.ask(command), command);
const last = async (page: Page, command: Command) => (await ask(page, command)).at(-1);
const fetched = (page: Page) => last(page, { type: 'fetch', model: 'tiny' });
const load = (page: Page) => last(page, { type: 'load', model: 'tiny', lane: 'cpu' });
const failed = (kind: FaultKind, detail: RegExp) => ({
  type: 'failed',
  fault: { kind, detail: expect.stringMatching(detail) },
});

/** Answers the requests for the checkpoint one after the other, the last answer again and again; notes which bytes were asked for. */
async function answer(page: Page, ...answers: ((route: Route, from: number) => unknown)[]): Promise<string[]> {
  const asked: string[] = [];
  await page.unroute('**/models/tiny.gguf');
  await page.route('**/models/tiny.gguf', async (route) => {
    const range = route.request().headers()['range'] ?? '';
    asked.push(range);
    const next = answers.length > 1 ? answers.shift() : answers[0];
    await next?.(route, Number(/^bytes=(\d+)-$/.exec(range)?.[1]));
  });
  return asked;
}

const model = () => readFile(JEOUL_MODEL ?? '');

/** The asked part, up to `end`: as if the connection broke there. */
const part = (end?: number) => async (route: Route, from: number) => {
  const bytes = await model();
  const headers = { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` };
  await route.fulfill({ status: 206, headers, body: bytes.subarray(from, end) });
};
/** All of it, whatever was asked for. */
const whole = async (route: Route) => route.fulfill({ body: await model() });
const silence = () => {};

if (JEOUL_URL && JEOUL_MODEL) {
  test('a download goes on where the connection broke', async ({ page }) => {
    await open(page);
    const asked = await answer(page, part(50_000), (route) => route.abort(), part());
    expect(await fetched(page)).toEqual({ type: 'fetched' });
    expect(asked).toEqual(['bytes=0-', 'bytes=50000-', 'bytes=50000-']);
    expect(await load(page)).toMatchObject({ type: 'loaded' });
    expect(await fetched(page)).toEqual({ type: 'fetched' });
    expect(asked).toHaveLength(3);
  });

  test('a cancelled download goes on after a reload', async ({ page }) => {
    await open(page);
    const asked = await answer(page, part(50_000), silence, part());
    const cancelled = fetched(page);
    await expect.poll(() => asked.length).toBe(2);
    const start = Date.now();
    await page.evaluate(() => window.cancel());
    expect(await cancelled).toEqual({ type: 'cancelled' });
    expect(Date.now() - start).toBeLessThan(900);
    expect(await load(page)).toEqual(failed('storage', /`tiny.gguf` is not stored/));
    await page.reload();
    await open(page);
    expect(await fetched(page)).toEqual({ type: 'fetched' });
    expect(asked).toEqual(['bytes=0-', 'bytes=50000-', 'bytes=50000-']);
  });

  test('a server that ignores ranges is taken from the start', async ({ page }) => {
    await open(page);
    const asked = await answer(page, part(50_000), whole);
    expect(await fetched(page)).toEqual({ type: 'fetched' });
    expect(asked).toEqual(['bytes=0-', 'bytes=50000-']);
    expect(await load(page)).toMatchObject({ type: 'loaded' });
  });

  test('parts of two files are never put together', async ({ page }) => {
    await open(page);
    const otherPart = async (route: Route) => {
      const bytes = await model();
      const headers = { 'content-range': `bytes 0-${bytes.length - 1}/${bytes.length}` };
      await route.fulfill({ status: 206, headers, body: Buffer.alloc(50_000, 7) });
    };
    await answer(page, otherPart, silence);
    const cancelled = fetched(page);
    await page.waitForTimeout(1000);
    await page.evaluate(() => window.cancel());
    expect(await cancelled).toEqual({ type: 'cancelled' });
    const asked = await answer(page, part());
    expect(await fetched(page)).toEqual({ type: 'fetched' });
    expect(asked).toEqual(['bytes=50000-', 'bytes=0-']);
    expect(await load(page)).toMatchObject({ type: 'loaded' });
  });

  test('a file with a wrong byte is refused and removed', async ({ page }) => {
    await open(page);
    const wrong = async (route: Route) => {
      const bytes = await model();
      bytes[100_000]! ^= 1;
      await route.fulfill({ body: bytes });
    };
    await answer(page, wrong);
    expect(await fetched(page)).toEqual(failed('checksum', /sha256 is [0-9a-f]{64}; the registry's is [0-9a-f]{64}/));
    const asked = await answer(page, part());
    expect(await fetched(page)).toEqual({ type: 'fetched' });
    expect(asked).toEqual(['bytes=0-']);
  });

  const refusals: [string, (route: Route) => Promise<void>, FaultKind, RegExp][] = [
    ['no file', (route) => route.fulfill({ status: 404 }), 'network', /status 404/],
    ['a web page', (route) => route.fulfill({ contentType: 'text/html', body: '<!doctype html>' }), 'network', /a web page/],
    ['another file', (route) => route.fulfill({ body: 'GGUF' }), 'checksum', /has 4 bytes; the registry's has \d+/],
  ];
  for (const [name, refuse, kind, detail] of refusals) {
    test(`${name} in the place of the checkpoint is said at once`, async ({ page }) => {
      await open(page);
      const asked = await answer(page, refuse);
      expect(await fetched(page)).toEqual(failed(kind, detail));
      expect(asked).toHaveLength(1);
    });
  }

  test('a server that is gone is given up in seconds', async ({ page }) => {
    await open(page);
    const asked = await answer(page, (route) => route.abort());
    expect(await fetched(page)).toEqual(failed('network', /\/models\/tiny.gguf: TypeError: Failed to fetch, 5 times in a row/));
    expect(asked).toHaveLength(5);
  });

  test('a full storage is said, and nothing is left behind', async ({ page, context, baseURL }) => {
    await open(page);
    // Where not even a folder has room, the checkpoint is kept in memory.
    expect(await last(page, { type: 'forget', model: 'tiny' })).toEqual({ type: 'forgotten' });
    const browser = await context.newCDPSession(page);
    const origin = new URL(baseURL ?? '').origin;
    const { length } = await model();
    // The folder has room; the file has none, or half, or the mark beside it has none.
    for (const quotaSize of [60, length / 2, length + 400]) {
      await browser.send('Storage.overrideQuotaForOrigin', { origin, quotaSize });
      expect(await fetched(page), `${quotaSize}`).toEqual(failed('storage', /storage is full: `tiny.gguf` needs \d+ bytes more/));
    }
    await browser.send('Storage.overrideQuotaForOrigin', { origin });
    const asked = await answer(page, part());
    expect(await fetched(page)).toEqual({ type: 'fetched' });
    expect(asked).toEqual(['bytes=0-']);
  });

  test('two tabs do not write the same file, and both can read it', async ({ page, context }) => {
    const other = await context.newPage();
    await open(page);
    await open(other);
    const asked = await answer(page, silence, part());
    const first = fetched(page);
    await expect.poll(() => asked.length).toBe(1);
    expect(await fetched(other)).toEqual(failed('storage', /in use by another tab/));
    expect(await last(other, { type: 'forget', model: 'tiny' })).toEqual(failed('storage', /in use by another tab/));
    await page.evaluate(() => window.cancel());
    expect(await first).toEqual({ type: 'cancelled' });
    expect(await fetched(other)).toEqual({ type: 'fetched' });
    for (const tab of [page, other, page]) expect(await load(tab)).toMatchObject({ type: 'loaded' });
  });

  test('without storage a checkpoint is kept in memory', async ({ page }) => {
    await open(page, "StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('', 'SecurityError'));");
    const asked = await answer(page, part(50_000), part());
    expect(await fetched(page)).toEqual({ type: 'fetched' });
    expect(asked).toEqual(['bytes=0-', 'bytes=50000-']);
    expect(await load(page)).toMatchObject({ type: 'loaded', checkpoint: { size: (await model()).length } });
    expect(await last(page, { type: 'forget', model: 'tiny' })).toEqual({ type: 'forgotten' });
    expect(await load(page)).toEqual(failed('storage', /`tiny.gguf` is not stored/));
  });

  test('a stored checkpoint and a file of the same bytes give the same scores', async ({ page }) => {
    await open(page);
    await page.evaluate(() => document.body.insertAdjacentHTML('beforeend', '<input type="file" id="test-file">'));
    await page.setInputFiles('#test-file', JEOUL_MODEL);
    const tasks = [{ task: 'jeoul_commonsense', num_fewshot: 1, limit: 3 }];
    const documents = async () =>
      (await ask(page, { type: 'run', tasks, settings })).flatMap((event) => (event.type === 'document' ? [event.document] : []));
    expect(await fetched(page)).toEqual({ type: 'fetched' });
    expect(await load(page)).toMatchObject({ type: 'loaded' });
    const stored = await documents();
    const opened = await page.evaluate(() => {
      const file = document.querySelector<HTMLInputElement>('#test-file')?.files?.[0];
      return window.ask({ type: 'load', model: null, lane: 'cpu' }, file);
    });
    expect(opened.at(-1)).toMatchObject({ type: 'loaded' });
    expect(stored).toHaveLength(3);
    expect(await documents()).toEqual(stored);
  });

  test('what the worker does not understand, or cannot do now, is said', async ({ page }) => {
    await open(page);
    const nonsense = { type: 'dance' } as unknown as Command;
    expect(await last(page, nonsense)).toEqual(failed('protocol', /unknown variant `dance`/));
    expect(await last(page, { type: 'fetch', model: 'none' })).toEqual(failed('protocol', /no checkpoint `none`/));
    expect(await last(page, { type: 'run', tasks: [], settings })).toEqual(failed('protocol', /no checkpoint is loaded/));
    const asked = await answer(page, silence);
    const running = fetched(page);
    await expect.poll(() => asked.length).toBe(1);
    expect(await last(page, { type: 'hello' })).toEqual(failed('protocol', /a command is running/));
    await page.evaluate(() => window.cancel());
    expect(await running).toEqual({ type: 'cancelled' });
    await page.evaluate(() => window.cancel());
    expect(await last(page, { type: 'hello' })).toMatchObject({ type: 'ready' });
  });
}
