import { expect, it } from 'vitest';
import { withChange, withSamples, type Change } from './changes';

const file = (name: string) => new File([], name);
const documents = (task: string, name: string): Change => ({ command: { type: 'useFile', task, role: 'documents' }, file: file(name) });
const examples = (task: string, name: string): Change => ({ command: { type: 'useFile', task, role: 'examples' }, file: file(name) });
const hub = (task: string): Change => ({ command: { type: 'useHub', task, examples: true }, file: null });
const added = (name: string): Change => ({ command: { type: 'addTask' }, file: file(name) });
const all = (...changes: Change[]) => changes.reduce<Change[]>(withChange, []);
const names = (changes: Change[]) => changes.map(({ file: each, command }) => each?.name ?? command.type);

it('keeps the last file of each kind, documents before their examples', () => {
  expect(names(all(documents('a', '1'), examples('a', 'e'), documents('b', '2'), documents('a', '3')))).toEqual(['3', 'e', '2']);
});

it('forgets files where the hub’s documents came after them, and the other way round', () => {
  expect(names(all(documents('a', '1'), examples('a', 'e'), hub('a')))).toEqual(['useHub']);
  expect(names(all(hub('a'), hub('b'), documents('a', '1')))).toEqual(['useHub', '1']);
});

it('keeps a task file before the documents of its task', () => {
  expect(names(all(added('t.yaml'), documents('t', '1'), added('t.yaml')))).toEqual(['t.yaml', '1']);
});

it('forgets what was given to a task that has its samples back', () => {
  expect(names(withSamples(all(documents('a', '1'), examples('a', 'e'), hub('b')), 'a'))).toEqual(['useHub']);
});
