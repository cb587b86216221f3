// Engines under one interface: `engines[name](model)` loads, and gives a function that measures once.

/** Asks Jeoul's worker, and waits for the last event. */
function ask(worker, command, file) {
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message));
    worker.onmessage = ({ data }) => {
      const event = data.event ?? {};
      if (event.type === 'failed') reject(new Error(event.fault.detail));
      if (['fetched', 'loaded', 'measured', 'done', 'exported'].includes(event.type)) resolve(event);
    };
    worker.postMessage({ id: 1, command, file });
  });
}

/** Starts Jeoul's worker on one of its modules. */
async function start(module) {
  const script = module === 'cpu-threads' ? '/page/threads.js' : `/page/worker.js?${module}`;
  const worker = new Worker(script, { type: 'module' });
  await new Promise((resolve, reject) => {
    worker.onmessage = resolve;
    worker.onerror = (event) => reject(new Error(event.message || 'the worker did not start'));
  });
  return worker;
}

/** Bytes that the engine reads of a file at a time. */
const CHUNK = 8 << 20;

/** Seconds in which the file is read and nothing else. */
async function readTime(file) {
  const begin = performance.now();
  for (let at = 0; at < file.size; at += CHUNK) await file.slice(at, at + CHUNK).arrayBuffer();
  return (performance.now() - begin) / 1000;
}

/** Bytes of the engine's memory. */
function memory() {
  const channel = new BroadcastChannel('jeoul-memory');
  return new Promise((resolve) => {
    channel.onmessage = ({ data }) => {
      channel.close();
      resolve(data);
    };
    channel.postMessage(null);
  });
}

/** A file in the page's private folder `place`. */
async function stored(place, name, options) {
  let folder = await navigator.storage.getDirectory();
  for (const part of place) folder = await folder.getDirectoryHandle(part, options);
  return folder.getFileHandle(name, options);
}

/** Command that loads a checkpoint onto the lane of a module; `id` is its name in the registry, or null. */
const load = (module, id) => ({ type: 'load', model: id, lane: module === 'gpu' ? 'gpu' : 'cpu' });

/**
 * Loads a checkpoint anew, that of the registry from where the page keeps it, another one from a file on disk: seconds to read it,
 * seconds to the first probability, and the memory that this took.
 */
async function loadOnce(module, file, id) {
  const worker = await start(module);
  const read = await readTime(file);
  const begin = performance.now();
  await ask(worker, load(module, id), id === null ? file : undefined);
  await ask(worker, { type: 'measure', prompt: 1, generate: 1, repeats: 0 });
  const first = (performance.now() - begin) / 1000;
  const loaded = { read, first, memory: await memory(), size: file.size };
  worker.terminate();
  return loaded;
}

/** Loads `model` as often as it is asked for; `id` is its name in the registry, or null. */
async function loads(module, model, id, repeats) {
  let handle;
  if (id === null) {
    handle = await stored([], 'model.gguf', { create: true });
    await (await fetch(model)).body.pipeTo(await handle.createWritable());
  } else {
    const worker = await start(module);
    await ask(worker, { type: 'fetch', model: id });
    worker.terminate();
    handle = await stored(['checkpoints'], `${id}.gguf`);
  }
  const all = [];
  for (let repeat = 0; repeat < repeats; repeat += 1) all.push(await loadOnce(module, await handle.getFile(), id));
  return all;
}

/** Jeoul on one of its modules, which computes with so many threads. */
async function jeoul(module, threads, model, { prompt, generate, repeats, id }) {
  const file = new File([await (await fetch(model)).blob()], 'model.gguf');
  globalThis.loads = threads === 1 ? await loads(module, model, id, repeats) : [];
  const worker = await start(module);
  const { lane } = await ask(worker, load(module, null), file);
  if (lane.threads !== threads) throw new Error(`${lane.threads} threads`);
  return async () => {
    const { prefill, decode } = await ask(worker, { type: 'measure', prompt, generate, repeats: 1 });
    return { prefill: prefill[0], decode: decode[0] };
  };
}

