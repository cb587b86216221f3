// Choosing what is asked: benchmarks, tasks, their documents, the form of prompts; and what the answers look like.
import { choose, drop, expect, open, SMOLLM2_BYTES, test, useEngine, weigh } from './fake';

const fast = { stored: SMOLLM2_BYTES, stepMs: 1 };
const QUESTIONS = ['Is ice cold?', 'Is fire cold?', 'Is snow cold?'].map((question) => JSON.stringify({ question })).join('\n');
const BAD = `${QUESTIONS}\n{"text": "Is rain cold?"}`;

test('a benchmark is one entry with one score', async ({ page }) => {
  await open(page, fast);
  await page.getByRole('button', { name: 'KoBEST' }).click();
  const kobest = page.getByRole('region', { name: 'Korean understanding (KoBEST)' });
  await expect(kobest.getByText('5 tasks')).toBeVisible();
  await expect(kobest.getByRole('combobox')).toHaveValue('');
  await expect(page.getByText('5 tasks, 100 documents')).toBeVisible();
  await weigh(page);
  const groups = page.getByRole('table', { name: 'Benchmarks' });
  await expect(groups.getByRole('row', { name: /^Korean understanding \(KoBEST\) accuracy acc \d\d\.\d% ± \d\.\d 100$/ })).toBeVisible();
  await expect(page.getByRole('table', { name: 'Scores' }).getByRole('row', { name: /kobest_copa/ })).toBeVisible();
  await page.getByRole('link', { name: 'Results' }).click();
  await expect(page.getByRole('row', { name: /Korean understanding \(KoBEST\) \d\d\.\d%/ })).toBeVisible();
});

test('a leaderboard has its shots, its notes and an average; its many tasks are folded', async ({ page }) => {
  await open(page, fast);
  await page.getByRole('button', { name: 'Open LLM Leaderboard' }).click();
  const board = page.getByRole('region', { name: 'Open LLM Leaderboard' });
  await expect(board.getByText('as the benchmark (0, 5, 10, 25)')).toBeAttached();
  await expect(board.getByText('Six fixed examples are part of its prompt')).toBeVisible();
  await board.getByRole('spinbutton').fill('2');
  await board.getByRole('spinbutton').blur();
  await expect(page.getByText('62 tasks, 124 documents')).toBeVisible();
  await page.getByRole('button', { name: 'Weigh', exact: true }).click();
  await expect(page.getByText(/^task \d+ of 62$/)).toBeVisible();
  await expect(page.getByText('The run is finished.').first()).toBeVisible();
  const groups = page.getByRole('table', { name: 'Benchmarks' });
  await expect(groups.getByRole('row', { name: /^Open LLM Leaderboard average \d\d\.\d% – 124$/ })).toBeVisible();
  await expect(groups.getByRole('row', { name: /MMLU\) accuracy/ })).toBeVisible();
  await expect(page.getByRole('table', { name: 'Scores' })).toBeHidden();
  await page.getByText('Scores of the 62 tasks').click();
  await expect(page.getByRole('row', { name: /mmlu_abstract_algebra/ })).toBeVisible();
});

test('a task is never asked twice', async ({ page }) => {
  await open(page, fast);
  await choose(page, 'kobest_wic');
  await expect(page.getByText('2 tasks, 40 documents')).toBeVisible();
  await page.getByText('Benchmarks of several tasks').click();
  await page.getByRole('checkbox', { name: 'Korean understanding (KoBEST)' }).check();
  await expect(page.getByRole('region', { name: 'Korean words in context (KoBEST)' })).toHaveCount(0);
  await expect(page.getByText('6 tasks, 120 documents')).toBeVisible();
  await page.getByRole('button', { name: 'Remove Science questions' }).click();
  await expect(page.getByRole('searchbox')).toBeFocused();
  await expect(page.getByText('5 tasks, 100 documents')).toBeVisible();
});

test('sections are closed until something is searched, also parts of a benchmark and in Korean', async ({ page }) => {
  await open(page, fast);
  await expect(page.getByRole('checkbox')).toHaveCount(0);
  await expect(page.getByText(/^English tasks 13$/)).toBeVisible();
  const find = page.getByRole('searchbox', { name: 'Find a task' });
  await find.fill('algebra');
  await expect(page.getByRole('checkbox')).toHaveCount(1);
  await expect(page.getByRole('checkbox', { name: 'MMLU: abstract algebra' })).toBeVisible();
  await find.fill('이해 kobest');
  await expect(page.getByRole('checkbox', { name: 'Korean understanding (KoBEST)' })).toBeVisible();
  await find.fill('nonsense');
  await expect(page.getByText('No task has these words in its name.')).toBeVisible();
});

