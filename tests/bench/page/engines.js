// Engines under one interface: `engines[name](model)` loads, and gives a function that measures once.
import { Wllama } from '/wllama/index.js';

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

/** Starts Jeoul's worker. */
async function start(threads) {
  const worker = new Worker(threads === 1 ? '/page/worker.js' : '/page/threads.js', { type: 'module' });
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

const LOAD = { type: 'load', model: null, lane: 'cpu' };

/** A file in the page's private folder `place`. */
async function stored(place, name, options) {
  let folder = await navigator.storage.getDirectory();
  for (const part of place) folder = await folder.getDirectoryHandle(part, options);
  return folder.getFileHandle(name, options);
}

/**
 * Loads a checkpoint anew, that of the registry from where the page keeps it, another one from a file on disk: seconds to read it,
 * seconds to the first probability, and the memory that this took.
 */
async function loadOnce(file, id) {
  const worker = await start(1);
  const read = await readTime(file);
  const begin = performance.now();
  await ask(worker, { ...LOAD, model: id }, id === null ? file : undefined);
  await ask(worker, { type: 'measure', prompt: 1, generate: 1, repeats: 0 });
  const first = (performance.now() - begin) / 1000;
  const load = { read, first, memory: await memory(), size: file.size };
  worker.terminate();
  return load;
}

/** Loads `model` as often as it is asked for; `id` is its name in the registry, or null. */
async function loads(model, id, repeats) {
  let handle;
  if (id === null) {
    handle = await stored([], 'model.gguf', { create: true });
    await (await fetch(model)).body.pipeTo(await handle.createWritable());
  } else {
    const worker = await start(1);
    await ask(worker, { type: 'fetch', model: id });
    worker.terminate();
    handle = await stored(['checkpoints'], `${id}.gguf`);
  }
  const all = [];
  for (let repeat = 0; repeat < repeats; repeat += 1) all.push(await loadOnce(await handle.getFile(), id));
  return all;
}

async function jeoul(model, { prompt, generate, repeats, threads, id }) {
  const file = new File([await (await fetch(model)).blob()], 'model.gguf');
  globalThis.loads = threads === 1 ? await loads(model, id, repeats) : [];
  const worker = await start(threads);
  const { lane } = await ask(worker, LOAD, file);
  if (lane.threads !== threads) throw new Error(`${lane.threads} threads`);
  return async () => {
    const { prefill, decode } = await ask(worker, { type: 'measure', prompt, generate, repeats: 1 });
    return { prefill: prefill[0], decode: decode[0] };
  };
}

/** Scores tasks on their sample documents, and gives the sample files of lm-evaluation-harness as one text. */
globalThis.samples = async (model, threads, tasks, limit) => {
  const file = new File([await (await fetch(model)).blob()], 'model.gguf');
  const worker = await start(threads);
  await ask(worker, LOAD, file);
  const requests = tasks.map((task) => ({ task, num_fewshot: null, limit }));
  const settings = { seed: 1234, apply_chat_template: false, fewshot_as_multiturn: false, system_instruction: null };
  await ask(worker, { type: 'run', tasks: requests, settings });
  const { files } = await ask(worker, { type: 'export' });
  worker.terminate();
  const samples = files.filter(({ name }) => name.startsWith('samples_'));
  return samples.sort((a, b) => (a.name < b.name ? -1 : 1)).map(({ text }) => text).join('');
};

async function wllama(model, { prompt, generate, threads }) {
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

globalThis.engines = {
  jeoul: (model, sizes) => jeoul(model, { ...sizes, threads: 1 }),
  'jeoul-2': (model, sizes) => jeoul(model, { ...sizes, threads: 2 }),
  'wllama-1': (model, sizes) => wllama(model, { ...sizes, threads: 1 }),
  'wllama-2': (model, sizes) => wllama(model, { ...sizes, threads: 2 }),
  flare,
};
