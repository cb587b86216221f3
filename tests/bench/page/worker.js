// Jeoul's worker, as the page starts it.
import init, { serve } from '/engine/jeoul_web.js';

await init();
serve();
postMessage({ ready: true });