/** Scores tasks on their sample documents, and gives the sample files of lm-evaluation-harness as one text. */
globalThis.samples = async (model, threads, tasks, limit) => {
  const file = new File([await (await fetch(model)).blob()], 'model.gguf');
  const module = threads === 1 ? 'cpu' : 'cpu-threads';
  const worker = await start(module);
  await ask(worker, load(module, null), file);
  const requests = tasks.map((task) => ({ task, num_fewshot: null, limit }));
  const settings = { seed: 1234, apply_chat_template: false, fewshot_as_multiturn: false, system_instruction: null };
  await ask(worker, { type: 'run', tasks: requests, settings });
  const { files } = await ask(worker, { type: 'export' });
  worker.terminate();
  const samples = files.filter(({ name }) => name.startsWith('samples_'));
  return samples.sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ text }) => text).join('');
};

async function wllama(model, { prompt, generate, threads }) {
  const { Wllama } = await import('/wllama/index.js');
  const engine = new Wllama({ default: '/wllama/wasm/wllama.wasm' }, { suppressNativeLog: true });
  const blob = await (await fetch(model)).blob();
  await engine.loadModel([blob], { n_threads: threads, n_ctx: 1024, n_gpu_layers: 0, warmup: false });
  if (engine.getNumThreads() !== threads) throw new Error(`${engine.getNumThreads()} threads`);
  let seed = 0;
  return async () => {
    seed += 1;
    // One token a word, or nearly: its own count is what the speed is made of.
    const words = Array.from({ length: prompt }, (_, i) => ['water', 'stone', 'light', 'house'][(i * seed + (i >> 3)) % 4]);
    const { timings } = await engine.createCompletion({
      prompt: `${seed} ${words.slice(0, prompt - 3).join(' ')}`,
      max_tokens: generate,
      temperature: 0,
      cache_prompt: false,
      ignore_eos: true,
    });
    return { prefill: timings.prompt_per_second, decode: timings.predicted_per_second, tokens: timings.prompt_n };
  };
}

async function flare(model, { prompt, generate }) {
  const { default: init, FlareEngine } = await import('/flare/flare_web.js');
  await init();
  const engine = FlareEngine.load(new Uint8Array(await (await fetch(model)).arrayBuffer()));
  let seed = 0;
  return async () => {
    seed += 1;
    // Numbers instead of text: it reads three unknown tokens where a word has a space before it.
    const tokens = Uint32Array.from({ length: prompt }, (_, i) => ((seed + 1) * (7 + i) * 40503) % 40000);
    engine.reset();
    const begin = performance.now();
    engine.begin_stream(tokens, generate);
    const read = performance.now();
    let [written, end] = [0, read];
    while (engine.next_token() !== undefined) {
      written += 1;
      end = performance.now();
    }
    if (written === 0) throw new Error('it wrote nothing');
    return { prefill: (prompt * 1000) / (read - begin), decode: (written * 1000) / (end - read) };
  };
}

/** The network out of Burn's own modules; its weights are its own. */
async function stock(_model, { prompt, generate }) {
  const { default: init, Stock } = await import('/stock/stock.js');
  await init();
  const network = await Stock.open();
  let seed = 0;
  return async () => {
    seed += 1;
    network.forget();
    const begin = performance.now();
    let token = await network.next(Int32Array.from({ length: prompt }, (_, i) => (i * 7 + seed * 31) % 40000), 0);
    const read = performance.now();
    for (let place = prompt; place < prompt + generate; place += 1) token = await network.next(Int32Array.of(token), place);
    return { prefill: (prompt * 1000) / (read - begin), decode: (generate * 1000) / (performance.now() - read) };
  };
}

globalThis.engines = {
  jeoul: (model, sizes) => jeoul('cpu', 1, model, sizes),
  'jeoul-2': (model, sizes) => jeoul('cpu-threads', 2, model, sizes),
  'jeoul-gpu': (model, sizes) => jeoul('gpu', 1, model, sizes),
  stock,
  'wllama-1': (model, sizes) => wllama(model, { ...sizes, threads: 1 }),
  'wllama-2': (model, sizes) => wllama(model, { ...sizes, threads: 2 }),
  flare,
};
