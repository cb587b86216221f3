// What the page's engine answers: `node samples.mjs CHROMIUM ENGINE MODEL LIMIT TASK…` prints a list of two texts, the sample files of
// these tasks as lm-evaluation-harness writes them, computed with one thread and with two. ENGINE is the folder of Jeoul's modules.
import { browse } from './server.mjs';

const [browserPath, engine, model, limit, ...tasks] = process.argv.slice(2);
const chromium = await browse(browserPath, { engine, model });
const page = await chromium.open('index.html');
const texts = [];
for (const threads of [1, 2]) {
  texts.push(await page.evaluate((wanted) => globalThis.samples('/model', ...wanted), [threads, tasks, Number(limit)]));
}
console.log(JSON.stringify(texts));
await chromium.close();
