// Languages, colours, widths, keyboard, screen readers.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from '@playwright/test';
import { expect, open, SMOLLM2_BYTES, test } from './fake';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Faults that axe finds, one line each. */
async function faults(page: Page): Promise<string[]> {
  // Through the debugger: a script element would break the page's policy.
  await page.evaluate(axe);
  return page.evaluate(async () => {
    const { violations } = await (window as unknown as { axe: { run(): Promise<{ violations: { id: string; nodes: { html: string }[] }[] }> } }).axe.run();
    return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
  });
}

/** Pixels by which the page is wider than the window. */
function overhang(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

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

test('the language follows the browser, is switched, and is remembered', async ({ browser, baseURL }) => {
  const context = await browser.newContext({ locale: 'ko-KR', ...(baseURL ? { baseURL } : {}) });
  const page = await context.newPage();
  await open(page);
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('언어 모델을 이 탭에서 바로 달아 봅니다.');
  await expect(page.locator('html')).toHaveAttribute('lang', 'ko');
  await expect(page.getByRole('checkbox', { name: '과학 문제' })).toBeChecked();
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

for (const [width, locale] of [[320, 'ko-KR'], [320, 'en-GB'], [360, 'ko-KR'], [1280, 'en-GB']] as const) {
  test(`everything fits ${width} pixels in ${locale}`, async ({ browser, baseURL }) => {
    const context = await browser.newContext({ locale, viewport: { width, height: 640 }, ...(baseURL ? { baseURL } : {}) });
    const page = await context.newPage();
    await everywhere(page, async (name) => expect(await overhang(page), name).toBe(0));
    await context.close();
  });
}

for (const colorScheme of ['light', 'dark'] as const) {
  test(`axe finds no fault in ${colorScheme}`, async ({ page }) => {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    await everywhere(page, async (name) => expect(await faults(page), name).toEqual([]));
  });
}

test('the keyboard alone weighs, reads and saves', async ({ page }) => {
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 1 });
  await expect(page.getByRole('button', { name: 'Weigh', exact: true })).toBeEnabled();
  const reach = async (name: RegExp) => {
    for (let presses = 0; presses < 60; presses += 1) {
      await page.keyboard.press('Tab');
      const focused = await page.evaluate(() => document.activeElement?.textContent ?? '');
      if (name.test(focused.trim())) return;
    }
    throw new Error(`Tab does not reach ${name}`);
  };
  await page.keyboard.press('Tab');
  await expect(page.getByRole('link', { name: 'Skip to content' })).toBeFocused();
  await reach(/^Weigh$/); // the place
  await reach(/^Weigh$/); // the button
  const ring = await page.evaluate(() => getComputedStyle(document.activeElement!).outlineStyle);
  expect(ring).toBe('solid');
  await page.keyboard.press('Enter');
  await expect(page.getByText('The run is finished.').first()).toBeVisible();
  await reach(/^Save as JSON$/);
  await reach(/Question: Which/);
  await page.keyboard.press('Enter');
  await expect(page.getByText('Exact prompt')).toBeVisible();
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
