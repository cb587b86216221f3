// Two runs compared, document by document.
import type { Page } from '@playwright/test';
import { choose, expect, open, SMOLLM2_BYTES, test, weigh } from './fake';

/** Weighs SmolLM2, then Tiny, and ticks both runs. */
async function twoRuns(page: Page, between: () => Promise<void> = async () => {}): Promise<void> {
  await weigh(page);
  await page.getByRole('button', { name: 'Weigh again' }).click();
  await page.getByRole('radio', { name: 'Tiny' }).check();
  await between();
  await weigh(page);
  await page.getByRole('link', { name: 'Results' }).click();
  await page.getByRole('checkbox', { name: /^Compare SmolLM2/ }).check();
  await expect(page.getByRole('link', { name: 'Compare' })).toHaveCount(0);
  await page.getByRole('checkbox', { name: /^Compare Tiny/ }).check();
  await page.getByRole('link', { name: 'Compare' }).click();
  await expect(page.getByRole('heading', { name: 'Two runs compared' })).toBeVisible();
}

test('many documents tell two runs apart, few do not', async ({ page }) => {
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 1 });
  await page.getByLabel('Documents of Science questions, at most 60').fill('60');
  await choose(page, 'jeoul_boolq_ko');
  await page.getByLabel('Documents of Korean yes/no questions, at most 40').fill('3');
  await twoRuns(page);
  await expect(page).toHaveURL(/#\/runs\/compare\/1,2$/);
  const table = page.getByRole('table');
  await expect(table.getByRole('row', { name: /^Science questions accuracy A is better \d\d\.\d% \d\d\.\d% \+\d\d\.\d \+\d\S* to \+\d\S* \S+ ?\S* 60$/ })).toBeVisible();
  await expect(table.getByRole('row', { name: /^Korean yes\/no questions accuracy no difference can be told with 3 documents .* 3$/ })).toBeVisible();
  await page.reload();
  await expect(page.getByText('This run is not in this tab any more.')).toBeVisible();
});

test('settings that differ are said, and other documents are not compared', async ({ page }) => {
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 1 });
  await choose(page, 'kobest_wic');
  await choose(page, 'jeoul_boolq_ko');
  await twoRuns(page, async () => {
    await page.getByLabel('Examples before each question of Science questions').selectOption('2');
    await page.getByLabel('Documents of Science questions').fill('7');
    const wic = page.getByRole('region', { name: /words in context/ });
    await wic.getByText('samples, not the benchmark').click();
    await wic.getByRole('button', { name: /Hugging Face/ }).click();
  });
  await expect(page.getByText(/^Shots: 0 \(A\), 2 \(B\)\s*Science questions$/)).toBeVisible();
  await expect(page.getByText(/^Documents, so they are not compared: samples, not the benchmark \(A\), Hugging Face hub \(B\)/)).toBeVisible();
  await expect(page.getByRole('row', { name: /^Science questions accuracy (A|no) .* 7$/ })).toBeVisible();
  await expect(page.getByRole('row', { name: /words in context/ })).toHaveCount(0);
  await page.getByText('2 figures are not compared').click();
  await expect(page.getByText('Korean words in context (KoBEST): F1')).toBeVisible();
});

test('a benchmark is compared as a whole too', async ({ page }) => {
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 1 });
  await page.getByRole('button', { name: 'KoBEST' }).click();
  await twoRuns(page);
  await expect(page.getByText('Of 11 such comparisons about 1 fall below 0.05 by chance alone.')).toHaveCount(0);
  await expect(page.getByRole('row', { name: /^Korean understanding \(KoBEST\) accuracy, all documents together .* 100$/ })).toBeVisible();
});
