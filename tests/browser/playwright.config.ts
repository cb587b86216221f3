// Journeys through the built page. With JEOUL_URL they run against that server, else against a preview of `www/dist`.
// The journey with the real engine runs where JEOUL_URL, JEOUL_BIN and JEOUL_MODEL are set, that with a board where JEOUL_BIN is:
// `cargo xtask test` sets them.
import { defineConfig } from '@playwright/test';

const { JEOUL_URL, JEOUL_CHROMIUM, JEOUL_BIN, JEOUL_MODEL } = process.env;
const preview = 'http://127.0.0.1:4173';

export default defineConfig({
  testDir: '.',
  testMatch: '*.spec.ts',
  testIgnore: [...(JEOUL_URL && JEOUL_BIN && JEOUL_MODEL ? [] : ['real.spec.ts']), ...(JEOUL_BIN ? [] : ['board.spec.ts'])],
  outputDir: 'results',
  workers: 1, // two cores, and one of them computes
  timeout: 30_000,
  reporter: 'list',
  forbidOnly: true,
  use: {
    baseURL: JEOUL_URL ?? preview,
    locale: 'en-GB',
    acceptDownloads: true,
    launchOptions: { executablePath: JEOUL_CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] },
    screenshot: 'only-on-failure',
  },
  ...(JEOUL_URL
    ? {}
    : { webServer: { command: 'npm --prefix ../../www run --silent preview -- --port 4173 --strictPort', url: preview } }),
});
