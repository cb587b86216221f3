// Jeoul's worker with one helper, as the page starts them on two cores.
import init, { serve, threads } from '/engine/cpu-threads/jeoul_web.js';

const module = await WebAssembly.compileStreaming(fetch('/engine/cpu-threads/jeoul_web_bg.wasm'));
const { memory } = await init({ module_or_path: module });
new Worker('/page/helper.js', { type: 'module' }).postMessage({ module, memory });
while (threads() < 2) await new Promise((wake) => setTimeout(wake, 5));
serve(null);
postMessage({ ready: true });
