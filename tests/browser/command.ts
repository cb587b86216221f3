// What the `jeoul` command says of the same model, tasks and settings.
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

export interface Settings {
  task: string;
  shots: number;
  limit: number;
  /** Further flags of the command. */
  flags?: string[];
}

/** One scored document: the exact texts, and what each choice got. */
export interface Scored {
  contexts: string[];
  continuations: string[];
  loglikelihoods: number[];
  isGreedy: boolean[];
}

interface Sample {
  doc_id: number;
  arguments: Record<string, { arg_0: string; arg_1: string }>;
  filtered_resps: [string, string][];
}

function read(line: string): Scored {
  const sample: Sample = JSON.parse(line);
  const texts = sample.filtered_resps.map((_, index) => sample.arguments[`gen_args_${index}`]!);
  return {
    contexts: texts.map(({ arg_0 }) => arg_0),
    continuations: texts.map(({ arg_1 }) => arg_1),
    // Python writes numbers and truths as text; every bit survives.
    loglikelihoods: sample.filtered_resps.map(([loglikelihood]) => Number(loglikelihood)),
    isGreedy: sample.filtered_resps.map(([, isGreedy]) => isGreedy === 'True'),
  };
}

/** Runs the command on its CPU lane and reads the samples it logged. */
export async function evaluate(program: string, model: string, settings: Settings): Promise<Scored[]> {
  return (await samplesFile(program, model, settings)).trim().split('\n').map(read);
}

/** The file of samples that the command writes on its CPU lane. */
export async function samplesFile(program: string, model: string, { task, shots, limit, flags = [] }: Settings): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'jeoul-'));
  try {
    await promisify(execFile)(program, [
      'eval', '--model', model, '--tasks', task, '--num_fewshot', String(shots), '--limit', String(limit),
      '--sample_documents', '--lane', 'cpu', '--output_path', folder, '--log_samples', ...flags,
    ]);
    const files = await readdir(folder, { recursive: true });
    const samples = files.find((file) => /samples_.*\.jsonl$/.test(file));
    if (!samples) throw new Error(`the command wrote no samples, only ${files.join(', ')}`);
    return await readFile(join(folder, samples), 'utf8');
  } finally {
    await rm(folder, { recursive: true });
  }
}
