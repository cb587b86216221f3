// The journey of a first score, and what one can do with it.
import { readFile } from 'node:fs/promises';
import { choose, drop, expect, open, SMOLLM2_BYTES, test } from './fake';

test('one click gives a first score: download, load, run, read', async ({ page }) => {
  await open(page);
  await expect(page.getByRole('radio', { name: 'SmolLM2-135M-Instruct' })).toBeChecked();
  await expect(page.getByRole('region', { name: 'Science questions' })).toBeVisible();
  await expect(page.getByText('±20 points')).toBeVisible();

  await page.getByRole('button', { name: 'Weigh', exact: true }).click();
  const bar = page.getByRole('progressbar', { name: 'Downloading the model' });
  await expect(bar).toBeVisible();
  await expect(page.getByText(/^\d+\.\d of 98\.4 MB$/)).toBeVisible();
  await expect(page.getByRole('img', { name: /A pair of scales/ })).toBeVisible();
  await expect(page).toHaveTitle(/^\d+% · Weigh · Jeoul/);
  await expect(page.getByText('The run is finished.').first()).toBeVisible();

  const table = page.getByRole('table', { name: 'Scores' });
  await expect(table.getByRole('row', { name: /accuracy acc 60\.0% ± 11\.2 38\.7–78\.1% 25\.0% 20 1/ })).toBeVisible();
  await expect(page).toHaveTitle('Weigh · Jeoul 저울');
});

test('a document opens to its prompt, choices, marks and tokens', async ({ page }) => {
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 1 });
  await page.getByLabel('Examples before each question of Science questions').selectOption('2');
  await page.getByRole('button', { name: 'Weigh', exact: true }).click();
  const documents = page.getByRole('region', { name: 'Documents' });
  await documents.getByText('Question: Which').nth(1).click();
  const item = documents.getByRole('listitem').filter({ hasText: 'Exact prompt' });
  await expect(item.getByText('right answer')).toHaveCount(1);
  await expect(item.getByText('the model’s pick')).toHaveCount(1);
  await expect(item.getByText('log-likelihood').first()).toBeVisible();
  const fewshot = item.locator('pre', { hasText: 'carbon dioxide' });
  await expect(fewshot).toBeHidden();
  await item.getByText('The 2 examples before it').click();
  await expect(fewshot).toBeVisible();
  await item.getByText('Tokens', { exact: true }).click();
  await expect(item.getByText('natural log-probability of each token')).toBeVisible();
});

test('documents are searched, filtered and sorted', async ({ page }) => {
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 1 });
  await page.getByLabel('Documents of Science questions, at most 60').fill('60');
  await choose(page, 'jeoul_boolq_ko');
  await page.getByLabel('Documents of Korean yes/no questions, at most 40').fill('40');
  await page.getByRole('button', { name: 'Weigh', exact: true }).click();
  const documents = page.getByRole('region', { name: 'Documents' });
  await expect(documents.getByText('60 documents')).toBeVisible();
  await expect(documents.getByRole('button', { name: 'Show 10 more' })).toBeVisible();
  await documents.getByRole('combobox', { name: 'Show' }).selectOption('wrong');
  const wrong = await documents.getByText('✗').count();
  await expect(documents.getByText(`${wrong} of 60 documents`)).toBeVisible();
  await expect(documents.getByText('✓')).toHaveCount(0);
  await documents.getByRole('combobox', { name: 'Order' }).selectOption('lowest');
  const margins = (await documents.locator('summary > span:last-child').allTextContents()).map((text) =>
    Number(text.replace('Margin', '').replace('−', '-')),
  );
  expect(margins).toEqual([...margins].sort((a, b) => a - b));
  await documents.getByRole('combobox', { name: 'Task' }).selectOption('jeoul_boolq_ko');
  await documents.getByRole('combobox', { name: 'Show' }).selectOption('all');
  await documents.getByRole('searchbox').fill('한강 동해');
  await expect(documents.getByText('40 documents')).toBeVisible();
  await documents.getByRole('searchbox').fill('낙동강');
  await expect(documents.getByText('No document fits this filter.')).toBeVisible();
});

test('a run is listed in Results and saved as a file with every number', async ({ page }) => {
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 1 });
  await page.getByRole('button', { name: 'Weigh', exact: true }).click();
  await expect(page.getByText('The run is finished.').first()).toBeVisible();
  await page.getByRole('link', { name: 'Results' }).click();
  await page.getByRole('link', { name: 'SmolLM2-135M-Instruct' }).click();
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save as JSON' }).click();
  const saved = await download;
  expect(saved.suggestedFilename()).toMatch(/^jeoul_SmolLM2-135M-Instruct_.*\.json$/);
  const file = JSON.parse(await readFile(await saved.path(), 'utf8'));
  expect(file).toMatchObject({ format: 'jeoul-run/2', state: 'done', lane: { lane: 'cpu' }, registry: { id: 'smollm2-135m-instruct-q4_1' } });
  expect(file.tasks[0].documents).toHaveLength(20);
  expect(file.tasks[0].origin).toBe('samples');
  const [{ answer }] = file.tasks[0].documents[0].requests;
  expect(Math.fround(answer.token_logprobs[0])).toBe(answer.token_logprobs[0]);
});

test('tokens and time are known once a model is loaded and measured', async ({ page }) => {
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 5 });
  await page.getByRole('button', { name: 'Weigh', exact: true }).click();
  await page.getByRole('button', { name: 'Weigh again' }).click();
  await expect(page.getByText('20 documents, 1,840 tokens')).toBeVisible();
  await expect(page.getByText(/^about \d+ s$/)).toBeVisible();
  await page.getByLabel('Documents of Science questions, at most 60').fill('999');
  await page.getByLabel('Documents of Science questions, at most 60').blur();
  await expect(page.getByText('60 documents, 5,520 tokens')).toBeVisible();
  await expect(page.getByText('±12 points')).toBeVisible();
});

test('a file of one’s own is loaded as soon as it is dropped', async ({ page }) => {
  await open(page);
  await drop(page, 'mine.Q8_0.gguf', 'x'.repeat(2_500_000));
  await expect(page.getByRole('radio', { name: /mine\.Q8_0\.gguf/ })).toBeChecked();
  await expect(page.getByText(/3 MB · your file\s· F32/)).toBeVisible();
  await expect(page.getByText('20 documents, 1,840 tokens')).toBeVisible();
});

test('a model is downloaded and forgotten by itself', async ({ page }) => {
  await open(page);
  await page.getByRole('button', { name: 'Download' }).click();
  await expect(page.getByText('on disk')).toHaveCount(2);
  await page.getByRole('button', { name: /^Forget SmolLM2/ }).click();
  await expect(page.getByRole('button', { name: 'Download' })).toBeVisible();
});

test('the GPU lane is explained where there is none', async ({ page }) => {
  await open(page);
  await expect(page.getByRole('radio', { name: 'GPU' })).toBeDisabled();
  await expect(page.getByText(/^CPU\. .*WebGPU/)).toBeVisible();
});