test('documents of one’s own stand in for the samples; a bad file is named with its line', async ({ page }) => {
  await open(page, fast);
  const task = page.getByRole('region', { name: 'Science questions' });
  await task.getByText('samples, not the benchmark').click();
  await task.getByLabel('Open a file', { exact: true }).setInputFiles({ name: 'bad.jsonl', mimeType: '', buffer: Buffer.from(BAD) });
  const alert = page.getByRole('alert');
  await expect(alert.getByText('`bad.jsonl` line 4: field `question` is missing')).toBeVisible();
  await expect(task.getByText('samples, not the benchmark')).toBeVisible();
  await expect(task.getByText('of 60')).toBeVisible();

  await task.getByLabel('Open a file', { exact: true }).setInputFiles({ name: 'mine.jsonl', mimeType: '', buffer: Buffer.from(QUESTIONS) });
  await expect(alert).toHaveCount(0);
  await expect(task.getByText('your file', { exact: true })).toBeVisible();
  await expect(task.getByText('of 3')).toBeVisible();
  await expect(page.getByText('Samples were written for Jeoul')).toHaveCount(0);
  await weigh(page);
  await expect(page.getByText('Is fire cold?')).toBeVisible();
  await page.getByRole('button', { name: 'Weigh again' }).click();
  await task.getByText('your file', { exact: true }).click();
  await expect(task.getByText('Open a file with examples')).toBeVisible();
  await task.getByRole('button', { name: 'Back to the samples' }).click();
  await expect(task.getByText('of 60')).toBeVisible();
});

test('a fresh engine is told again whose documents are asked', async ({ page }) => {
  await open(page, { ...fast, crashes: true });
  await drop(page, 'mine.jsonl', `${QUESTIONS}\n${QUESTIONS}`);
  await expect(page.getByText('of 6', { exact: true })).toBeVisible();
  await page.getByRole('button', { name: 'Weigh', exact: true }).click();
  await expect(page.getByRole('alert')).toContainText('The engine broke');
  await useEngine(page, fast);
  await page.getByRole('button', { name: 'Weigh again' }).click();
  await weigh(page);
  await expect(page.getByText('Is fire cold?')).toHaveCount(2);
});

test('the hub’s documents are taken for a whole benchmark', async ({ page }) => {
  await open(page, { ...fast, stepMs: 80 });
  await page.getByRole('button', { name: 'KoBEST' }).click();
  const kobest = page.getByRole('region', { name: /KoBEST/ });
  await kobest.getByText('samples, not the benchmark').click();
  await kobest.getByRole('button', { name: /Hugging Face/ }).click();
  await expect(page.getByText(/^kobest_\w+, [2-5] of 5$/)).toBeVisible();
  await expect(kobest.getByText('Hugging Face hub', { exact: true })).toBeVisible();
  await expect(kobest.getByText('of 1172')).toBeVisible();
});

test('a hub that cannot be reached leaves the samples', async ({ page }) => {
  await open(page, { ...fast, fails: 'useHub', kind: 'network' });
  const task = page.getByRole('region', { name: 'Science questions' });
  await task.getByText('samples, not the benchmark').click();
  await task.getByRole('button', { name: /Hugging Face/ }).click();
  await expect(page.getByRole('alert')).toContainText('tasks have the documents they had');
  await expect(task.getByText('of 60')).toBeVisible();
});

test('a task of one’s own waits for its documents, then is chosen', async ({ page }) => {
  await open(page, fast);
  await page.getByLabel('Add a task file').setInputFiles({ name: 'wrong.yaml', mimeType: '', buffer: Buffer.from('task: mine\ndoc_to_txt: question\n') });
  await expect(page.getByRole('alert')).toContainText('`wrong.yaml` line 2: key `doc_to_txt` is not supported');
  await drop(page, 'mine.yaml', 'task: mine\ndoc_to_text: question\n');
  const mine = page.getByRole('region', { name: 'mine' });
  await expect(mine.getByText('This task waits for its documents.')).toBeVisible();
  await mine.getByLabel('Open a file').setInputFiles({ name: 'mine.jsonl', mimeType: '', buffer: Buffer.from(QUESTIONS) });
  await expect(mine.getByRole('spinbutton')).toHaveValue('3');
  await weigh(page);
  await expect(page.getByRole('row', { name: /^mine/ })).toBeVisible();
});

test('dropped documents go to the only chosen task, or ask', async ({ page }) => {
  await open(page, fast);
  await drop(page, 'one.jsonl', QUESTIONS);
  await expect(page.getByRole('region', { name: 'Science questions' }).getByText('of 3')).toBeVisible();
  await choose(page, 'gsm8k');
  await drop(page, 'two.csv', QUESTIONS);
  const dialog = page.getByRole('dialog', { name: 'Which task are these documents for?' });
  await expect(dialog.getByText('two.csv')).toBeVisible();
  await dialog.getByRole('combobox', { name: 'Task' }).selectOption('gsm8k');
  await dialog.getByRole('button', { name: 'Use them' }).click();
  await expect(dialog).toHaveCount(0);
  await expect(page.getByRole('region', { name: 'Sums in words' }).getByText('your file', { exact: true })).toBeVisible();
  await drop(page, 'three.parquet', QUESTIONS);
  await page.keyboard.press('Escape');
  await expect(dialog).toHaveCount(0);
});

