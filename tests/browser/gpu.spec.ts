// The GPU lane: offered when it can be used, trusted when it passed its test, left when it cannot.
import type { Page } from '@playwright/test';
import { engineSource, expect, open, serveModule, SMOLLM2_BYTES, test, weigh, type Settings } from './fake';

/** A browser whose GPU does as it says; nothing computes on it here. */
async function withGpu(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const adapter = { features: new Set(['timestamp-query']), info: { vendor: 'test', architecture: 'adapter', isFallbackAdapter: false } };
    Object.defineProperty(navigator, 'gpu', { value: { requestAdapter: () => Promise.resolve(adapter) } });
  });
  await page.route('**/engine/gpu/**', (route) => route.fulfill({ status: 404 }));
}

async function withModule(page: Page, settings: Settings = {}): Promise<void> {
  const body = await engineSource({ stored: SMOLLM2_BYTES, stepMs: 1, ...settings });
  await serveModule(page, 'gpu', body);
}

test('the GPU lane is offered as soon as its module is built', async ({ page }) => {
  await page.clock.install();
  await withGpu(page);
  await open(page, { stored: SMOLLM2_BYTES });
  await expect(page.getByText(/GPU module is still being built/)).toBeVisible();
  await expect(page.getByRole('radio', { name: 'GPU' })).toBeDisabled();
  await withModule(page);
  await page.clock.fastForward(10_000);
  await expect(page.getByRole('radio', { name: 'GPU' })).toBeEnabled();
  await expect(page.getByText(/^CPU\. Choose GPU once to have it tested/)).toBeVisible();
});

test('a GPU that passed its test is used by itself from then on', async ({ page }) => {
  await withGpu(page);
  await withModule(page);
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 1 });
  await page.getByRole('radio', { name: 'GPU' }).check();
  await weigh(page);
  await expect(page.getByText('GPU, test adapter')).toBeVisible();
  await page.getByRole('button', { name: 'Weigh again' }).click();
  await expect(page.getByText('GPU, test adapter. It agrees with the CPU at 100.0% of positions.')).toBeVisible();
  await page.getByRole('radio', { name: 'Auto' }).check();
  await page.reload();
  await expect(page.getByText('GPU. It passed its test on this device.')).toBeVisible();
});

test('a GPU that computes something else is refused when it was chosen', async ({ page }) => {
  await withGpu(page);
  await withModule(page, { fails: 'load', kind: 'gpuWrong' });
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 1 });
  await page.getByRole('radio', { name: 'GPU' }).check();
  await page.getByRole('button', { name: 'Weigh', exact: true }).click();
  await expect(page.getByRole('alert')).toContainText('its scores would be wrong');
  await page.getByRole('radio', { name: 'Auto' }).check();
  await expect(page.getByText('CPU. The GPU failed its test on this device.')).toBeVisible();
  await weigh(page);
  await expect(page.getByText('CPU, 1 thread')).toBeVisible();
});

test('Auto goes on with the CPU when the GPU is lost while loading', async ({ page }) => {
  await withGpu(page);
  await withModule(page, { fails: 'load', kind: 'gpu' });
  await page.addInitScript(() => localStorage.setItem('jeoul.gpu.0.1.0.test adapter', 'passed'));
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 1 });
  await expect(page.getByText('GPU. It passed its test on this device.')).toBeVisible();
  await weigh(page);
  await expect(page.getByRole('alert')).toHaveCount(0);
  await page.getByRole('button', { name: 'Weigh again' }).click();
  await expect(page.getByText(/^CPU, 1 thread\. The GPU could not be used, so the CPU goes on/)).toBeVisible();
});
