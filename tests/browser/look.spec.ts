// Languages, colours, widths, keyboard, screen readers.
import type { Page } from '@playwright/test';
import { faults, overhang } from './axe';
import { choose, drop, expect, open, SMOLLM2_BYTES, test, weigh } from './fake';

/** Runs the body at each place of the page, before, while and after a run. */
async function everywhere(page: Page, body: (name: string) => Promise<void>): Promise<void> {
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 120 });
  await expect(page.locator('button.primary')).toBeEnabled();
  await body('before');
  await page.locator('button.primary').click();
  await expect(page.getByText(/([3-9]|1\d) \/ 20/)).toBeVisible();
  await body('during');
  await expect(page.locator('#documents')).toBeVisible();
  await page.locator('summary').nth(1).click();
  await body('after');
  for (const place of ['runs', 'runs/1', 'learn']) {
    await page.evaluate((hash) => (location.hash = hash), `#/${place}`);
    await expect(page.getByRole('heading', { level: 1 })).toBeVisible();
    await body(place);
  }
}

/** Runs the body where much is shown: open lists, a question, a failure, a benchmark, written answers, two runs compared. */
async function crowded(page: Page, body: (name: string) => Promise<void>): Promise<void> {
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 1 });
  for (const name of ['gsm8k', 'winogrande', 'mmlu']) await choose(page, name);
  await drop(page, 'mine.yaml', 'task: mine\n');
  await drop(page, 'wrong.yaml', 'task: wrong\ndoc_to_txt: question\n');
  await expect(page.getByRole('alert')).toBeVisible();
  while ((await page.locator('main details:not([open]) > summary:visible').count()) > 0) await page.locator('main details:not([open]) > summary:visible').first().click();
  await page.locator('#content input[type=checkbox]').last().check();
  await body('open lists');
  await drop(page, 'mine.jsonl', '{"question": "Is it?"}');
  await expect(page.getByRole('dialog')).toBeVisible();
  await body('a question');
  await page.keyboard.press('Escape');
  await weigh(page);
  const documents = page.locator('section[aria-labelledby=documents]');
  for (const task of ['gsm8k', 'winogrande']) {
    await documents.getByRole('combobox').first().selectOption(task);
    await documents.locator('li summary').first().click();
    await body(task);
  }
  await page.locator('button.primary').click();
  await page.locator('#model-tiny-f32').check();
  await weigh(page);
  await page.evaluate(() => (location.hash = '#/runs'));
  await expect(page.locator('td input')).toHaveCount(2);
  for (const box of await page.locator('td input').all()) await box.check();
  await body('two runs');
  await page.locator('a.button').click();
  await expect(page.locator('table tbody tr').first()).toBeVisible();
  await body('compared');
}

test('the language follows the browser, is switched, and is remembered', async ({ browser, baseURL }) => {
  const context = await browser.newContext({ locale: 'ko-KR', ...(baseURL ? { baseURL } : {}) });
  const page = await context.newPage();
  await open(page);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('언어 모델을 이 탭에서 바로 달아 봅니다.');
  await expect(page.locator('html')).toHaveAttribute('lang', 'ko');
  await expect(page.getByRole('region', { name: '과학 문제' })).toBeVisible();
  await page.getByRole('button', { name: 'English' }).click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Weigh a language model, here in this tab.');
  await page.reload();
  await expect(page.locator('html')).toHaveAttribute('lang', 'en');
  await context.close();
});

test('colours follow the system until one chooses, and the choice is remembered', async ({ page }) => {
  await page.emulateMedia({ colorScheme: 'dark' });
  await open(page);
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await paper();
  await page.getByLabel('Colours').selectOption('Light');
  const light = await paper();
  expect(light).not.toBe(dark);
  await page.reload();
  expect(await paper()).toBe(light);
  await page.getByLabel('Colours').selectOption('As the system');
  expect(await paper()).toBe(dark);
});

