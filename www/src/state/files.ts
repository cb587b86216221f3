// What a file of the visitor's is, by its name.

/** A checkpoint, a task file, or documents of a task. */
export type FileKind = 'model' | 'task' | 'documents';

/** Names of documents that the engine reads, as a file dialog takes them. */
export const DOCUMENTS = '.jsonl,.json,.csv,.parquet';
export const TASKS = '.yaml,.yml';

/** What is none of the others is taken for a checkpoint: the engine says why it is none. */
export function fileKind(name: string): FileKind {
  const isOneOf = (endings: string) => endings.split(',').some((ending) => name.toLowerCase().endsWith(ending));
  if (isOneOf(TASKS)) return 'task';
  return isOneOf(DOCUMENTS) ? 'documents' : 'model';
}
