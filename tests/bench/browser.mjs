// Speeds in Chromium: `node browser.mjs CHROMIUM ENGINE MODEL PROMPT GENERATE REPEATS` loads each engine once and measures them
// in turns. ENGINE is the folder of Jeoul's modules. Prints {"jeoul": {"prefill": [], "decode": []}, "jeoul-2": …}, in tokens a
// second; an engine that fails gives {"error"} in their place.
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const [browserPath, engine, model, ...numbers] = process.argv.slice(2);
const [prompt, generate, repeats] = numbers.map(Number);
const here = fileURLToPath(new URL('.', import.meta.url));
const folders = { page: join(here, 'page'), engine, wllama: join(here, 'node_modules/@wllama/wllama/esm') };
const types = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };

const server = createServer((request, response) => {
  const [folder, ...rest] = normalize(new URL(request.url, 'http://here').pathname).split('/').slice(1);
  if (folder !== 'model' && !(folder in folders)) return response.writeHead(404).end();
  const file = folder === 'model' ? model : join(folders[folder], ...rest);
  const stream = createReadStream(file);
  stream.on('error', () => response.writeHead(404).end());
  stream.on('open', () => {
    // Isolated from other origins: otherwise there is no second thread.
    response.writeHead(200, {
      'content-type': types[extname(file)] ?? 'application/octet-stream',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
    });
    stream.pipe(response);
  });
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const browser = await chromium.launch({ executablePath: browserPath, args: ['--no-sandbox'] });
const results = {};
const pages = {};
for (const name of ['jeoul', 'jeoul-2', 'wllama-1', 'wllama-2']) {
  results[name] = { prefill: [], decode: [] };
  pages[name] = await browser.newPage();
  await pages[name].goto(`http://127.0.0.1:${server.address().port}/page/index.html`);
}
const attempt = async (name, run) => {
  if (results[name].error) return;
  try {
    await run();
  } catch (error) {
    results[name] = { error: String(error.message).split('\n')[0] };
  }
};
for (const name of Object.keys(pages)) {
  await attempt(name, () =>
    pages[name].evaluate(
      async ([engineName, sizes]) => {
        globalThis.measure = await globalThis.engines[engineName]('/model', sizes);
        await globalThis.measure();
      },
      [name, { prompt, generate }],
    ),
  );
}
for (let repeat = 0; repeat < repeats; repeat += 1) {
  for (const name of Object.keys(pages)) {
    await attempt(name, async () => {
      const { prefill, decode } = await pages[name].evaluate(() => globalThis.measure());
      results[name].prefill.push(prefill);
      results[name].decode.push(decode);
    });
  }
}
console.log(JSON.stringify(results));
await browser.close();
server.close();
