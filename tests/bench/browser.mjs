// Speeds in Chromium: `node browser.mjs CHROMIUM ENGINE MODEL PROMPT GENERATE REPEATS [ID]`. ENGINE is the folder of Jeoul's modules,
// ID the model's name in the registry, if it is there. Prints {"jeoul": {"prefill": [], "decode": [], "loads": []}, "jeoul-2": …}; see
// `turns.mjs`.
import { dirname } from 'node:path';
import { browse, installed } from './server.mjs';
import { turns } from './turns.mjs';

const [browserPath, engine, model, ...numbers] = process.argv.slice(2);
const [prompt, generate, repeats] = numbers.slice(0, 3).map(Number);
const id = numbers[3] ?? null;
const places = { engine, model, models: dirname(model), wllama: installed('@wllama/wllama/esm'), flare: installed('@sauravpanda/flare/pkg') };
// Flare 0.2.21 does not parse: a comment in the example within the documentation of `begin_stream` ends that documentation.
const repairs = { '/flare/flare_web.js': (text) => text.replace('/* done */', '') };

const chromium = await browse(browserPath, places, { repairs });
console.log(JSON.stringify(await turns(chromium, ['jeoul', 'jeoul-2', 'wllama-1', 'wllama-2', 'flare'], { prompt, generate, repeats, id })));
await chromium.close();
