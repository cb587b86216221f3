// Speeds in Chromium: `node browser.mjs CHROMIUM ENGINE MODEL PROMPT GENERATE REPEATS [ID]` loads each engine once and measures them
// in turns. ENGINE is the folder of Jeoul's modules, ID the model's name in the registry, if it is there. Prints
// {"jeoul": {"prefill": [], "decode": [], "loads": []}, "jeoul-2": …}, in tokens a second; an engine that fails gives {"error"} in
// their place. Each of Jeoul's loads is {"read", "first", "memory", "size"}: seconds in which the file is read, seconds to the first
// probability, bytes of wasm memory after it and of the file.
import { dirname } from 'node:path';
import { browse, installed, reason } from './server.mjs';

const [browserPath, engine, model, ...numbers] = process.argv.slice(2);
const [prompt, generate, repeats] = numbers.slice(0, 3).map(Number);
const id = numbers[3] ?? null;
const places = { engine, model, models: dirname(model), wllama: installed('@wllama/wllama/esm'), flare: installed('@sauravpanda/flare/pkg') };
// Flare 0.2.21 does not parse: a comment in the example within the documentation of `begin_stream` ends that documentation.
const repairs = { '/flare/flare_web.js': (text) => text.replace('/* done */', '') };

const chromium = await browse(browserPath, places, repairs);
const results = {};
const pages = {};
for (const name of ['jeoul', 'jeoul-2', 'wllama-1', 'wllama-2', 'flare']) {
  results[name] = { prefill: [], decode: [] };
  pages[name] = await chromium.open('index.html');
}
const attempt = async (name, run) => {
  if (results[name].error) return;
  try {
    await run();
  } catch (error) {
    results[name] = { error: reason(error) };
  }
};
for (const name of Object.keys(pages)) {
  await attempt(name, () =>
    pages[name].evaluate(
      async ([engineName, sizes]) => {
        globalThis.measure = await globalThis.engines[engineName]('/model', sizes);
        await globalThis.measure();
      },
      [name, { prompt, generate, repeats, id }],
    ),
  );
  if (name === 'jeoul') results[name].loads = await pages[name].evaluate(() => globalThis.loads);
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
await chromium.close();
