// An engine without a model, served in place of `/engine/cpu/jeoul_web.js`: it speaks the worker's protocol with
// invented documents and always the same numbers, so that the page's journeys take seconds. Settings come from the
// test through `SETTINGS`, which `fake.ts` replaces: { stepMs, fails, tasks, hangs, crashes }.
const SETTINGS = {};

const pause = (ms = SETTINGS.stepMs ?? 20) => new Promise((wake) => setTimeout(wake, ms));
const SIZE = 98_362_432;

const MODELS = [
  {
    id: 'smollm2-135m-instruct-q4_1', name: 'SmolLM2-135M-Instruct', size: SIZE, sha256: 'ab'.repeat(32),
    license: 'Apache-2.0', architecture: 'llama', quantization: 'Q4_1', parameters: 134_515_008,
    type: 'instruction-tuned', languages: ['en'], homepage: 'https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct',
    stored: SETTINGS.stored ?? 0, ready: (SETTINGS.stored ?? 0) === SIZE,
  },
  {
    id: 'tiny-f32', name: 'Tiny', size: 731_000, sha256: 'cd'.repeat(32), license: 'MIT OR Apache-2.0',
    architecture: 'llama', quantization: 'F32', parameters: 180_224, type: 'pretrained', languages: ['en', 'ko'],
    homepage: 'https://example.org/', stored: 731_000, ready: true,
  },
];

const TASKS = [
  { name: 'jeoul_science', title: 'Science questions', title_ko: '과학 문제', language: 'en', documents: 60, num_fewshot: 0, max_fewshot: 5, chance: 0.25, sample: true },
  { name: 'jeoul_commonsense', title: 'How everyday scenes go on', title_ko: '일상 장면 이어 쓰기', language: 'en', documents: 60, num_fewshot: 0, max_fewshot: 10, chance: 0.25, sample: true },
  { name: 'jeoul_boolq_ko', title: 'Korean yes/no questions', title_ko: '한국어 예/아니요 문제', language: 'ko', documents: 40, num_fewshot: 0, max_fewshot: 2, chance: 0.5, sample: true },
];

const QUESTIONS = {
  jeoul_science: ['Question: Which of these is a good conductor of electricity?\nAnswer:', ['a rubber band', 'a copper wire', 'a wooden spoon', 'a glass rod']],
  jeoul_commonsense: ['Mina puts the kettle on and waits. When the water boils, she', ['pours it over the tea leaves.', 'plants it in the garden.', 'folds it into a paper boat.', 'reads it to her brother, who is asleep on the sofa next to the window.']],
  jeoul_boolq_ko: ['한강은 서울을 지나 서해로 흐릅니다.\n질문: 한강은 동해로 흐릅니까?\n답:', ['아니요', '예']],
};
const EXAMPLE = 'Question: What do plants take in from the air?\nAnswer: carbon dioxide\n\n';

/** 0 to 1, the same for the same two numbers. */
const noise = (a, b) => Math.abs(Math.sin(a * 12.9898 + b * 78.233) * 43758.5453) % 1;

function argmax(values) {
  return values.reduce((best, value, index) => (value > values[best] ? index : best), 0);
}

function documentOf(request, index) {
  const [prompt, texts] = QUESTIONS[request.task];
  const gold = index % texts.length;
  const choices = texts.map((text, place) => {
    const tokens = text.split(' ').map((_, word) => Math.fround(-0.4 - 2.2 * noise(index + 1, place * 7 + word)));
    const bonus = place === gold ? 1.2 : 0;
    return { text, loglikelihood: tokens.reduce((sum, token) => sum + token, 0) + bonus, token_logprobs: tokens, is_greedy: false };
  });
  const pick = argmax(choices.map((choice) => choice.loglikelihood));
  const pickNorm = argmax(choices.map((choice) => choice.loglikelihood / choice.text.length));
  return {
    doc_id: index, fewshot_context: EXAMPLE.repeat(request.num_fewshot), prompt, target_delimiter: ' ',
    choices, gold, pick, pick_norm: pickNorm, acc: Number(pick === gold), acc_norm: Number(pickNorm === gold), tokens_asked: 96,
  };
}

