// What the page knows and does: one engine, one thing at a time. Components read its fields and call its methods.
import type { Engine } from '../engine/client';
import type {
  CheckpointCard, Command, Comparison, DocumentsRole, Drawn, Event, ExportFile, Fault, GroupCard, LaneCard, LaneName, ModelCard, RunSettings, TaskCard,
  TaskRequest,
} from '../engine/generated';
import { watchGpu, type GpuOffer } from '../engine/gpu';
import { planLane, type GpuProof, type LaneChoice } from '../engine/lane';
import { failed, type LastEvent } from '../engine/message';
import { recallOne, remember } from '../lib/storage';
import { advance, newRun, speed, type Run } from '../runs/run';
import type { Tokens } from '../weigh/estimate';
import { choicesOf, entriesOf, perTask, refit, requestsOf, type Choices } from '../weigh/selection';
import { withChange, withSamples, type Change } from './changes';
import { fileKind } from './files';
import { gpuProof, measuredSpeed, rememberProof, rememberSpeed } from './speed';

/** What the engine is busy with; `idle` also when it could not start. */
export type Phase = 'starting' | 'idle' | 'reading' | 'fetching' | 'forgetting' | 'loading' | 'planning' | 'running' | 'checking' | 'stopping';

/** What is to be weighed: a checkpoint of the registry, or a file of the visitor's. */
export type Source = { model: string } | { file: File };

interface Loaded {
  source: Source;
  checkpoint: CheckpointCard;
  lane: LaneCard;
  /** Worker that holds it. */
  generation: number;
}

/** A task that a file of documents may be for. */
export type Receiver = Pick<TaskCard, 'name' | 'title' | 'title_ko'>;

/** Wait after the last change of the settings before tokens are counted anew, in ms. */
const PLAN_MS = 300;

function isSame(a: Source, b: Source): boolean {
  return 'model' in a ? 'model' in b && a.model === b.model : 'file' in b && a.file === b.file;
}

export class Session {
  readonly #engine: Engine;
  #planTimer: ReturnType<typeof setTimeout> | undefined;

  #started: Promise<void> = Promise.resolve();

  phase = $state<Phase>('starting');
  version = $state('');
  models = $state.raw<ModelCard[]>([]);
  tasks = $state.raw<TaskCard[]>([]);
  groups = $state.raw<GroupCard[]>([]);
  settings = $state<RunSettings>({ seed: 1234, apply_chat_template: false, fewshot_as_multiturn: false, system_instruction: null });
  fault = $state.raw<Fault | null>(null);

  source = $state.raw<Source | null>(null);
  choices = $state<Choices>({});
  laneChoice = $state<LaneChoice>(recallOne('lane', ['auto', 'cpu', 'gpu']));
  gpu = $state.raw<GpuOffer>({ state: 'checking' });
  proof = $state<GpuProof>(null);
  /** Whether Auto had to leave the GPU. */
  fellBack = $state(false);

  /** Tasks of the visitor's own that have no documents yet. */
  waiting = $state.raw<string[]>([]);
  /** Dropped files of documents that await the visitor's word on which task they are for. */
  unplaced = $state.raw<File[]>([]);
  /** Place in a series of tasks whose documents are read. */
  reading = $state.raw<{ task: string; number: number; total: number } | null>(null);
  #changes: Change[] = [];
  /** Worker that was told of them. */
  #told = 0;

  /** Bytes of the download or of loading. */
  bytes = $state.raw<{ bytes: number; total: number } | null>(null);
  loaded = $state.raw<Loaded | null>(null);
  #planned = $state.raw<{ key: string; tokens: Tokens } | null>(null);
  /** Runs of this tab, newest first. */
  runs = $state.raw<Run[]>([]);
  /** The run that the Weigh place shows instead of the choices. */
  shown = $state<number | null>(null);
  /** The run that the engine can still write to files: its last. */
  exportable = $state<number | null>(null);
  /** Worker that ran it. */
  #ranIn = 0;

