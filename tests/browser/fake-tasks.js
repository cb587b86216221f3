// What the fake engine knows: two models, and about as many tasks and groups as the real one, with invented documents.
// Served in front of `fake-engine.js`, as one module.
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

function card(name, title, title_ko, more = {}) {
  return {
    name, title, title_ko, language: 'en', documents: 30, num_fewshot: 0, max_fewshot: 25, chance: 0.25, origin: 'samples',
    generates: false, note: '', note_ko: '', ...more,
  };
}
const korean = (name, title, title_ko, more = {}) => card(name, title, title_ko, { language: 'ko', documents: 20, max_fewshot: 10, ...more });
const written = { generates: true, chance: null };

const FIELDS = ['stem', 'other', 'social_sciences', 'humanities'];
const subjects = (benchmark, count, make) =>
  Array.from({ length: count }, (_, index) => make(`${benchmark}_${FIELDS[index % 4]}_${Math.floor(index / 4) + 1}`, index));
const MMLU = [
  card('mmlu_abstract_algebra', 'MMLU: abstract algebra', 'MMLU: 추상대수학', { documents: 2, num_fewshot: 5, max_fewshot: 5 }),
  ...subjects('mmlu', 56, (name, index) => card(name, `MMLU: subject ${index + 2}`, `MMLU: ${index + 2}번째 과목`, { documents: 2, num_fewshot: 5, max_fewshot: 5 })),
];
const KMMLU = subjects('kmmlu', 45, (name, index) => korean(name, `KMMLU: subject ${index + 1}`, `KMMLU: ${index + 1}번째 과목`, { documents: 2, max_fewshot: 5 }));

const TASKS = [
  card('jeoul_science', 'Science questions', '과학 문제', { documents: 60, max_fewshot: 5 }),
  card('jeoul_commonsense', 'How everyday scenes go on', '일상 장면 이어 쓰기', { documents: 60, max_fewshot: 10 }),
  korean('jeoul_boolq_ko', 'Korean yes/no questions', '한국어 예/아니요 문제', { documents: 40, max_fewshot: 2, chance: 0.5 }),
  card('arc_easy', 'Science at school, easier (ARC)', '초중등 과학, 쉬운 문제 (ARC)'),
  card('arc_challenge', 'Science at school, harder (ARC)', '초중등 과학, 어려운 문제 (ARC)', { num_fewshot: 25 }),
  card('hellaswag', 'How scenes go on (HellaSwag)', '장면 이어 쓰기 (HellaSwag)', { num_fewshot: 10 }),
  card('truthfulqa_mc1', 'Common misbeliefs, one right answer (TruthfulQA)', '흔한 오해, 정답 하나 (TruthfulQA)', { max_fewshot: 0 }),
  card('truthfulqa_mc2', 'Common misbeliefs, several right answers (TruthfulQA)', '흔한 오해, 정답 여럿 (TruthfulQA)', {
    max_fewshot: 0, note: 'Six fixed examples are part of its prompt, which is why people call it 6-shot.',
    note_ko: '고정된 예시 여섯 개가 프롬프트에 들어 있어 흔히 6-shot이라고 합니다.',
  }),
  card('winogrande', 'Who is meant (WinoGrande)', '누구를 가리키는가 (WinoGrande)', { num_fewshot: 5, chance: 0.5 }),
  card('gsm8k', 'Sums in words (GSM8K)', '글로 된 산수 (GSM8K)', { num_fewshot: 5, ...written }),
  card('piqa', 'How things are done (PIQA)', '일을 하는 방법 (PIQA)', { chance: 0.5 }),
  card('boolq', 'Yes/no questions (BoolQ)', '예/아니요 문제 (BoolQ)', { chance: 0.5 }),
  card('openbookqa', 'Science with an open book (OpenBookQA)', '책을 보고 푸는 과학 (OpenBookQA)'),
  card('lambada_openai', 'The last word (LAMBADA)', '마지막 낱말 (LAMBADA)', { chance: null, max_fewshot: 0 }),
  ...MMLU,
  korean('kobest_boolq', 'Korean yes/no questions (KoBEST)', '예/아니요 문제 (KoBEST)', { chance: 0.5 }),
  korean('kobest_copa', 'Korean causes and effects (KoBEST)', '원인과 결과 (KoBEST)', { chance: 0.5 }),
  korean('kobest_hellaswag', 'How Korean scenes go on (KoBEST)', '장면 이어 쓰기 (KoBEST)'),
  korean('kobest_sentineg', 'Korean reviews with negation (KoBEST)', '부정이 든 감상평 (KoBEST)', { chance: 0.5 }),
  korean('kobest_wic', 'Korean words in context (KoBEST)', '문맥 속의 낱말 뜻 (KoBEST)', { chance: 0.5 }),
  ...KMMLU,
  ...['general_knowledge', 'history', 'loan_word', 'rare_word', 'standard_nomenclature'].map((name, index) =>
    korean(`haerae_${name}`, `HAE-RAE: ${name.replace('_', ' ')}`, `해례: ${['일반 상식', '역사', '외래어', '드문 낱말', '표준어'][index]}`, { chance: 0.2 })),
  korean('klue_nli', 'Korean inference (KLUE-NLI)', '함의 관계 (KLUE-NLI)', { chance: 1 / 3 }),
  korean('klue_sts', 'Korean similarity (KLUE-STS)', '문장 유사도 (KLUE-STS)', { chance: 0.5 }),
  korean('klue_ynat', 'Korean headlines (KLUE-YNAT)', '기사 제목 분류 (KLUE-YNAT)', { chance: 1 / 7 }),
  korean('korquad', 'Korean reading (KorQuAD)', '기계 독해 (KorQuAD)', written),
  ...['nli', 'ynat', 'copa', 'hellaswag', 'wic', 'sentineg', 'korquad', 'sts'].map((name) =>
    korean(`llm_kr_eval_${name}`, `Korean, in words: ${name}`, `한국어 생성: ${name}`, written)),
];

