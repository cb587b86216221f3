// What the page knows and does: one engine, one thing at a time. Components read its fields and call its methods.
import type { Engine } from '../engine/client';
import type { CheckpointCard, Command, Event, Fault, LaneCard, ModelCard, TaskCard, TaskRequest } from '../engine/generated';
import { watchGpu, type GpuOffer } from '../engine/gpu';
import { planLane, type GpuProof, type LaneChoice } from '../engine/lane';
import { failed, type LastEvent } from '../engine/message';
import { recallOne, remember } from '../lib/storage';
import { advance, newRun, speed, type Run } from '../runs/run';
import type { Tokens } from '../weigh/estimate';
import { choicesOf, requestsOf, type Choices } from '../weigh/selection';
import { gpuProof, measuredSpeed, rememberProof, rememberSpeed } from './speed';

/** What the engine is busy with; `idle` also when it could not start. */
export type Phase = 'starting' | 'idle' | 'fetching' | 'forgetting' | 'loading' | 'planning' | 'running' | 'stopping';

/** What is to be weighed: a checkpoint of the registry, or a file of the visitor's. */
export type Source = { model: string } | { file: File };

interface Loaded {
  source: Source;
  checkpoint: CheckpointCard;
  lane: LaneCard;
  /** Worker that holds it. */
  generation: number;
}

/** Wait after the last change of the settings before tokens are counted anew, in ms. */
const PLAN_MS = 300;

function isSame(a: Source, b: Source): boolean {
  return 'model' in a ? 'model' in b && a.model === b.model : 'file' in b && a.file === b.file;
}

export class Session {
  readonly #engine: Engine;
  #planTimer: ReturnType<typeof setTimeout> | undefined;

  phase = $state<Phase>('starting');
  version = $state('');
  models = $state.raw<ModelCard[]>([]);
  tasks = $state.raw<TaskCard[]>([]);
  fault = $state.raw<Fault | null>(null);

  source = $state.raw<Source | null>(null);
  choices = $state<Choices>({});
  laneChoice = $state<LaneChoice>(recallOne('lane', ['auto', 'cpu', 'gpu']));
  gpu = $state.raw<GpuOffer>({ state: 'checking' });
  proof = $state<GpuProof>(null);
  /** Whether Auto had to leave the GPU. */
  fellBack = $state(false);

  /** Bytes of the download or of loading. */
  bytes = $state.raw<{ bytes: number; total: number } | null>(null);
  loaded = $state.raw<Loaded | null>(null);
  #planned = $state.raw<{ key: string; tokens: Tokens } | null>(null);
  /** Runs of this tab, newest first. */
  runs = $state.raw<Run[]>([]);
  /** The run that the Weigh place shows instead of the choices. */
  shown = $state<number | null>(null);

  requests = $derived<TaskRequest[]>(requestsOf(this.choices, this.tasks));
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
  #planKey = $derived(this.current && JSON.stringify([this.current.generation, this.current.checkpoint, this.requests]));
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

  async hello(): Promise<void> {
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

  cancel(): void {
    if (!this.isBusy) return;
    this.phase = 'stopping';
    this.#engine.cancel();
  }

  /** Counts tokens soon, once the settings rest. */
  planSoon(): void {
    clearTimeout(this.#planTimer);
    if (!this.#planKey || this.tokens || this.requests.length === 0) return;
    this.#planTimer = setTimeout(() => void (this.phase === 'idle' && this.#plan(this.requests)), PLAN_MS);
  }

  async #plan(requests: TaskRequest[]): Promise<Tokens | null> {
    const key = this.#planKey;
    const end = await this.#send({ type: 'plan', tasks: requests });
    if (end.type !== 'planned' || !key) return null;
    const tokens = { asked: end.tokens_asked, computed: end.tokens_computed };
    this.#planned = { key, tokens };
    return tokens;
  }

  async #load(): Promise<boolean> {
    const { source, lane: plan } = this;
    if (!source) return false;
    this.phase = 'loading';
    this.bytes = null;
    this.loaded = null;
    this.#engine.use(plan.lane);
    const [model, file] = 'model' in source ? [source.model, null] : [null, source.file];
    const end = await this.#send({ type: 'load', model, lane: plan.lane }, undefined, file);
    if (end.type === 'loaded') {
      const { checkpoint, lane } = end;
      this.loaded = { source, checkpoint, lane, generation: this.#engine.generation };
      if (lane.lane === 'gpu') this.#prove('passed');
      return true;
    }
    if (plan.lane !== 'gpu' || end.type !== 'failed' || (end.fault.kind !== 'gpu' && end.fault.kind !== 'gpuWrong')) return false;
    this.#prove('failed');
    if (this.laneChoice !== 'auto') return false;
    this.fault = null;
    this.fellBack = true;
    return this.#load();
  }

  async #score(requests: TaskRequest[]): Promise<void> {
    const { loaded, model, version } = this;
    if (!loaded) return;
    this.phase = 'planning';
    const tokens = this.tokens ?? (await this.#plan(requests));
    if (!tokens) return;
    this.phase = 'running';
    const id = (this.runs[0]?.id ?? 0) + 1;
    const run = newRun(id, requests, this.tasks, {
      engineVersion: version,
      registry: model && { id: model.id, sha256: model.sha256 },
      modelName: model?.name ?? loaded.checkpoint.name,
      checkpoint: loaded.checkpoint,
      lane: loaded.lane,
      tokensPlanned: tokens.computed,
    });
    this.runs = [run, ...this.runs];
    this.shown = id;
    const update = (event: Event) => {
      this.runs = this.runs.map((run) => (run.id === id ? advance(run, event) : run));
    };
    update(await this.#send({ type: 'run', tasks: requests }, update));
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
    this.#recallProof();
    const first = end.models[0];
    if (!this.source && first) this.source = { model: first.id };
    if (Object.keys(this.choices).length === 0) this.choices = choicesOf('taste', end.tasks);
  }

  #prove(proof: 'passed' | 'failed'): void {
    if (this.gpu.state === 'ready') rememberProof(this.gpu.adapter, this.version, proof);
    this.proof = proof;
  }

  #recallProof(): void {
    this.proof = this.gpu.state === 'ready' ? gpuProof(this.gpu.adapter, this.version) : null;
  }
}