for (const tour of [everywhere, crowded]) {
  for (const [width, locale] of [[320, 'ko-KR'], [320, 'en-GB'], [360, 'ko-KR'], [1280, 'en-GB']] as const) {
    test(`everything fits ${width} pixels in ${locale}, ${tour.name}`, async ({ browser, baseURL }) => {
      const context = await browser.newContext({ locale, viewport: { width, height: 640 }, ...(baseURL ? { baseURL } : {}) });
      const page = await context.newPage();
      await tour(page, async (name) => expect(await overhang(page), name).toBe(0));
      await context.close();
    });
  }

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`axe finds no fault in ${colorScheme}, ${tour.name}`, async ({ page }) => {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await tour(page, async (name) => expect(await faults(page), name).toEqual([]));
    });
  }
}

/** Presses Tab until the thing with this name has the focus. */
async function reach(page: Page, name: RegExp): Promise<void> {
  for (let presses = 0; presses < 80; presses += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate(() => {
      const element = document.activeElement as HTMLInputElement | null;
      return element?.getAttribute('aria-label') ?? element?.labels?.[0]?.textContent ?? element?.textContent ?? '';
    });
    if (name.test(focused.trim())) return;
  }
  throw new Error(`Tab does not reach ${name}`);
}

test('the keyboard alone weighs, reads and saves', async ({ page }) => {
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 1 });
  await expect(page.getByRole('button', { name: 'Weigh', exact: true })).toBeEnabled();
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused();
  await reach(page, /^Weigh$/); // the place
  await reach(page, /^Weigh$/); // the button
  const ring = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
  expect(ring).toBe('solid');
  await page.keyboard.press('Enter');
  await expect(page.getByText('The run is finished.').first()).toBeVisible();
  await reach(page, /^Save as JSON$/);
  await reach(page, /Question: Which/);
  await page.keyboard.press('Enter');
  await expect(page.getByText('Exact prompt')).toBeVisible();
});

test('the keyboard alone chooses tasks, gives them documents and compares', async ({ page }) => {
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 1 });
  await reach(page, /^Remove Science questions$/);
  await page.keyboard.press('Enter');
  await page.keyboard.type('kobest wic'); // the search has the focus
  await reach(page, /^Korean words in context/);
  await page.keyboard.press('Space');
  await expect(page.getByRole('checkbox', { name: /^Korean words in context/ })).toBeFocused();
  await page.getByRole('link', { name: 'Jeoul' }).focus();
  await reach(page, /^Documents: samples/);
  await page.keyboard.press('Enter');
  await reach(page, /^Download the real ones/);
  await page.keyboard.press('Enter');
  await expect(page.getByText('of 1172')).toBeVisible();
  for (const run of ['first', 'second']) {
    const button = page.getByRole('button', { name: 'Weigh', exact: true });
    while (!(await button.evaluate((element) => element === document.activeElement))) await reach(page, /^Weigh$/);
    await page.keyboard.press('Enter');
    await expect(page.getByText('The run is finished.').first()).toBeVisible();
    if (run === 'second') break;
    await reach(page, /^Weigh again$/);
    await page.keyboard.press('Enter');
  }
  await page.getByRole('link', { name: 'Jeoul' }).focus();
  await reach(page, /^Results$/);
  await page.keyboard.press('Enter');
  for (let tick = 0; tick < 2; tick += 1) {
    await reach(page, /^Compare SmolLM2/);
    await page.keyboard.press('Space');
  }
  await reach(page, /^Compare$/);
  await page.keyboard.press('Enter');
  await expect(page.getByRole('heading', { name: 'Two runs compared' })).toBeVisible();
});

test('with reduced motion a plain bar stands for the beam', async ({ page }) => {
  await page.emulateMedia({ reducedMotion: 'reduce' });
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 60 });
  await page.getByRole('button', { name: 'Weigh', exact: true }).click();
  await expect(page.getByRole('progressbar', { name: 'Whole run' })).toBeVisible();
  await expect(page.getByRole('img', { name: /scales/ })).toHaveCount(0);
});

test('the main screen reads as it should', async ({ page }) => {
  await open(page, { stored: SMOLLM2_BYTES });
  await expect(page.getByRole('region', { name: '3 Weigh' })).toMatchAriaSnapshot(`
    - region "3 Weigh":
      - heading "3 Weigh" [level=2]
      - paragraph: 20 documents Time and tokens are known once the model is loaded.
      - paragraph: ±20 points per task, at the widest enough to tell knowing from guessing, not to rank two good models
      - button "Weigh"
  `);
});
