// The page with its real engine against the `jeoul` command: same texts, same numbers. `cargo xtask test` sets the
// variables; without JEOUL_SMOLLM2 (no network) only the tiny checkpoint is weighed.
import { readFile } from 'node:fs/promises';
import { expect, test, type Page } from '@playwright/test';
import { evaluate, samplesFile, type Scored, type Settings } from './command';

const { JEOUL_BIN = '', JEOUL_MODEL = '', JEOUL_SMOLLM2 } = process.env;

/** Largest difference of a log-likelihood between the GPU in the page and the CPU in the command, in nats a token. */
const GPU_TOLERANCE = 5e-3;

// Chromium's own software GPU, so that the GPU lane is tested on every machine.
test.use({
  launchOptions: {
    executablePath: process.env['JEOUL_CHROMIUM'] ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader', '--enable-features=Vulkan'],
  },
});

interface Saved {
  lane: { lane: string; threads: number; thread_lack: string | null };
  tasks: {
    origin: string;
    documents: {
      fewshot_context: string;
      prompt: string;
      requests: {
        context: string | null;
        continuation: string;
        answer: { sum: number; token_logprobs: number[]; is_greedy: boolean };
      }[];
    }[];
  }[];
}

/** Sets what is to be run: one task. */
async function choose(page: Page, { task, shots, limit }: Settings): Promise<void> {
  const remove = page.getByRole('button', { name: /^Remove / });
  while ((await remove.count()) > 0) await remove.first().click();
  await page.getByLabel('Find a task').fill(task);
  await page.locator(`#task-${task}`).check();
  await page.getByLabel('Find a task').fill('');
  await page.getByRole('spinbutton').fill(String(limit));
  await page.getByRole('spinbutton').blur();
  await page.getByRole('combobox', { name: /Examples before/ }).selectOption(String(shots));
}

/** Presses Weigh and waits for the end. */
async function run(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Weigh', exact: true }).click();
  const alert = page.getByRole('alert');
  await expect(page.getByText('The run is finished.').first().or(alert)).toBeVisible({ timeout: 480_000 });
  await expect(alert).toHaveCount(0);
}

/** Runs and reads what was scored from the saved file. */
async function weigh(page: Page): Promise<Saved> {
  await run(page);
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save as JSON' }).click();
  return JSON.parse(await readFile(await (await download).path(), 'utf8'));
}

/** What the page writes for lm-evaluation-harness, of the file whose name begins so. */
async function exported(page: Page, name: string): Promise<string> {
  const download = page.waitForEvent('download', (download) => download.suggestedFilename().startsWith(name));
  await page.getByRole('button', { name: 'Save for lm-evaluation-harness' }).click();
  return readFile(await (await download).path(), 'utf8');
}

function scored({ tasks }: Saved): Scored[] {
  return (tasks[0]?.documents ?? []).map(({ fewshot_context, prompt, requests }) => ({
    contexts: requests.map(({ context }) => context ?? fewshot_context + prompt),
    continuations: requests.map(({ continuation }) => continuation),
    loglikelihoods: requests.map(({ answer }) => answer.sum),
    isGreedy: requests.map(({ answer }) => answer.is_greedy),
  }));
}

function expectClose(page: Saved, command: Scored[]): void {
  const ours = scored(page);
  expect(ours.map(({ contexts, continuations }) => [contexts, continuations])).toEqual(
    command.map(({ contexts, continuations }) => [contexts, continuations]),
  );
  page.tasks[0]?.documents.forEach(({ requests }, document) =>
    requests.forEach(({ answer: { sum, token_logprobs } }, choice) => {
      const difference = Math.abs(sum - command[document]!.loglikelihoods[choice]!);
      expect(difference, `document ${document}, choice ${choice}`).toBeLessThanOrEqual(GPU_TOLERANCE * token_logprobs.length);
    }),
  );
}

