// What goes wrong is said, and the page stays usable.
import { expect, open, SMOLLM2_BYTES, test, useEngine } from './fake';

const weigh = { name: 'Weigh', exact: true } as const;

test('a cancelled download keeps its bytes and goes on where it stopped', async ({ page }) => {
  await open(page, { stepMs: 150 });
  await page.getByRole('button', { name: 'Download' }).click();
  await expect(page.getByText('19.7 of 98.4 MB')).toBeVisible();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('button', { name: 'Go on downloading' })).toBeVisible();
  await expect(page.getByText(/· \d+ of 98 MB on disk/)).toBeVisible();
});

test('a cancelled run keeps what was scored', async ({ page }) => {
  await open(page, { stored: SMOLLM2_BYTES, stepMs: 100 });
  await page.getByRole('button', weigh).click();
  await expect(page.getByText(/[3-9] \/ 20/)).toBeVisible();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByText(/The run was cancelled/).first()).toBeVisible();
  await expect(page.getByRole('region', { name: 'Documents' }).locator('summary').first()).toBeVisible();
});

test('a cancel is certain within a second, even if the engine hangs', async ({ page }) => {
  await open(page, { stored: SMOLLM2_BYTES, hangs: true });
  await page.getByRole('button', weigh).click();
  await expect(page.getByText('Loading the model …')).toBeVisible();
  const start = Date.now();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await expect(page.getByRole('button', weigh)).toBeVisible({ timeout: 2000 });
  expect(Date.now() - start).toBeLessThan(1500);
});

test('a broken engine is reported, its documents are kept, and the next run has a fresh one', async ({ page }) => {
  await open(page, { stored: SMOLLM2_BYTES, crashes: true });
  await page.getByRole('button', weigh).click();
  const alert = page.getByRole('alert');
  await expect(alert.getByRole('heading')).toHaveText('The engine broke and was ended.');
  await alert.getByText('What the engine said').click();
  await expect(alert.getByText('unreachable executed')).toBeVisible();
  await expect(page.getByText(/The run broke off/).first()).toBeVisible();
  await alert.getByRole('button', { name: 'Close' }).click();
  await useEngine(page, { stored: SMOLLM2_BYTES });
  await page.getByRole('button', { name: 'Weigh again' }).click();
  await page.getByRole('button', weigh).click();
  await expect(page.getByText('The run is finished.').first()).toBeVisible();
});

test('an engine that does not start can be started again', async ({ page }) => {
  await open(page, { fails: 'init' });
  await expect(page.getByRole('alert')).toContainText('The engine broke and was ended.');
  await useEngine(page);
  await page.getByRole('button', { name: 'Start the engine again' }).click();
  await expect(page.getByRole('button', weigh)).toBeEnabled();
  await expect(page.getByRole('alert')).toHaveCount(0);
});

test('a file that is no checkpoint is refused with the reason', async ({ page }) => {
  await open(page);
  await page.getByLabel('Choose a .gguf file').setInputFiles({ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('hello') });
  const alert = page.getByRole('alert');
  await expect(alert).toContainText('not a checkpoint that Jeoul can read');
  await expect(alert).toContainText('Choose a GGUF file');
  await page.getByRole('radio', { name: 'Tiny' }).check();
  await expect(alert).toHaveCount(0);
  await page.getByRole('button', weigh).click();
  await expect(page.getByText('The run is finished.').first()).toBeVisible();
});

const FAILURES = [
  { fails: 'fetch', kind: 'network', says: 'The download broke off' },
  { fails: 'fetch', kind: 'checksum', says: 'sha256 differs' },
  { fails: 'fetch', kind: 'storage', says: 'storage is full' },
  { fails: 'load', kind: 'memory', says: 'not enough memory' },
  { fails: 'plan', kind: 'task', says: 'A task, its documents or these settings do not fit.' },
  { fails: 'run', kind: 'protocol', says: 'misunderstood each other' },
  { fails: 'run', kind: 'aKindFromTheFuture', says: 'misunderstood each other' },
];
for (const { fails, kind, says } of FAILURES) {
  test(`a failure of kind ${kind} in ${fails} has its sentence`, async ({ page }) => {
    await open(page, { fails, kind, ...(fails === 'fetch' ? {} : { stored: SMOLLM2_BYTES }) });
    await page.getByRole('button', weigh).click();
    await expect(page.getByRole('alert')).toContainText(says);
    await expect(page.getByRole('button', { name: /^Weigh/ })).toBeEnabled();
  });
}
