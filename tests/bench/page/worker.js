// Jeoul's worker with one thread, as the page starts it.
import init, { serve } from '/engine/cpu/jeoul_web.js';

await init();
serve(null);
postMessage({ ready: true });