const namesOf = (tasks) => tasks.map(({ name }) => name);
const SIX = ['arc_challenge', 'hellaswag', ...namesOf(MMLU), 'truthfulqa_mc2', 'winogrande', 'gsm8k'];
const startingWith = (prefix) => namesOf(TASKS).filter((name) => name.startsWith(prefix));
const fieldsOf = (benchmark, title) =>
  FIELDS.map((field) => group(`${benchmark}_${field}`, `${title}: ${field}`, `${title}: ${field}`, startingWith(`${benchmark}_${field}_`), true));

function group(name, title, title_ko, tasks, inner = false) {
  const shots = tasks.map((task) => TASKS.find((each) => each.name === task).num_fewshot);
  return { name, title, title_ko, tasks, num_fewshot: shots, inner };
}

const GROUPS = [
  group('open_llm_leaderboard', 'Open LLM Leaderboard', 'Open LLM Leaderboard', SIX),
  group('mmlu', 'Knowledge of 57 subjects (MMLU)', '57개 과목의 지식 (MMLU)', namesOf(MMLU), true),
  ...fieldsOf('mmlu', 'MMLU'),
  group('kobest', 'Korean understanding (KoBEST)', '한국어 이해 (KoBEST)', startingWith('kobest_')),
  group('kmmlu', 'Korean knowledge of 45 subjects (KMMLU)', '45개 과목의 한국어 지식 (KMMLU)', namesOf(KMMLU)),
  ...fieldsOf('kmmlu', 'KMMLU'),
  group('haerae', 'Korean knowledge (HAE-RAE)', '한국 지식 (해례)', startingWith('haerae_')),
  group('llm_kr_eval', 'Korean, answered in words', '한국어 생성형 평가', startingWith('llm_kr_eval_')),
];

const QUESTIONS = {
  jeoul_science: ['Question: Which of these is a good conductor of electricity?\nAnswer:', ['a rubber band', 'a copper wire', 'a wooden spoon', 'a glass rod']],
  jeoul_commonsense: ['Mina puts the kettle on and waits. When the water boils, she', ['pours it over the tea leaves.', 'plants it in the garden.', 'folds it into a paper boat.', 'reads it to her brother, who is asleep on the sofa next to the window.']],
  jeoul_boolq_ko: ['한강은 서울을 지나 서해로 흐릅니다.\n질문: 한강은 동해로 흐릅니까?\n답:', ['아니요', '예']],
};
const EXAMPLE = 'Question: What do plants take in from the air?\nAnswer: carbon dioxide\n\n';