async function start(page: Page): Promise<void> {
  await page.goto('/');
  await expect(page.getByRole('radio', { name: 'Auto' })).toBeVisible();
}

/** Whose sample files are compared byte for byte: written answers, several inputs, answers compared as texts. */
const FILES: Settings[] = [
  { task: 'gsm8k', shots: 2, limit: 2 },
  { task: 'winogrande', shots: 1, limit: 3 },
  { task: 'llm_kr_eval_nli', shots: 0, limit: 2 },
  { task: 'lambada_openai', shots: 0, limit: 3 },
];

const RUNS: Settings[] = [
  { task: 'jeoul_science', shots: 0, limit: 5 },
  { task: 'jeoul_science', shots: 2, limit: 5 },
  { task: 'jeoul_commonsense', shots: 0, limit: 3 },
  { task: 'jeoul_boolq_ko', shots: 2, limit: 3 },
];

test.describe('the tiny checkpoint', () => {
  test.setTimeout(120_000);

  for (const run of RUNS) {
    test(`gives the command’s bits on the CPU: ${run.task}, ${run.shots} shots`, async ({ page }) => {
      await start(page);
      await page.getByRole('radio', { name: 'CPU' }).check();
      await page.getByLabel('Choose a .gguf file').setInputFiles(JEOUL_MODEL);
      await choose(page, run);
      const saved = await weigh(page);
      expect(saved.lane.lane).toBe('cpu');
      expect(scored(saved)).toEqual(await evaluate(JEOUL_BIN, JEOUL_MODEL, run));
    });
  }

  const settings = { task: 'jeoul_science', shots: 2, limit: 5 };
  const onCpu = async (page: Page): Promise<Saved> => {
    await start(page);
    await page.getByRole('radio', { name: 'CPU' }).check();
    await page.getByLabel('Choose a .gguf file').setInputFiles(JEOUL_MODEL);
    await choose(page, settings);
    return weigh(page);
  };

  test('gives the same bits with threads and without', async ({ page }) => {
    const cores = await page.evaluate(() => navigator.hardwareConcurrency);
    test.skip(cores < 2, 'this machine has one core');
    const many = await onCpu(page);
    expect(await page.evaluate(() => self.crossOriginIsolated)).toBe(true);
    expect(many.lane).toMatchObject({ threads: Math.min(cores, 8), thread_lack: null });
    await page.getByRole('button', { name: 'Weigh again' }).click();
    await expect(page.getByText(`CPU, ${many.lane.threads} threads.`)).toBeVisible();

    await page.route('**/engine/cpu-threads/**', (route) => route.fulfill({ status: 404 }));
    const one = await onCpu(page);
    expect(one.lane).toMatchObject({ threads: 1, thread_lack: 'noModule' });
    await page.getByRole('button', { name: 'Weigh again' }).click();
    await expect(page.getByText(/^CPU, 1 thread\. The engine module with more threads is not there/)).toBeVisible();
    expect(scored(one)).toEqual(scored(many));
    expect(one.tasks[0]?.documents).toEqual(many.tasks[0]?.documents);
  });

  test('threads that do not start are said, and one goes on', async ({ page }) => {
    test.skip((await page.evaluate(() => navigator.hardwareConcurrency)) < 2, 'this machine has one core');
    await page.route('**/engine/cpu-threads/jeoul_web_bg.wasm', (route) => route.fulfill({ contentType: 'application/wasm', body: 'no wasm' }));
    const { lane } = await onCpu(page);
    expect(lane).toMatchObject({ threads: 1, thread_lack: 'failed' });
    await page.getByRole('button', { name: 'Weigh again' }).click();
    await expect(page.getByText(/^CPU, 1 thread\. More threads could not be started/)).toBeVisible();
  });

  for (const settings of FILES) {
    test(`writes the command’s samples to the byte: ${settings.task}, ${settings.shots} shots`, async ({ page }) => {
      await start(page);
      await page.getByRole('radio', { name: 'CPU' }).check();
      await page.getByLabel('Choose a .gguf file').setInputFiles(JEOUL_MODEL);
      await choose(page, settings);
      await run(page);
      expect(await exported(page, 'samples_')).toBe(await samplesFile(JEOUL_BIN, JEOUL_MODEL, settings));
    });
  }

  test('documents come from the hub, and a second visit needs none', async ({ page }) => {
    const parquet = await readFile(new URL('../../crates/dataset/tests/two_rows.parquet', import.meta.url));
    const asked: string[] = [];
    await page.context().route('https://huggingface.co/**', (route) => {
      const url = route.request().url();
      asked.push(url);
      const headers = { 'access-control-allow-origin': '*', 'access-control-expose-headers': 'X-Repo-Commit', 'x-repo-commit': 'abc123' };
      return url.endsWith('/parquet')
        ? route.fulfill({ headers, json: { main: { test: ['https://huggingface.co/files/0.parquet'] } } })
        : route.fulfill({ headers, body: parquet });
    });
    const task = 'task: mine\ndataset_path: us/ours\ndataset_name: main\ntest_split: test\noutput_type: loglikelihood\ndoc_to_text: "Letter:"\ndoc_to_target: q\n';
    for (const visit of ['first', 'second']) {
      await start(page);
      await page.getByRole('radio', { name: 'CPU' }).check();
      await page.getByLabel('Choose a .gguf file').setInputFiles(JEOUL_MODEL);
      await page.getByLabel('Add a task file').setInputFiles({ name: 'mine.yaml', mimeType: '', buffer: Buffer.from(task) });
      const mine = page.getByRole('region', { name: 'mine' });
      await mine.getByRole('button', { name: /Hugging Face/ }).click();
      await expect(mine.getByText('Hugging Face hub', { exact: true })).toBeVisible();
      const remove = page.getByRole('button', { name: /^Remove (?!mine)/ });
      while ((await remove.count()) > 0) await remove.first().click();
      const { tasks } = await weigh(page);
      expect(tasks.map(({ origin, documents }) => [origin, documents.length])).toEqual([['hub', 2]]);
      expect(asked, visit).toHaveLength(2);
    }
    const results = JSON.parse(await exported(page, 'results_'));
    expect(JSON.stringify(results)).toContain('abc123');
  });

  test('gives the command’s numbers on the GPU', async ({ page }) => {
    const run = { task: 'jeoul_science', shots: 0, limit: 2 };
    await start(page);
    await page.getByRole('radio', { name: 'GPU' }).check();
    await page.getByLabel('Choose a .gguf file').setInputFiles(JEOUL_MODEL);
    await choose(page, run);
    const saved = await weigh(page);
    expect(saved.lane.lane).toBe('gpu');
    expectClose(saved, await evaluate(JEOUL_BIN, JEOUL_MODEL, run));
  });

  test('a lost GPU is said, and the CPU goes on', async ({ page, browser }) => {
    await start(page);
    await page.getByRole('radio', { name: 'GPU' }).check();
    await page.getByLabel('Choose a .gguf file').setInputFiles(JEOUL_MODEL);
    await choose(page, { task: 'jeoul_science', shots: 0, limit: 60 });
    await page.getByRole('button', { name: 'Weigh', exact: true }).click();
    await expect(page.getByText(/^[1-9]\d* \/ \d+$/).first()).toBeVisible({ timeout: 60_000 });
    const devtools = await browser.newBrowserCDPSession();
    // It never answers: the process that would is gone.
    void devtools.send('Browser.crashGpuProcess').catch(() => {});
    const alert = page.getByRole('alert');
    await expect(alert.getByRole('heading')).toHaveText(/The GPU was lost|The engine broke/, { timeout: 30_000 });
    await alert.getByRole('button', { name: 'Close' }).click();
    await page.getByRole('button', { name: 'Weigh again' }).click();
    await page.getByRole('radio', { name: 'CPU' }).check();
    await choose(page, { task: 'jeoul_science', shots: 0, limit: 1 });
    const saved = await weigh(page);
    expect(saved.lane.lane).toBe('cpu');
    expect(scored(saved)).toHaveLength(1);
  });

  test('a file that is no checkpoint is refused, and the next one is weighed', async ({ page }) => {
    await start(page);
    await page.getByLabel('Choose a .gguf file').setInputFiles({ name: 'bad.gguf', mimeType: '', buffer: Buffer.from('GGUF\x09\x00\x00\x00') });
    await expect(page.getByRole('alert')).toContainText('not a checkpoint that Jeoul can read');
    await page.getByLabel('Choose a .gguf file').setInputFiles(JEOUL_MODEL);
    await expect(page.getByRole('alert')).toHaveCount(0);
    await choose(page, { task: 'jeoul_science', shots: 0, limit: 1 });
    expect(scored(await weigh(page))).toHaveLength(1);
  });
});

