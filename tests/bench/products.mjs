// Products in onnxruntime-web, one thread: `node onnx.mjs CHROMIUM REPEATS` prints {"matmulnbits": {"256": [], "1": []}, …}, by
// rows of activations, in G MAC/s over three shapes of SmolLM2-135M; a kind that fails gives {"error"}.
import { browse, installed, reason } from './server.mjs';

const [browserPath, repeats] = process.argv.slice(2);
const chromium = await browse(browserPath, { onnx: installed('onnxruntime-web/dist') });
const page = await chromium.open('onnx.html');
const results = { matmulnbits: {}, 'matmulnbits-symmetric': {}, 'matmulnbits-int8': {}, f32: {} };
// In turns, and the first turn only warms up.
for (let repeat = -1; repeat < Number(repeats); repeat += 1) {
  for (const [kind, speeds] of Object.entries(results)) {
    if (speeds.error) continue;
    try {
      for (const rows of [256, 1]) {
        const speed = await page.evaluate(([kind, rows]) => globalThis.measure(kind, rows), [kind, rows]);
        speeds[rows] ??= [];
        if (repeat >= 0) speeds[rows].push(speed);
      }
    } catch (error) {
      results[kind] = { error: reason(error) };
    }
  }
}
console.log(JSON.stringify(results));
await chromium.close();
