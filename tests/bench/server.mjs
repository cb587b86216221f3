// What a measurement in Chromium needs: a server for pages and packages, and a browser that opens them.
import { createReadStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const here = fileURLToPath(new URL('.', import.meta.url));
const types = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm' };

/**
 * Starts Chromium with `page/`, and with `places`: folders or files by the first part of their address, those of packages
 * below `node_modules/`. `repairs` are functions from the text of a file to the text that is sent, by address; `flags` are more of
 * Chromium's.
 */
export async function browse(executablePath, places, { repairs = {}, flags = [] } = {}) {
  const all = { page: join(here, 'page'), ...places };
  const server = createServer(async (request, response) => {
    const path = normalize(new URL(request.url, 'http://here').pathname);
    const [place, ...rest] = path.split('/').slice(1);
    const missing = () => response.writeHead(404).end();
    if (!Object.hasOwn(all, place)) return missing();
    const file = join(all[place], ...rest);
    // Isolated from other origins: otherwise there is no second thread.
    const headers = {
      'content-type': types[extname(file)] ?? 'application/octet-stream',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
    };
    if (Object.hasOwn(repairs, path)) {
      const text = await readFile(file, 'utf8').catch(() => null);
      return text === null ? missing() : response.writeHead(200, headers).end(repairs[path](text));
    }
    const stream = createReadStream(file);
    stream.on('error', missing);
    stream.on('open', () => stream.pipe(response.writeHead(200, headers)));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  // A profile on disk: without one the page's private files lie in another process, and are read twenty times as slowly.
  const profile = await mkdtemp(join(tmpdir(), 'jeoul-bench-'));
  const browser = await chromium.launchPersistentContext(profile, { executablePath, args: ['--no-sandbox', ...flags] });
  return {
    async open(name) {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${server.address().port}/page/${name}`);
      return page;
    },
    async close() {
      await browser.close();
      server.close();
      await rm(profile, { recursive: true, force: true });
    },
  };
}

/** A folder below `node_modules/`. */
export const installed = (folder) => join(here, 'node_modules', folder);

/** What a failure says, in one line. */
export const reason = (error) => String(error.message).split('\n')[0];
