// The GPU lane in Chromium on SwiftShader, which computes on the processor, beside the same network out of Burn's own modules:
// `node gpu.mjs CHROMIUM ENGINE STOCK MODEL PROMPT GENERATE REPEATS`. ENGINE is the folder of Jeoul's modules, STOCK that of the
// network's. Prints {"jeoul-gpu": {"prefill": [], "decode": [], "loads": []}, "stock": …}; see `turns.mjs`.
import { browse } from './server.mjs';
import { turns } from './turns.mjs';

const [browserPath, engine, stock, model, ...numbers] = process.argv.slice(2);
const [prompt, generate, repeats] = numbers.map(Number);
const flags = ['--enable-unsafe-webgpu', '--enable-features=Vulkan', '--use-webgpu-adapter=swiftshader'];

const chromium = await browse(browserPath, { engine, stock, model }, { flags });
console.log(JSON.stringify(await turns(chromium, ['jeoul-gpu', 'stock'], { prompt, generate, repeats, id: null })));
await chromium.close();
