// Products alone in Chromium, one thread: `node products.mjs CHROMIUM JEOUL REPEATS` measures them in turns. JEOUL is the folder of
// the kernels' own module. Prints {"shapes": [{"rows", "k", "n", "speeds": {"jeoul": [], "matmulnbits": [], …}}, …], "peak": [],
// "errors": {}}, speeds in G MAC/s; a kind that fails has its error in their place.
import { browse, installed, reason } from './server.mjs';

/** [K, N] of SmolLM2-135M's matrices: `[rows, K] x [N, K]` gives `[rows, N]`. */
const SHAPES = [[576, 1536], [576, 576], [1536, 576]];
const KINDS = ['jeoul', 'matmulnbits', 'matmulnbits-symmetric', 'matmulnbits-int8', 'f32'];

const [browserPath, jeoul, repeats] = process.argv.slice(2);
const chromium = await browse(browserPath, { onnx: installed('onnxruntime-web/dist'), jeoul });
const page = await chromium.open('products.html');
const shapes = [256, 1].flatMap((rows) => SHAPES.map(([k, n]) => ({ rows, k, n, speeds: {} })));
const [peak, errors] = [[], {}];
// The first turn only warms up.
for (let repeat = -1; repeat < Number(repeats); repeat += 1) {
  const speed = await page.evaluate(() => globalThis.peak());
  if (repeat >= 0) peak.push(speed);
  for (const { rows, k, n, speeds } of shapes) {
    for (const kind of KINDS) {
      if (errors[kind]) continue;
      try {
        const speed = await page.evaluate((product) => globalThis.measure(...product), [kind, rows, k, n]);
        speeds[kind] ??= [];
        if (repeat >= 0) speeds[kind].push(speed);
      } catch (error) {
        errors[kind] = reason(error);
      }
    }
  }
}
console.log(JSON.stringify({ shapes, peak, errors }));
await chromium.close();
