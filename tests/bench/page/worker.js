// Jeoul's worker with one thread, as the page starts it.
import init, { serve } from '/engine/cpu/jeoul_web.js';

const { memory } = await init();
serve(null);
// The engine answers what comes to the worker; how large its memory is the page asks here.
const channel = new BroadcastChannel('jeoul-memory');
channel.onmessage = () => channel.postMessage(memory.buffer.byteLength);
postMessage({ ready: true });