if (JEOUL_SMOLLM2) {
  const smollm2 = JEOUL_SMOLLM2;

  test.describe('SmolLM2', () => {
    test.setTimeout(600_000);

    test('is downloaded, kept, and gives the command’s bits on the CPU', async ({ page }, info) => {
      await start(page);
      await page.getByRole('radio', { name: 'CPU' }).check();
      for (const run of RUNS.slice(0, 2)) {
        await choose(page, run);
        const saved = await weigh(page);
        expect(scored(saved)).toEqual(await evaluate(JEOUL_BIN, smollm2, run));
        await page.screenshot({ path: info.outputPath(`${run.shots}-shot.png`), fullPage: true });
        await page.getByRole('button', { name: 'Weigh again' }).click();
      }
      await page.reload();
      await expect(page.getByText('on disk').first()).toBeVisible();
    });

    test('writes the command’s samples to the byte, as conversations', async ({ page }) => {
      const settings = { task: 'kobest_copa', shots: 1, limit: 2, flags: ['--apply_chat_template', '--fewshot_as_multiturn'] };
      await start(page);
      await page.getByRole('radio', { name: 'CPU' }).check();
      await page.getByLabel('Choose a .gguf file').setInputFiles(smollm2);
      await choose(page, settings);
      await page.getByText('How prompts are written').click();
      await page.getByRole('checkbox', { name: /chat template/ }).check();
      const turns = page.getByRole('checkbox', { name: /turn/ });
      if (!(await turns.isChecked())) await turns.check();
      await run(page);
      expect(await exported(page, 'samples_')).toBe(await samplesFile(JEOUL_BIN, smollm2, settings));
    });

    test('a cancelled run ends within a second and keeps its documents', async ({ page }) => {
      await start(page);
      await page.getByLabel('Choose a .gguf file').setInputFiles(smollm2);
      await choose(page, { task: 'jeoul_science', shots: 0, limit: 60 });
      await page.getByRole('button', { name: 'Weigh', exact: true }).click();
      await expect(page.getByText(/^[1-9]\d* \/ \d+$/).first()).toBeVisible({ timeout: 60_000 });
      await page.getByRole('button', { name: 'Cancel' }).click();
      await expect(page.getByText(/The run was cancelled/).first()).toBeVisible({ timeout: 1500 });
      await expect(page.locator('summary').first()).toBeVisible();
    });

    test('gives the command’s numbers on the GPU', async ({ page }) => {
      const run = { task: 'jeoul_science', shots: 0, limit: 2 };
      await start(page);
      await page.getByRole('radio', { name: 'GPU' }).check();
      await choose(page, run);
      const saved = await weigh(page);
      expect(saved.lane.lane).toBe('gpu');
      expectClose(saved, await evaluate(JEOUL_BIN, smollm2, run));
    });
  });
}
