import { expect, it } from 'vitest';
import { fileKind } from './files';

it('knows a file by its ending', () => {
  expect(['a.YAML', 'a.yml', 'a.json', 'test.Parquet', 'a.csv', 'm.gguf', 'notes.txt'].map(fileKind)).toEqual([
    'task', 'task', 'documents', 'documents', 'documents', 'model', 'model',
  ]);
});