test('prompts become conversations only with a chat template', async ({ page }) => {
  await open(page, fast);
  await page.getByText('How prompts are written').click();
  const chat = page.getByRole('checkbox', { name: /chat template/ });
  await chat.check();
  await expect(page.getByRole('checkbox', { name: 'examples as turns of the conversation' })).toBeChecked();
  await page.getByRole('textbox', { name: 'Instruction before everything else' }).fill('Answer briefly.');
  await weigh(page);
  await page.getByText('<|im_start|>').first().click();
  await expect(page.locator('pre', { hasText: '<|im_start|>system\nAnswer briefly.' })).toBeVisible();

  await page.getByRole('button', { name: 'Weigh again' }).click();
  await page.getByRole('radio', { name: 'Tiny' }).check();
  await weigh(page); // loads a model without a template
  await page.getByText('Question: Which').first().click();
  await page.getByText('What stands before it').click();
  await expect(page.locator('pre', { hasText: 'Answer briefly.' })).toBeVisible();
  await page.getByRole('button', { name: 'Weigh again' }).click();
  await page.getByText('How prompts are written').click();
  await expect(chat).toBeDisabled();
  await expect(chat).not.toBeChecked();
  await expect(page.getByText('This model has no chat template.')).toBeVisible();
});

test('a written answer is shown with what each filter takes from it', async ({ page }) => {
  await open(page, fast);
  await choose(page, 'gsm8k');
  await page.getByRole('button', { name: 'Remove Science questions' }).click();
  await expect(page.getByRole('region', { name: 'Sums in words' }).getByText('writes its answers')).toBeVisible();
  await weigh(page);
  await expect(page.getByRole('row', { name: /exact match exact_match, flexible-extract/ })).toBeVisible();
  const documents = page.getByRole('region', { name: 'Documents' });
  await expect(documents.getByRole('combobox', { name: 'Judged by' }).getByRole('option')).toHaveText(['exact match, strict-match', 'exact match, flexible-extract']);
  await documents.getByText('Minsu has 1 apples').first().click();
  const answer = documents.getByRole('listitem').filter({ hasText: 'Exact prompt' });
  await expect(answer.getByText(/so he has \d\./)).toBeVisible();
  await expect(answer.getByText('strict-match')).toBeVisible();
  await expect(answer.getByText('flexible-extract')).toBeVisible();
  await expect(answer.getByText('#### 3', { exact: true })).toBeVisible();
  await documents.getByRole('searchbox').fill('[invalid]');
  await page.getByRole('button', { name: 'Weigh again' }).click();
  await expect(page.getByText('and at most 5,120 tokens of answers')).toBeVisible();
  await expect(page.getByText(/^at most \d/)).toBeVisible();
});

test('choices with a text of their own are shown as they were asked', async ({ page }) => {
  await open(page, fast);
  await choose(page, 'winogrande');
  await page.getByRole('button', { name: 'Remove Science questions' }).click();
  await page.getByLabel('Examples before each question of Who is meant').selectOption('0');
  await weigh(page);
  await page.getByText('Yuna lent Sora').first().click();
  const item = page.getByRole('listitem').filter({ hasText: 'Exact prompt' });
  await expect(item.locator('pre', { hasText: 'because Sora had an umbrella at home.' })).toBeVisible();
  await expect(item.locator('mark')).toHaveText([' had an umbrella at home.', ' had an umbrella at home.']);
});

test('the last run is saved as lm-evaluation-harness saves it', async ({ page }) => {
  await open(page, fast);
  await choose(page, 'gsm8k');
  await weigh(page);
  const names: string[] = [];
  page.on('download', (download) => names.push(download.suggestedFilename()));
  await page.getByRole('button', { name: 'Save for lm-evaluation-harness' }).click();
  await expect.poll(() => names.map((name) => name.replace(/_2026.*\./, '.')).sort()).toEqual([
    'results.json', 'samples_gsm8k.jsonl', 'samples_jeoul_science.jsonl', 'scores.csv', 'table.md',
  ]);
  await page.getByRole('button', { name: 'Weigh again' }).click();
  await weigh(page);
  await page.getByRole('link', { name: 'Results' }).click();
  await page.getByRole('link', { name: 'SmolLM2-135M-Instruct' }).last().click();
  await expect(page.getByRole('button', { name: 'Save as JSON' })).toBeVisible();
  await expect(page.getByRole('button', { name: 'Save for lm-evaluation-harness' })).toHaveCount(0);
});
