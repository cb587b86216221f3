// An engine without a model, served in place of `/engine/cpu/jeoul_web.js`: it speaks the worker's protocol with
// invented documents and always the same numbers, so that the page's journeys take seconds. Settings come from the
// test through `SETTINGS`, which `fake.ts` sets: { stepMs, fails, kind, stored, hangs, crashes }.
const pause = (ms = SETTINGS.stepMs ?? 20) => new Promise((wake) => setTimeout(wake, ms));

/** What this worker holds; a fresh one has samples again. */
const held = structuredClone(TASKS);
const rows = new Map();
let model = MODELS[0];
let last = null;

/** 0 to 1, the same for the same two numbers. */
const noise = (a, b) => Math.abs(Math.sin(a * 12.9898 + b * 78.233) * 43758.5453) % 1;
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const argmax = (values) => values.reduce((best, value, index) => (value > values[best] ? index : best), 0);
/** Tiny guesses; SmolLM2 knows a little. */
const isTiny = () => model.id !== MODELS[0].id;
function seedOf({ name }, index) {
  const own = name.startsWith('jeoul') ? 0 : [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
  return index + 1 + own + (isTiny() ? 500 : 0);
}

function loglikelihood(seed, place, text, bonus) {
  const tokens = text.split(' ').map((_, word) => Math.fround(-0.4 - 2.2 * noise(seed, place * 7 + word)));
  return { type: 'loglikelihood', sum: tokens.reduce((sum, token) => sum + token, 0) + bonus, token_logprobs: tokens, is_greedy: false };
}

/** A document with choices; those of WinoGrande are the beginnings of a sentence. */
function choiceDocument(task, index, context) {
  const own = QUESTIONS[task.name] ?? QUESTIONS[task.language === 'ko' ? 'jeoul_boolq_ko' : 'jeoul_science'];
  const isPartial = task.name === 'winogrande';
  const choices = isPartial ? ['Yuna lent Sora her umbrella because Yuna', 'Yuna lent Sora her umbrella because Sora'] : own[1];
  const prompt = isPartial ? '' : (rows.get(task.name)?.[index]?.question ?? own[0]);
  const gold = (seedOf(task, index) - 1) % choices.length;
  const requests = choices.map((text, place) => ({
    context: isPartial ? context + text : null,
    continuation: isPartial ? ' had an umbrella at home.' : ` ${text}`,
    answer: loglikelihood(seedOf(task, index), place, text, place === gold && !isTiny() ? 1.2 : 0),
  }));
  const pick = argmax(requests.map(({ answer }) => answer.sum));
  const pickNorm = argmax(requests.map(({ answer }, place) => answer.sum / choices[place].length));
  const value = { acc: Number(pick === gold), acc_norm: Number(pickNorm === gold), f1: null };
  const metrics = metricsOf(task).map(([name, filter]) => ({ name, filter, value: value[name] }));
  return { prompt, requests, choices, gold: [gold], pick, pick_norm: pickNorm, target: String(gold), filtered: [], metrics };
}

/** A document whose answer is written; filters take a number from it, one of them only where the form is right. */
function writtenDocument(task, index) {
  const right = 3 + (index % 5);
  const found = noise(seedOf(task, index), 3) < 0.5 ? right : right + 1;
  const strict = noise(seedOf(task, index), 4) < 0.5 ? String(found) : '[invalid]';
  const text = `Minsu has ${right - 2} apples and gets 2 more, so he has ${found}.${strict === '[invalid]' ? '' : `\n#### ${found}`}`;
  const answers = { 'strict-match': strict, 'flexible-extract': String(found), none: text };
  const filters = [...new Set(metricsOf(task).map(([, filter]) => filter))];
  const value = (name, filter) => (name === 'char_f1' ? Math.fround(noise(seedOf(task, index), 5)) : Number(answers[filter].endsWith(String(right))));
  return {
    prompt: `Question: Minsu has ${right - 2} apples and gets 2 more. How many has he?\nAnswer:`,
    requests: [{ context: null, continuation: null, answer: { type: 'texts', texts: [text] } }],
    choices: [], gold: [], pick: null, pick_norm: null, target: `#### ${right}`,
    filtered: filters.map((filter) => ({ filter, answer: [answers[filter]] })),
    metrics: metricsOf(task).map(([name, filter]) => ({ name, filter, value: value(name, filter) })),
  };
}

function metricsOf({ name, generates }) {
  if (name === 'gsm8k') return [['exact_match', 'strict-match'], ['exact_match', 'flexible-extract']];
  if (generates) return [['exact_match', 'none'], ['char_f1', 'none']];
  if (name === 'jeoul_boolq_ko' || name === 'winogrande' || name.startsWith('mmlu')) return [['acc', 'none']];
  if (name.startsWith('kobest')) return [['acc', 'none'], ['f1', 'none']];
  const both = [['acc', 'none'], ['acc_norm', 'none']];
  return name === 'jeoul_commonsense' ? both.toReversed() : both;
}

function documentOf({ task, shots }, settings, index) {
  const examples = [settings.system_instruction ?? '', EXAMPLE.repeat(shots)].join('');
  const document = task.generates ? writtenDocument(task, index) : choiceDocument(task, index, examples);
  const turn = (role, text) => `<|im_start|>${role}\n${text}<|im_end|>\n`;
  const chat = turn('system', settings.system_instruction ?? '') + turn('user', EXAMPLE.repeat(shots) + document.prompt) + '<|im_start|>assistant\n';
  const texts = settings.apply_chat_template ? { fewshot_context: '', prompt: chat } : { fewshot_context: examples, prompt: document.prompt };
  return { doc_id: index, ...document, ...texts, tokens_asked: 96 };
}

function scoreOf({ task, shots, total }, documents) {
  const n = documents.length;
  const metric = ([name, filter], index) => {
    const values = documents.map((document) => document.metrics[index].value).filter((value) => value !== null);
    const value = values.length > 0 ? mean(values) : 0.4;
    const stderr = n < 2 || values.length === 0 ? null : Math.sqrt((value * (1 - value)) / (n - 1));
    return { name, filter, value, stderr, higher_is_better: true, chance: name === 'f1' ? null : task.chance };
  };
  return { task: task.name, version: '1', num_fewshot: shots, documents: n, documents_total: total, metrics: metricsOf(task).map(metric) };
}

/** Groups that were asked for, with those inside, children first. */
function groupScores(requests, scores) {
  const asked = GROUPS.filter(({ name }) => requests.some(({ task }) => task === name));
  const inside = GROUPS.filter((group) => asked.some((outer) => group.tasks.every((task) => outer.tasks.includes(task))));
  return inside.sort((a, b) => a.tasks.length - b.tasks.length).map(({ name, tasks }) => {
    const own = scores.filter(({ task }) => tasks.includes(task));
    const figures = own.flatMap(({ metrics, documents }) => metrics.map((metric) => ({ ...metric, documents })));
    const kinds = own[0].metrics.filter(() => name !== 'open_llm_leaderboard');
    const metrics = kinds.map(({ name: kind, filter }) => {
      const all = figures.filter((figure) => figure.name === kind);
      const documents = all.reduce((sum, figure) => sum + figure.documents, 0);
      const value = all.reduce((sum, figure) => sum + figure.value * figure.documents, 0) / documents;
      return { name: kind, filter, value, stderr: Math.sqrt((value * (1 - value)) / documents), documents };
    });
    const average = name === 'open_llm_leaderboard' ? mean(own.map(({ metrics: [metric] }) => metric.value)) : null;
    return { group: name, documents: own.reduce((sum, { documents }) => sum + documents, 0), metrics, average };
  });
}

/** The requests task by task, with their shots and documents. */
function chosen(requests) {
  return requests.flatMap((request) => {
    const group = GROUPS.find(({ name }) => name === request.task);
    return (group?.tasks ?? [request.task]).map((name, index) => {
      const task = held.find((each) => each.name === name);
      const shots = request.num_fewshot ?? group?.num_fewshot[index] ?? task.num_fewshot;
      return { task, shots, total: Math.min(request.limit ?? task.documents, task.documents) };
    });
  });
}

class Stopped extends Error {}
/** A failure with its own kind and words. */
class Failed extends Error {
  constructor(kind, detail) {
    super(detail);
    this.kind = kind;
  }
}
let stop = false;
let lane = 'cpu';
const step = async () => {
  await pause();
  while (SETTINGS.hangs) await pause(1000);
  if (stop) throw new Stopped();
};
const failed = (kind, detail = `\`tensor_count\` at byte 8 declares 99 entries; the ${kind} test allows 3`) => ({ type: 'failed', fault: { kind, detail } });

/** All lines of a JSON Lines file with a question each. */
async function questionsOf(file) {
  const lines = (await file.text()).trim().split('\n');
  return lines.map((line, index) => {
    const place = `\`${file.name}\` line ${index + 1}`;
    let row;
    try {
      row = JSON.parse(line);
    } catch (reason) {
      throw new Failed('task', `${place}: ${reason.message}`);
    }
    if (typeof row.question !== 'string') throw new Failed('task', `${place}: field \`question\` is missing`);
    return row;
  });
}

/** Gives a task other documents; a task of one's own is listed from then on. */
function give(name, documents, origin) {
  const sample = TASKS.find((task) => task.name === name) ?? card(name, name, name, { chance: 0.25 });
  const index = held.findIndex((task) => task.name === name);
  const task = { ...sample, documents: documents ?? sample.documents, origin };
  if (index < 0) held.push(task);
  else held[index] = task;
  return { type: 'tasks', changed: name, tasks: held, groups: GROUPS };
}

const answers = {
  async hello() {
    return { type: 'ready', version: '0.1.0', models: MODELS, tasks: held, groups: GROUPS };
  },
  async fetch({ model: id }, tell) {
    const card = MODELS.find((each) => each.id === id);
    while (card.stored < card.size) {
      await step();
      card.stored = Math.min(card.size, card.stored + card.size / 10);
      tell({ type: 'fetching', bytes: card.stored, total: card.size });
    }
    card.ready = true;
    return { type: 'fetched' };
  },
  async forget({ model: id }) {
    Object.assign(MODELS.find((each) => each.id === id), { stored: 0, ready: false });
    return { type: 'forgotten' };
  },
  async load({ model: id, lane: asked }, tell, file) {
    if (file && !file.name.endsWith('.gguf')) return failed('badCheckpoint');
    model = MODELS.find((each) => each.id === id) ?? { ...MODELS[1], name: file.name, size: file.size };
    for (const share of [0.3, 0.7, 1]) {
      await step();
      tell({ type: 'loading', bytes: model.size * share, total: model.size });
    }
    lane = asked;
    const { name, quantization, parameters, size } = model;
    const checkpoint = { name, architecture: 'llama', quantization, parameters, size, context_length: 2048, layers: 30, chat: !isTiny() };
    return { type: 'loaded', checkpoint, lane: { lane, adapter: lane === 'gpu' ? 'test adapter' : null, agreement: lane === 'gpu' ? 1 : null, threads: 1, thread_lack: null } };
  },
  async addTask(_, tell, file) {
    const lines = (await file.text()).split('\n');
    const name = /^task: *(\S+)/m.exec(lines.join('\n'))?.[1];
    const wrong = lines.findIndex((line) => line.startsWith('doc_to_txt'));
    if (wrong >= 0) throw new Failed('task', `\`${file.name}\` line ${wrong + 1}: key \`doc_to_txt\` is not supported`);
    return { type: 'tasks', changed: name, tasks: held, groups: GROUPS };
  },
  async useFile({ task, role }, tell, file) {
    await step();
    const questions = await questionsOf(file);
    if (role === 'examples') return give(task, held.find(({ name }) => name === task).documents, 'local');
    rows.set(task, questions);
    return give(task, questions.length, 'local');
  },
  async useHub({ task }) {
    await step();
    return give(task, 1172, 'hub');
  },
  async useSamples({ task }) {
    rows.delete(task);
    return give(task, null, 'samples');
  },
  async plan({ tasks }) {
    const all = chosen(tasks);
    const sum = (count) => all.reduce((before, each) => before + count(each), 0);
    const fewest = Math.min(...all.map(({ total }) => total));
    return {
      type: 'planned', tokens_asked: sum(({ total, shots }) => total * (1 + shots)) * 256, tokens_computed: sum(({ total, shots }) => total * (1 + shots)) * 92,
      tokens_generated: sum(({ task, total }) => (task.generates ? total * 256 : 0)), detectable: fewest < 10 ? null : 1.4 / Math.sqrt(fewest),
    };
  },
  async run({ tasks, settings }, tell) {
    const start = performance.now();
    const elapsed = () => performance.now() - start;
    let tokens = 0;
    const scores = [];
    last = chosen(tasks);
    for (const each of last) {
      const documents = [];
      for (let index = 0; index < each.total; index += 1) {
        await step();
        if (SETTINGS.crashes && documents.length === 3) setTimeout(() => { throw new Error('unreachable executed'); });
        tokens += 92 * (1 + each.shots);
        tell({ type: 'progress', task: each.task.name, tokens_computed: tokens, elapsed_ms: elapsed() });
        const document = documentOf(each, settings, index);
        documents.push(document);
        tell({ type: 'document', document, score: scoreOf(each, documents) });
      }
      scores.push(scoreOf(each, documents));
    }
    return { type: 'done', scores, groups: groupScores(tasks, scores), tokens_computed: tokens, elapsed_ms: elapsed() };
  },
  async export() {
    const date = '2026-11-25T09-00-00.000';
    const names = [`results_${date}.json`, `table_${date}.md`, `scores_${date}.csv`, ...last.map(({ task }) => `samples_${task.name}_${date}.jsonl`)];
    return { type: 'exported', files: names.map((name) => ({ name, text: '{}\n' })) };
  },
  async compare({ first, second }) {
    const differences = first.map((value, index) => value - second[index]);
    const difference = mean(differences);
    const n = first.length;
    const stderr = Math.sqrt(differences.reduce((sum, each) => sum + (each - difference) ** 2, 0) / (n - 1) / n);
    const [more, less] = [differences.filter((each) => each > 0).length, differences.filter((each) => each < 0).length];
    const isTruth = [...first, ...second].every((value) => value === 0 || value === 1);
    const p_value = isTruth ? mcnemar(more, less) : Math.abs(difference) > 2 * stderr ? 0.04 : 0.3;
    return {
      type: 'compared',
      comparison: {
        documents: n, first: mean(first), second: mean(second), difference, stderr, low: difference - 2 * stderr, high: difference + 2 * stderr,
        p_value, test: isTruth ? 'mcnemar' : 't',
      },
    };
  },
};

/** Twice the lower tail of a fair coin. */
function mcnemar(more, less) {
  const n = more + less;
  let [term, tail] = [0.5 ** n, 0];
  for (let k = 0; k <= Math.min(more, less); k += 1) {
    tail += term;
    term *= (n - k) / (k + 1);
  }
  return n === 0 ? 1 : Math.min(1, 2 * tail);
}

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
      if (reason instanceof Failed) tell(failed(reason.kind, reason.message));
      else if (reason instanceof Stopped) tell({ type: 'cancelled' });
      else throw reason;
    }
  };
}