function scoreOf(request, documents, total) {
  const metric = (name) => {
    const values = documents.map((document) => document[name]);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const n = values.length;
    return { name, value: mean, stderr: n < 2 ? null : Math.sqrt((mean * (1 - mean)) / (n - 1)), chance: request.task === 'jeoul_boolq_ko' ? 0.5 : 0.25 };
  };
  const metrics = request.task === 'jeoul_commonsense' ? [metric('acc_norm'), metric('acc')] : [metric('acc'), metric('acc_norm')];
  return { task: request.task, version: '1', num_fewshot: request.num_fewshot, documents: documents.length, documents_total: total, metrics: metrics.slice(0, request.task === 'jeoul_boolq_ko' ? 1 : 2) };
}

const countOf = (request) => {
  const held = TASKS.find((task) => task.name === request.task).documents;
  return Math.min(request.limit ?? held, held);
};

class Stopped extends Error {}
let stop = false;
let lane = 'cpu';
const step = async () => {
  await pause();
  while (SETTINGS.hangs) await pause(1000);
  if (stop) throw new Stopped();
};
const failed = (kind) => ({ type: 'failed', fault: { kind, detail: `\`tensor_count\` at byte 8 declares 99 entries; the ${kind} test allows 3` } });

const answers = {
  async hello() {
    return { type: 'ready', version: '0.1.0', models: MODELS, tasks: TASKS };
  },
  async fetch({ model }, tell) {
    const card = MODELS.find(({ id }) => id === model);
    while (card.stored < card.size) {
      await step();
      card.stored = Math.min(card.size, card.stored + card.size / 10);
      tell({ type: 'fetching', bytes: card.stored, total: card.size });
    }
    card.ready = true;
    return { type: 'fetched' };
  },
  async forget({ model }) {
    Object.assign(MODELS.find(({ id }) => id === model), { stored: 0, ready: false });
    return { type: 'forgotten' };
  },
  async load({ model, lane: asked }, tell, file) {
    if (file && !file.name.endsWith('.gguf')) return failed('badCheckpoint');
    const card = MODELS.find(({ id }) => id === model) ?? { ...MODELS[1], name: file.name, size: file.size };
    for (const share of [0.3, 0.7, 1]) {
      await step();
      tell({ type: 'loading', bytes: card.size * share, total: card.size });
    }
    lane = asked;
    const checkpoint = { name: card.name, architecture: 'llama', quantization: card.quantization, parameters: card.parameters, size: card.size, context_length: 2048, layers: 30 };
    return { type: 'loaded', checkpoint, lane: { lane, adapter: lane === 'gpu' ? 'test adapter' : null, agreement: lane === 'gpu' ? 1 : null, threads: 1 } };
  },
  async plan({ tasks }) {
    const documents = tasks.reduce((sum, request) => sum + countOf(request) * (1 + request.num_fewshot), 0);
    return { type: 'planned', tokens_asked: documents * 256, tokens_computed: documents * 92 };
  },
  async run({ tasks }, tell) {
    const start = performance.now();
    const elapsed = () => performance.now() - start;
    let tokens = 0;
    const scores = [];
    for (const request of tasks) {
      const total = countOf(request);
      const documents = [];
      for (let index = 0; index < total; index += 1) {
        await step();
        if (SETTINGS.crashes && documents.length === 3) setTimeout(() => { throw new Error('unreachable executed'); });
        tokens += 92 * (1 + request.num_fewshot);
        tell({ type: 'progress', task: request.task, tokens_computed: tokens, elapsed_ms: elapsed() });
        const document = documentOf(request, index);
        documents.push(document);
        tell({ type: 'document', document, score: scoreOf(request, documents, total) });
      }
      scores.push(scoreOf(request, documents, total));
    }
    return { type: 'done', scores, tokens_computed: tokens, elapsed_ms: elapsed() };
  },
};

export default async function init() {
  if (SETTINGS.fails === 'init') throw new Error('the module does not start');
}

export function serve() {
  self.onmessage = async ({ data: { id, command, file } }) => {
    const tell = (event) => self.postMessage({ id, event });
    if (command.type === 'cancel') return void (stop = true);
    stop = false;
    if (SETTINGS.fails === command.type) return tell(failed(SETTINGS.kind));
    try {
      tell(await answers[command.type](command, tell, file));
    } catch (reason) {
      if (!(reason instanceof Stopped)) throw reason;
      tell({ type: 'cancelled' });
    }
  };
}
