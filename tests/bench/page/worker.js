// Jeoul's worker with one thread, as the page starts it: `worker.js?cpu` or `worker.js?gpu`.
const { default: init, serve } = await import(`/engine/${location.search.slice(1)}/jeoul_web.js`);
const { memory } = await init();
serve(null);
// The engine answers what comes to the worker; how large its memory is the page asks here.
const channel = new BroadcastChannel('jeoul-memory');
channel.onmessage = () => channel.postMessage(memory.buffer.byteLength);
postMessage({ ready: true });