  entries = $derived(entriesOf(this.tasks, this.groups));
  requests = $derived<TaskRequest[]>(requestsOf(this.choices, this.entries));
  lane = $derived(planLane(this.laneChoice, this.gpu, this.proof));
  model = $derived.by(() => {
    const source = this.source;
    return source && 'model' in source ? (this.models.find(({ id }) => id === source.model) ?? null) : null;
  });
  isBusy = $derived(this.phase !== 'idle');
  /** The chosen checkpoint on the chosen lane, if it is loaded. */
  current = $derived.by(() => {
    const { loaded, source } = this;
    return loaded && source && isSame(loaded.source, source) && loaded.lane.lane === this.lane.lane ? loaded : null;
  });
  /** The settings as they hold for the chosen checkpoint: one without a chat template is asked in plain text. */
  promptSettings = $derived.by((): RunSettings => {
    const chat = this.settings.apply_chat_template && (this.current?.checkpoint.chat ?? true);
    return { ...this.settings, apply_chat_template: chat, fewshot_as_multiturn: chat && this.settings.fewshot_as_multiturn };
  });
  #origins = $derived(this.tasks.map(({ origin, documents }) => `${origin}${documents}`));
  #planKey = $derived(
    this.current && JSON.stringify([this.current.generation, this.current.checkpoint, this.requests, this.promptSettings, this.#origins]),
  );
  /** What a dropped file of documents may be for: the chosen tasks, and those that wait. */
  receivers = $derived.by((): Receiver[] => {
    const chosen = perTask(this.requests, this.entries).map(({ card }) => card);
    const waiting = this.waiting.map((name) => ({ name, title: name, title_ko: name }));
    return chosen.length + waiting.length > 0 ? [...waiting, ...chosen] : this.tasks;
  });
  tokens = $derived(this.#planned !== null && this.#planned.key === this.#planKey ? this.#planned.tokens : null);
  /** Tokens per second of the last run on each lane. */
  speeds = $state({ cpu: measuredSpeed('cpu'), gpu: measuredSpeed('gpu') });
  run = $derived(this.runs.find(({ id }) => id === this.shown) ?? null);

  constructor(engine: Engine) {
    this.#engine = engine;
    engine.onBroken = ({ fault }) => {
      this.fault = fault;
      this.loaded = null;
    };
  }

  /** Asks the engine what there is, and the browser for its GPU. */
  async begin(): Promise<void> {
    void watchGpu((offer) => {
      this.gpu = offer;
      this.#recallProof();
    });
    await this.hello();
  }

  hello(): Promise<void> {
    this.#started = this.#start();
    return this.#started;
  }

  async #start(): Promise<void> {
    this.phase = 'starting';
    this.fault = null;
    await this.#refresh();
    this.phase = 'idle';
  }

  choose(source: Source): void {
    this.source = source;
    this.fault = null;
  }

  /** Takes a file of the visitor's and opens it at once, so that a bad one is known early. */
  async drop(file: File): Promise<void> {
    this.choose({ file });
    if (this.isBusy) return;
    this.shown = null;
    await this.#load();
    this.phase = 'idle';
  }

  /** Takes any file of the visitor's: a checkpoint, a task, or documents for a task. */
  async take(file: File): Promise<void> {
    await this.#started;
    const kind = fileKind(file.name);
    if (kind === 'model') return this.drop(file);
    if (this.isBusy) return;
    this.shown = null;
    if (kind === 'task') return this.addTask(file);
    const [only, ...others] = this.receivers;
    if (only && others.length === 0) return this.useFile(only.name, 'documents', file);
    this.unplaced = [...this.unplaced, file];
  }

  chooseLane(choice: LaneChoice): void {
    this.laneChoice = choice;
    this.fellBack = false;
    remember('lane', choice);
  }

  /** Brings a checkpoint of the registry into this browser. */
  async fetch(model: ModelCard): Promise<boolean> {
    this.fault = null;
    this.phase = 'fetching';
    this.bytes = { bytes: model.stored, total: model.size };
    const end = await this.#send({ type: 'fetch', model: model.id });
    await this.#refresh();
    this.phase = 'idle';
    return end.type === 'fetched';
  }

  async forget(model: ModelCard): Promise<void> {
    this.fault = null;
    this.phase = 'forgetting';
    await this.#send({ type: 'forget', model: model.id });
    await this.#refresh();
    this.phase = 'idle';
  }

  /** Everything that a score takes: download, load, count, run. */
  async weigh(): Promise<void> {
    const { requests, model } = this;
    this.fault = null;
    if (model && !model.ready && !this.current && !(await this.fetch(model))) return;
    if (this.current || (await this.#load())) await this.#score(requests);
    this.phase = 'idle';
  }

  /** Computes drawn documents of somebody's run again with this checkpoint, on the CPU, where everyone gets the same bits. */
  async check(source: Source, record: string, drawn: Drawn[]): Promise<LastEvent | null> {
    if (this.isBusy) return null;
    this.choose(source);
    const { model, loaded } = this;
    if (model && !model.ready && !(await this.fetch(model))) return null;
    const isThere = loaded !== null && isSame(loaded.source, source) && loaded.lane.lane === 'cpu';
    let end: LastEvent | null = null;
    if (isThere || (await this.#load('cpu'))) {
      this.phase = 'checking';
      end = await this.#send({ type: 'check', record, drawn });
    }
    this.phase = 'idle';
    return end;
  }

  cancel(): void {
    if (!this.isBusy) return;
    this.phase = 'stopping';
    this.#engine.cancel();
  }

  /** Gives a task documents of the visitor's own. */
  async useFile(task: string, role: DocumentsRole, file: File): Promise<void> {
    await this.#change({ command: { type: 'useFile', task, role }, file });
  }

  /** Gives tasks the documents of the Hugging Face hub. */
  async useHub(tasks: readonly string[]): Promise<void> {
    await this.#forEach(tasks, (task) => this.#change({ command: { type: 'useHub', task, examples: true }, file: null }));
  }

  /** Gives tasks their sample documents back. */
  async useSamples(tasks: readonly string[]): Promise<void> {
    await this.#forEach(tasks, (task) => this.#change({ command: { type: 'useSamples', task }, file: null }));
  }

  /** Adds a task file of the visitor's. */
  async addTask(file: File): Promise<void> {
    await this.#change({ command: { type: 'addTask' }, file });
  }

  /** One task after the other, until one fails. */
  async #forEach(tasks: readonly string[], change: (task: string) => Promise<boolean>): Promise<void> {
    for (const [index, task] of tasks.entries()) {
      if (tasks.length > 1) this.reading = { task, number: index + 1, total: tasks.length };
      if (!(await change(task))) break;
    }
    this.reading = null;
  }

  async #change(change: Change | { command: Extract<Command, { type: 'useSamples' }>; file: null }): Promise<boolean> {
    const { command, file } = change;
    this.fault = null;
    this.phase = 'reading';
    const end = (await this.#restore()) ? await this.#send(command, undefined, file) : null;
    this.phase = 'idle';
    if (end?.type !== 'tasks') return false;
    this.#takeTasks(end);
    if (command.type === 'useSamples') this.#changes = withSamples(this.#changes, command.task);
    else this.#changes = withChange(this.#changes, { command, file });
    this.#told = this.#engine.generation;
    return true;
  }

  #takeTasks({ tasks, groups, changed }: Extract<Event, { type: 'tasks' }>): void {
    this.tasks = tasks;
    this.groups = groups;
    this.waiting = [...new Set([...this.waiting, changed])].filter((name) => !tasks.some((task) => task.name === name));
    this.choices = refit(this.choices, this.entries, changed);
  }

  /** Tells a fresh worker what the visitor changed; what cannot be had again is given up, and said. */
  async #restore(): Promise<boolean> {
    if (this.#changes.length === 0 || this.#told === this.#engine.generation) return true;
    for (const change of this.#changes) {
      const { generation } = this.#engine;
      const end = await this.#send(change.command, undefined, change.file);
      if (end.type === 'tasks') {
        this.#takeTasks(end);
        continue;
      }
      if (end.type === 'failed' && generation === this.#engine.generation) {
        this.#changes = this.#changes.filter((each) => each !== change);
        await this.#refresh();
      }
      return false;
    }
    this.#told = this.#engine.generation;
    return true;
  }

  /** The last run as the files that lm-evaluation-harness writes. */
  async export(): Promise<ExportFile[]> {
    const end = await this.#send({ type: 'export' });
    return end.type === 'exported' ? end.files : [];
  }

  /** Asks about the last run; who asks says what went wrong. */
  ask(command: Extract<Command, { type: 'envelope' | 'seal' }>): Promise<LastEvent> {
    return this.#engine.send(command);
  }

  /** How two runs differ in one metric on the same documents; null if they cannot be compared. */
  async compare(first: number[], second: number[]): Promise<Comparison | null> {
    const end = await this.#engine.send({ type: 'compare', first, second });
    return end.type === 'compared' ? end.comparison : null;
  }

  /** Counts tokens soon, once the settings rest. */
  planSoon(): void {
    clearTimeout(this.#planTimer);
    if (!this.#planKey || this.tokens || this.requests.length === 0) return;
    this.#planTimer = setTimeout(() => void (this.phase === 'idle' && this.#plan(this.requests)), PLAN_MS);
  }

  async #plan(requests: TaskRequest[]): Promise<Tokens | null> {
    const key = this.#planKey;
    const end = await this.#send({ type: 'plan', tasks: requests, settings: this.promptSettings });
    if (end.type !== 'planned' || !key) return null;
    const { tokens_asked: asked, tokens_computed: computed, tokens_generated: generated, detectable } = end;
    const tokens = { asked, computed, generated, detectable };
    this.#planned = { key, tokens };
    return tokens;
  }

  async #load(lane: LaneName = this.lane.lane): Promise<boolean> {
    const { source } = this;
    if (!source) return false;
    this.phase = 'loading';
    this.bytes = null;
    this.loaded = null;
    // The GPU's module computes on the CPU, too: a change of module would lose the last run.
    this.#engine.use(this.lane.lane);
    const [model, file] = 'model' in source ? [source.model, null] : [null, source.file];
    const end = await this.#send({ type: 'load', model, lane }, undefined, file);
    if (end.type === 'loaded') {
      this.loaded = { source, checkpoint: end.checkpoint, lane: end.lane, generation: this.#engine.generation };
      if (lane === 'gpu') this.#prove('passed');
      return this.#restore();
    }
    if (lane !== 'gpu' || end.type !== 'failed' || (end.fault.kind !== 'gpu' && end.fault.kind !== 'gpuWrong')) return false;
    this.#prove('failed');
    if (this.laneChoice !== 'auto') return false;
    this.fault = null;
    this.fellBack = true;
    return this.#load();
  }

  async #score(requests: TaskRequest[]): Promise<void> {
    const { loaded, model, version, promptSettings: settings } = this;
    if (!loaded) return;
    this.phase = 'planning';
    const tokens = this.tokens ?? (await this.#plan(requests));
    if (!tokens) return;
    this.phase = 'running';
    const id = (this.runs[0]?.id ?? 0) + 1;
    const run = newRun(id, requests, this.entries, {
      engineVersion: version,
      registry: model && { id: model.id, sha256: model.sha256 },
      modelName: model?.name ?? loaded.checkpoint.name,
      checkpoint: loaded.checkpoint,
      lane: loaded.lane,
      settings,
      // How much a model writes is only known when it has written it.
      tokensPlanned: tokens.generated > 0 ? null : tokens.computed,
    });
    this.runs = [run, ...this.runs];
    this.shown = id;
    this.exportable = id;
    this.#ranIn = this.#engine.generation;
    const update = (event: Event) => {
      this.runs = this.runs.map((run) => (run.id === id ? advance(run, event) : run));
    };
    update(await this.#send({ type: 'run', tasks: requests, settings }, update));
    const measured = this.run && speed(this.run);
    if (!measured || this.run?.state !== 'done') return;
    this.speeds[loaded.lane.lane] = measured;
    rememberSpeed(loaded.lane.lane, measured);
  }

  /** Sends a command; a failure is shown, and what a broken worker held is forgotten. */
  async #send(command: Command, onEvent: (event: Event) => void = () => {}, file: File | null = null): Promise<LastEvent> {
    const end = await this.#engine.send(
      command,
      (event) => {
        if (event.type === 'fetching' || event.type === 'loading') this.bytes = event;
        else onEvent(event);
      },
      file,
    );
    this.bytes = null;
    if (end.type === 'failed') this.fault = end.fault;
    if (this.loaded && this.loaded.generation !== this.#engine.generation) this.loaded = null;
    if (this.#ranIn !== this.#engine.generation) this.exportable = null;
    return end;
  }

  async #refresh(): Promise<void> {
    const end = await this.#engine.send({ type: 'hello' });
    if (end.type !== 'ready') {
      this.fault ??= (end.type === 'failed' ? end : failed('protocol', end.type)).fault;
      return;
    }
    this.version = end.version;
    this.models = end.models;
    this.tasks = end.tasks;
    this.groups = end.groups;
    this.#recallProof();
    const first = end.models[0];
    if (!this.source && first) this.source = { model: first.id };
    if (Object.keys(this.choices).length === 0) this.choices = choicesOf('taste', this.entries);
    await this.#restore();
  }

  #prove(proof: 'passed' | 'failed'): void {
    if (this.gpu.state === 'ready') rememberProof(this.gpu.adapter, this.version, proof);
    this.proof = proof;
  }

  #recallProof(): void {
    this.proof = this.gpu.state === 'ready' ? gpuProof(this.gpu.adapter, this.version) : null;
  }
}
