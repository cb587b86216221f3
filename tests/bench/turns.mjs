// Engines of `page/engines.js`, measured in turns, because a machine's speed drifts.
import { reason } from './server.mjs';

/**
 * Loads each engine once, in a page of its own, and measures them. Gives tokens a second by engine, {"prefill": [], "decode": []}; an
 * engine that fails gives {"error"} in their place. The first also gives its loads, each {"read", "first", "memory", "size"}: seconds
 * in which the file is read, seconds to the first probability, bytes of wasm memory after it and of the file.
 */
export async function turns(chromium, names, sizes) {
  const results = {};
  const pages = {};
  for (const name of names) {
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
  for (const name of names) {
    await attempt(name, () =>
      pages[name].evaluate(
        async ([engineName, all]) => {
          globalThis.measure = await globalThis.engines[engineName]('/model', all);
          await globalThis.measure();
        },
        [name, sizes],
      ),
    );
  }
  results[names[0]].loads = await pages[names[0]].evaluate(() => globalThis.loads ?? []);
  for (let repeat = 0; repeat < sizes.repeats; repeat += 1) {
    for (const name of names) {
      await attempt(name, async () => {
        const { prefill, decode } = await pages[name].evaluate(() => globalThis.measure());
        results[name].prefill.push(prefill);
        results[name].decode.push(decode);
      });
    }
  }
  return results;
}
